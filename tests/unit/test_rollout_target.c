#include "tests/support/support.h"

#include <string.h>

#include "server/rollout_target.h"
#include "tests/unit/rollout/caller.h"

static void known_places(void **state)
{
    /* Computed once by an implementation of its own. A device's stage must not change with a
     * release of the server. */
    static const struct {
        uint64_t seed;
        const char *id;
        uint16_t place;
    } known[] = {
        {1U, "dev-000", 2300},
        {1U, "dev-001", 7523},
        {2U, "dev-000", 7916},
        {0U, "", 4836},
        {9223372036854775808U, "00:80:e1:12:34:56", 7898},
        {123456789U, "lamp.berlin.0042", 5110},
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(rollout_share_place(known[i].seed, caller_text(known[i].id)),
                         known[i].place);
}

/* Ids as fleets have them: a prefix and a serial number. */
static uint16_t place_of(uint64_t seed, const char *prefix, unsigned number)
{
    char id[32];

    snprintf(id, sizeof id, "%s%06x", prefix, number);
    return rollout_share_place(seed, caller_text(id));
}

#define BINS 100
#define PER_BIN 1000

/* Pearson's statistic for 99 degrees of freedom: above 160 comes once in 10,000 fair draws. */
static void uniform(void **state)
{
    static const char *const prefixes[] = {"", "dev-", "00:80:e1:", "lamp.berlin."};

    (void)state;
    for (size_t f = 0; f < sizeof prefixes / sizeof prefixes[0]; f++) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
            unsigned bins[BINS] = {0};
            double statistic = 0;

            for (unsigned i = 0; i < BINS * PER_BIN; i++)
                bins[place_of(seed, prefixes[f], i) / (ROLLOUT_SHARE_WHOLE / BINS)]++;
            for (unsigned i = 0; i < BINS; i++)
                statistic += ((double)bins[i] - PER_BIN) * ((double)bins[i] - PER_BIN) / PER_BIN;
            assert_true(statistic < 160);
        }
    }
}

/* Other canaries with each rollout: who is in the first percent of one is so in the next by chance.
 */
static void seeds_are_independent(void **state)
{
    unsigned first = 0, both = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        bool in_first = place_of(7, "dev-", i) < 500;
        bool in_second = place_of(8, "dev-", i) < 500;

        first += in_first;
        both += in_first && in_second;
    }
    assert_in_range(first, 9500, 10500);
    assert_in_range(both, 400, 600);
}

static void first_stage_takes(void **state)
{
    struct caller caller;
    struct rollout *rollout;
    unsigned counts[3] = {0};

    (void)state;
    caller_open(&caller, 1000);
    rollout = &caller.rollouts[caller_add_rollout(&caller)];
    rollout->stage_count = 3;
    rollout->stages[0] = (struct rollout_stage){.rule = ROLLOUT_RULE_GROUP, .group = 7};
    rollout->stages[1] = (struct rollout_stage){.rule = ROLLOUT_RULE_SHARE, .share_bp = 2500};
    rollout->stages[2] = (struct rollout_stage){.rule = ROLLOUT_RULE_SHARE, .share_bp = 10000};
    for (size_t i = 0; i < 1000; i++) {
        struct rollout_device *device = &caller.devices[i].view;
        struct rollout_plan plan;

        device->group = i < 10 ? 7 : 0;
        plan = rollout_plan_device(rollout, device);
        assert_true(plan.member);
        assert_int_equal(plan.reason, ROLLOUT_REASON_NONE);
        if (i < 10)
            assert_int_equal(plan.stage, 0);
        else
            assert_int_equal(plan.stage,
                             rollout_share_place(rollout->seed, device->id) < 2500 ? 1 : 2);
        counts[plan.stage]++;
    }
    assert_int_equal(counts[0], 10);
    assert_in_range(counts[1], 200, 300);
    caller_close(&caller);
}

/* One device, one rollout; each case bends one thing and tells what must become of the plan. */
struct scene {
    struct caller caller;
    struct rollout *rollout;
    struct rollout_device *device;
};

static void set_scene(struct scene *scene)
{
    caller_open(&scene->caller, 1);
    scene->rollout = &scene->caller.rollouts[caller_add_rollout(&scene->caller)];
    scene->device = &scene->caller.devices[0].view;
}

