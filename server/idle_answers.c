#include "server/idle_answers.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define KEPT_MAX 4096U /* seconds: intervals up to an hour, and what they are spread by */

struct idle_answers {
    _Atomic(struct MHD_Response *) kept[KEPT_MAX];
};

struct idle_answers *idle_answers_new(void)
{
    return calloc(1, sizeof(struct idle_answers));
}

void idle_answers_free(struct idle_answers *answers)
{
    if (answers == NULL)
        return;
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (answers->kept[i] != NULL)
            MHD_destroy_response(answers->kept[i]);
    free(answers);
}

static struct MHD_Response *make(uint32_t seconds)
{
    static char empty[1];
    struct MHD_Response *made = MHD_create_response_from_buffer(0, empty, MHD_RESPMEM_PERSISTENT);
    char digits[12];

    snprintf(digits, sizeof(digits), "%u", seconds);
    if (made != NULL && MHD_add_response_header(made, "Retry-After", digits) == MHD_YES &&
        MHD_add_response_header(made, "X-Content-Type-Options", "nosniff") == MHD_YES)
        return made;
    if (made != NULL)
        MHD_destroy_response(made);
    return NULL;
}

struct MHD_Response *idle_answers_get(struct idle_answers *answers, uint32_t seconds)
{
    struct MHD_Response *made;
    struct MHD_Response *other = NULL;

    if (seconds >= KEPT_MAX)
        return NULL;
    made = atomic_load(&answers->kept[seconds]);
    if (made != NULL)
        return made;
    made = make(seconds);
    if (made == NULL || atomic_compare_exchange_strong(&answers->kept[seconds], &other, made))
        return made;
    MHD_destroy_response(made); /* another thread was first */
    return other;
}
