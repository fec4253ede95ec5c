#include <string.h>

#include "protocol/image.h"
#include "tests/vectors/generate.h"

#define BODY_LEN 96U
#define ENTRIES_MAX 12U
#define ENTRY_DATA_MAX 160U

/* What finish() puts into an entry of the unprotected area. */
enum fill {
    FILL_NONE,      /* the data is given */
    FILL_HASH,      /* SHA-256 over header, body and protected area */
    FILL_KEY_HASH,  /* of the entry's key */
    FILL_SIGNATURE, /* DER, by the entry's key */
};

struct entry {
    uint16_t type;
    enum fill fill;
    const struct p256_key *key;
    uint8_t data[ENTRY_DATA_MAX];
    size_t len;
    size_t claimed_more; /* bytes that the entry's length says beyond `len` */
};

struct area {
    uint16_t magic;
    struct entry entries[ENTRIES_MAX];
    size_t count;
    int claimed_more;     /* added to the total of the info header */
    size_t claimed_total; /* instead of it, when not 0 */
};

/* An image as it is thought out; each case changes it, then finish() lays it down. */
struct draft {
    const struct generator *generator;
    uint32_t magic;
    uint16_t header_len;         /* as claimed */
    uint16_t header_len_written; /* bytes up to the body */
    uint32_t body_len;           /* as claimed */
    uint32_t flags;
    uint8_t version[8];
    int protected_claimed_more; /* added to hdr.protect_tlv_size; ABSENT for no area at all */
    struct area protected_area;
    struct area unprotected_area;
    size_t trailing; /* bytes of no meaning behind it all */
};
#define ABSENT (-100000)

static void put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    put_u16(at, value & 0xffff);
    put_u16(at + 2, value >> 16);
}

static struct entry *add(struct area *area, uint16_t type, const void *data, size_t len)
{
    struct entry *entry = &area->entries[area->count++];

    *entry = (struct entry){.type = type, .len = len};
    memcpy(entry->data, data, len);
    return entry;
}

static struct entry *add_filled(struct area *area, uint16_t type, enum fill fill,
                                const struct p256_key *key)
{
    struct entry *entry = add(area, type, "", 0);

    entry->fill = fill;
    entry->key = key;
    return entry;
}

static void add_signature(struct area *area, const struct p256_key *key)
{
    add_filled(area, OTA_TLV_KEYHASH, FILL_KEY_HASH, key);
    add_filled(area, OTA_TLV_ECDSA, FILL_SIGNATURE, key);
}

static struct entry *find(struct area *area, uint16_t type)
{
    size_t i = 0;

    while (area->entries[i].type != type)
        i++;
    return &area->entries[i];
}

static void drop(struct area *area, uint16_t type)
{
    size_t i = (size_t)(find(area, type) - area->entries);

    area->count--;
    memmove(&area->entries[i], &area->entries[i + 1], (area->count - i) * sizeof(area->entries[0]));
}

/* The good image: 1.2.3+4, counter 7. */
static void begin(struct draft *draft, const struct generator *generator)
{
    uint8_t counter[4];

    *draft = (struct draft){
        .generator = generator,
        .magic = OTA_IMAGE_MAGIC,
        .header_len = 0x200,
        .header_len_written = 0x200,
        .body_len = BODY_LEN,
        .version = {1, 2, 3, 0, 4, 0, 0, 0},
        .protected_area = {.magic = 0x6908},
        .unprotected_area = {.magic = 0x6907},
    };
    put_u32(counter, 7);
    add(&draft->protected_area, OTA_TLV_SECURITY_COUNTER, counter, sizeof(counter));
    add(&draft->protected_area, OTA_TLV_HARDWARE, VECTOR_HARDWARE, strlen(VECTOR_HARDWARE));
    add(&draft->protected_area, OTA_TLV_PRODUCT, VECTOR_PRODUCT, strlen(VECTOR_PRODUCT));
    add_filled(&draft->unprotected_area, OTA_TLV_SHA256, FILL_HASH, NULL);
    add_signature(&draft->unprotected_area, &generator->release);
}

struct out {
    uint8_t buf[8192];
    size_t len;
};

static void write_area(struct out *out, const struct area *area)
{
    size_t start = out->len;

    out->len += 4;
    for (size_t i = 0; i < area->count; i++) {
        const struct entry *entry = &area->entries[i];
        put_u16(out->buf + out->len, entry->type);
        put_u16(out->buf + out->len + 2, entry->len + entry->claimed_more);
        memcpy(out->buf + out->len + 4, entry->data, entry->len);
        out->len += 4 + entry->len;
    }
    put_u16(out->buf + start, area->magic);
    put_u16(out->buf + start + 2, area->claimed_total != 0
                                      ? area->claimed_total
                                      : (size_t)((int)(out->len - start) + area->claimed_more));
}

