#include "tests/powercut/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/port/crypto.h"
#include "protocol/error.h"
#include "tests/powercut/sign.h"

#define PRODUCT "lamp"
#define HARDWARE "rev2"
#define HEADER_LEN 0x200U
#define BOOTS_MAX 80    /* more than any goals and cuts can explain */
#define DATA_CHUNK 128U /* bytes of image that are not 0xff, at a time */

enum step {
    STEP_REBOOT,
    STEP_DONE,
};

__attribute__((format(printf, 3, 4))) static void
judge(struct world *world, enum world_verdict verdict, const char *format, ...)
{
    va_list args;

    if (world->verdict != WORLD_FINE)
        return;
    world->verdict = verdict;
    va_start(args, format);
    vsnprintf(world->message, sizeof world->message, format, args);
    va_end(args);
}

static void platform_feed(void *ctx)
{
    struct world *world = ctx;
    flash_sim_feed(&world->sim);
}

static void platform_log(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
}

void world_open(struct world *world, const struct flash_geometry *geometry)
{
    memset(world, 0, sizeof *world);
    flash_sim_open(&world->sim, geometry);
    world->sim.power_off = &world->power_off;
    test_sign_key(world->keys[0]);
    world->platform = (struct ota_platform){
        .ctx = world,
        .feed = platform_feed,
        .log = platform_log,
    };
    world->config = (struct ota_boot_config){
        .flash = &world->sim.flash,
        .map = &world->sim.map,
        .platform = &world->platform,
        .keys = {(const uint8_t(*)[OTA_PUBLIC_KEY_LEN])world->keys, 1},
        .product = PRODUCT,
        .hardware = HARDWARE,
    };
}

void world_close(struct world *world)
{
    for (unsigned i = 0; i < world->image_count; i++)
        free(world->images[i].bytes);
    flash_sim_close(&world->sim);
}

/* Mostly erased bytes, so that large sectors are quick to move; data at both ends of each sector
 * and somewhere between, so that every move counts. */
static void fill_body(struct world *world, uint8_t *body, uint32_t len)
{
    uint32_t sector_len = world->sim.geometry->slot_sector_len;

    memset(body, 0xff, len);
    for (uint32_t at = 0; at < len; at += sector_len / 2) {
        uint32_t start = at + (uint32_t)(flash_sim_random(&world->sim) % (sector_len / 4));
        for (uint32_t i = start; i < start + DATA_CHUNK && i < len; i++)
            body[i] = (uint8_t)flash_sim_random(&world->sim);
    }
    for (uint32_t at = sector_len - HEADER_LEN; at < len; at += sector_len)
        body[at - 1] = (uint8_t)(flash_sim_random(&world->sim) & 0x7f);
}

const struct world_image *world_add_image(struct world *world, const struct world_image_plan *plan)
{
    struct world_image *image = &world->images[world->image_count++];
    uint32_t cap = world->sim.map.primary.len;
    uint32_t len = cap / 1000 * plan->permille;
    uint8_t key_hash[OTA_HASH_LEN];
    uint8_t hash[OTA_HASH_LEN];
    uint8_t der[OTA_SIGNATURE_DER_MAX];
    struct ota_sha256 sha;
    const char *product = plan->product != NULL ? plan->product : PRODUCT;
    struct ota_image_fields fields = {
        .header_len = HEADER_LEN,
        .version = {1, (uint8_t)plan->counter, (uint16_t)plan->name, 0},
        .counter = plan->counter,
        .product = {product, strlen(product)},
        .hardware = {HARDWARE, strlen(HARDWARE)},
    };

    if (len > cap - HEADER_LEN - OTA_IMAGE_TLV_MAX)
        len = cap - HEADER_LEN - OTA_IMAGE_TLV_MAX;
    fields.body_len = len;
    *image = (struct world_image){
        .name = plan->name, .counter = plan->counter, .conduct = plan->conduct};
    image->refused = plan->forged || plan->product != NULL;
    image->bytes = malloc(cap);
    uint8_t *at = image->bytes;
    at += ota_image_encode_header(&fields, at, cap);
    fill_body(world, at, len);
    at += len;
    at += ota_image_encode_protected(&fields, at, OTA_IMAGE_TLV_MAX);
    ota_sha256_init(&sha);
    ota_sha256_update(&sha, image->bytes, (size_t)(at - image->bytes));
    ota_sha256_final(&sha, hash);
    ota_p256_key_hash(world->keys[0], key_hash);
    size_t der_len = test_sign(hash, der);
    if (plan->forged)
        der[der_len - 1] ^= 1;
    at += ota_image_encode_unprotected(hash, key_hash, der, der_len, at, OTA_IMAGE_TLV_MAX);
    image->len = (uint32_t)(at - image->bytes);
    return image;
}

