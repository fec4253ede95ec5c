#include "device/net/tls_profile.h"

static const uint16_t suites[] = {
    BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
};

static void set_hashes(br_ssl_engine_context *engine, br_x509_minimal_context *x509)
{
    br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
    br_ssl_engine_set_hash(engine, br_sha512_ID, &br_sha512_vtable);
    br_x509_minimal_set_hash(x509, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(x509, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(x509, br_sha512_ID, &br_sha512_vtable);
}

void ota_tls_profile(br_ssl_client_context *client, br_x509_minimal_context *x509)
{
    br_ssl_engine_context *engine = &client->eng;
    br_ssl_client_zero(client);
    br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
    br_ssl_engine_set_suites(engine, suites, sizeof suites / sizeof suites[0]);
    set_hashes(engine, x509);
    br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);

    br_ssl_engine_set_ec(engine, &br_ec_prime_i15);
    br_ssl_engine_set_ecdsa(engine, &br_ecdsa_i15_vrfy_asn1);
    br_ssl_engine_set_rsavrfy(engine, &br_rsa_i15_pkcs1_vrfy);
    br_x509_minimal_set_ecdsa(x509, &br_ec_prime_i15, &br_ecdsa_i15_vrfy_asn1);
    br_x509_minimal_set_rsa(x509, &br_rsa_i15_pkcs1_vrfy);

    br_ssl_engine_set_gcm(engine, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
    br_ssl_engine_set_aes_ctr(engine, &br_aes_ct_ctr_vtable);
    br_ssl_engine_set_ghash(engine, &br_ghash_ctmul32);
    br_ssl_engine_set_chapol(engine, &br_sslrec_in_chapol_vtable, &br_sslrec_out_chapol_vtable);
    br_ssl_engine_set_chacha20(engine, &br_chacha20_ct_run);
    br_ssl_engine_set_poly1305(engine, &br_poly1305_ctmul32_run);
}

void ota_tls_profile_identity(br_ssl_client_context *client, const br_x509_certificate *chain,
                              size_t chain_len, const br_ec_private_key *key)
{
    br_ssl_client_set_single_ec(client, chain, chain_len, key, BR_KEYTYPE_SIGN, BR_KEYTYPE_EC,
                                &br_ec_prime_i15, &br_ecdsa_i15_sign_asn1);
}
