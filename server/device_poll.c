#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/text.h"
#include "server/api.h"
#include "server/prefer.h"
#include "server/signer.h"

#define PENDING_RETRY_SECONDS 60
#define WISH_SECONDS 60 /* by which two polls may differ and mean the same end of a postponing */

/* ---- reading ---- */

static bool refuse(struct request *rq, const char *what)
{
    request_problem(rq, 400, "poll_malformed", "%s", what);
    return false;
}

/* A parameter that must be there. */
static bool take(struct request *rq, const char *name, char *buf, size_t cap)
{
    int found = request_query(rq, name, buf, cap);

    if (found == 0)
        request_problem(rq, 400, "poll_malformed", "The query parameter %s is missing.", name);
    return found > 0;
}

static bool take_version(struct request *rq, struct ota_version *version)
{
    char text[OTA_VERSION_TEXT_MAX + 1];
    char *blank;

    if (!take(rq, "version", text, sizeof(text)))
        return false;
    /* A plain '+' reads as a blank in a query; no version has a blank of its own. */
    blank = strchr(text, ' ');
    if (blank != NULL)
        *blank = '+';
    return ota_version_parse(version, text, strlen(text)) == 0 ||
           refuse(rq, "version is not MAJOR.MINOR.REVISION[+BUILD].");
}

static bool take_counter(struct request *rq, uint32_t *counter)
{
    char text[12];
    char *end;
    unsigned long long value;

    if (!take(rq, "counter", text, sizeof(text)))
        return false;
    value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : UINT64_MAX;
    if (value > UINT32_MAX || *end != '\0')
        return refuse(rq, "counter is not a number of 32 bits.");
    *counter = (uint32_t)value;
    return true;
}

/* A whole number from min to max; *value stays when the parameter is not there. */
static bool take_number(struct request *rq, const char *name, long min, long max, bool *has,
                        long *value)
{
    char text[12];
    char *end = text;
    int found = request_query(rq, name, text, sizeof(text));

    if (found <= 0)
        return found == 0;
    *value = strtol(text, &end, 10);
    *has = true;
    if (text[0] != '\0' && strspn(text, "-0123456789") == strlen(text) && *end == '\0' &&
        *value >= min && *value <= max)
        return true;
    request_problem(rq, 400, "poll_malformed", "%s is no whole number from %ld to %ld.", name, min,
                    max);
    return false;
}

/* What the device, or its owner, wishes; and where it is. */
static bool take_wishes(struct request *rq, struct fleet_facts *facts, uint64_t now)
{
    long opt_out = 0, postpone = 0, offset = 0;
    bool has = false;

    if (!take_number(rq, "opt_out", 0, 1, &has, &opt_out) ||
        !take_number(rq, "postpone", 0, OTA_POSTPONE_SECONDS_MAX, &has, &postpone) ||
        !take_number(rq, "utc_offset", -OTA_UTC_OFFSET_MAX, OTA_UTC_OFFSET_MAX, &facts->has_offset,
                     &offset))
        return false;
    facts->opted_out = opt_out == 1;
    facts->postponed_until = postpone > 0 ? (uint32_t)(now + (uint64_t)postpone) : 0;
    facts->utc_offset = (int16_t)offset;
    return true;
}

/* 0 by default. */
static bool take_flag(struct request *rq, const char *name, bool *flag)
{
    char text[4] = "0";

    if (request_query(rq, name, text, sizeof(text)) < 0)
        return false;
    *flag = text[0] == '1';
    if ((text[0] == '0' || *flag) && text[1] == '\0')
        return true;
    request_problem(rq, 400, "poll_malformed", "%s is neither 0 nor 1.", name);
    return false;
}

static bool take_facts(struct request *rq, struct fleet_facts *facts, uint64_t now)
{
    char hash[2 * OTA_HASH_LEN + 1];

    memset(facts, 0, sizeof(*facts));
    if (!take_version(rq, &facts->version) || !take_counter(rq, &facts->counter) ||
        !take(rq, "hash", hash, sizeof(hash)) || !take_flag(rq, "trial", &facts->trial))
        return false;
    if (ota_hex_decode(facts->hash, OTA_HASH_LEN, ota_text_of(hash)) != 0)
        return refuse(rq, "hash is not 64 lower-case hex digits.");
    facts->seen = true;
    return take_wishes(rq, facts, now);
}