static void write_header(struct out *out, const struct draft *draft, size_t protected_len)
{
    uint8_t *buf = out->buf;

    put_u32(buf, draft->magic);
    put_u16(buf + 8, draft->header_len);
    put_u16(buf + 10, protected_len);
    put_u32(buf + 12, draft->body_len);
    put_u32(buf + 16, draft->flags);
    memcpy(buf + 20, draft->version, sizeof(draft->version));
    out->len = draft->header_len_written;
}

/* A vector table that a Cortex-M would start from, then bytes that tell their place. */
static void write_body(struct out *out)
{
    uint8_t *body = out->buf + out->len;

    for (size_t i = 0; i < BODY_LEN; i++)
        body[i] = (uint8_t)(i * 7 + 1);
    put_u32(body, 0x20020000);
    put_u32(body + 4, 0x08020401);
    out->len += BODY_LEN;
}

static size_t area_len(const struct area *area)
{
    size_t len = 4;

    for (size_t i = 0; i < area->count; i++)
        len += 4 + area->entries[i].len;
    return len;
}

/* `hash` over what was written so far, into the entries that are to hold it or to sign it. */
static void fill_entries(struct area *area, const uint8_t hash[OTA_HASH_LEN])
{
    for (size_t i = 0; i < area->count; i++) {
        struct entry *entry = &area->entries[i];
        uint8_t sig[OTA_SIGNATURE_RAW_LEN];
        switch (entry->fill) {
        case FILL_HASH:
            memcpy(entry->data, hash, OTA_HASH_LEN);
            entry->len = OTA_HASH_LEN;
            break;
        case FILL_KEY_HASH:
            memcpy(entry->data, entry->key->key_hash, OTA_HASH_LEN);
            entry->len = OTA_HASH_LEN;
            break;
        case FILL_SIGNATURE:
            p256_sign(entry->key, hash, sig);
            entry->len = p256_der(sig, entry->data);
            break;
        case FILL_NONE:
        default:
            break;
        }
    }
}

static void finish(struct draft *draft, struct out *out, uint8_t hash[OTA_HASH_LEN])
{
    bool has_protected = draft->protected_claimed_more != ABSENT;
    size_t protected_len = 0;

    memset(out->buf, 0, sizeof(out->buf));
    if (has_protected)
        protected_len =
            (size_t)((int)area_len(&draft->protected_area) + draft->protected_claimed_more);
    write_header(out, draft, protected_len);
    write_body(out);
    if (has_protected)
        write_area(out, &draft->protected_area);
    p256_sha256(out->buf, out->len, hash);
    fill_entries(&draft->unprotected_area, hash);
    write_area(out, &draft->unprotected_area);
    memset(out->buf + out->len, 0xa5, draft->trailing);
    out->len += draft->trailing;
}

static void good(struct draft *draft)
{
    (void)draft;
}

static void newer(struct draft *draft)
{
    draft->version[2] = 4;
    draft->version[4] = 0;
    find(&draft->protected_area, OTA_TLV_SECURITY_COUNTER)->data[0] = 8;
}

static void short_header(struct draft *draft)
{
    draft->header_len = draft->header_len_written = OTA_IMAGE_HEADER_LEN;
}

static void two_signatures(struct draft *draft)
{
    drop(&draft->unprotected_area, OTA_TLV_KEYHASH);
    drop(&draft->unprotected_area, OTA_TLV_ECDSA);
    add_signature(&draft->unprotected_area, &draft->generator->release2);
    add_signature(&draft->unprotected_area, &draft->generator->release);
}

/* The signature as given data, so that a case can change it. */
static struct entry *fixed_signature(struct draft *draft)
{
    uint8_t hash[OTA_HASH_LEN];
    struct out out;

    finish(draft, &out, hash);
    struct entry *entry = find(&draft->unprotected_area, OTA_TLV_ECDSA);
    entry->fill = FILL_NONE;
    return entry;
}

