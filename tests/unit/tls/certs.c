#include "tests/unit/tls/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static void must(bool good)
{
    if (!good) {
        ERR_print_errors_fp(stderr);
        abort();
    }
}

static EVP_PKEY *make_key(enum cert_key kind)
{
    EVP_PKEY *key = kind == CERT_RSA    ? EVP_RSA_gen(2048)
                    : kind == CERT_P384 ? EVP_EC_gen("P-384")
                                        : EVP_EC_gen("P-256");
    must(key != NULL);
    return key;
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(extension != NULL && X509_add_ext(x509, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

struct cert cert_make(const struct cert_spec *spec)
{
    struct cert cert = {X509_new(), make_key(spec->key)};
    const struct cert *issuer = spec->issuer != NULL ? spec->issuer : &cert;
    X509_NAME *name = X509_NAME_new();
    char san[128];
    must(cert.x509 != NULL && name != NULL);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)spec->name, -1,
                                    -1, 0) == 1);
    must(X509_set_version(cert.x509, X509_VERSION_3) == 1);
    must(ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), rand()) == 1);
    must(X509_set_subject_name(cert.x509, name) == 1);
    must(X509_set_issuer_name(cert.x509, X509_get_subject_name(issuer->x509)) == 1);
    must(X509_set_pubkey(cert.x509, cert.key) == 1);
    must(ASN1_TIME_set(X509_getm_notBefore(cert.x509), spec->from) != NULL);
    must(ASN1_TIME_set(X509_getm_notAfter(cert.x509), spec->to) != NULL);
    add_extension(cert.x509, issuer->x509, NID_basic_constraints,
                  spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(cert.x509, issuer->x509, NID_key_usage,
                  spec->ca ? "critical,keyCertSign" : "critical,digitalSignature");
    snprintf(san, sizeof san, "DNS:%s", spec->name);
    add_extension(cert.x509, issuer->x509, NID_subject_alt_name, san);
    must(X509_sign(cert.x509, issuer->key, spec->key == CERT_P384 ? EVP_sha384() : EVP_sha256()) >
         0);
    X509_NAME_free(name);
    return cert;
}

void cert_free(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
}

static unsigned char *number(const EVP_PKEY *key, const char *name, size_t *len)
{
    BIGNUM *value = NULL;
    must(EVP_PKEY_get_bn_param(key, name, &value) == 1);
    *len = (size_t)BN_num_bytes(value);
    unsigned char *bytes = malloc(*len);
    must(bytes != NULL && BN_bn2bin(value, bytes) == (int)*len);
    BN_free(value);
    return bytes;
}

static unsigned char *point(EVP_PKEY *key, size_t *len)
{
    unsigned char *encoded = NULL;
    *len = EVP_PKEY_get1_encoded_public_key(key, &encoded);
    must(*len > 0);
    unsigned char *bytes = malloc(*len);
    must(bytes != NULL);
    memcpy(bytes, encoded, *len);
    OPENSSL_free(encoded);
    return bytes;
}

br_x509_trust_anchor cert_anchor(const struct cert *cert)
{
    br_x509_trust_anchor anchor = {.flags = BR_X509_TA_CA};
    unsigned char *name = NULL;
    int name_len = i2d_X509_NAME(X509_get_subject_name(cert->x509), &name);
    must(name_len > 0);
    anchor.dn.data = malloc((size_t)name_len);
    must(anchor.dn.data != NULL);
    memcpy(anchor.dn.data, name, (size_t)name_len);
    anchor.dn.len = (size_t)name_len;
    OPENSSL_free(name);
    if (EVP_PKEY_get_base_id(cert->key) == EVP_PKEY_RSA) {
        anchor.pkey.key_type = BR_KEYTYPE_RSA;
        anchor.pkey.key.rsa.n = number(cert->key, OSSL_PKEY_PARAM_RSA_N, &anchor.pkey.key.rsa.nlen);
        anchor.pkey.key.rsa.e = number(cert->key, OSSL_PKEY_PARAM_RSA_E, &anchor.pkey.key.rsa.elen);
    } else {
        anchor.pkey.key_type = BR_KEYTYPE_EC;
        anchor.pkey.key.ec.q = point(cert->key, &anchor.pkey.key.ec.qlen);
        anchor.pkey.key.ec.curve =
            anchor.pkey.key.ec.qlen == 65 ? BR_EC_secp256r1 : BR_EC_secp384r1;
    }
    return anchor;
}

void cert_anchor_free(br_x509_trust_anchor *anchor)
{
    free(anchor->dn.data);
    if (anchor->pkey.key_type == BR_KEYTYPE_RSA) {
        free(anchor->pkey.key.rsa.n);
        free(anchor->pkey.key.rsa.e);
    } else {
        free(anchor->pkey.key.ec.q);
    }
}
