#include "server/delta_moves.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "server/delta_votes.h"

#define MISS_COST 7    /* bits */
#define MOVE_COST 30   /* bits of another `by` */
#define RETURN_COST 18 /* bits of going back to the segments */
#define STATES 16U     /* candidates for `by` that are followed at once */

/* A way to here: what is added to values, and which vote began it. */
struct state {
    uint32_t by;
    uint32_t cost;
    uint32_t step; /* of `steps`, + 1 */
};

struct step {
    uint32_t from;
    uint32_t by;
    uint32_t before; /* step + 1 */
};

static int compare(const void *a, const void *b)
{
    const struct ota_delta_reference *left = a;
    const struct ota_delta_reference *right = b;
    if (left->old != right->old)
        return left->old < right->old ? -1 : 1;
    return left->new < right->new ? -1 : left->new > right->new;
}

static uint32_t take_step(struct step *steps, uint32_t *count, struct step step)
{
    steps[*count] = step;
    return ++*count;
}

/* The cheapest moves for the sorted votes: the last step + 1. `states[0]` is "as mapped". */
static uint32_t follow(const struct ota_delta_map *map, const struct delta_votes *votes,
                       struct step *steps, uint32_t dearer)
{
    struct state states[STATES] = {{OTA_DELTA_AS_MAPPED, 0, 0}};
    unsigned used = 1;
    uint32_t step_count = 0;
    for (uint32_t i = 0; i < votes->count; i++) {
        const struct ota_delta_reference *vote = &votes->at[i];
        uint32_t by = vote->new - vote->old;
        unsigned best = 0;
        unsigned worst = used < STATES ? used : 1;
        unsigned have = 0;
        bool fresh = i == 0 || votes->at[i - 1].old != vote->old;
        for (unsigned s = 0; s < used; s++) {
            if (states[s].cost < states[best].cost)
                best = s;
            if (s > 0 && states[s].by == by)
                have = s;
            if (used == STATES && s > 0 && states[s].cost > states[worst].cost)
                worst = s;
        }
        uint32_t start = vote->old;
        if (fresh && states[best].cost + RETURN_COST + dearer < states[0].cost)
            states[0] = (struct state){
                OTA_DELTA_AS_MAPPED, states[best].cost + RETURN_COST + dearer,
                take_step(steps, &step_count,
                          (struct step){start, OTA_DELTA_AS_MAPPED, states[best].step})};
        unsigned to = have != 0 ? have : worst;
        if (fresh && (have == 0 || states[best].cost + MOVE_COST + dearer < states[have].cost)) {
            struct state begun = {by, states[best].cost + MOVE_COST + dearer, 0};
            begun.step = take_step(steps, &step_count, (struct step){start, by, states[best].step});
            states[to] = begun;
            if (to == used)
                used++;
        }
        for (unsigned s = 0; s < used; s++) {
            uint32_t found =
                s == 0 ? ota_delta_map_plain(map, vote->old) : vote->old + states[s].by;
            states[s].cost += found == vote->new ? 0 : MISS_COST;
        }
    }
    unsigned best = 0;
    for (unsigned s = 1; s < used; s++)
        if (states[s].cost < states[best].cost)
            best = s;
    return states[best].step;
}

static uint32_t count_steps(const struct step *steps, uint32_t last)
{
    uint32_t count = 0;
    for (uint32_t at = last; at != 0; at = steps[at - 1].before)
        count++;
    return count;
}

static void use_steps(struct ota_delta_map *map, const struct step *steps, uint32_t last)
{
    uint32_t index = count_steps(steps, last);
    map->move_count = (uint16_t)index;
    for (uint32_t at = last; at != 0; at = steps[at - 1].before)
        map->moves[--index] = (struct ota_delta_move){steps[at - 1].from, steps[at - 1].by};
}

int delta_moves_choose(struct ota_delta_stream *stream, struct delta_bytes result,
                       const struct delta_segments *segments)
{
    struct delta_votes votes;
    struct ota_delta_map *map = &stream->map;
    int error = delta_votes_collect(stream, result, segments, &votes);
    struct step *steps = malloc((2 * (size_t)votes.count + 1) * sizeof *steps);
    if (steps == NULL)
        error = OTA_E_NO_SPACE;
    if (error == OTA_OK) {
        if (votes.count > 0)
            qsort(votes.at, votes.count, sizeof *votes.at, compare);
        uint32_t last = follow(map, &votes, steps, 0);
        for (uint32_t dearer = 4; count_steps(steps, last) > OTA_DELTA_MOVES_MAX;
             dearer += 1 + dearer / 4)
            last = follow(map, &votes, steps, dearer);
        use_steps(map, steps, last);
    }
    free(steps);
    free(votes.at);
    return error;
}
