# BearSSL's part that device/port/bearssl/crypto.c needs, from the distribution's source package.
#
# The client's TLS wants more of it: add those files to BEARSSL_SOURCES in its own list, the object
# rule below serves any file of the library.

BEARSSL_VERSION := 0.6
BEARSSL := $(THIRD_PARTY)/bearssl-$(BEARSSL_VERSION)
BEARSSL_CRYPTO := \
    codec/ccopy codec/dec32be codec/enc32be \
    ec/ec_prime_i15 ec/ec_secp256r1 ec/ec_secp384r1 ec/ec_secp521r1 \
    ec/ecdsa_i15_bits ec/ecdsa_i15_vrfy_raw \
    hash/sha2small \
    int/i15_add int/i15_bitlen int/i15_decmod int/i15_decode int/i15_encode int/i15_fmont \
    int/i15_iszero int/i15_modpow int/i15_montmul int/i15_muladd int/i15_ninv15 int/i15_rshift \
    int/i15_sub int/i15_tmont int/i32_div32
# Its own unaligned loads, which x86 allows and UBSan does not, are switched off.
BEARSSL_CPPFLAGS := -isystem $(BEARSSL)/inc -I$(BEARSSL)/src -DBR_LE_UNALIGNED=0

$(BEARSSL)/.fetched: | scripts/fetch-source
	$(Q)scripts/fetch-source bearssl $(BEARSSL_VERSION) $(THIRD_PARTY)

# Its sources are theirs to warn about.
$(B)/obj/bearssl/%.o: $(BEARSSL)/.fetched
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(CC) $(BEARSSL_CPPFLAGS) -std=c99 $(OPTIMIZE) $(CFLAGS) $(SANITIZE) -w -c -o $@ $(BEARSSL)/src/$*.c

$(B)/obj/device/port/bearssl/crypto.o: CPPFLAGS += $(BEARSSL_CPPFLAGS)
$(B)/obj/device/port/bearssl/crypto.o: | $(BEARSSL)/.fetched

# The crypto seam for the host.
$(B)/libdevice-crypto.a: $(B)/obj/device/port/bearssl/crypto.o \
                         $(BEARSSL_CRYPTO:%=$(B)/obj/bearssl/%.o)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^
