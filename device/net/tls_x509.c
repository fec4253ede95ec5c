#include "device/net/tls_x509.h"

#include <string.h>

#define TAG_INTEGER 0x02U
#define TAG_UTC_TIME 0x17U
#define TAG_GENERALIZED_TIME 0x18U
#define TAG_SEQUENCE 0x30U
#define TAG_VERSION 0xa0U
#define SECONDS_PER_DAY 86400U
#define DAYS_TO_1970 719528U /* BearSSL counts days from year 0 */

/* The way to Validity: Certificate { TBSCertificate { version? serial algorithm issuer validity */
enum step {
    STEP_CERTIFICATE,
    STEP_TBS,
    STEP_VERSION, /* optional: or the serial number already */
    STEP_SERIAL,
    STEP_ALGORITHM,
    STEP_ISSUER,
    STEP_VALIDITY,
    STEP_HOLD, /* collecting it */
    STEP_PASSED,
};

/* ---- time ---- */

static bool two_digits(const uint8_t *text, unsigned *value)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *value = (unsigned)(text[0] - '0') * 10U + (unsigned)(text[1] - '0');
    return true;
}

/* Days since 1970-01-01 of a Gregorian date, from 1970 on. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    uint64_t past = year - 1;
    uint64_t days = past * 365 + past / 4 - past / 100 + past / 400 - 719162U;
    return days + before[month - 1] + (leap && month > 2 ? 1U : 0U) + day - 1;
}

uint64_t ota_tls_parse_time(const uint8_t *der, size_t len, size_t *used)
{
    if (len < 2 || (der[0] != TAG_UTC_TIME && der[0] != TAG_GENERALIZED_TIME))
        return 0;
    bool century = der[0] == TAG_GENERALIZED_TIME;
    size_t text_len = century ? 15 : 13;
    if (der[1] != text_len || len < 2 + text_len || der[1 + text_len] != 'Z')
        return 0;
    const uint8_t *text = der + 2;
    unsigned field[6]; /* year in its century, month, day, hour, minute, second */
    unsigned hundreds = 0;
    if (century && !two_digits(text, &hundreds))
        return 0;
    text += century ? 2 : 0;
    for (size_t i = 0; i < 6; i++)
        if (!two_digits(text + 2 * i, &field[i]))
            return 0;
    unsigned year = century ? hundreds * 100 + field[0] : field[0] + (field[0] < 50 ? 2000 : 1900);
    if (year < 1970 || field[1] < 1 || field[1] > 12 || field[2] < 1 || field[2] > 31 ||
        field[3] > 23 || field[4] > 59 || field[5] > 59)
        return 0;
    *used = 2 + text_len;
    return days_since_1970(year, field[1], field[2]) * SECONDS_PER_DAY + field[3] * 3600U +
           field[4] * 60U + field[5];
}

static void set_time(struct ota_tls_x509 *x509, uint64_t seconds)
{
    br_x509_minimal_set_time(&x509->minimal, (uint32_t)(seconds / SECONDS_PER_DAY) + DAYS_TO_1970,
                             (uint32_t)(seconds % SECONDS_PER_DAY));
}

/* ---- finding Validity ---- */

static void forward(struct ota_tls_x509 *x509, const uint8_t *bytes, size_t len)
{
    if (len > 0)
        x509->minimal.vtable->append(&x509->minimal.vtable, bytes, len);
}

/* Validity is whole: set the time for this certificate, then let BearSSL see it. What can't be
 * read is left for BearSSL to refuse. */
static void release_validity(struct ota_tls_x509 *x509)
{
    size_t first = 0;
    size_t second = 0;
    uint64_t not_before = ota_tls_parse_time(x509->held + 2, x509->held_len - 2U, &first);
    uint64_t not_after =
        ota_tls_parse_time(x509->held + 2 + first, x509->held_len - 2U - first, &second);
    if (not_before > x509->latest)
        x509->latest = not_before;
    if (not_after < x509->earliest)
        x509->earliest = not_after;
    set_time(x509, not_before > x509->floor ? not_before : x509->floor);
    forward(x509, x509->held, x509->held_len);
    x509->step = STEP_PASSED;
}

/* Tag byte of the next element. false: not what stands in a certificate. */
static bool accept_tag(struct ota_tls_x509 *x509, uint8_t tag)
{
    switch ((enum step)x509->step) {
    case STEP_VERSION:
        if (tag != TAG_VERSION)
            x509->step = STEP_SERIAL;
        return tag == TAG_VERSION || tag == TAG_INTEGER;
    case STEP_SERIAL:
        return tag == TAG_INTEGER;
    case STEP_CERTIFICATE:
    case STEP_TBS:
    case STEP_ALGORITHM:
    case STEP_ISSUER:
    case STEP_VALIDITY:
        return tag == TAG_SEQUENCE;
    case STEP_HOLD:
    case STEP_PASSED:
        break;
    }
    return false;
}

/* held[] takes tag and length of the element that begins: at most 1 + 1 + 4 bytes. true when both
 * are whole, with the content's length in *len. */
