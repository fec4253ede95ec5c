#include "server/delta_parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/delta_thumb.h"
#include "protocol/error.h"

#define HASH_BITS 15
#define TRIES 64
#define NEVER 1e30F
#define CALLED_BITS 3       /* about: which of the last targets */
#define MATCH_MAX 1024U     /* longer ones go on in a second one, for nearly nothing */
#define MATCH_LONG 128U     /* nothing better is looked for within */
#define LENGTHS_EACH 64U    /* lengths up to here are all offered */
#define PLAN_MAX (1U << 18) /* bytes */

struct delta_node {
    float cost;                   /* from the plan's start, by the cheapest way */
    uint32_t base_at;             /* where the base would go on behind that */
    struct ota_delta_token token; /* that ends here; at last the one that begins here */
    float inside;                 /* cost of being here within a segment, its length not told yet */
    uint32_t inside_from;         /* place where that was begun */
    float piece;                  /* cost of the segment's piece that begins here */
    uint32_t piece_len;           /* 0: none does */
};

int delta_parse_init(struct delta_parse *parse, const struct delta_index *index,
                     struct delta_bytes result, const struct delta_segments *segments, bool thumb)
{
    *parse = (struct delta_parse){
        .result = result,
        .index = index,
        .segments = segments,
        .thumb = thumb,
        .newest = calloc((size_t)1 << HASH_BITS, sizeof *parse->newest),
        .before = calloc((size_t)result.len + 1, sizeof *parse->before),
    };
    delta_tally_init(&parse->tally);
    if (parse->newest == NULL || parse->before == NULL) {
        delta_parse_free(parse);
        return OTA_E_NO_SPACE;
    }
    return OTA_OK;
}

void delta_parse_free(struct delta_parse *parse)
{
    free(parse->newest);
    free(parse->before);
    free(parse->nodes);
    parse->newest = parse->before = NULL;
    parse->nodes = NULL;
}

static uint32_t hash(const uint8_t *at)
{
    return delta_word(at) * 0x9e3779b1U >> (32 - HASH_BITS);
}

static void hash_up_to(struct delta_parse *parse, uint32_t position)
{
    for (; parse->hashed < position && parse->hashed + 4 <= parse->result.len; parse->hashed++) {
        uint32_t *newest = &parse->newest[hash(parse->result.at + parse->hashed)];
        parse->before[parse->hashed] = *newest;
        *newest = parse->hashed + 1;
    }
}