static void put_image(struct world *world, uint32_t addr, const struct world_image *image)
{
    const struct ota_flash *flash = &world->sim.flash;
    uint8_t chunk[DATA_CHUNK];

    for (uint32_t at = 0; at < image->len; at += DATA_CHUNK) {
        uint32_t len = image->len - at < DATA_CHUNK ? image->len - at : DATA_CHUNK;
        bool erased = true;
        memset(chunk, 0xff, DATA_CHUNK);
        memcpy(chunk, image->bytes + at, len);
        for (uint32_t i = 0; i < len && erased; i++)
            erased = chunk[i] == 0xff;
        if (!erased)
            flash->program(flash->ctx, addr + at, chunk, DATA_CHUNK);
    }
}

void world_reset(struct world *world, const struct world_image *image)
{
    flash_sim_reset(&world->sim);
    put_image(world, world->sim.map.primary.addr, image);
    world->sim.operations = 0;
    world->goal_count = 0;
    world->goal = 0;
    world->asked = WORLD_GOALS_MAX;
    world->reached = 0;
    world->rot_primary = false;
    world->chatty = false;
    world->lenient = false;
    world->confirmed = image;
    world->previous = NULL;
    world->confirming = NULL;
    world->requested = NULL;
    world->counter = 0;
    memset(world->notes, 0, sizeof world->notes);
    world->cut_count = 0;
    world->next_cut = 0;
    world->boots = 0;
    world->verdict = WORLD_FINE;
}

/* --- The application ------------------------------------------------------------------------- */

static void note_bytes(const struct world_note *note, uint8_t *bytes)
{
    for (uint32_t i = 0; i < note->len; i++)
        bytes[i] = (uint8_t)((note->seed + i) * 167 >> 3);
}

static void write_note(struct world *world, struct ota_journal *journal, unsigned type,
                       uint32_t len)
{
    struct world_note *note = &world->notes[type];
    uint8_t bytes[OTA_RECORD_LEN_MAX];

    note->next_len = len;
    note->next_seed = note->seed + 1;
    const struct world_note next = {.len = len, .seed = note->next_seed};
    note_bytes(&next, bytes);
    note->writing = true;
    int error = ota_journal_write(journal, (enum ota_record)type, bytes, len);
    note->writing = false;
    if (error == OTA_OK)
        *note = next;
    else if (!world->lenient)
        judge(world, WORLD_WRONG, "the journal took no record: %s", ota_error_name(error));
}

static bool note_is(struct ota_journal *journal, unsigned type, const struct world_note *note)
{
    uint8_t have[OTA_RECORD_LEN_MAX];
    uint8_t want[OTA_RECORD_LEN_MAX];
    int len = ota_journal_read(journal, (enum ota_record)type, have, sizeof have);

    if (len == OTA_E_NOT_FOUND)
        return note->len == 0;
    note_bytes(note, want);
    return len == (int)note->len && memcmp(have, want, note->len) == 0;
}

/* Each record is the last one that was written, or the one whose write was cut. */
static void check_notes(struct world *world, struct ota_journal *journal)
{
    for (unsigned type = OTA_RECORD_BOOT + 1; type < OTA_RECORD_TYPES; type++) {
        struct world_note *note = &world->notes[type];
        const struct world_note next = {.len = note->next_len, .seed = note->next_seed};
        if (note->writing && note_is(journal, type, &next))
            *note = next;
        else if (!note_is(journal, type, note) && !world->lenient)
            judge(world, WORLD_WRONG, "journal record %u is neither the old nor the new", type);
        note->writing = false;
    }
}

static void chat(struct world *world, struct ota_journal *journal)
{
    if (!world->chatty)
        return;
    write_note(world, journal, OTA_RECORD_SEQUENCE, 8);
    write_note(world, journal, OTA_RECORD_UPDATE, 40 + world->boots % 5 * 9);
    write_note(world, journal, OTA_RECORD_REPORT_0 + world->boots % 2,
               world->boots % 7 == 0 ? 0 : 100);
}

/* false: a sector can't be erased, and the client gives up. */
static bool download(struct world *world, const struct world_image *image)
{
    const struct ota_flash *flash = &world->sim.flash;
    struct ota_flash_area area = ota_slots_download_area(flash, &world->sim.map);
    uint32_t sector_len = world->sim.geometry->slot_sector_len;

    for (uint32_t at = 0; at < image->len; at += sector_len) {
        flash_sim_feed(&world->sim);
        if (flash->erase(flash->ctx, area.addr + at) != OTA_OK)
            return false;
    }
    flash_sim_feed(&world->sim);
    put_image(world, area.addr, image);
    flash_sim_feed(&world->sim);
    return true;
}