static bool take_header(struct ota_tls_x509 *x509, uint8_t byte, uint32_t *len)
{
    x509->held[x509->held_len++] = byte;
    if (x509->held_len == 1) {
        if (!accept_tag(x509, byte))
            x509->step = STEP_PASSED;
        return false;
    }
    if (x509->held_len == 2 && byte >= 0x80) {
        x509->length_left = byte & 0x7fU;
        if (x509->length_left == 0 || x509->length_left > 4)
            x509->step = STEP_PASSED;
        return false;
    }
    if (x509->held_len > 2 && --x509->length_left > 0)
        return false;
    *len = x509->held_len == 2 ? byte : 0;
    for (size_t i = 2; i < x509->held_len; i++)
        *len = *len << 8 | x509->held[i];
    return true;
}

/* One byte that is not inside something to pass over. */
static void take_byte(struct ota_tls_x509 *x509, uint8_t byte)
{
    uint32_t len = 0;
    if (x509->step == STEP_HOLD) {
        x509->held[x509->held_len++] = byte;
        if (x509->held_len == x509->held[1] + 2U)
            release_validity(x509);
        return;
    }
    bool whole = take_header(x509, byte, &len);
    bool validity = x509->step == STEP_VALIDITY;
    if (whole && validity && x509->held_len == 2 && len <= OTA_TLS_VALIDITY_MAX - 2) {
        x509->step = STEP_HOLD;
        return;
    }
    if (!whole && x509->step != STEP_PASSED)
        return;
    forward(x509, x509->held, x509->held_len);
    x509->held_len = 0;
    if (whole) {
        bool enters = x509->step <= STEP_TBS;
        x509->skip = enters ? 0 : len;
        x509->step = validity ? STEP_PASSED : (uint8_t)(x509->step + 1);
    }
}

/* ---- BearSSL's class ---- */

static struct ota_tls_x509 *self(const br_x509_class **ctx)
{
    union {
        const br_x509_class **ctx;
        struct ota_tls_x509 *x509;
    } pointer = {ctx}; /* vtable is the first member */
    return pointer.x509;
}

static void start_chain(const br_x509_class **ctx, const char *server_name)
{
    struct ota_tls_x509 *x509 = self(ctx);
    x509->latest = x509->floor;
    x509->earliest = UINT64_MAX;
    x509->minimal.vtable->start_chain(&x509->minimal.vtable, server_name);
}

static void start_cert(const br_x509_class **ctx, uint32_t length)
{
    struct ota_tls_x509 *x509 = self(ctx);
    x509->step = STEP_CERTIFICATE;
    x509->skip = 0;
    x509->held_len = 0;
    set_time(x509, x509->floor);
    x509->minimal.vtable->start_cert(&x509->minimal.vtable, length);
}

static void append(const br_x509_class **ctx, const unsigned char *buf, size_t len)
{
    struct ota_tls_x509 *x509 = self(ctx);
    while (len > 0) {
        size_t piece = 1;
        if (x509->step == STEP_PASSED || x509->skip > 0) {
            piece = x509->step == STEP_PASSED || x509->skip > len ? len : x509->skip;
            x509->skip -= x509->step == STEP_PASSED ? 0U : (uint32_t)piece;
            forward(x509, buf, piece);
        } else {
            take_byte(x509, *buf);
        }
        buf += piece;
        len -= piece;
    }
}

static void end_cert(const br_x509_class **ctx)
{
    struct ota_tls_x509 *x509 = self(ctx);
    x509->minimal.vtable->end_cert(&x509->minimal.vtable);
}

static unsigned end_chain(const br_x509_class **ctx)
{
    struct ota_tls_x509 *x509 = self(ctx);
    unsigned error = x509->minimal.vtable->end_chain(&x509->minimal.vtable);
    /* Each certificate was valid at some moment; there has to be one for all of them. */
    if (error == 0 && x509->latest > x509->earliest)
        return BR_ERR_X509_EXPIRED;
    return error;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
    union {
        const br_x509_class *const *ctx;
        const struct ota_tls_x509 *x509;
    } pointer = {ctx};
    const br_x509_minimal_context *minimal = &pointer.x509->minimal;
    return minimal->vtable->get_pkey(&minimal->vtable, usages);
}

static const br_x509_class class = {
    sizeof(struct ota_tls_x509), start_chain, start_cert, append, end_cert, end_chain, get_pkey,
};

void ota_tls_x509_init(struct ota_tls_x509 *x509, const br_x509_trust_anchor *anchors,
                       size_t anchor_count)
{
    memset(x509, 0, sizeof *x509);
    x509->vtable = &class;
    br_x509_minimal_init(&x509->minimal, &br_sha256_vtable, anchors, anchor_count);
}

void ota_tls_x509_set_floor(struct ota_tls_x509 *x509, uint64_t floor_seconds)
{
    x509->floor = floor_seconds > 0 ? floor_seconds : 1; /* 0 would mean "unknown" to BearSSL */
}