static void is_fine(struct scene *s)
{
    (void)s;
}
static void is_pending(struct scene *s)
{
    s->device->accepted = false;
}
static void is_other_product(struct scene *s)
{
    s->device->product = caller_text("lam");
}
static void is_other_hardware(struct scene *s)
{
    s->device->hardware = caller_text("a12");
}
static void is_in_no_group(struct scene *s)
{
    s->rollout->target.group_count = 2;
    s->rollout->target.groups[0] = 4;
    s->rollout->target.groups[1] = 5;
}
static void is_in_second_group(struct scene *s)
{
    is_in_no_group(s);
    s->device->group = 5;
}
static void is_not_tagged(struct scene *s)
{
    selector_parse(&s->rollout->target.tags, caller_text("ring=beta"), NULL);
}
static void is_tagged(struct scene *s)
{
    static const struct selector_tag tag = {{"ring", 4}, {"beta", 4}};

    is_not_tagged(s);
    s->device->tags = &tag;
    s->device->tag_count = 1;
}
static void is_below_range(struct scene *s)
{
    s->rollout->target.has_running_min = true;
    s->rollout->target.running_min = (struct ota_version){1, 0, 1, 0};
}
static void is_above_range(struct scene *s)
{
    s->rollout->target.has_running_max = true;
    s->rollout->target.running_max = (struct ota_version){0, 9, 9, 9};
}
static void is_at_both_ends(struct scene *s)
{
    s->rollout->target.has_running_min = s->rollout->target.has_running_max = true;
    s->rollout->target.running_min = s->rollout->target.running_max = s->device->version;
}
static void is_unseen(struct scene *s)
{
    s->device->seen = false;
    s->device->hash = NULL;
}
static void is_unseen_with_range(struct scene *s)
{
    is_at_both_ends(s);
    is_unseen(s);
}
static void is_in_no_stage(struct scene *s)
{
    s->rollout->stages[0].rule = ROLLOUT_RULE_GROUP;
    s->rollout->stages[0].group = 9;
}
static void runs_target(struct scene *s)
{
    caller_hash(s->caller.devices[0].hash, 1);
}
static void counter_above(struct scene *s)
{
    s->device->counter = 2;
}
static void counter_below(struct scene *s)
{
    s->device->counter = 0;
}
static void counter_jump_fits(struct scene *s)
{
    s->rollout->release.counter = s->device->counter + OTA_COUNTER_JUMP_MAX;
}
static void counter_jump(struct scene *s)
{
    s->rollout->release.counter = s->device->counter + OTA_COUNTER_JUMP_MAX + 1;
}
static void runs_newer(struct scene *s)
{
    s->device->version = (struct ota_version){1, 1, 0, 1};
}
static void runs_newer_allowed(struct scene *s)
{
    runs_newer(s);
    s->rollout->allow_downgrade = true;
}
static void runs_newer_with_lower_counter(struct scene *s)
{
    runs_newer_allowed(s);
    s->device->counter = 0;
}
static void runs_newer_with_higher_counter(struct scene *s)
{
    runs_newer_allowed(s);
    s->device->counter = 2;
}
static void runs_same_version_of_other_bytes(struct scene *s)
{
    s->device->version = s->rollout->release.version;
}
static void needs_stone(struct scene *s)
{
    s->rollout->release.has_version_min = true;
    s->rollout->release.version_min = (struct ota_version){1, 0, 0, 1};
}
static void has_stone(struct scene *s)
{
    s->rollout->release.has_version_min = true;
    s->rollout->release.version_min = s->device->version;
}
static void opted_out(struct scene *s)
{
    s->device->opted_out = true;
}