static enum step request(struct world *world, struct ota_journal *journal)
{
    const struct world_image *image = world->goals[world->goal];
    struct ota_flash_area area = ota_slots_download_area(&world->sim.flash, &world->sim.map);
    struct ota_image_info info;

    world->requested = NULL;
    world->asked = world->goal;
    bool downloaded = download(world, image);
    chat(world, journal);
    if (!downloaded || ota_slots_inspect(&world->sim.flash, area.addr, area.len, &info) != OTA_OK) {
        if (!world->lenient)
            judge(world, WORLD_WRONG, "the download can't be read back");
        world->goal++;
        return STEP_REBOOT;
    }
    world->requested = image;
    if (ota_slots_request_install(journal, info.counter, info.hash, world->info.hash) != OTA_OK) {
        world->requested = NULL;
        world->goal++;
        if (!world->lenient)
            judge(world, WORLD_WRONG, "the install could not be requested");
    }
    return STEP_REBOOT;
}

/* A confirm took effect. */
static void enter_confirmed(struct world *world, const struct world_image *image)
{
    world->previous = world->confirmed;
    world->confirmed = image;
    world->confirming = NULL;
    world->requested = NULL;
    if (image->counter > world->counter)
        world->counter = image->counter;
}

static enum step pursue(struct world *world, struct ota_journal *journal)
{
    if (world->goal < world->goal_count && world->confirmed == world->goals[world->goal]) {
        world->reached |= 1U << world->goal;
        world->goal++;
        if (world->rot_primary && world->goal == 1) {
            world->rot_primary = false;
            world->confirmed = world->previous;
            flash_sim_flip(&world->sim, world->sim.map.primary.addr + HEADER_LEN + 3, 2);
            return STEP_REBOOT;
        }
    }
    if (world->goal >= world->goal_count)
        return STEP_DONE;
    return request(world, journal);
}

static enum step on_trial(struct world *world, struct ota_journal *journal)
{
    const struct world_image *image = world->requested;

    chat(world, journal);
    if (image->conduct == WORLD_HANGS)
        return STEP_REBOOT;
    if (image->conduct == WORLD_REJECTS) {
        ota_slots_reject(journal, OTA_E_SELF_TEST);
        return STEP_REBOOT;
    }
    world->confirming = image;
    if (ota_slots_confirm(journal) != OTA_OK) {
        if (!world->lenient)
            judge(world, WORLD_WRONG, "the image could not be confirmed");
        return STEP_REBOOT;
    }
    enter_confirmed(world, image);
    return pursue(world, journal);
}

static enum step application(struct world *world)
{
    struct ota_journal journal;
    struct ota_boot_record record;

    if (ota_journal_mount(&journal, &world->sim.flash, &world->sim.map) != OTA_OK ||
        ota_slots_load(&journal, &record) != OTA_OK) {
        judge(world, WORLD_DEAD, "the journal can't be mounted");
        return STEP_DONE;
    }
    check_notes(world, &journal);
    if (record.counter < world->counter)
        judge(world, WORLD_WRONG, "the counter fell to %u", (unsigned)record.counter);
    switch ((enum ota_boot_phase)record.phase) {
    case OTA_BOOT_TRIAL:
        return on_trial(world, &journal);
    case OTA_BOOT_REVERTED:
    case OTA_BOOT_REFUSED:
        chat(world, &journal);
        if (world->goal == world->asked)
            world->goal++; /* reported; the acknowledgement may be cut and come again */
        ota_slots_acknowledge(&journal);
        return pursue(world, &journal);
    case OTA_BOOT_IDLE:
        return pursue(world, &journal);
    case OTA_BOOT_REQUESTED:
    case OTA_BOOT_SWAPPING:
    case OTA_BOOT_REVERTING:
        break;
    }
    if (!world->lenient)
        judge(world, WORLD_WRONG, "an application started in phase %u", record.phase);
    return world->boots > 6 && world->lenient ? STEP_DONE : STEP_REBOOT;
}

/* --- The judge -------------------------------------------------------------------------------- */

static const struct world_image *primary_image(const struct world *world)
{
    const uint8_t *primary = world->sim.bytes + (world->sim.map.primary.addr - FLASH_SIM_ADDR);

    for (unsigned i = 0; i < world->image_count; i++) {
        if (memcmp(primary, world->images[i].bytes, world->images[i].len) == 0)
            return &world->images[i];
    }
    return NULL;
}

/* The confirm that was cut: what the bootloader says now holds from now on. */
static void settle_confirm(struct world *world, const struct world_image *image)
{
    if (world->confirming == NULL)
        return;
    if (image == world->confirming && world->report.phase == OTA_BOOT_IDLE)
        enter_confirmed(world, image);
    world->confirming = NULL;
}

