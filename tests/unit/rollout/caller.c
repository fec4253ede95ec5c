#include "tests/unit/rollout/caller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void caller_hash(uint8_t hash[OTA_HASH_LEN], unsigned number)
{
    memset(hash, 0, OTA_HASH_LEN);
    hash[OTA_HASH_LEN - 1] = (uint8_t)number;
}

struct ota_text caller_text(const char *text)
{
    return (struct ota_text){text, strlen(text)};
}

void caller_open(struct caller *caller, size_t devices)
{
    memset(caller, 0, sizeof *caller);
    caller->now = 1700000000;
    caller->count_at_once = true;
    caller->devices = calloc(devices, sizeof *caller->devices);
    caller->device_count = caller->devices != NULL ? devices : 0;
    for (size_t i = 0; i < caller->device_count; i++) {
        struct caller_device *device = &caller->devices[i];

        snprintf(device->name, sizeof device->name, "dev-%03zu", i);
        device->view = (struct rollout_device){
            .id = caller_text(device->name),
            .product = caller_text("lamp"),
            .hardware = caller_text("a1"),
            .accepted = true,
            .seen = true,
            .version = {1, 0, 0, 0},
            .counter = 1,
            .hash = device->hash,
        };
    }
}

void caller_close(struct caller *caller)
{
    free(caller->devices);
    caller->devices = NULL;
}

size_t caller_add_rollout(struct caller *caller)
{
    struct rollout *rollout = &caller->rollouts[caller->rollout_count];

    rollout_init(rollout, caller->rollout_count + 1);
    strcpy(rollout->release.product, "lamp");
    strcpy(rollout->release.hardware, "a1");
    rollout->release.version = (struct ota_version){1, 1, 0, 0};
    rollout->release.counter = 1;
    caller_hash(rollout->release.hash, 1);
    rollout->stage_count = 1;
    rollout->stages[0].rule = ROLLOUT_RULE_SHARE;
    rollout->stages[0].share_bp = ROLLOUT_SHARE_WHOLE;
    rollout->stages[0].success_percent = 100;
    return caller->rollout_count++;
}

const struct deployment *caller_newest(const struct caller *caller, size_t rollout, size_t device)
{
    const struct deployment *newest = &caller->devices[device].newest[rollout];

    return newest->state != DEPLOYMENT_NONE ? newest : NULL;
}

static bool begun(const struct rollout *rollout)
{
    return rollout->state != ROLLOUT_DRAFT && rollout->state != ROLLOUT_SCHEDULED;
}

static struct rollout_place place_of(const struct caller *caller, size_t rollout, size_t device)
{
    struct rollout_device view = caller->devices[device].view;

    if (caller->devices[device].gone)
        return (struct rollout_place){.member = false};
    for (size_t i = 0; i < caller->rollout_count; i++)
        if (deployment_active(&caller->devices[device].newest[i]))
            view.heading = &caller->rollouts[i].release.version;
    return rollout_place(&caller->rollouts[rollout], &view, caller_newest(caller, rollout, device));
}

void caller_change_begin(struct caller *caller, size_t device)
{
    for (size_t i = 0; i < caller->rollout_count; i++)
        caller->places[i] = place_of(caller, i, device);
}

void caller_change_end(struct caller *caller, size_t device)
{
    for (size_t i = 0; i < caller->rollout_count; i++) {
        if (begun(&caller->rollouts[i]) && device < caller->counted[i])
            rollout_place_move(&caller->rollouts[i], caller->places[i],
                               place_of(caller, i, device));
    }
}

void caller_count(struct caller *caller, size_t rollout, size_t devices)
{
    struct rollout *counting = &caller->rollouts[rollout];

    for (; devices > 0 && caller->counted[rollout] < caller->device_count; devices--) {
        rollout_place_add(counting, place_of(caller, rollout, caller->counted[rollout]));
        caller->counted[rollout]++;
    }
    counting->counted = caller->counted[rollout] == caller->device_count;
}

