/*
 * docs/rollouts.md against the code: its table of reasons, its words, and its worked example, which
 * is what this program prints:
 *
 *   build/host/tests/test_rollout_docs ALLOWED SUSPECT ERROR     in basis points, 1/100 of a
 * percent
 */
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/rollout.h"
#include "server/rollout_reason.h"

#define DOCUMENT "docs/rollouts.md"
#define EXAMPLE_MAX 4096
#define STAGES 1000  /* simulated, for each true rate */
#define DEVICES 1000 /* in each of them */

/* ---- the worked example ---- */

static bool fails(uint64_t *random, unsigned rate_bp)
{
    *random = *random * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(*random >> 33) % SEQUENTIAL_WHOLE_BP < rate_bp;
}

/* The number of results after which one stage is halted, 0 if it is not. */
static unsigned simulate(const struct sequential *test, unsigned rate_bp, uint64_t *random)
{
    unsigned failures = 0;

    for (unsigned results = 1; results <= DEVICES; results++) {
        if (!fails(random, rate_bp))
            continue;
        failures++;
        if (sequential_exceeded(test, failures, results - failures))
            return results;
    }
    return 0;
}

static int compare_unsigned(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return x < y ? -1 : x > y;
}

static void print_simulation(FILE *out, const struct sequential *test, unsigned rate_bp)
{
    unsigned halts[STAGES], halted = 0;
    uint64_t random = rate_bp;

    for (unsigned i = 0; i < STAGES; i++) {
        unsigned at = simulate(test, rate_bp, &random);

        if (at != 0)
            halts[halted++] = at;
    }
    fprintf(out, "%10.1f %%   %11.1f %%", rate_bp / 100.0, 100.0 * halted / STAGES);
    if (halted < STAGES / 2) {
        fprintf(out, "\n");
        return;
    }
    qsort(halts, halted, sizeof halts[0], compare_unsigned);
    fprintf(out, "   %15u\n", halts[halted / 2]);
}

static void print_example(FILE *out, const struct sequential *test)
{
    static const uint32_t successes[] = {0, 10, 50, 100, 200, 500, 1000};
    static const unsigned rates[] = {50, 100, 200, 300, 500, 1000, 2000, 5000};
    double allowed = test->allowed_bp / 1e4, suspect = test->suspect_bp / 1e4;

    fprintf(out, "allowed %.2f %%, suspect %.2f %%, confidence %.2f %%\n", 100 * allowed,
            100 * suspect, 100 - test->error_bp / 100.0);
    fprintf(out, "a failure adds %.3f, a success takes away %.4f, halted at %.3f\n\n",
            log(suspect / allowed), log((1 - allowed) / (1 - suspect)), log(1e4 / test->error_bp));
    fprintf(out, "successes   halted at failures\n");
    for (size_t i = 0; i < sizeof successes / sizeof successes[0]; i++)
        fprintf(out, "%9u   %18u\n", successes[i], sequential_limit(test, successes[i]));
    fprintf(out, "\n   true rate   stages halted   median results\n");
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        print_simulation(out, test, rates[i]);
}

static void example_is_in_the_document(void **state)
{
    const struct sequential test = {100, 500, 500};
    struct blob document = blob_read(DOCUMENT);
    char example[EXAMPLE_MAX], *text = malloc(document.len + 1);
    FILE *out = fmemopen(example, sizeof example, "w");

    (void)state;
    assert_non_null(out);
    assert_non_null(text);
    print_example(out, &test);
    fputc('\0', out);
    fclose(out);
    memcpy(text, document.at, document.len);
    text[document.len] = '\0';
    if (strstr(text, example) == NULL)
        fail_msg("%s does not have this example:\n%s", DOCUMENT, example);
    free(text);
    blob_free(&document);
}

/* ---- tables ---- */

static bool has(const struct blob *document, const char *part)
{
    size_t len = strlen(part);

    for (size_t i = 0; i + len <= document->len; i++) {
        if (memcmp(document->at + i, part, len) == 0)
            return true;
    }
    return false;
}

/* Rows "| `word` | sentence |" of the document that are not of the code. */
static size_t count_rows(const struct blob *document, const char *heading)
{
    const char *at = (const char *)document->at, *end = at + document->len;
    bool inside = false;
    size_t rows = 0;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((line_end != NULL ? line_end : end) - at);

        if (len > 3 && memcmp(at, "## ", 3) == 0)
            inside = len - 3 == strlen(heading) && memcmp(at + 3, heading, len - 3) == 0;
        rows += inside && len > 3 && memcmp(at, "| `", 3) == 0;
        at += len + 1;
    }
    return rows;
}

static void reasons_are_in_the_document(void **state)
{
    struct blob document = blob_read(DOCUMENT);
    char row[256];

    (void)state;
    for (int i = 1; i < ROLLOUT_REASON_COUNT; i++) {
        snprintf(row, sizeof row, "| `%s` | %s |\n", rollout_reason_name((enum rollout_reason)i),
                 rollout_reason_sentence((enum rollout_reason)i));
        if (!has(&document, row))
            fail_msg("%s does not have: %s", DOCUMENT, row);
    }
    assert_int_equal(count_rows(&document, "Why a device is not updated"),
                     ROLLOUT_REASON_COUNT - 1);
    blob_free(&document);
}

static void expect_word(const struct blob *document, const char *word)
{
    char quoted[64];

    snprintf(quoted, sizeof quoted, "`%s`", word);
    if (!has(document, quoted))
        fail_msg("%s does not have %s", DOCUMENT, quoted);
}

static void words_are_in_the_document(void **state)
{
    struct blob document = blob_read(DOCUMENT);

    (void)state;
    for (int i = 0; i < ROLLOUT_STATE_COUNT; i++)
        expect_word(&document, rollout_state_name((enum rollout_state)i));
    for (int i = 1; i < DEPLOYMENT_STATE_COUNT; i++)
        expect_word(&document, deployment_state_name((enum deployment_state)i));
    for (int i = 1; i <= (int)ROLLOUT_HALT_OPERATOR; i++)
        expect_word(&document, rollout_halt_name((enum rollout_halt_cause)i));
    blob_free(&document);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        {TEST("the document's table of reasons is the code's", reasons_are_in_the_document)},
        {TEST("the document names every state and every cause of a halt",
              words_are_in_the_document)},
        {TEST("the document's worked example is what the test computes",
              example_is_in_the_document)},
    };
    struct sequential test;

    if (argc != 4)
        return cmocka_run_group_tests(tests, NULL, NULL);
    test = (struct sequential){(uint16_t)strtoul(argv[1], NULL, 10),
                               (uint16_t)strtoul(argv[2], NULL, 10),
                               (uint16_t)strtoul(argv[3], NULL, 10)};
    if (test.allowed_bp == 0 || !sequential_valid(&test)) {
        fprintf(stderr, "usage: %s ALLOWED SUSPECT ERROR (basis points)\n", argv[0]);
        return 2;
    }
    print_example(stdout, &test);
    return 0;
}
