# TLS over BearSSL: what tls_profile.c chooses, linked besides BEARSSL_CRYPTO.

BEARSSL_TLS := \
    codec/dec64be codec/enc64be \
    ec/ecdsa_atr ec/ecdsa_i15_sign_asn1 ec/ecdsa_i15_sign_raw ec/ecdsa_i15_vrfy_asn1 ec/ecdsa_rta \
    hash/ghash_ctmul32 hash/multihash hash/sha2big int/i15_modpow2 mac/hmac \
    rand/hmac_drbg rand/sysrng rsa/rsa_i15_pkcs1_vrfy rsa/rsa_i15_pub rsa/rsa_pkcs1_sig_unpad \
    ssl/prf ssl/prf_sha256 ssl/ssl_ccert_single_ec ssl/ssl_client ssl/ssl_engine ssl/ssl_hashes \
    ssl/ssl_hs_client ssl/ssl_rec_chapol ssl/ssl_rec_gcm \
    symcipher/aes_ct symcipher/aes_ct_ctr symcipher/aes_ct_enc symcipher/chacha20_ct \
    symcipher/poly1305_ctmul32 x509/x509_minimal
TLS_SOURCES := device/net/tls_bearssl.c device/net/tls_profile.c device/net/tls_x509.c

# For the host, with its lwIP.
$(call objects,$(TLS_SOURCES) tests/unit/test_tls.c tests/unit/tls/certs.c tests/unit/tls/server.c): CPPFLAGS += $(HOST_LWIP_CPPFLAGS) -isystem $(BEARSSL)/inc
$(call objects,$(TLS_SOURCES) tests/unit/test_tls.c tests/unit/tls/certs.c tests/unit/tls/server.c): | $(LWIP)/.fetched $(BEARSSL)/.fetched
$(B)/libdevice-tls.a: $(call objects,$(TLS_SOURCES)) $(BEARSSL_TLS:%=$(B)/obj/bearssl/%.o)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

UNIT_TESTS += test_tls
TEST_LIBS_test_tls := $(call objects,tests/unit/tls/certs.c tests/unit/tls/server.c) $(B)/libdevice-tls.a $(B)/libdevice-crypto.a $(B)/libdevice-net.a \
    $(B)/libdevice-http.a $(B)/liblwip.a $(B)/libprotocol.a -lslirp -lssl -lcrypto -lpthread

# What reads certificates for tools and the client as a process; BearSSL's decoders besides.
BEARSSL_FILES := codec/pemdec x509/x509_decoder x509/skey_decoder
TLS_FILES := device/port/host/tls_files.c
$(B)/libtls-files.a: $(call objects,$(TLS_FILES)) $(BEARSSL_FILES:%=$(B)/obj/bearssl/%.o)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

PROVISION := device/port/host/provision_main.c device/port/host/pem.c device/port/provision.c
$(call objects,$(TLS_FILES) $(PROVISION)): CPPFLAGS += -isystem $(BEARSSL)/inc
$(call objects,$(TLS_FILES) $(PROVISION)): | $(BEARSSL)/.fetched
PROGRAMS += $(B)/ota-provision
$(B)/ota-provision: $(call objects,$(PROVISION)) $(B)/libtls-files.a $(B)/libdevice-core.a $(B)/libprotocol.a
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
