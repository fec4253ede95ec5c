/*
 * The fleet in memory: devices by token and by name, rollouts, and the tries under way.
 *
 *     fleet --> slabs of devices --> tries (newest first), one for each live rollout at most
 *       |           ^      ^
 *       |        tokens  names        hash tables of indices
 *       +-----> rollouts (struct rollout of the engine, and what serving it needs)
 *
 * Polls are answered from here. Loaded at start, and from then on changed by the writer thread
 * alone, inside its transactions; other threads read, and write only `last_seen`. One mutex, held
 * for microseconds: never across SQL, a signature, or I/O. Pointers are good while it is held, and
 * on the writer thread; across that, keep a struct fleet_ref.
 *
 * The journal. What the writer thread changes it touches first (fleet_touch_*); should the job or
 * its commit fail, the old bytes come back, so that memory never shows what the disk has not got.
 * Readers may see a change shortly before its commit; where that matters (a manifest must not leave
 * before its deployment is durable) they compare its `txn` with fleet_durable().
 */
#ifndef OTAD_FLEET_H
#define OTAD_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "db/devices.h"
#include "db/rollouts.h"
#include "protocol/limits.h"
#include "protocol/version.h"
#include "server/deployment.h"
#include "server/rollout.h"
#include "server/tags.h"
#include "server/writer.h"

#define FLEET_LIVE_MAX 64     /* rollouts that are neither draft nor ended */
#define FLEET_EVENTS_MAX 1000 /* rows of history of one try; what comes beyond is not recorded */
#define FLEET_NO_INDEX UINT32_MAX

/* One try of one device. */
struct fleet_try {
    struct deployment d;
    struct fleet_try *next; /* the same device's, older */
    uint64_t txn;           /* that changed it last */
    uint16_t events;        /* rows of history */
    bool superseded;        /* the device has a newer one in the same rollout */
};

/* What a device says of itself. */
struct fleet_facts {
    uint8_t hash[OTA_HASH_LEN]; /* image that it runs */
    struct ota_version version;
    uint32_t counter;
    uint32_t postponed_until; /* seconds since 1970; 0: not */
    int16_t utc_offset;       /* minutes east of UTC, if it has_offset */
    bool has_offset;
    bool opted_out;
    bool trial;
    bool seen; /* the rest is valid */
};

struct fleet_device {
    uint8_t token_hash[DB_HASH_LEN];
    char *name;
    struct tag_set *tags;
    struct fleet_try *tries;
    uint64_t newest; /* id of its newest deployment, of whatever rollout; 0 = none */
    struct fleet_facts facts;
    uint32_t id; /* of its row; 0 for a free slot */
    uint32_t group;
    uint32_t enrolment_key;
    uint16_t target; /* product and hardware: fleet_product(), fleet_hardware() */
    uint8_t state;   /* enum db_device_state */
    uint8_t name_len;
    /* From here on not journalled. */
    bool dirty;             /* last_seen is not on the disk */
    bool takes_patches;     /* said so with its last poll */
    uint32_t last_seen;     /* seconds since 1970 */
    uint32_t alarm_at;      /* the alarm that counts, 0 for none */
    uint32_t next_by_token; /* of a free slot: the next free one */
    uint32_t next_by_name;
    uint32_t index; /* of its slot */
};

struct fleet_rollout {
    struct rollout r;
    char name[DB_LABEL_MAX + 1];
    char halt_note[DB_DETAIL_MAX + 1]; /* of a halt by hand: who and why */
    int64_t firmware_id;
    int64_t created_at;
    uint32_t image_len; /* bytes of the file */
    uint8_t sha256[OTA_HASH_LEN];
    uint8_t sig[OTA_SIGNATURE_DER_MAX];
    size_t sig_len;
    uint32_t cursor;  /* devices below this index are in the counts */
    uint64_t next_at; /* when the engine wants to be asked again */
    uint64_t txn;     /* that changed its state last */
    uint64_t saved;   /* the job in which the journal has it already */
};

struct fleet;

/* A device across a release of the lock. */
struct fleet_ref {
    uint32_t index;
    uint32_t id;
};

struct fleet *fleet_new(void);
void fleet_free(struct fleet *fleet);
/* Read everything from the database; an error of db/. Before any thread runs. */
int fleet_load(struct fleet *fleet, struct db *db);
/* The hooks that tie the journal to the writer's transactions. */
struct writer_hooks fleet_hooks(struct fleet *fleet);

void fleet_lock(struct fleet *fleet);
void fleet_unlock(struct fleet *fleet);

/* ---- reading: with the lock, or on the writer thread ---- */

struct fleet_device *fleet_find_token(struct fleet *fleet, const uint8_t hash[DB_HASH_LEN]);
struct fleet_device *fleet_find_name(struct fleet *fleet, const char *name);
struct fleet_device *fleet_device(struct fleet *fleet, struct fleet_ref ref); /* NULL: gone */
struct fleet_ref fleet_ref(struct fleet *fleet, const struct fleet_device *device);
/* Slots in use or free lie below this; fleet_at() gives NULL for a free one. */
uint32_t fleet_slots(struct fleet *fleet);
struct fleet_device *fleet_at(struct fleet *fleet, uint32_t index);
uint32_t fleet_count(struct fleet *fleet);
const char *fleet_product(struct fleet *fleet, const struct fleet_device *device);
const char *fleet_hardware(struct fleet *fleet, const struct fleet_device *device);
/* The engine's view; `facts` NULL: as last told. Points into the device and the fleet. */
struct rollout_device fleet_view(struct fleet *fleet, const struct fleet_device *device,
                                 const struct fleet_facts *facts);