static bool take_nonce(struct request *rq)
{
    char nonce[2 * OTA_NONCE_LEN + 1];
    int found = request_query(rq, "nonce", nonce, sizeof(nonce));

    if (found <= 0)
        return found == 0;
    rq->as.poll.has_nonce = true;
    return ota_hex_decode(rq->as.poll.nonce, OTA_NONCE_LEN, ota_text_of(nonce)) == 0 ||
           refuse(rq, "nonce is not 32 lower-case hex digits.");
}

/* A poll that may wait (RFC 7240), and which answer is no news to it. */
static bool take_wait(struct request *rq)
{
    char last[8] = "none";
    uint32_t seconds = 0;

    if (request_query(rq, "last", last, sizeof(last)) < 0)
        return false;
    if (strcmp(last, "none") != 0 && strcmp(last, "hold") != 0)
        return refuse(rq, "last is neither none nor hold.");
    rq->as.poll.known = last[0] == 'h' ? OTA_ACTION_HOLD : OTA_ACTION_NONE;
    if (strcmp(rq->method, "GET") == 0 && prefer_wait(request_header(rq, "Prefer"), &seconds))
        rq->as.poll.wait_seconds = seconds < OTA_WAIT_SECONDS_MAX ? seconds : OTA_WAIT_SECONDS_MAX;
    return true;
}

/* What it says it is must be what it is registered as; the operator has to sort that out. */
static bool check_target(struct request *rq, const struct fleet_device *device, const char *product,
                         const char *hardware)
{
    struct fleet *fleet = rq->app->fleet;

    if (strcmp(product, fleet_product(fleet, device)) == 0 &&
        strcmp(hardware, fleet_hardware(fleet, device)) == 0)
        return true;
    request_problem(rq, 409, "device_mismatch",
                    "This device is registered as product %s, hardware %s.",
                    fleet_product(fleet, device), fleet_hardware(fleet, device));
    return false;
}

static bool check_state(struct request *rq, const struct fleet_device *device)
{
    if (device->state == DB_DEVICE_ACCEPTED)
        return true;
    if (device->state == DB_DEVICE_PENDING)
        request_problem(rq, 403, "device_pending", "An operator has yet to accept this device.");
    else
        request_problem(rq, 403, "device_rejected", "An operator has turned this device away.");
    rq->answer.retry_after = rq->app->config.poll_seconds > PENDING_RETRY_SECONDS
                                 ? PENDING_RETRY_SECONDS
                                 : rq->app->config.poll_seconds;
    return false;
}

/* The same wish said again is no news: it is the seconds that are left, and they travel. */
static void keep_wish(const struct fleet_device *device, struct fleet_facts *facts)
{
    uint32_t old = device->facts.postponed_until;
    uint32_t new = facts->postponed_until;

    if (old != 0 && new != 0 && (old > new ? old - new : new - old) <= WISH_SECONDS)
        facts->postponed_until = old;
}

/* Answer from memory if nothing has to be written; otherwise the writer goes on. */
void device_poll_read(struct request *rq)
{
    struct fleet *fleet = rq->app->fleet;
    char product[OTA_NAME_MAX + 1];
    char hardware[OTA_NAME_MAX + 1];
    struct fleet_device *device;
    uint64_t now = app_now();

    bool again = rq->hold.until_ms != 0;

    if (!again)
        atomic_fetch_add(&rq->app->counters.polls, 1);
    if (!take(rq, "product", product, sizeof(product)) ||
        !take(rq, "hardware", hardware, sizeof(hardware)) ||
        !take_facts(rq, &rq->as.poll.facts, now) || !take_nonce(rq) || !take_wait(rq) ||
        !take_flag(rq, "delta", &rq->as.poll.takes_patches))
        return;
    fleet_lock(fleet);
    device = fleet_device(fleet, rq->who.device);
    if (device == NULL) {
        request_problem(rq, 401, "token_revoked", "This device was deleted.");
    } else {
        if (!again) /* that it was held does not show that it is still there */
            fleet_note_seen(fleet, device, (uint32_t)now);
        else /* the time has passed since it said so */
            rq->as.poll.facts.postponed_until = rq->hold.facts.postponed_until;
        keep_wish(device, &rq->as.poll.facts);
        memcpy(rq->hold.token, device->token_hash, HOLD_TOKEN_LEN);
        device->takes_patches = rq->as.poll.takes_patches;
        if (check_state(rq, device) && check_target(rq, device, product, hardware))
            rq->answered_early =
                steer_peek(fleet, device, &rq->as.poll.facts, now, &rq->as.poll.answer);
    }
    fleet_unlock(fleet);
}