static void tell(struct caller *caller, size_t rollout, enum rollout_event event)
{
    if (caller->on_event != NULL)
        caller->on_event(caller->ctx, rollout, event);
}

void caller_settle(struct caller *caller)
{
    for (size_t i = 0; i < caller->rollout_count; i++) {
        enum rollout_event event;
        unsigned events = 0;

        while ((event = rollout_tick(&caller->rollouts[i], caller->now, NULL)) !=
               ROLLOUT_EVENT_NONE) {
            if (event == ROLLOUT_EVENT_STARTED && caller->count_at_once)
                caller_count(caller, i, caller->device_count);
            tell(caller, i, event);
            if (++events > 4 * ROLLOUT_STAGES_MAX)
                abort(); /* it goes in circles */
        }
    }
}

enum rollout_refusal caller_obey(struct caller *caller, size_t rollout,
                                 const struct rollout_order *order)
{
    enum rollout_refusal refusal = rollout_command(&caller->rollouts[rollout], order, caller->now);

    if (refusal == ROLLOUT_ALLOWED && order->command == ROLLOUT_START && caller->count_at_once)
        caller_count(caller, rollout, caller->device_count);
    caller_settle(caller);
    return refusal;
}

enum rollout_refusal caller_order(struct caller *caller, size_t rollout,
                                  enum rollout_command command, bool force)
{
    struct rollout_order order = {.command = command, .force = force};

    return caller_obey(caller, rollout, &order);
}

static struct deployment_change note(struct caller *caller, struct deployment_change change)
{
    if (change.effect == DEPLOYMENT_MOVED && caller->on_change != NULL)
        caller->on_change(caller->ctx, change);
    return change;
}

static size_t gather(struct caller *caller, size_t device, struct rollout_candidate *candidates,
                     size_t *which)
{
    size_t count = 0;

    for (size_t i = 0; i < caller->rollout_count; i++) {
        const struct rollout *rollout = &caller->rollouts[i];
        const struct deployment *newest = caller_newest(caller, i, device);
        bool ended = rollout->state == ROLLOUT_COMPLETED || rollout->state == ROLLOUT_CANCELLED;

        if (rollout->state == ROLLOUT_DRAFT ||
            (ended && (newest == NULL || !deployment_active(newest))))
            continue;
        candidates[count] = (struct rollout_candidate){rollout, newest};
        which[count++] = i;
    }
    return count;
}

static void open_offer(struct caller *caller, size_t device,
                       const struct rollout_decision *decision)
{
    struct caller_device *target = &caller->devices[device];
    struct deployment *newest = &target->newest[decision->candidate];
    struct deployment previous = *newest;

    if (caller->on_offer != NULL)
        caller->on_offer(caller->ctx, device, decision);
    caller_change_begin(caller, device);
    if (decision->supersedes != ROLLOUT_NO_CANDIDATE) {
        struct deployment *old = &target->newest[decision->supersedes];
        struct deployment_change change = {DEPLOYMENT_MOVED, old->state, DEPLOYMENT_SKIPPED};

        deployment_supersede(&caller->rollouts[decision->supersedes], old, caller->now);
        note(caller, change);
    }
    deployment_open(&caller->rollouts[decision->candidate], newest,
                    previous.state != DEPLOYMENT_NONE ? &previous : NULL, ++caller->last_deployment,
                    decision->stage, caller->now);
    target->view.newest_deployment = caller->last_deployment;
    caller_change_end(caller, device);
}

struct rollout_decision caller_poll(struct caller *caller, size_t device)
{
    struct caller_device *target = &caller->devices[device];
    struct rollout_candidate candidates[CALLER_ROLLOUTS];
    size_t which[CALLER_ROLLOUTS];
    struct rollout_decision decision;