static void plans(void **state)
{
    static const struct {
        void (*bend)(struct scene *scene);
        enum rollout_reason reason;
        bool member;
        bool excluded;
    } cases[] = {
        {is_fine, ROLLOUT_REASON_NONE, true, false},
        {is_pending, ROLLOUT_REASON_NOT_ACCEPTED, false, false},
        {is_other_product, ROLLOUT_REASON_PRODUCT, false, false},
        {is_other_hardware, ROLLOUT_REASON_HARDWARE, false, false},
        {is_in_no_group, ROLLOUT_REASON_GROUP, false, false},
        {is_in_second_group, ROLLOUT_REASON_NONE, true, false},
        {is_not_tagged, ROLLOUT_REASON_TAGS, false, false},
        {is_tagged, ROLLOUT_REASON_NONE, true, false},
        {is_below_range, ROLLOUT_REASON_RUNNING_RANGE, false, false},
        {is_above_range, ROLLOUT_REASON_RUNNING_RANGE, false, false},
        {is_at_both_ends, ROLLOUT_REASON_NONE, true, false},
        {is_unseen, ROLLOUT_REASON_NOT_SEEN, true, false},
        {is_unseen_with_range, ROLLOUT_REASON_NOT_SEEN, false, false},
        {is_in_no_stage, ROLLOUT_REASON_NO_STAGE, false, false},
        {runs_target, ROLLOUT_REASON_RUNS_TARGET, true, true},
        {counter_above, ROLLOUT_REASON_COUNTER_LOW, true, true},
        {counter_below, ROLLOUT_REASON_NONE, true, false},
        {counter_jump_fits, ROLLOUT_REASON_NONE, true, false},
        {counter_jump, ROLLOUT_REASON_COUNTER_JUMP, true, false},
        {runs_newer, ROLLOUT_REASON_DOWNGRADE, true, true},
        {runs_newer_allowed, ROLLOUT_REASON_NONE, true, false},
        {runs_newer_with_lower_counter, ROLLOUT_REASON_DOWNGRADE_COUNTER, true, true},
        {runs_newer_with_higher_counter, ROLLOUT_REASON_COUNTER_LOW, true, true},
        {runs_same_version_of_other_bytes, ROLLOUT_REASON_NONE, true, false},
        {needs_stone, ROLLOUT_REASON_STEPPING_STONE, true, false},
        {has_stone, ROLLOUT_REASON_NONE, true, false},
        {opted_out, ROLLOUT_REASON_OPTED_OUT, true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scene scene;
        struct rollout_plan plan;
        struct rollout_place place;

        set_scene(&scene);
        cases[i].bend(&scene);
        plan = rollout_plan_device(scene.rollout, scene.device);
        place = rollout_place(scene.rollout, scene.device, NULL);
        if (plan.reason != cases[i].reason || plan.member != cases[i].member ||
            place.member != cases[i].member || place.excluded != cases[i].excluded)
            fail_msg("case %zu: %d, member %d, excluded %d", i, (int)plan.reason, plan.member,
                     place.excluded);
        caller_close(&scene.caller);
    }
}

static void deployment_keeps_its_stage(void **state)
{
    struct scene scene;
    struct deployment deployment = {.state = DEPLOYMENT_DOWNLOADING, .stage = 0};
    struct rollout_place place;

    (void)state;
    set_scene(&scene);
    is_in_no_stage(&scene);
    place = rollout_place(scene.rollout, scene.device, &deployment);
    assert_true(place.member && !place.excluded && place.stage == 0);
    deployment.state = DEPLOYMENT_SKIPPED;
    assert_false(rollout_place(scene.rollout, scene.device, &deployment).member);
    caller_close(&scene.caller);
}

static void postponing_ends(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    scene.rollout->started_at = 1000;
    scene.device->postponed_until = 5000;
    assert_int_equal(rollout_postponed_until(scene.rollout, scene.device), 5000);
    scene.rollout->postpone_seconds_max = 100;
    assert_int_equal(rollout_postponed_until(scene.rollout, scene.device), 1100);
    scene.device->postponed_until = 1050;
    assert_int_equal(rollout_postponed_until(scene.rollout, scene.device), 1050);
    caller_close(&scene.caller);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("a device's place is the one that is written down", known_places)},
        {TEST("places are spread evenly, whatever the ids look like", uniform)},
        {TEST("two rollouts choose their first devices independently", seeds_are_independent)},
        {TEST("a device belongs to the first stage whose rule takes it", first_stage_takes)},
        {TEST("a plan says whom a release is for, and whom it is kept from and why", plans)},
        {TEST("a device that was offered the release keeps its stage, unless it was withdrawn",
              deployment_keeps_its_stage)},
        {TEST("a device's wish to wait ends with the rollout's patience", postponing_ends)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