/* As old signers write it. The shortened version makes a signature of less than 72 bytes likely. */
static void padded_signature(struct draft *draft)
{
    struct entry *entry = fixed_signature(draft);

    while (entry->len == OTA_SIGNATURE_DER_MAX) {
        draft->version[4]++;
        entry->fill = FILL_SIGNATURE;
        entry = fixed_signature(draft);
    }
    memset(entry->data + entry->len, 0, OTA_SIGNATURE_DER_MAX - entry->len);
    entry->len = OTA_SIGNATURE_DER_MAX;
}

static void extra_protected(struct draft *draft)
{
    add(&draft->protected_area, 0x60, "\xa1\x01\x02", 3); /* BOOT_RECORD */
    add(&draft->protected_area, 0x00a5, "more", 4);
}

static void other_magic(struct draft *draft)
{
    draft->magic ^= 1;
}

static void encrypted(struct draft *draft)
{
    draft->flags = 0x4;
}

static void ram_load(struct draft *draft)
{
    draft->flags = 0x20;
}

static void compressed(struct draft *draft)
{
    draft->flags = 0x400;
}

static void header_too_short(struct draft *draft)
{
    draft->header_len = OTA_IMAGE_HEADER_LEN - 1;
}

static void header_too_long(struct draft *draft)
{
    draft->header_len = draft->header_len_written = OTA_IMAGE_HEADER_MAX + 1;
}

static void no_body(struct draft *draft)
{
    draft->body_len = 0;
}

static void body_past_the_end(struct draft *draft)
{
    draft->body_len = 100000;
}

static void body_wraps(struct draft *draft)
{
    draft->body_len = UINT32_MAX - 0x1ff;
}

static void no_protected_area(struct draft *draft)
{
    draft->protected_claimed_more = ABSENT;
}

static void protected_below_its_header(struct draft *draft)
{
    draft->protected_claimed_more = 3 - (int)area_len(&draft->protected_area);
}

static void protected_too_large(struct draft *draft)
{
    draft->protected_claimed_more = 509 - (int)area_len(&draft->protected_area);
}

static void protected_lengths_differ(struct draft *draft)
{
    add(&draft->protected_area, 0x00a5, "more", 4);
    draft->protected_area.claimed_more = -8; /* hashed, but in no area */
}

static void protected_other_magic(struct draft *draft)
{
    draft->protected_area.magic = 0x6907;
}

static void no_counter(struct draft *draft)
{
    drop(&draft->protected_area, OTA_TLV_SECURITY_COUNTER);
}

static void no_product(struct draft *draft)
{
    drop(&draft->protected_area, OTA_TLV_PRODUCT);
}

static void no_hardware(struct draft *draft)
{
    drop(&draft->protected_area, OTA_TLV_HARDWARE);
}

static void two_counters(struct draft *draft)
{
    add(&draft->protected_area, OTA_TLV_SECURITY_COUNTER, "\x63\0\0", 4);
}

static void two_hardwares(struct draft *draft)
{
    add(&draft->protected_area, OTA_TLV_HARDWARE, "other", 5);
}

static void two_products(struct draft *draft)
{
    add(&draft->protected_area, OTA_TLV_PRODUCT, VECTOR_PRODUCT, strlen(VECTOR_PRODUCT));
}

static void long_counter(struct draft *draft)
{
    find(&draft->protected_area, OTA_TLV_SECURITY_COUNTER)->len = 8;
}

static void empty_product(struct draft *draft)
{
    find(&draft->protected_area, OTA_TLV_PRODUCT)->len = 0;
}

static void hardware_not_a_name(struct draft *draft)
{
    find(&draft->protected_area, OTA_TLV_HARDWARE)->data[0] = '/';
}

static void hardware_too_long(struct draft *draft)
{
    struct entry *entry = find(&draft->protected_area, OTA_TLV_HARDWARE);

    memset(entry->data, 'h', OTA_NAME_MAX + 1);
    entry->len = OTA_NAME_MAX + 1;
}

static void dependency(struct draft *draft)
{
    add(&draft->protected_area, 0x40, "\0\0\0\0\1\0\0\0\0\0\0", 12);
}

static void protected_entry_overruns(struct draft *draft)
{
    find(&draft->protected_area, OTA_TLV_PRODUCT)->claimed_more = 1;
}

static void unsigned_counter(struct draft *draft)
{
    add(&draft->unprotected_area, OTA_TLV_SECURITY_COUNTER, "\x63\0\0", 4);
}

static void unsigned_hardware(struct draft *draft)
{
    add(&draft->unprotected_area, OTA_TLV_HARDWARE, "other", 5);
}

static void rsa_signature(struct draft *draft)
{
    add(&draft->unprotected_area, 0x20, "rsa", 3);
}

