/* Tables, options and stages: what people type and read. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/otactl_args.h"
#include "server/otactl_rollout.h"
#include "server/otactl_table.h"

static const struct otactl_option options[] = {
    {"name", "NAME", "a name", OTACTL_REQUIRED}, {"stage", "STAGE", "a stage", OTACTL_REPEATED},
    {"count", "N", "a number", OTACTL_OPTIONAL}, {"force", NULL, "a switch", OTACTL_OPTIONAL},
    {"o", "FILE", "a file", OTACTL_OPTIONAL},    {0},
};

static const struct otactl_option globals[] = {
    {"json", NULL, "JSON", OTACTL_OPTIONAL},
    {0},
};

static int run_nothing(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    (void)args;
    return OTACTL_OK;
}

static const struct otactl_command command = {
    "thing", "make", "FILE", "Make a thing.", options, 1, 2, true, run_nothing,
};

static int parse(struct otactl_args *args, int argc, const char *const *argv)
{
    char *copies[16];
    assert_in_range(argc, 0, 16);
    for (int i = 0; i < argc; i++)
        copies[i] = strdup(argv[i]);
    int code = otactl_args_parse(args, &command, globals, argc, copies);
    /* Values point into argv; the tests compare before the next parse only what they dup here. */
    static char *kept[16];
    for (int i = 0; i < 16; i++) {
        free(kept[i]);
        kept[i] = i < argc ? copies[i] : NULL;
    }
    return code;
}
#define PARSE(args, ...)                                                                           \
    parse(args, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                     \
          (const char *[]){__VA_ARGS__})

static void options_anywhere(void **state)
{
    (void)state;
    struct otactl_args args;
    uint64_t count = 5;
    assert_int_equal(PARSE(&args, "a", "--name=x=y", "--stage", "s1", "--json", "-o", "out",
                           "--stage", "s2", "--count", "0x10", "--", "--b"),
                     OTACTL_OK);
    assert_string_equal(otactl_args_value(&args, "name"), "x=y");
    assert_string_equal(otactl_args_nth(&args, "stage", 0), "s1");
    assert_string_equal(otactl_args_nth(&args, "stage", 1), "s2");
    assert_null(otactl_args_nth(&args, "stage", 2));
    assert_string_equal(otactl_args_value(&args, "o"), "out");
    assert_true(otactl_args_has(&args, "json"));
    assert_false(otactl_args_has(&args, "force"));
    assert_int_equal(otactl_args_number(&args, "count", 1, 16, &count), OTACTL_OK);
    assert_int_equal(count, 16);
    assert_int_equal(otactl_args_number(&args, "count", 1, 15, &count), OTACTL_USAGE);
    assert_int_equal(args.operand_count, 2);
    assert_string_equal(args.operands[1], "--b");
    otactl_args_free(&args);
}

static void wrong_options(void **state)
{
    (void)state;
    struct otactl_args args;
    assert_int_equal(PARSE(&args, "a"), OTACTL_USAGE); /* --name is missing */
    otactl_args_free(&args);
    assert_int_equal(PARSE(&args, "--name", "x"), OTACTL_USAGE); /* no operand */
    otactl_args_free(&args);
    assert_int_equal(PARSE(&args, "--name", "x", "a", "b", "c"), OTACTL_USAGE);
    otactl_args_free(&args);
    assert_int_equal(PARSE(&args, "a", "--name"), OTACTL_USAGE); /* no value */
    otactl_args_free(&args);
    assert_int_equal(PARSE(&args, "a", "--name", "x", "--nmae", "y"), OTACTL_USAGE);
    otactl_args_free(&args);
    assert_int_equal(PARSE(&args, "a", "--name", "x", "--name", "y"), OTACTL_USAGE); /* twice */
    otactl_args_free(&args);
    assert_int_equal(PARSE(&args, "a", "--name", "x", "--force=1"), OTACTL_USAGE);
    otactl_args_free(&args);
    assert_int_equal(PARSE(&args, "a", "-name", "x"), OTACTL_USAGE); /* one dash */
    otactl_args_free(&args);
    assert_int_equal(PARSE(&args, "--nmae", "--help"), OTACTL_USAGE);
    otactl_args_free(&args);
}