struct fleet_rollout *fleet_find_rollout(struct fleet *fleet, uint64_t id);
/* In order of id; NULL past the end. */
struct fleet_rollout *fleet_rollout_at(struct fleet *fleet, size_t position);
/* The first position whose id lies above `id`. */
size_t fleet_rollout_after(struct fleet *fleet, uint64_t id);
/* The id that the next rollout is likely to get. Takes the lock. */
uint64_t fleet_next_rollout(struct fleet *fleet);
/* Why it halted, in one sentence; "" when it has not. */
void fleet_halt_reason(const struct fleet_rollout *rollout, char *buf, size_t cap);
/* Neither draft nor ended. */
struct fleet_rollout *const *fleet_live(struct fleet *fleet, size_t *count);
/* The newest try of a device in a rollout, NULL for none. */
struct fleet_try *fleet_newest_try(const struct fleet_device *device, uint64_t rollout_id);

/* Whether it is neither draft nor ended, and whether its members are counted: from its start on. */
bool fleet_is_live(const struct rollout *rollout);
bool fleet_counts_members(const struct rollout *rollout);

/* The last transaction that is on the disk, and the one being made. */
uint64_t fleet_durable(struct fleet *fleet);
uint64_t fleet_txn(struct fleet *fleet);

/* Any thread, with the lock: the device was here. */
void fleet_note_seen(struct fleet *fleet, struct fleet_device *device, uint32_t now);

/* ---- changing: on the writer thread, inside a job, with the lock ---- */

/* Save a thing before it is changed. */
bool fleet_touch_device(struct fleet *fleet, struct fleet_device *device);
bool fleet_touch_rollout(struct fleet *fleet, struct fleet_rollout *rollout);
bool fleet_touch_try(struct fleet *fleet, struct fleet_try *try);

/* Add a device whose row was inserted; false when out of memory. */
bool fleet_add_device(struct fleet *fleet, const struct db_device *row);
/* Take a device out, with its tries; false when out of memory. */
bool fleet_remove_device(struct fleet *fleet, struct fleet_device *device);
bool fleet_set_token(struct fleet *fleet, struct fleet_device *device,
                     const uint8_t hash[DB_HASH_LEN]);
/* The local time of a group, for its devices that do not tell their own. */
bool fleet_set_zone(struct fleet *fleet, uint32_t group, bool known, int minutes);
/* `text` as tags_format() makes it. */
bool fleet_set_tags(struct fleet *fleet, struct fleet_device *device, const char *text);

/* Add a rollout; the fleet owns it from then on, and frees it should the job fail. */
bool fleet_add_rollout(struct fleet *fleet, struct fleet_rollout *rollout);
/* Call after a change of a rollout's state: which rollouts are live. */
void fleet_refresh_live(struct fleet *fleet);

/* A new zeroed try in front of the device's others (touched by this). NULL: out of memory. */
struct fleet_try *fleet_add_try(struct fleet *fleet, struct fleet_device *device);
/* Drop tries of rollouts that are no longer needed to decide: superseded, or ended and final. */
void fleet_prune_tries(struct fleet *fleet, struct fleet_device *device);
/* The engine does not count what ended without a verdict: such a device waits again. People want to
 * see the number, so it is kept in the place of that state: +1 when a try has become so, -1 when it
 * is about to be superseded or goes. */
void fleet_count_skip(struct fleet_rollout *rollout, const struct fleet_try *try, int delta);

uint64_t fleet_next_deployment(struct fleet *fleet);
/* A device speaks of a deployment that was never given out here: the database is older than the
 * fleet. Numbers go on beyond it, so that none gets a second meaning. True the first time, and each
 * time the number is beyond all before. */
bool fleet_heard_of_deployment(struct fleet *fleet, uint64_t id);

/* Wake for this device at `at` at the latest. Only the earliest of a device counts. */
void fleet_set_alarm(struct fleet *fleet, struct fleet_device *device, uint64_t at);
/* The device whose alarm is the earliest and due, NULL for none; its alarm is off then. */
struct fleet_device *fleet_take_alarm(struct fleet *fleet, uint32_t now);
/* When the earliest is due, UINT32_MAX for none. */
uint32_t fleet_next_alarm(struct fleet *fleet);

/* Devices with a last_seen that is not on the disk, in order of slots from *cursor on: up to `max`,
 * from a bounded part of the slots. The count; the walk is over when *cursor is fleet_slots(). */
size_t fleet_take_dirty(struct fleet *fleet, uint32_t *cursor, struct fleet_ref *refs, size_t max);

/* A row as the database has it, of a device in memory. */
void fleet_to_row(struct fleet *fleet, const struct fleet_device *device, struct db_device *row);

#endif