    caller_change_begin(caller, device);
    for (size_t i = 0; i < caller->rollout_count; i++) {
        if (target->newest[i].state != DEPLOYMENT_NONE)
            note(caller, deployment_reconcile(&caller->rollouts[i], &target->view,
                                              &target->newest[i], caller->now));
    }
    caller_change_end(caller, device);
    caller_settle(caller);
    decision = rollout_decide(candidates, gather(caller, device, candidates, which), &target->view,
                              caller->now);
    if (decision.candidate != ROLLOUT_NO_CANDIDATE)
        decision.candidate = which[decision.candidate];
    if (decision.supersedes != ROLLOUT_NO_CANDIDATE)
        decision.supersedes = which[decision.supersedes];
    if (decision.action == ROLLOUT_ACTION_OFFER)
        open_offer(caller, device, &decision);
    caller_settle(caller);
    return decision;
}

struct deployment_change caller_report(struct caller *caller, size_t rollout, size_t device,
                                       uint64_t id, const struct ota_report *report)
{
    struct caller_device *target = &caller->devices[device];
    struct deployment *newest = &target->newest[rollout];
    struct deployment_change change = {DEPLOYMENT_UNCHANGED, newest->state, newest->state};

    if (newest->state == DEPLOYMENT_NONE || newest->id != id)
        return change;
    caller_change_begin(caller, device);
    change = note(caller, deployment_report(&caller->rollouts[rollout], &target->view, newest,
                                            report, caller->now));
    caller_change_end(caller, device);
    caller_settle(caller);
    return change;
}

struct deployment_change caller_event(struct caller *caller, size_t rollout, size_t device,
                                      enum ota_event event)
{
    struct caller_device *target = &caller->devices[device];
    struct ota_report report = {.seq = ++target->seq, .event = event};

    memcpy(report.hash, target->hash, OTA_HASH_LEN);
    return caller_report(caller, rollout, device, target->newest[rollout].id, &report);
}

struct deployment_change caller_health(struct caller *caller, size_t rollout, size_t device,
                                       uint64_t seq, uint32_t events)
{
    struct caller_device *target = &caller->devices[device];
    struct deployment_change change;

    caller_change_begin(caller, device);
    change = note(caller, deployment_health(&caller->rollouts[rollout], &target->view,
                                            &target->newest[rollout], seq, events, caller->now));
    caller_change_end(caller, device);
    caller_settle(caller);
    return change;
}

void caller_expire(struct caller *caller)
{
    caller_settle(caller);
    for (size_t device = 0; device < caller->device_count; device++) {
        struct caller_device *target = &caller->devices[device];

        for (size_t i = 0; i < caller->rollout_count; i++) {
            if (target->gone || target->newest[i].state == DEPLOYMENT_NONE)
                continue;
            caller_change_begin(caller, device);
            note(caller, deployment_expire(&caller->rollouts[i], &target->view, &target->newest[i],
                                           caller->now));
            caller_change_end(caller, device);
            caller_settle(caller);
        }
    }
}

void caller_remove(struct caller *caller, size_t device)
{
    struct caller_device *target = &caller->devices[device];

    caller_change_begin(caller, device);
    for (size_t i = 0; i < caller->rollout_count; i++) {
        rollout_uncount_deployment(&caller->rollouts[i], &target->newest[i]);
        target->newest[i] = (struct deployment){.state = DEPLOYMENT_NONE};
    }
    target->gone = true;
    target->seq = 0;
    target->view.newest_deployment = 0;
    caller_change_end(caller, device);
    caller_settle(caller);
}

void caller_update(struct caller *caller, size_t rollout, size_t device)
{
    struct caller_device *target = &caller->devices[device];
    const struct rollout_release *release = &caller->rollouts[rollout].release;

    caller_event(caller, rollout, device, OTA_EVENT_DOWNLOADING);
    caller_event(caller, rollout, device, OTA_EVENT_INSTALLED);
    caller_change_begin(caller, device);
    memcpy(target->hash, release->hash, OTA_HASH_LEN);
    target->view.version = release->version;
    caller_change_end(caller, device);
    caller_event(caller, rollout, device, OTA_EVENT_TRIAL);
    caller_event(caller, rollout, device, OTA_EVENT_CONFIRMED);
    caller_change_begin(caller, device);
    target->view.counter = release->counter;
    caller_change_end(caller, device);
}