static void numbers(void **state)
{
    (void)state;
    uint64_t n = 0;
    assert_true(otactl_number_parse("18446744073709551615", &n));
    assert_true(n == UINT64_MAX);
    static const char *const wrong[] = {
        "", " 1", "-1", "+1", "1 ", "0x", "0xg", "1k", "a", "1e3", "18446744073709551616"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(otactl_number_parse(wrong[i], &n));
}

static void stages(void **state)
{
    (void)state;
    cJSON *stage = otactl_stage_parse("group=canary,success=90,failures=1,soak=60");
    assert_non_null(stage);
    char *text = cJSON_PrintUnformatted(stage);
    assert_string_equal(text, "{\"group\":\"canary\",\"success_percent\":90,\"failure_count\":1,"
                              "\"soak_seconds\":60}");
    cJSON_free(text);
    cJSON_Delete(stage);
    static const char *const shares[][2] = {{"percent=0.01", "{\"percent\":0.01}"},
                                            {"percent=0.5", "{\"percent\":0.5}"},
                                            {"percent=12.30", "{\"percent\":12.3}"},
                                            {"percent=100", "{\"percent\":100}"}};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        stage = otactl_stage_parse(shares[i][0]);
        assert_non_null(stage);
        text = cJSON_PrintUnformatted(stage);
        assert_string_equal(text, shares[i][1]);
        cJSON_free(text);
        cJSON_Delete(stage);
    }
    static const char *const wrong[] = {"",
                                        "canary",
                                        "success=90",
                                        "percent=0",
                                        "percent=101",
                                        "percent=x",
                                        "percent=",
                                        "percent=.5",
                                        "percent=5.",
                                        "percent=0.00",
                                        "percent=0.001",
                                        "percent=100.01",
                                        "percent=1e1",
                                        "percent=5.5 ",
                                        "percent=-1",
                                        "group=",
                                        "group=a,percent=5",
                                        "percent=5,percent=6",
                                        "percent=5,",
                                        "percent=5,x=1",
                                        "percent=5,failures=0",
                                        "percent=5,success=101"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        stage = otactl_stage_parse(wrong[i]);
        /* A comma too many is forgiven; everything else is not. */
        if ((stage != NULL) != (strcmp(wrong[i], "percent=5,") == 0))
            fail_msg("--stage %s", wrong[i]);
        cJSON_Delete(stage);
    }
}

static void clean_text(void **state)
{
    (void)state;
    char buf[64];
    otactl_text_clean("a\033[2Jb\r\n\tc\x7f"
                      "d",
                      buf, sizeof buf);
    assert_string_equal(buf, "a?[2Jb???c?d");
    otactl_text_clean("\xc2\x9b"
                      "31m \xc3\xa4 \xe2\x82\xac \xff\xc3",
                      buf, sizeof buf);
    assert_string_equal(buf, "??31m \xc3\xa4 \xe2\x82\xac ??");
    otactl_text_clean("\xe2\x82\xac\xe2\x82\xac", buf, 6); /* cut between characters */
    assert_string_equal(buf, "\xe2\x82\xac");
    assert_int_equal(otactl_text_width("\xe2\x82\xac-"), 2);
}

static const struct otactl_column columns[] = {
    {"DEVICE", "id", OTACTL_SHAPE_PLAIN},
    {"STATE", "deployment.state", OTACTL_SHAPE_PLAIN},
    {"SIZE", "size", OTACTL_SHAPE_SIZE},
    {"SEEN", "seen", OTACTL_SHAPE_TIME},
};

static void print_table(const char *json, unsigned width, char *said, size_t cap)
{
    cJSON *items = cJSON_Parse(json);
    FILE *out = fmemopen(said, cap, "w");
    assert_non_null(items);
    assert_non_null(out);
    otactl_table_print(out, columns, 4, items, width, "none");
    fclose(out);
    cJSON_Delete(items);
}

static void table(void **state)
{
    (void)state;
    char said[1024];
    const char *json = "[{\"id\":\"a-long-device-name\",\"deployment\":{\"state\":\"trial\"},"
                       "\"size\":1234,\"seen\":1700000000},"
                       "{\"id\":\"\\u001b[31mb\",\"deployment\":null,\"size\":5,\"seen\":0}]";
    print_table(json, 0, said, sizeof said);
    assert_string_equal(said, "DEVICE              STATE  SIZE  SEEN\n"
                              "a-long-device-name  trial  1234  2023-11-14T22:13:20Z\n"
                              "?[31mb                        5  never\n");
    print_table(json, 48, said, sizeof said);
    assert_string_equal(said, "DEVICE            STATE  SIZE  SEEN\n"
                              "a-long-device-..  trial  1234  2023-11-14T22:1..\n"
                              "?[31mb                      5  never\n");
    print_table("[]", 0, said, sizeof said);
    assert_string_equal(said, "none\n");
}

static const char *const rollout_json =
    "{\"id\":7,\"name\":\"b5\",\"state\":\"running\",\"halt_reason\":null,\"stages\":["
    "{\"group\":\"canary\",\"state\":\"done\",\"targeted\":4,\"succeeded\":4},"
    "{\"percent\":25,\"state\":\"active\",\"targeted\":4,\"succeeded\":1,\"downloading\":2,"
    "\"reverted\":1},"
    "{\"percent\":100,\"state\":\"waiting\",\"targeted\":12,\"succeeded\":0}]}";

static void drawn(void **state)
{
    (void)state;
    char said[1024];
    cJSON *rollout = cJSON_Parse(rollout_json);
    FILE *out = fmemopen(said, sizeof said, "w");
    assert_int_equal(otactl_rollout_draw(out, rollout, 0), 4);
    fclose(out);
    assert_string_equal(
        said, "rollout 7 b5: running\n"
              " 1  group canary   [################################] 4 of 4 succeeded\n"
              " 2  25 %           [########xxxxxxxx----------------] 1 of 4 succeeded, 1 reverted, "
              "2 downloading\n"
              " 3  100 %          [                                ] 0 of 12 succeeded\n");
    out = fmemopen(said, sizeof said, "w");
    otactl_rollout_draw(out, rollout, 30);
    fclose(out);
    for (char *line = strtok(said, "\n"); line != NULL; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 1, 30);
    otactl_rollout_line(rollout, said, sizeof said);
    assert_string_equal(said, "rollout 7 b5: running; stage 2 of 3 (25 %): 1 of 4 succeeded, "
                              "1 reverted, 2 downloading");
    cJSON_Delete(rollout);
}

