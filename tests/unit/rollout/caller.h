/*
 * The rollout engine's caller for tests: what the server does around the engine, without a server.
 * It keeps devices and their newest deployments in arrays, takes places before and after each
 * change, and ticks after it, as server/rollout.h asks.
 */
#ifndef OTA_TESTS_ROLLOUT_CALLER_H
#define OTA_TESTS_ROLLOUT_CALLER_H

#include "server/deployment.h"
#include "server/rollout.h"
#include "server/rollout_decide.h"
#include "server/rollout_target.h"

#define CALLER_ROLLOUTS 4

struct caller_device {
    char name[32];
    uint8_t hash[OTA_HASH_LEN];
    struct selector_tag tag;
    struct rollout_device view;
    struct deployment newest[CALLER_ROLLOUTS];
    uint64_t seq; /* of its last report */
    bool gone;
};

struct caller {
    uint64_t now;
    struct rollout rollouts[CALLER_ROLLOUTS];
    size_t rollout_count;
    struct caller_device *devices;
    size_t device_count;
    size_t counted[CALLER_ROLLOUTS]; /* devices below this are in the counts */
    bool count_at_once;              /* at the start of a rollout; else caller_count() does */
    uint64_t last_deployment;
    struct rollout_place places[CALLER_ROLLOUTS]; /* of the device that is being changed */
    /* Called for each event of a rollout, each change of a deployment's state, and each offer
     * before it is opened, if set. */
    void (*on_event)(void *ctx, size_t rollout, enum rollout_event event);
    void (*on_change)(void *ctx, struct deployment_change change);
    void (*on_offer)(void *ctx, size_t device, const struct rollout_decision *decision);
    void *ctx;
};

/* `devices` devices named dev-000...: product "lamp", hardware "a1", image 0 (hash of zeros),
 * version 1.0.0, counter 1, accepted and seen. */
void caller_open(struct caller *caller, size_t devices);
void caller_close(struct caller *caller);

/* A hash that stands for image `number`. */
void caller_hash(uint8_t hash[OTA_HASH_LEN], unsigned number);
struct ota_text caller_text(const char *text);

/* A draft: product "lamp", hardware "a1", image 1, version 1.1.0, counter 1, one stage for
 * everybody that wants success of 100 %. Its index. */
size_t caller_add_rollout(struct caller *caller);

enum rollout_refusal caller_order(struct caller *caller, size_t rollout,
                                  enum rollout_command command, bool force);
enum rollout_refusal caller_obey(struct caller *caller, size_t rollout,
                                 const struct rollout_order *order);

/* A poll with the facts of the device's view. An offer is opened. */
struct rollout_decision caller_poll(struct caller *caller, size_t device);
/* A report about deployment `id` of a rollout (nothing happens if it is not the newest there). */
struct deployment_change caller_report(struct caller *caller, size_t rollout, size_t device,
                                       uint64_t id, const struct ota_report *report);
/* The next report of the device about its newest deployment in a rollout, running what its view
 * says. */
struct deployment_change caller_event(struct caller *caller, size_t rollout, size_t device,
                                      enum ota_event event);
struct deployment_change caller_health(struct caller *caller, size_t rollout, size_t device,
                                       uint64_t seq, uint32_t events);
/* Expire what is due at caller->now, then tick. */
void caller_expire(struct caller *caller);
void caller_settle(struct caller *caller);

/* Around any change of a device's facts. */
void caller_change_begin(struct caller *caller, size_t device);
void caller_change_end(struct caller *caller, size_t device);
void caller_remove(struct caller *caller, size_t device);
/* Count `devices` more into the members of a started rollout. */
void caller_count(struct caller *caller, size_t rollout, size_t devices);

/* The device downloads, installs, tries and confirms what it is offered; its view follows. */
void caller_update(struct caller *caller, size_t rollout, size_t device);

const struct deployment *caller_newest(const struct caller *caller, size_t rollout, size_t device);

#endif