void device_poll_write(struct request *rq)
{
    int error = steer_poll(&rq->app->steer, rq->db, rq->who.device, &rq->as.poll.facts, app_now(),
                           &rq->as.poll.answer);

    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 401, "token_revoked", "This device was deleted.");
    else if (error != DB_OK)
        request_fail(rq, error);
}

/* ---- answering ---- */

/* The interval, a tenth to either side: devices that come at once part again. */
static uint32_t poll_seconds(const struct request *rq)
{
    uint32_t seconds = rq->app->config.poll_seconds;
    uint32_t spread = seconds / 5;
    /* Spread is all that is wanted, not secrecy: the request's number, well mixed (SplitMix64). */
    uint64_t mixed = (rq->number + rq->began_ms) * 0x9e3779b97f4a7c15U;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    seconds = seconds - spread / 2 + (uint32_t)((mixed >> 33) % (spread + 1));
    return seconds > 0 ? seconds : 1;
}

/* Where the manifest's texts lie until it is encoded. */
struct urls {
    char image[OTA_URL_MAX + 1];
    char delta[OTA_URL_MAX + 1];
};

static struct ota_text put_url(char url[OTA_URL_MAX + 1], const char *place,
                               const uint8_t hash[OTA_HASH_LEN])
{
    char hex[2 * OTA_HASH_LEN + 1];

    ota_hex_encode(hash, OTA_HASH_LEN, hex);
    snprintf(url, OTA_URL_MAX + 1, "/device/v1/%s/%s", place, hex);
    return ota_text_of(url);
}

/* A patch for what this device runs, if it takes patches and one is ready. */
static void fill_delta(const struct request *rq, struct ota_manifest *manifest, struct urls *urls)
{
    struct patch_pair pair;
    struct patch patch;

    memcpy(pair.base, rq->as.poll.facts.hash, OTA_HASH_LEN);
    memcpy(pair.image, manifest->hash, OTA_HASH_LEN);
    if (!rq->app->config.patches || !rq->as.poll.takes_patches ||
        !patches_find(rq->app->patches, &pair, &patch))
        return;
    memcpy(manifest->delta.base_hash, patch.base, OTA_HASH_LEN);
    memcpy(manifest->delta.patch_hash, patch.sha256, OTA_HASH_LEN);
    manifest->delta.patch_len = patch.len;
    manifest->delta.url = put_url(urls->delta, "patches", patch.sha256);
}

static void fill_install(const struct request *rq, struct ota_manifest *manifest, struct urls *urls)
{
    const struct steer_answer *answer = &rq->as.poll.answer;

    manifest->product = ota_text_of(answer->release.product);
    manifest->hardware = ota_text_of(answer->release.hardware);
    manifest->version = answer->release.version;
    manifest->counter = answer->release.counter;
    manifest->image_len = answer->image_len;
    memcpy(manifest->hash, answer->release.hash, OTA_HASH_LEN);
    memcpy(manifest->sig, answer->sig, answer->sig_len);
    manifest->sig_len = answer->sig_len;
    manifest->url = put_url(urls->image, "firmware", manifest->hash);
    fill_delta(rq, manifest, urls);
}

