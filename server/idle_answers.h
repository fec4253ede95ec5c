/*
 * Answers to polls that bring nothing: 204 and Retry-After, the same few hundred of them again and
 * again. Each is made once and handed to the library as often as it is wanted.
 */
#ifndef OTAD_IDLE_ANSWERS_H
#define OTAD_IDLE_ANSWERS_H

#include <stdint.h>

struct MHD_Response;
struct idle_answers;

/* NULL when out of memory. */
struct idle_answers *idle_answers_new(void);
/* When no connection is left. */
void idle_answers_free(struct idle_answers *answers);
/* The answer that says to come again after `seconds`. Any thread; it stays the cache's.
 * NULL: not one of those that are kept. */
struct MHD_Response *idle_answers_get(struct idle_answers *answers, uint32_t seconds);

#endif