static void judge_boot(struct world *world)
{
    const struct world_image *image = primary_image(world);

    if (image == NULL) {
        judge(world, WORLD_WRONG, "what starts is no image that was ever made");
        return;
    }
    settle_confirm(world, image);
    if (image != world->confirmed && image != world->requested)
        judge(world, WORLD_WRONG, "image %c starts, neither the old nor the new one", image->name);
    if (image->refused)
        judge(world, WORLD_WRONG, "image %c starts that was to be refused", image->name);
    if (image != world->confirmed && world->report.phase != OTA_BOOT_TRIAL && !world->lenient)
        judge(world, WORLD_WRONG, "image %c starts unconfirmed in phase %u", image->name,
              world->report.phase);
    if (image == world->confirmed && world->report.phase == OTA_BOOT_TRIAL)
        judge(world, WORLD_WRONG, "the old image starts as if on trial");
    if (world->report.phase == OTA_BOOT_REVERTED || world->report.phase == OTA_BOOT_REFUSED) {
        if (world->requested != NULL && world->requested->conduct == WORLD_GOOD &&
            !world->requested->refused && world->sim.cuts < OTA_TRIAL_ATTEMPTS_MAX &&
            !world->lenient)
            judge(world, WORLD_WRONG, "good image %c was given up after %u cuts, error %d",
                  world->requested->name, (unsigned)world->sim.cuts, world->report.error);
        world->requested = NULL; /* and must not come back */
    }
    if (world->report.counter < world->counter)
        judge(world, WORLD_WRONG, "the bootloader's counter fell to %u",
              (unsigned)world->report.counter);
    if (world->sim.violations != 0)
        judge(world, WORLD_WRONG, "a rule of the flash was broken");
}

static void plan_cut(struct world *world)
{
    if (world->next_cut < world->cut_count) {
        const struct world_cut *cut = &world->cuts[world->next_cut++];
        flash_sim_cut(&world->sim, cut->after, cut->tear);
    } else {
        flash_sim_cut(&world->sim, FLASH_SIM_NEVER, FLASH_TEAR_NOTHING);
    }
}

enum world_verdict world_live(struct world *world)
{
    plan_cut(world);
    if (setjmp(world->power_off) != 0)
        plan_cut(world);
    while (world->verdict == WORLD_FINE) {
        if (++world->boots > BOOTS_MAX) {
            judge(world, WORLD_WRONG, "it boots for ever");
            break;
        }
        int error = ota_boot_run(&world->config, &world->report, &world->info);
        flash_sim_feed(&world->sim);
        if (error != OTA_OK) {
            judge(world, WORLD_DEAD, "nothing starts: %s", ota_error_name(error));
            break;
        }
        judge_boot(world);
        if (application(world) == STEP_DONE)
            break;
    }
    flash_sim_cut(&world->sim, FLASH_SIM_NEVER, FLASH_TEAR_NOTHING);
    return world->verdict;
}

enum world_verdict world_update(struct world *world, const struct world_image *image)
{
    world->goals[0] = image;
    world->goal_count = 1;
    world->goal = 0;
    world->asked = WORLD_GOALS_MAX;
    world->reached = 0;
    world->rot_primary = false; /* a scenario that was cut short may not have come to it */
    world->cut_count = 0;
    world->next_cut = 0;
    world->boots = 0;
    world->sim.cuts = 0;
    world_live(world);
    if (world->reached != 1)
        judge(world, WORLD_WRONG, "the next update does not work");
    return world->verdict;
}

struct world_snapshot *world_snapshot_new(struct world *world)
{
    struct world_snapshot *snapshot = malloc(sizeof *snapshot);
    snapshot->flash = flash_sim_copy_new(&world->sim);
    world_snapshot_save(world, snapshot);
    return snapshot;
}

void world_snapshot_save(struct world *world, struct world_snapshot *snapshot)
{
    flash_sim_save(&world->sim, snapshot->flash);
    snapshot->books = *world;
}

void world_snapshot_load(struct world *world, const struct world_snapshot *snapshot)
{
    uint64_t random = world->sim.random;
    *world = snapshot->books;
    world->sim.random = random;
    flash_sim_load(&world->sim, snapshot->flash);
}

void world_snapshot_free(struct world_snapshot *snapshot)
{
    free(snapshot->flash);
    free(snapshot);
}

void world_fill_journal(struct world *world, uint32_t left)
{
    struct ota_journal journal;

    if (ota_journal_mount(&journal, &world->sim.flash, &world->sim.map) != OTA_OK)
        abort();
    const struct ota_flash_area *area = &world->sim.map.journal[journal.active];
    while (area->addr + area->len - journal.end > left)
        write_note(world, &journal, OTA_RECORD_SEQUENCE, 8);
    world->sim.operations = 0;
}