static void unprotected_other_magic(struct draft *draft)
{
    draft->unprotected_area.magic = 0x6908;
}

static void unprotected_past_the_end(struct draft *draft)
{
    draft->unprotected_area.claimed_more = 1;
}

static void unprotected_too_large(struct draft *draft)
{
    draft->unprotected_area.claimed_total =
        OTA_IMAGE_TLV_MAX - area_len(&draft->protected_area) + 1;
}

static void unprotected_below_its_header(struct draft *draft)
{
    memset(draft->unprotected_area.entries, 0, sizeof(draft->unprotected_area.entries));
    draft->unprotected_area.count = 0;
    draft->unprotected_area.claimed_more = -1;
}

static void half_an_entry(struct draft *draft)
{
    draft->unprotected_area.claimed_more = 3;
    draft->trailing = 3;
}

static void unprotected_entry_overruns(struct draft *draft)
{
    find(&draft->unprotected_area, OTA_TLV_ECDSA)->claimed_more = 1;
}

static void no_hash(struct draft *draft)
{
    drop(&draft->unprotected_area, OTA_TLV_SHA256);
}

static void two_hashes(struct draft *draft)
{
    add_filled(&draft->unprotected_area, OTA_TLV_SHA256, FILL_HASH, NULL);
}

static void sha1_hash(struct draft *draft)
{
    struct entry *entry = find(&draft->unprotected_area, OTA_TLV_SHA256);

    entry->fill = FILL_NONE;
    entry->len = 20;
}

static void no_signature(struct draft *draft)
{
    drop(&draft->unprotected_area, OTA_TLV_KEYHASH);
    drop(&draft->unprotected_area, OTA_TLV_ECDSA);
}

static void key_hash_alone(struct draft *draft)
{
    drop(&draft->unprotected_area, OTA_TLV_ECDSA);
}

static void key_hash_apart(struct draft *draft)
{
    drop(&draft->unprotected_area, OTA_TLV_SHA256);
    drop(&draft->unprotected_area, OTA_TLV_ECDSA);
    add_filled(&draft->unprotected_area, OTA_TLV_SHA256, FILL_HASH, NULL);
    add_filled(&draft->unprotected_area, OTA_TLV_ECDSA, FILL_SIGNATURE, &draft->generator->release);
}

static void signature_without_key_hash(struct draft *draft)
{
    drop(&draft->unprotected_area, OTA_TLV_KEYHASH);
}

static void short_key_hash(struct draft *draft)
{
    struct entry *entry = find(&draft->unprotected_area, OTA_TLV_KEYHASH);

    entry->fill = FILL_NONE;
    entry->len = OTA_HASH_LEN - 1;
}

static void three_signatures(struct draft *draft)
{
    add_signature(&draft->unprotected_area, &draft->generator->release2);
    add_signature(&draft->unprotected_area, &draft->generator->release2);
}

static void signature_with_rest(struct draft *draft)
{
    struct entry *entry = fixed_signature(draft);

    entry->data[1]--; /* the last byte is now behind the SEQUENCE, and is not zero */
}

static void signature_too_long(struct draft *draft)
{
    struct entry *entry = fixed_signature(draft);

    memset(entry->data + entry->len, 0, OTA_SIGNATURE_DER_MAX + 1 - entry->len);
    entry->len = OTA_SIGNATURE_DER_MAX + 1;
}

static void signature_not_der(struct draft *draft)
{
    fixed_signature(draft)->data[0] = 0x31;
}

static void empty_signature(struct draft *draft)
{
    fixed_signature(draft)->len = 0;
}

static void other_hash(struct draft *draft)
{
    fixed_signature(draft);
    struct entry *entry = find(&draft->unprotected_area, OTA_TLV_SHA256);
    entry->fill = FILL_NONE;
    entry->data[31] ^= 1;
}

static void other_key(struct draft *draft)
{
    no_signature(draft);
    add_signature(&draft->unprotected_area, &draft->generator->release2);
}

/* Claims the known key, signed by the other. */
static void other_signer(struct draft *draft)
{
    find(&draft->unprotected_area, OTA_TLV_ECDSA)->key = &draft->generator->release2;
}

static void signature_of_another_image(struct draft *draft)
{
    fixed_signature(draft);
    draft->version[2]++;
}

static void trailing_bytes(struct draft *draft)
{
    draft->trailing = 1;
}

