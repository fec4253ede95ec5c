#include "tests/bench/load_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/device.h"

struct item {
    char *text; /* the request; of a report, its first lines up to the length */
    size_t len;
    char deployment[24];
};

struct load_plan {
    struct load_plan_options options;
    struct item *items;
    size_t count;
    size_t next;
    uint64_t seq;
    uint64_t random;
};

/* SplitMix64. */
static uint64_t draw(struct load_plan *plan)
{
    uint64_t mixed = plan->random += 0x9e3779b97f4a7c15U;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31);
}

static void keep(struct item *item, const char *text, int len)
{
    if (len <= 0 || len >= LOAD_REQUEST_MAX)
        abort();
    item->text = malloc((size_t)len + 1);
    if (item->text == NULL)
        abort();
    memcpy(item->text, text, (size_t)len + 1);
    item->len = (size_t)len;
}

static void make_poll(struct load_plan *plan, struct item *item, uint32_t number)
{
    struct bench_device device = {.name = ""};
    char nonce[48] = "";
    char text[LOAD_REQUEST_MAX];

    bench_device_make(&device, number);
    if (plan->options.kind == LOAD_NONCE)
        snprintf(nonce, sizeof(nonce), "&nonce=%016" PRIx64 "%016" PRIx64, draw(plan), draw(plan));
    keep(item, text,
         snprintf(text, sizeof(text),
                  "GET /device/v1/manifest?product=" BENCH_PRODUCT "&hardware=" BENCH_HARDWARE
                  "&version=" BENCH_VERSION "&hash=" BENCH_HASH "&counter=1%s HTTP/1.1\r\n"
                  "Host: 127.0.0.1\r\nAuthorization: Bearer %s\r\n%s\r\n",
                  nonce, device.token, plan->options.close ? "Connection: close\r\n" : ""));
}

static void make_polls(struct load_plan *plan)
{
    const struct load_plan_options *options = &plan->options;

    plan->count = options->pool > 0 ? options->pool : options->count;
    plan->items = calloc(plan->count, sizeof(*plan->items));
    if (plan->items == NULL)
        abort();
    for (size_t i = 0; i < plan->count; i++)
        make_poll(plan, &plan->items[i],
                  options->first + (uint32_t)(options->pool > 0 ? draw(plan) % options->count : i));
}

static bool make_report(struct load_plan *plan, struct item *item, FILE *file)
{
    struct bench_device device = {.name = ""};
    char text[LOAD_REQUEST_MAX];
    unsigned number;

    if (fscanf(file, "bench-%u %23s ", &number, item->deployment) != 2)
        return false;
    bench_device_make(&device, number);
    keep(item, text,
         snprintf(text, sizeof(text),
                  "POST /device/v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                  "Authorization: Bearer %s\r\nContent-Type: application/json\r\n%s"
                  "Content-Length: ",
                  device.token, plan->options.close ? "Connection: close\r\n" : ""));
    return true;
}

static bool make_reports(struct load_plan *plan)
{
    FILE *file = fopen(plan->options.list, "re");
    struct item *grown;

    while (file != NULL) {
        grown = realloc(plan->items, (plan->count + 1) * sizeof(*plan->items));
        if (grown == NULL)
            abort();
        plan->items = grown;
        if (!make_report(plan, &plan->items[plan->count], file))
            break;
        plan->count++;
    }
    if (file != NULL)
        fclose(file);
    return plan->count > 0;
}

struct load_plan *load_plan_new(const struct load_plan_options *options)
{
    struct load_plan *plan = calloc(1, sizeof(*plan));

    if (plan == NULL)
        abort();
    plan->options = *options;
    plan->seq = options->seq;
    plan->random = options->seq ^ options->first;
    if (options->kind != LOAD_REPORT) {
        make_polls(plan);
    } else if (!make_reports(plan)) {
        load_plan_free(plan);
        return NULL;
    }
    return plan;
}

void load_plan_free(struct load_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        free(plan->items[i].text);
    free(plan->items);
    free(plan);
}

static size_t write_report(struct load_plan *plan, const struct item *item,
                           char buf[LOAD_REQUEST_MAX])
{
    uint64_t seq = ++plan->seq;
    char body[256];
    int body_len = snprintf(body, sizeof(body),
                            "{\"deployment\":\"%s\",\"seq\":%" PRIu64
                            ",\"event\":\"downloading\",\"percent\":%u,\"version\":\"" BENCH_VERSION
                            "\",\"hash\":\"" BENCH_HASH "\"}",
                            item->deployment, seq, (unsigned)(seq % 101));
    int len;

    memcpy(buf, item->text, item->len);
    len = snprintf(buf + item->len, LOAD_REQUEST_MAX - item->len, "%d\r\n\r\n%s", body_len, body);
    return item->len + (size_t)len;
}

const char *load_plan_next(struct load_plan *plan, char buf[LOAD_REQUEST_MAX], size_t *len)
{
    const struct item *item = &plan->items[plan->next];

    plan->next = plan->next + 1 < plan->count ? plan->next + 1 : 0;
    if (plan->options.kind == LOAD_REPORT) {
        *len = write_report(plan, item, buf);
        return buf;
    }
    *len = item->len;
    return item->text;
}