/* Payload, signature, envelope. Bytes of the envelope, or a negative error. */
static int encode(const struct request *rq, const struct ota_manifest *manifest, char *envelope,
                  size_t cap)
{
    char payload[OTA_MANIFEST_MAX];
    uint8_t signed_bytes[OTA_MANIFEST_MAX];
    uint8_t sig[OTA_SIGNATURE_RAW_LEN];
    int payload_len = ota_manifest_encode_payload(manifest, payload, sizeof(payload));
    int signed_len;

    if (payload_len < 0)
        return payload_len;
    signed_len = ota_manifest_pae(payload, (size_t)payload_len, signed_bytes, sizeof(signed_bytes));
    if (signed_len < 0)
        return signed_len;
    if (!signer_sign(rq->app->signer, signed_bytes, (size_t)signed_len, sig))
        return -1;
    return ota_manifest_encode_envelope(payload, (size_t)payload_len,
                                        ota_text_of(signer_key_id(rq->app->signer)), sig, envelope,
                                        cap);
}

/* A manifest for this device, this nonce, now. */
static void answer_signed(struct request *rq)
{
    const struct steer_answer *answer = &rq->as.poll.answer;
    struct ota_manifest manifest = {.device = ota_text_of(request_who(rq)),
                                    .now = app_now(),
                                    .action = answer->action,
                                    .poll_seconds = poll_seconds(rq),
                                    .wait_seconds = rq->app->config.wait_seconds};
    char deployment[OTA_DECIMAL_MAX + 1];
    struct urls urls;
    char *envelope;
    int len;

    memcpy(manifest.nonce, rq->as.poll.nonce, OTA_NONCE_LEN);
    manifest.deployment =
        (struct ota_text){deployment, ota_decimal_encode(answer->deployment, deployment)};
    if (answer->action == OTA_ACTION_INSTALL)
        fill_install(rq, &manifest, &urls);
    envelope = malloc(OTA_MANIFEST_MAX);
    len = envelope != NULL ? encode(rq, &manifest, envelope, OTA_MANIFEST_MAX) : -1;
    if (len < 0) {
        free(envelope);
        request_problem(rq, 500, "internal_error", "The manifest could not be made.");
        return;
    }
    request_json(rq, 200);
    rq->answer.body = envelope;
    rq->answer.len = (size_t)len;
    request_add_header(rq, "Cache-Control", "no-store");
}

static void answer_poll(struct request *rq)
{
    if (rq->as.poll.has_nonce || rq->as.poll.answer.action != OTA_ACTION_NONE) {
        answer_signed(rq);
        return;
    }
    request_no_content(rq);
    rq->answer.retry_after = poll_seconds(rq);
}

/* A poll without news that may wait. */
static bool may_hold(struct request *rq)
{
    bool again = rq->hold.until_ms != 0;

    if (rq->as.poll.wait_seconds == 0 || rq->as.poll.answer.action != rq->as.poll.known)
        return false;
    return again ? rq->hold.end == HOLD_NEWS : herald_has_room(rq->app->herald);
}

static void hold(struct request *rq)
{
    struct hold *held = &rq->hold;

    if (held->until_ms == 0)
        held->until_ms = rq->began_ms + rq->as.poll.wait_seconds * 1000U;
    held->reach.device = rq->who.device;
    held->facts = rq->as.poll.facts;
    held->number = rq->number;
    held->began_ms = rq->began_ms;
    held->known = rq->as.poll.known;
    rq->holds = true;
}

static bool waited_in_vain(const struct request *rq)
{
    return rq->hold.until_ms != 0 && rq->hold.end == HOLD_OVER &&
           rq->as.poll.answer.action == rq->as.poll.known;
}

void device_poll_finish(struct request *rq)
{
    if (may_hold(rq)) {
        hold(rq);
        return;
    }
    if (waited_in_vain(rq)) {
        request_no_content(rq);
        rq->answer.retry_after = 1;
    } else {
        answer_poll(rq);
    }
    if (rq->hold.until_ms != 0 && rq->answer.status < 300)
        request_add_header(rq, "Preference-Applied", "wait=%u", rq->as.poll.wait_seconds);
}
