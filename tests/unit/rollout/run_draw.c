#include "tests/unit/rollout/run.h"

#include <stdio.h>

/* ---- chance ---- */

unsigned run_draw(struct run *run, unsigned below)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return (unsigned)((run->random >> 32) % below);
}

bool run_chance(struct run *run, unsigned percent)
{
    return run_draw(run, 100) < percent;
}

int run_pick(struct run *run, const int *values, unsigned count)
{
    return values[run_draw(run, count)];
}

/* ---- settings, for both ---- */

static struct ota_version version_of(int version)
{
    return (struct ota_version){1, (uint8_t)version, 0, 0};
}

static void draw_stage(struct run *run, struct m_stage_spec *stage, bool last, int share)
{
    *stage = (struct m_stage_spec){
        .share_bp = last ? 10000 : share,
        .success = PICK(100, 100, 100, 50, 67, 0),
        .failure_count = PICK(0, 0, 1, 2, 3),
        .failure_percent = PICK(0, 0, 0, 1, 34, 50, 100),
        .soak = PICK(0, 0, 1, 50, 400),
        .rate = PICK(0, 0, 0, 0, 1, 2, 60, 90),
        .in_flight_max = PICK(0, 0, 0, 1, 2),
        .by_hand = run_chance(run, 5),
    };
    if (run_chance(run, 20))
        *stage = (struct m_stage_spec){.share_bp = stage->share_bp,
                                       .success = stage->success,
                                       .allowed_bp = PICK(100, 1000, 3000),
                                       .suspect_bp = PICK(5000, 9000),
                                       .error_bp = PICK(500, 1900)};
    if (run_chance(run, last ? 10 : 40))
        stage->group = (int)run_draw(run, 2) + 1;
}

static void draw_stages(struct run *run, struct m_spec *spec)
{
    static const int shares[] = {2500, 6000};

    spec->stage_count = PICK(1, 1, 2, 3);
    for (int s = 0; s < spec->stage_count; s++) {
        draw_stage(run, &spec->stages[s], s + 1 == spec->stage_count, shares[s % 2]);
        for (int before = 0; before < s; before++) {
            if (spec->stages[before].group == spec->stages[s].group)
                spec->stages[s].group = 0; /* not two stages with one group */
        }
    }
    if (spec->group_count > 0) {
        for (int s = 0; s < spec->stage_count; s++)
            spec->groups[spec->stages[s].group % 2] =
                spec->stages[s].group != 0 ? spec->stages[s].group : spec->groups[0];
        spec->groups[0] = 2, spec->groups[1] = 1, spec->group_count = 2;
    }
}

void run_draw_spec(struct run *run, struct m_spec *spec, int index)
{
    *spec = (struct m_spec){
        .id = index + 1,
        .seed = (unsigned long)run_draw(run, 50),
        .product = run_chance(run, 3) ? 2 : 1,
        .hardware = run_chance(run, 3) ? 2 : 1,
        .version = run_chance(run, 80) ? 10 + index : PICK(3, 5, 10),
        .counter = PICK(1, 1, 1, 2, 3, 17, 18),
        .image = index + 1,
        .security = run_chance(run, 20),
        .version_min = run_chance(run, 10) ? PICK(4, 5, 6, 10) : -1,
        .running_min = run_chance(run, 8) ? PICK(4, 5, 6) : -1,
        .running_max = run_chance(run, 8) ? PICK(6, 10, 11) : -1,
        .group_count = run_chance(run, 10) ? 2 : 0,
        .ring = run_chance(run, 10) ? 1 : 0,
        .allow_downgrade = run_chance(run, 25),
        .offered = PICK(30, 100, 600),
        .downloading = PICK(30, 100, 600),
        .installing = PICK(30, 100, 600),
        .trial = PICK(30, 100, 600),
        .retry = PICK(30, 100, 600),
        .retries = PICK(0, 0, 0, 1, 2),
        .retry_wait = PICK(0, 0, 20),
        .health_seconds = PICK(0, 0, 60, 500),
        .health_events = PICK(0, 1, 2),
        .postpone_max = PICK(0, 100),
    };
    if (run_chance(run, 12)) {
        spec->window_days = PICK(0x7f, 0x15, 0x40);
        spec->window_from = (int)run_draw(run, 1440);
        spec->window_to = (int)run_draw(run, 1440);
    }
    draw_stages(run, spec);
}

void run_draw_edge(struct run *run, struct m_spec *spec, const int *places)
{
    int share = places[run_draw(run, (unsigned)run->model.device_count)];

    if (spec->stage_count > 1 && share > 0 && share < 6000 && run_chance(run, 30))
        spec->stages[0].share_bp = share;
}

static void name_of(char *buf, const char *prefix, int number)
{
    snprintf(buf, OTA_NAME_MAX + 1, "%s%d", prefix, number);
}