static struct delta_node *node_at(const struct delta_parse *parse, uint32_t at)
{
    return &parse->nodes[at - parse->start];
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* --- what could come next --- */

/* The token at `at`, for this cost in all, to the place where it ends. */
static void offer(struct delta_parse *parse, uint32_t at, struct ota_delta_token token, float cost)
{
    uint32_t base_at = node_at(parse, at)->base_at;
    struct delta_node *to = node_at(parse, at + token.len);
    if (cost >= to->cost)
        return;
    if (token.kind == OTA_DELTA_OF_BASE || token.kind == OTA_DELTA_INLINE)
        base_at = token.from;
    if (base_at + token.len <= parse->index->text.len)
        base_at += token.len;
    to->cost = cost;
    to->token = token;
    to->base_at = base_at;
}

/* The cost of having begun a token of this kind at `at`. */
static float begun(const struct delta_parse *parse, uint32_t at, unsigned kind)
{
    const struct delta_node *here = node_at(parse, at);
    return here->cost + parse->prices.kind[here->token.kind][kind];
}

static void offer_literal(struct delta_parse *parse, uint32_t at)
{
    const uint8_t *bytes = parse->result.at + at;
    uint32_t len = at % 2 == 0 && parse->end - at >= 2 ? 2 : 1;
    float cost = begun(parse, at, OTA_DELTA_LITERAL) + parse->prices.byte[0][bytes[0]];
    if (len == 2)
        cost += parse->prices.byte[1][bytes[1]];
    offer(parse, at, (struct ota_delta_token){OTA_DELTA_LITERAL, 0, 0, len}, cost);
}

/* A call of something in the result, where one can be coded. */
static void offer_call(struct delta_parse *parse, const struct ota_delta_place *place, uint32_t at)
{
    if (!parse->thumb || at % 2 != 0 || parse->end - at < 4 ||
        at % OTA_DELTA_STEP > OTA_DELTA_STEP - 4)
        return;
    uint32_t word = delta_word(parse->result.at + at);
    uint32_t instruction = word << 16 | word >> 16;
    if (ota_thumb_classify(instruction) != OTA_THUMB_BL)
        return;
    uint32_t target = at + 4 + 2 * (uint32_t)ota_thumb_field(OTA_THUMB_BL, instruction);
    if (target >= parse->result.len)
        return;
    bool called = delta_was_called(place, target);
    float which = called ? CALLED_BITS : log2f((float)parse->result.len) - 1;
    offer(parse, at, (struct ota_delta_token){OTA_DELTA_CALL, 0, target, 4},
          begun(parse, at, OTA_DELTA_CALL) + parse->prices.called[called] + which);
}

/* A match of `least` to `most` bytes. */
static void offer_match(struct delta_parse *parse, uint32_t at, struct ota_delta_token token,
                        float where, uint32_t least, uint32_t most)
{
    float cost = begun(parse, at, token.kind) + where;
    for (token.len = least; token.len <= most; token.len++) {
        if (token.len > LENGTHS_EACH)
            token.len = most;
        offer(parse, at, token,
              cost + delta_price_number(parse->prices.len[token.kind], token.len));
    }
}

/* Returns the longest one's length. */
static uint32_t offer_base(struct delta_parse *parse, uint32_t at)
{
    struct delta_bytes text = parse->index->text;
    struct delta_bytes find = {parse->result.at + at, smaller(parse->end - at, MATCH_MAX)};
    struct ota_delta_token token = {OTA_DELTA_OF_BASE, 0, node_at(parse, at)->base_at, 0};
    uint32_t near = token.from;
    uint32_t most = smaller(find.len, text.len - near);
    uint32_t len = 0;
    while (len < most && text.at[near + len] == find.at[len])
        len++;
    offer_match(parse, at, token, parse->prices.jump[0], 1, len);
    if (len >= LENGTHS_EACH)
        return len;
    struct delta_match match = delta_index_longest(parse->index, find, near);
    token.from = match.from;
    offer_match(parse, at, token, delta_price_jump(&parse->prices, near, match.from), 2, match.len);
    return match.len;
}

/* The same. */
static uint32_t offer_result(struct delta_parse *parse, uint32_t at)
{
    if (at + 4 > parse->result.len)
        return 0;
    hash_up_to(parse, at);
    uint32_t place = parse->newest[hash(parse->result.at + at)];
    uint32_t most = smaller(parse->end - at, MATCH_MAX);
    uint32_t enough = smaller(most, MATCH_LONG);
    uint32_t best = 1;
    for (int i = 0; i < TRIES && place != 0 && best < enough;
         i++, place = parse->before[place - 1]) {
        uint32_t from = place - 1;
        uint32_t len = 0;
        if (from >= at) /* hashed when what comes later was looked at */
            continue;
        while (len < most && parse->result.at[from + len] == parse->result.at[at + len])
            len++;
        if (len <= best)
            continue;
        offer_match(parse, at, (struct ota_delta_token){OTA_DELTA_OF_RESULT, 0, from, 0},
                    delta_price_number(parse->prices.distance, at - from), best + 1, len);
        best = len;
    }
    return best;
}

/* Into the segment that has the place, on within it, and out of it behind the next piece. */
static void offer_segment(struct delta_parse *parse, uint32_t at,
                          const struct ota_delta_segment *segment)
{
    struct delta_node *here = node_at(parse, at);
    if (here->piece_len == 0)
        return;
    uint32_t from = segment->base + (at - segment->result);
    float cost = begun(parse, at, OTA_DELTA_INLINE) +
                 delta_price_jump(&parse->prices, here->base_at, from) + 1 /* its content */;
    if (cost < here->inside) {
        here->inside = cost;
        here->inside_from = at;
    }
    if (here->inside >= NEVER)
        return;
    uint32_t end = at + here->piece_len;
    uint32_t start = here->inside_from;
    cost = here->inside + here->piece;
    struct ota_delta_token token = {OTA_DELTA_INLINE, segment->content,
                                    segment->base + (start - segment->result), end - start};
    offer(parse, start, token,
          cost + delta_price_number(parse->prices.len[OTA_DELTA_INLINE], end - start));
    struct delta_node *next = node_at(parse, end);
    if (end < segment->result + segment->len && cost < next->inside) {
        next->inside = cost;
        next->inside_from = start;
    }
}

/* --- the plan --- */

/* The first segment from `next` on that doesn't end at or before `at`. */
static uint32_t pass_segments(const struct delta_segments *segments, uint32_t next, uint32_t at)
{
    while (next < segments->count && segments->at[next].result + segments->at[next].len <= at)
        next++;
    return next;
}

/* Adds what the bit would cost. */
static int count_bit(struct ota_delta_coder *coder, uint32_t p, int bit)
{
    float *cost = coder->ctx;
    *cost += 16 - log2f((float)(bit ? p : 65536 - p));
    return bit;
}

/* What the pieces of a segment cost, as far as the plan has it. */
static int price_segment(struct delta_parse *parse, struct ota_delta_stream *scratch,
                         const struct ota_delta_segment *segment)
{
    struct ota_delta_place *place = &scratch->place;
    uint32_t skip = segment->result < parse->start ? parse->start - segment->result : 0;
    place->position = segment->result + skip;
    place->match_kind = OTA_DELTA_INLINE;
    place->match_content = segment->content & 0xffU;
    place->match_base = place->match_from = segment->base + skip;
    place->match_left = smaller(segment->len - skip, parse->end - place->position);
    while (place->match_left > 0) {
        struct delta_node *node = node_at(parse, place->position);
        uint8_t bytes[OTA_DELTA_PIECE_MAX] = {0};
        struct ota_delta_token none = {0};
        float cost = 0;
        memcpy(bytes, parse->result.at + place->position,
               smaller(parse->result.len - place->position, sizeof bytes));
        scratch->model.coder.ctx = &cost;
        int len = ota_delta_code_piece(scratch, bytes, &none);
        if (len <= 0)
            return OTA_E_STATE;
        node->piece = cost;
        node->piece_len = (uint32_t)len;
    }
    return OTA_OK;
}

static int price_segments(struct delta_parse *parse, const struct ota_delta_stream *stream)
{
    const struct delta_segments *segments = parse->segments;
    int error = OTA_OK;
    parse->next = pass_segments(segments, parse->next, parse->start);
    struct ota_delta_stream *scratch = malloc(sizeof *scratch);
    if (scratch == NULL)
        return OTA_E_NO_SPACE;
    *scratch = *stream;
    scratch->model.coder.code_bit = count_bit;
    scratch->next.result = parse->end;
    for (uint32_t i = parse->next;
         i < segments->count && segments->at[i].result < parse->end && error == OTA_OK; i++)
        error = price_segment(parse, scratch, &segments->at[i]);
    free(scratch);
    return error;
}

/* All ways from the start to the end. */
static void search(struct delta_parse *parse, const struct ota_delta_place *place)
{
    const struct delta_segments *segments = parse->segments;
    uint32_t next = parse->next;
    uint32_t matched = parse->start; /* up to here a long match is good enough */
    for (uint32_t at = parse->start; at < parse->end; at++) {
        next = pass_segments(segments, next, at);
        if (next < segments->count && segments->at[next].result <= at)
            offer_segment(parse, at, &segments->at[next]);
        if (node_at(parse, at)->cost >= NEVER)
            continue;
        offer_literal(parse, at);
        offer_call(parse, place, at);
        if (at < matched)
            continue;
        uint32_t of_base = offer_base(parse, at);
        uint32_t of_result = offer_result(parse, at);
        uint32_t len = of_base > of_result ? of_base : of_result;
        if (len >= MATCH_LONG)
            matched = at + len - LENGTHS_EACH;
    }
}

/* Each node of the way gets the token that begins there, for the one that ends there. */
static void turn_back(struct delta_parse *parse)
{
    struct ota_delta_token token = node_at(parse, parse->end)->token;
    for (uint32_t at = parse->end; at > parse->start;) {
        at -= token.len;
        struct ota_delta_token before = node_at(parse, at)->token;
        node_at(parse, at)->token = token;
        token = before;
    }
}

/* From the stream's position on: if a start of the map lies there, its segment comes first. */
static int make_plan(struct delta_parse *parse, const struct ota_delta_stream *stream)
{
    const struct ota_delta_place *place = &stream->place;
    parse->start = place->position;
    parse->end = ota_delta_map_next(&stream->map, parse->start + 1).result;
    if (parse->end - parse->start > PLAN_MAX)
        parse->end = (parse->start + PLAN_MAX) & ~1U;
    free(parse->nodes);
    parse->nodes = calloc(parse->end - parse->start + 1, sizeof *parse->nodes);
    if (parse->nodes == NULL)
        return OTA_E_NO_SPACE;
    for (uint32_t at = parse->start; at <= parse->end; at++)
        node_at(parse, at)->cost = node_at(parse, at)->inside = NEVER;
    struct delta_node *first = node_at(parse, parse->start);
    first->base_at = place->base_at;
    first->token.kind = place->match_kind;
    first->inside_from = parse->start;
    if (stream->next.result == parse->start)
        first->inside = 0;
    else
        first->cost = 0;
    delta_prices_find(&parse->prices, &parse->tally);
    int error = price_segments(parse, stream);
    if (error != OTA_OK)
        return error;
    search(parse, place);
    turn_back(parse);
    return OTA_OK;
}

int delta_parse_token(struct delta_parse *parse, const struct ota_delta_stream *stream,
                      struct ota_delta_token *token)
{
    const struct ota_delta_place *place = &stream->place;
    if (place->position >= parse->end) {
        int error = make_plan(parse, stream);
        if (error != OTA_OK)
            return error;
    }
    *token = node_at(parse, place->position)->token;
    if (stream->next.result != place->position)
        delta_tally_add(&parse->tally, place, token, parse->result.at + place->position);
    return OTA_OK;
}