static void by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        int succeeded;
        bool waits;
    } cases[] = {{"\"by_hand\":true", 3, true},
                 {"\"by_hand\":true", 2, false},
                 {"\"by_hand\":false", 4, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char said[1024];
        char *json = otactl_format("{\"id\":7,\"name\":\"b5\",\"state\":\"running\",\"stages\":["
                                   "{\"percent\":25,\"state\":\"active\",\"targeted\":4,"
                                   "\"success_percent\":75,\"succeeded\":%d,%s},"
                                   "{\"percent\":100,\"state\":\"waiting\",\"targeted\":12}]}",
                                   cases[i].succeeded, cases[i].more);
        cJSON *rollout = cJSON_Parse(json);
        static const char hint[] = "Stage 1 goes on by hand: otactl rollout advance 7";
        otactl_rollout_line(rollout, said, sizeof said);
        assert_int_equal(strstr(said, hint) != NULL, cases[i].waits);
        FILE *out = fmemopen(said, sizeof said, "w");
        assert_int_equal(otactl_rollout_draw(out, rollout, 0), cases[i].waits ? 4 : 3);
        fclose(out);
        assert_int_equal(strstr(said, hint) != NULL, cases[i].waits);
        cJSON_Delete(rollout);
        free(json);
    }
}

static void next_steps(void **state)
{
    (void)state;
    static const struct {
        const char *json, *said;
        unsigned lines;
    } cases[] = {
        {"{\"id\":7,\"name\":\"b5\",\"state\":\"halted\",\"halt_reason\":\"Too "
         "bad.\",\"stages\":[]}",
         "rollout 7 b5: halted. Too bad. See otactl rollout devices 7; then otactl rollout "
         "rollback 7, resume 7 --force or cancel 7",
         3},
        {"{\"id\":7,\"name\":\"b5\",\"state\":\"completed\",\"stages\":[{\"percent\":100,"
         "\"targeted\":0}]}",
         "rollout 7 b5: completed; stage 1 of 1 (100 %): 0 of 0 succeeded. No device had to be "
         "updated",
         3},
        {"{\"id\":7,\"name\":\"b5\",\"state\":\"draft\",\"stages\":[{\"percent\":25,\"failure_"
         "count\":1},"
         "{\"percent\":50,\"failure_percent\":5},{\"percent\":100,\"sequential\":{}}]}",
         "rollout 7 b5: draft; stage 3 of 3 (100 %): 0 of 0 succeeded. Start it: otactl rollout "
         "start 7",
         5},
        {"{\"id\":7,\"name\":\"b5\",\"state\":\"draft\",\"stages\":[{\"percent\":25,\"failure_"
         "count\":1},"
         "{\"percent\":100,\"failure_count\":null}]}",
         "rollout 7 b5: draft; stage 2 of 2 (100 %): 0 of 0 succeeded. Start it: otactl rollout "
         "start 7; no failure halts stage 2: --stage takes failures=N",
         4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char said[1024];
        cJSON *rollout = cJSON_Parse(cases[i].json);
        otactl_rollout_line(rollout, said, sizeof said);
        assert_string_equal(said, cases[i].said);
        FILE *out = fmemopen(said, sizeof said, "w");
        assert_int_equal(otactl_rollout_draw(out, rollout, 0), cases[i].lines);
        fclose(out);
        cJSON_Delete(rollout);
    }
}

static void ends(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        int end;
    } cases[] = {{"draft", -1},    {"running", -1}, {"paused", -1},
                 {"completed", 0}, {"halted", 1},   {"cancelled", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON *rollout = cJSON_CreateObject();
        cJSON_AddStringToObject(rollout, "state", cases[i].state);
        assert_int_equal(otactl_rollout_end(rollout), cases[i].end);
        cJSON_Delete(rollout);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("options stand anywhere, as --name value and --name=value", options_anywhere)},
        {TEST("a wrong, missing, doubled or valueless option is refused", wrong_options)},
        {TEST("a number is the whole text and fits 64 bits", numbers)},
        {TEST("a stage becomes the API's JSON, a wrong one is refused", stages)},
        {TEST("control characters and broken UTF-8 never reach the terminal", clean_text)},
        {TEST("a table aligns, cuts its widest columns and cleans its cells", table)},
        {TEST("a rollout is drawn with a bar per stage", drawn)},
        {TEST("a stage that waits for a hand says so, when it has its successes", by_hand)},
        {TEST("a rollout that halted or meant nobody says what comes next", next_steps)},
        {TEST("a rollout has ended when completed, halted or cancelled", ends)},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