static void build_stage(struct rollout_stage *stage, const struct m_stage_spec *spec)
{
    stage->rule = spec->group != 0 ? ROLLOUT_RULE_GROUP : ROLLOUT_RULE_SHARE;
    stage->group = (uint32_t)spec->group;
    stage->share_bp = spec->group != 0 ? 0 : (uint16_t)spec->share_bp;
    stage->success_percent = (uint8_t)spec->success;
    stage->failure_percent = (uint8_t)spec->failure_percent;
    stage->failure_count = (uint32_t)spec->failure_count;
    stage->sequential = (struct sequential){(uint16_t)spec->allowed_bp, (uint16_t)spec->suspect_bp,
                                            (uint16_t)spec->error_bp};
    stage->soak_seconds = (uint32_t)spec->soak;
    stage->offers_a_minute = (uint32_t)spec->rate;
    stage->in_flight_max = (uint32_t)spec->in_flight_max;
    stage->by_hand = spec->by_hand;
}

static void build_target(struct rollout_target *target, const struct m_spec *spec)
{
    target->group_count = (uint8_t)spec->group_count;
    for (int i = 0; i < spec->group_count; i++)
        target->groups[i] = (uint32_t)spec->groups[i];
    target->has_running_min = spec->running_min >= 0;
    target->has_running_max = spec->running_max >= 0;
    target->running_min = version_of(spec->running_min);
    target->running_max = version_of(spec->running_max);
    if (spec->ring != 0)
        selector_parse(&target->tags, caller_text("ring=1"), NULL);
}

static void build_release(struct rollout_release *release, const struct m_spec *spec)
{
    name_of(release->product, "product", spec->product);
    name_of(release->hardware, "hardware", spec->hardware);
    release->version = version_of(spec->version);
    release->counter = (uint32_t)spec->counter;
    caller_hash(release->hash, (unsigned)spec->image);
    release->security = spec->security;
    release->has_version_min = spec->version_min >= 0;
    release->version_min = version_of(spec->version_min);
}

void run_build_rollout(struct rollout *rollout, const struct m_spec *spec)
{
    rollout_init(rollout, (uint64_t)spec->id);
    rollout->seed = spec->seed;
    build_release(&rollout->release, spec);
    build_target(&rollout->target, spec);
    rollout->stage_count = (uint8_t)spec->stage_count;
    for (int s = 0; s < spec->stage_count; s++)
        build_stage(&rollout->stages[s], &spec->stages[s]);
    rollout->allow_downgrade = spec->allow_downgrade;
    rollout->window = (struct window){(uint8_t)spec->window_days, (uint16_t)spec->window_from,
                                      (uint16_t)spec->window_to};
    rollout->timeouts = (struct rollout_timeouts){
        (uint32_t)spec->offered, (uint32_t)spec->downloading, (uint32_t)spec->installing,
        (uint32_t)spec->trial, (uint32_t)spec->retry};
    rollout->retries = (uint8_t)spec->retries;
    rollout->retry_wait_seconds = (uint32_t)spec->retry_wait;
    rollout->health_seconds = (uint32_t)spec->health_seconds;
    rollout->health_events = (uint32_t)spec->health_events;
    rollout->postpone_seconds_max = (uint32_t)spec->postpone_max;
}

/* ---- devices ---- */

static void build_view(struct caller_device *device, const struct m_facts *facts)
{
    static const char *const products[] = {"product0", "product1", "product2"};
    static const char *const hardwares[] = {"hardware0", "hardware1", "hardware2"};
    static const char *const rings[] = {"0", "1"};
    struct rollout_device *view = &device->view;

    view->product = caller_text(products[facts->product]);
    view->hardware = caller_text(hardwares[facts->hardware]);
    view->group = (uint32_t)facts->group;
    view->accepted = facts->accepted;
    view->seen = facts->seen;
    view->trial = facts->trial;
    view->version = version_of(facts->version);
    view->counter = (uint32_t)facts->counter;
    caller_hash(device->hash, (unsigned)facts->image);
    view->hash = device->hash;
    view->opted_out = facts->opted_out;
    view->postponed_until = (uint64_t)facts->postponed_until;
    view->utc_offset_minutes = facts->offset_minutes;
    device->tag = (struct selector_tag){{"ring", 4}, caller_text(rings[facts->ring])};
    view->tags = &device->tag;
    view->tag_count = 1;
}

void run_learn(struct run *run, int device, const struct m_facts *facts)
{
    struct caller_device *target = &run->caller.devices[device];

    caller_change_begin(&run->caller, (size_t)device);
    build_view(target, facts);
    target->gone = false;
    caller_change_end(&run->caller, (size_t)device);
}

void run_draw_facts(struct run *run, struct m_facts *facts)
{
    *facts = (struct m_facts){
        .present = true,
        .accepted = run_chance(run, 96),
        .seen = run_chance(run, 70),
        .product = run_chance(run, 97) ? 1 : 2,
        .hardware = run_chance(run, 97) ? 1 : 2,
        .group = PICK(0, 0, 1, 1, 2),
        .ring = run_chance(run, 70),
        .image = run_chance(run, 95) ? 0 : RUN_FOREIGN_IMAGE,
        .version = PICK(5, 5, 5, 5, 4, 12),
        .counter = PICK(1, 1, 1, 1, 0, 2),
        .offset_minutes = PICK(0, 0, 120, -300, 1080),
    };
}
