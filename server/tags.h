/*
 * A device's tags, what selectors (selector.h) choose by: `ring=canary,site=berlin`.
 *
 *     text = [ tag *( "," tag ) ]        in the database sorted by key, each key once
 *     tag  = key "=" value               both of a selector's words
 *
 * A set that is in memory is shared by all devices that have the same: a fleet has few different
 * ones. The pool belongs to one thread at a time (the fleet's lock); sets do not change.
 */
#ifndef OTAD_TAGS_H
#define OTAD_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/selector.h"

#define TAGS_MAX 16       /* of one device */
#define TAGS_TEXT_MAX 512 /* characters of the text */

/* Tags under construction: words of up to SELECTOR_WORD_MAX characters, sorted by key. */
struct tags {
    size_t count;
    struct {
        char key[SELECTOR_WORD_MAX + 1];
        char value[SELECTOR_WORD_MAX + 1];
    } at[TAGS_MAX];
};

enum tags_error {
    TAGS_OK = 0,
    TAGS_E_WORD = -1,  /* a key or value that is no word */
    TAGS_E_MANY = -2,  /* more than TAGS_MAX, or the text would be longer than TAGS_TEXT_MAX */
    TAGS_E_TWICE = -3, /* tags_parse(): a key stands twice */
};

/* Read text; tags may be parted by ';' as well, which needs no quotes in CSV. On an error *tags
 * holds what came before. */
int tags_parse(struct tags *tags, const char *text);
/* Set one, or replace its value. */
int tags_set(struct tags *tags, const char *key, const char *value);
void tags_remove(struct tags *tags, const char *key);
int tags_format(const struct tags *tags, char text[TAGS_TEXT_MAX + 1]);
/* One sentence for an error, for the operator; never NULL. */
const char *tags_error_sentence(int error);

struct tag_set {
    struct tag_set *next; /* in the pool's bucket */
    uint32_t users;
    uint32_t count;
    struct selector_tag *tags; /* point into the text */
    char text[];
};

struct tag_pool {
    struct tag_set **buckets;
    size_t bucket_count;
    size_t set_count;
};

/* The set of a formatted text, its users one more; NULL when out of memory. "" is a set as well. */
struct tag_set *tag_pool_take(struct tag_pool *pool, const char *text);
/* One user less; the last one's set goes. NULL is let be. */
void tag_pool_give(struct tag_pool *pool, struct tag_set *set);
/* Every set goes, whoever uses it. */
void tag_pool_clear(struct tag_pool *pool);

#endif