static const struct {
    const char *name;
    const char *word; /* the answer of a whole check by the first release key */
    void (*change)(struct draft *draft);
} cases[] = {
    {"good", "ok", good},
    {"newer", "ok", newer},
    {"short-header", "ok", short_header},
    {"two-signatures", "ok", two_signatures},
    {"padded-signature", "ok", padded_signature},
    {"extra-protected", "ok", extra_protected},
    {"other-magic", "syntax", other_magic},
    {"encrypted", "unsupported", encrypted},
    {"ram-load", "unsupported", ram_load},
    {"compressed", "unsupported", compressed},
    {"header-too-short", "range", header_too_short},
    {"header-too-long", "range", header_too_long},
    {"no-body", "range", no_body},
    {"body-past-the-end", "size", body_past_the_end},
    {"body-wraps", "size", body_wraps},
    {"no-protected-area", "missing", no_protected_area},
    {"protected-below-its-header", "range", protected_below_its_header},
    {"protected-too-large", "too_large", protected_too_large},
    {"protected-lengths-differ", "syntax", protected_lengths_differ},
    {"protected-other-magic", "syntax", protected_other_magic},
    {"no-counter", "missing", no_counter},
    {"no-product", "missing", no_product},
    {"no-hardware", "missing", no_hardware},
    {"two-counters", "duplicate", two_counters},
    {"two-hardwares", "duplicate", two_hardwares},
    {"two-products", "duplicate", two_products},
    {"long-counter", "range", long_counter},
    {"empty-product", "syntax", empty_product},
    {"hardware-not-a-name", "syntax", hardware_not_a_name},
    {"hardware-too-long", "syntax", hardware_too_long},
    {"dependency", "unsupported", dependency},
    {"protected-entry-overruns", "syntax", protected_entry_overruns},
    {"unsigned-counter", "unsupported", unsigned_counter},
    {"unsigned-hardware", "unsupported", unsigned_hardware},
    {"rsa-signature", "unsupported", rsa_signature},
    {"unprotected-other-magic", "syntax", unprotected_other_magic},
    {"unprotected-past-the-end", "truncated", unprotected_past_the_end},
    {"unprotected-too-large", "too_large", unprotected_too_large},
    {"unprotected-below-its-header", "syntax", unprotected_below_its_header},
    {"half-an-entry", "syntax", half_an_entry},
    {"unprotected-entry-overruns", "syntax", unprotected_entry_overruns},
    {"no-hash", "missing", no_hash},
    {"two-hashes", "duplicate", two_hashes},
    {"sha1-hash", "range", sha1_hash},
    {"no-signature", "signature", no_signature},
    {"key-hash-alone", "syntax", key_hash_alone},
    {"key-hash-apart", "syntax", key_hash_apart},
    {"signature-without-key-hash", "syntax", signature_without_key_hash},
    {"short-key-hash", "range", short_key_hash},
    {"three-signatures", "too_large", three_signatures},
    {"signature-with-rest", "syntax", signature_with_rest},
    {"signature-too-long", "range", signature_too_long},
    {"signature-not-der", "syntax", signature_not_der},
    {"empty-signature", "range", empty_signature},
    {"other-hash", "hash", other_hash},
    {"other-key", "unknown_key", other_key},
    {"other-signer", "signature", other_signer},
    {"signature-of-another-image", "signature", signature_of_another_image},
    {"trailing-bytes", "size", trailing_bytes},
};

static void remember(struct generator *generator, struct draft *draft, const struct out *out,
                     const uint8_t hash[OTA_HASH_LEN])
{
    const struct entry *signature = find(&draft->unprotected_area, OTA_TLV_ECDSA);

    generator->image_len = out->len;
    memcpy(generator->image_hash, hash, OTA_HASH_LEN);
    memcpy(generator->image_der, signature->data, signature->len);
    generator->image_der_len = signature->len;
}

void generate_images(struct generator *generator)
{
    FILE *index = generator_create(generator, "images/index.txt");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct draft draft;
        struct out out;
        uint8_t hash[OTA_HASH_LEN];
        char name[128];

        begin(&draft, generator);
        cases[i].change(&draft);
        finish(&draft, &out, hash);
        if (cases[i].change == good)
            remember(generator, &draft, &out, hash);
        fprintf(index, "%s images/%s.img\n", cases[i].word, cases[i].name);
        snprintf(name, sizeof(name), "images/%s.img", cases[i].name);
        FILE *file = generator_create(generator, name);
        fwrite(out.buf, 1, out.len, file);
        fclose(file);
    }
    fclose(index);
}
