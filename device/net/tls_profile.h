/*
 * Which of BearSSL is used: the one place that decides what code is linked, what it costs
 * (docs/tls.md), and what a server has to offer.
 */
#ifndef OTA_DEVICE_NET_TLS_PROFILE_H
#define OTA_DEVICE_NET_TLS_PROFILE_H

#include <stddef.h>

#include <bearssl.h>

/* TLS 1.2; ECDHE on P-256; AES-128-GCM and ChaCha20-Poly1305; certificates with ECDSA on P-256 and
 * P-384 and with RSA, hashed with SHA-256, SHA-384 or SHA-512. */
void ota_tls_profile(br_ssl_client_context *client, br_x509_minimal_context *x509);

/* Answer a request for a certificate with this one, P-256. Everything is kept. */
void ota_tls_profile_identity(br_ssl_client_context *client, const br_x509_certificate *chain,
                              size_t chain_len, const br_ec_private_key *key);

#endif
