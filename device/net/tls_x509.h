/*
 * X.509 for a device that has no clock: BearSSL's minimal engine, told the time certificate by
 * certificate.
 *
 * The device knows a moment that has certainly passed (the firmware's build, or the `now` of a
 * signed manifest), the floor. A certificate whose notAfter lies below the floor is expired. One
 * whose notBefore lies above it is not refused: the clock that would do so does not exist, and a CA
 * that is trusted for names is trusted not to date ahead. So the chain is accepted when some moment
 * at or after the floor lies within the validity of every certificate in it.
 *
 *     floor -----------|------------------------------->
 *     leaf                    [notBefore     notAfter]
 *     intermediate   [notBefore                        notAfter]
 *                             ^ the moment that is checked
 *
 * Everything else (signatures, names, CA flags, key usage) is BearSSL's. Memory: the struct.
 */
#ifndef OTA_DEVICE_NET_TLS_X509_H
#define OTA_DEVICE_NET_TLS_X509_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bearssl_x509.h>

#define OTA_TLS_VALIDITY_MAX 40U /* bytes of the DER of Validity, RFC 5280 section 4.1.2.5 */

struct ota_tls_x509 {
    const br_x509_class *vtable; /* first: BearSSL's objects begin so */
    br_x509_minimal_context minimal;
    uint64_t floor;    /* seconds since 1970 */
    uint64_t latest;   /* notBefore of this chain, or the floor */
    uint64_t earliest; /* notAfter of this chain */

    /* Where in the certificate the next byte is. */
    uint8_t step;
    uint8_t length_left; /* bytes of a long DER length still to come */
    uint32_t skip;       /* bytes to pass over */
    uint8_t held_len;
    uint8_t held[OTA_TLS_VALIDITY_MAX]; /* Validity, withheld until it is whole */
};

/* `anchors` are kept. Verification functions are set on x509->minimal afterwards. */
void ota_tls_x509_init(struct ota_tls_x509 *x509, const br_x509_trust_anchor *anchors,
                       size_t anchor_count);

/* Before each handshake. */
void ota_tls_x509_set_floor(struct ota_tls_x509 *x509, uint64_t floor_seconds);

/* Seconds since 1970 of a UTCTime or GeneralizedTime in DER, tag and length included (RFC 5280
 * section 4.1.2.5: with seconds, in Z). 0 when it is not one. *used: its length. */
uint64_t ota_tls_parse_time(const uint8_t *der, size_t len, size_t *used);

#endif
