#include "server/tags.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64U

static bool is_word(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
    size_t len = strlen(text);

    return len > 0 && len <= SELECTOR_WORD_MAX && strspn(text, allowed) == len;
}

/* Where the key stands, or belongs. */
static size_t place_of(const struct tags *tags, const char *key)
{
    size_t at = 0;

    while (at < tags->count && strcmp(tags->at[at].key, key) < 0)
        at++;
    return at;
}

static bool stands_at(const struct tags *tags, size_t at, const char *key)
{
    return at < tags->count && strcmp(tags->at[at].key, key) == 0;
}

int tags_set(struct tags *tags, const char *key, const char *value)
{
    size_t at = place_of(tags, key);

    if (!is_word(key) || !is_word(value))
        return TAGS_E_WORD;
    if (!stands_at(tags, at, key)) {
        if (tags->count == TAGS_MAX)
            return TAGS_E_MANY;
        memmove(&tags->at[at + 1], &tags->at[at], (tags->count - at) * sizeof(tags->at[0]));
        tags->count++;
        memcpy(tags->at[at].key, key, strlen(key) + 1);
    }
    memcpy(tags->at[at].value, value, strlen(value) + 1);
    return TAGS_OK;
}

void tags_remove(struct tags *tags, const char *key)
{
    size_t at = place_of(tags, key);

    if (!stands_at(tags, at, key))
        return;
    tags->count--;
    memmove(&tags->at[at], &tags->at[at + 1], (tags->count - at) * sizeof(tags->at[0]));
}

static int parse_tag(struct tags *tags, char *tag)
{
    char *value = strchr(tag, '=');

    if (value == NULL)
        return TAGS_E_WORD;
    *value++ = '\0';
    if (stands_at(tags, place_of(tags, tag), tag))
        return TAGS_E_TWICE;
    return tags_set(tags, tag, value);
}

int tags_parse(struct tags *tags, const char *text)
{
    char copy[TAGS_TEXT_MAX + 1];
    size_t len = strlen(text);
    int error = TAGS_OK;

    tags->count = 0;
    if (len > TAGS_TEXT_MAX)
        return TAGS_E_MANY;
    memcpy(copy, text, len + 1);
    for (char *at = copy; len > 0 && at != NULL && error == TAGS_OK;) {
        char *end = strpbrk(at, ",;");

        if (end != NULL)
            *end++ = '\0';
        error = parse_tag(tags, at);
        at = end;
    }
    return error;
}

int tags_format(const struct tags *tags, char text[TAGS_TEXT_MAX + 1])
{
    size_t len = 0;

    for (size_t i = 0; i < tags->count; i++) {
        size_t key_len = strlen(tags->at[i].key);
        size_t value_len = strlen(tags->at[i].value);

        if (len + key_len + value_len + 2 > TAGS_TEXT_MAX)
            return TAGS_E_MANY;
        if (len > 0)
            text[len++] = ',';
        memcpy(text + len, tags->at[i].key, key_len);
        len += key_len;
        text[len++] = '=';
        memcpy(text + len, tags->at[i].value, value_len);
        len += value_len;
    }
    text[len] = '\0';
    return TAGS_OK;
}

const char *tags_error_sentence(int error)
{
    if (error == TAGS_E_MANY)
        return "a device has at most 16 tags, of 512 characters together";
    if (error == TAGS_E_TWICE)
        return "a tag stands twice";
    return "tags are KEY=VALUE, each 1 to 63 of A-Z a-z 0-9 . _ - /";
}

/* ---- sets in memory ---- */

static size_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
    return (size_t)(hash ^ hash >> 32);
}

static bool grow(struct tag_pool *pool)
{
    size_t count = pool->bucket_count > 0 ? pool->bucket_count * 2 : BUCKETS_MIN;
    struct tag_set **buckets = calloc(count, sizeof(struct tag_set *));

    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < pool->bucket_count; i++) {
        for (struct tag_set *set = pool->buckets[i], *next; set != NULL; set = next) {
            struct tag_set **bucket = &buckets[hash_of(set->text) & (count - 1)];

            next = set->next;
            set->next = *bucket;
            *bucket = set;
        }
    }
    free(pool->buckets);
    pool->buckets = buckets;
    pool->bucket_count = count;
    return true;
}

/* Point the set's tags into its text, which tags_format() made. */
static void index_text(struct tag_set *set)
{
    char *at = set->text;

    for (size_t i = 0; i < set->count; i++) {
        size_t key_len = strcspn(at, "=");
        size_t value_len = strcspn(at + key_len + 1, ",");

        set->tags[i].key = (struct ota_text){at, key_len};
        set->tags[i].value = (struct ota_text){at + key_len + 1, value_len};
        at += key_len + 1 + value_len + 1;
    }
}

static struct tag_set *make_set(const char *text)
{
    size_t len = strlen(text);
    struct tag_set *set = malloc(sizeof(*set) + len + 1);

    if (set == NULL)
        return NULL;
    *set = (struct tag_set){.count = 0};
    memcpy(set->text, text, len + 1);
    for (const char *at = text; (at = strchr(at, '=')) != NULL; at++)
        set->count++;
    set->tags = calloc(set->count + 1, sizeof(*set->tags));
    if (set->tags == NULL) {
        free(set);
        return NULL;
    }
    index_text(set);
    return set;
}

struct tag_set *tag_pool_take(struct tag_pool *pool, const char *text)
{
    struct tag_set **bucket;
    struct tag_set *set;

    if (pool->set_count >= pool->bucket_count && !grow(pool))
        return NULL;
    bucket = &pool->buckets[hash_of(text) & (pool->bucket_count - 1)];
    for (set = *bucket; set != NULL; set = set->next)
        if (strcmp(set->text, text) == 0)
            break;
    if (set == NULL) {
        set = make_set(text);
        if (set == NULL)
            return NULL;
        set->next = *bucket;
        *bucket = set;
        pool->set_count++;
    }
    set->users++;
    return set;
}

static void free_set(struct tag_set *set)
{
    free(set->tags);
    free(set);
}

void tag_pool_give(struct tag_pool *pool, struct tag_set *set)
{
    struct tag_set **link;

    if (set == NULL || --set->users > 0)
        return;
    link = &pool->buckets[hash_of(set->text) & (pool->bucket_count - 1)];
    while (*link != set)
        link = &(*link)->next;
    *link = set->next;
    pool->set_count--;
    free_set(set);
}

void tag_pool_clear(struct tag_pool *pool)
{
    for (size_t i = 0; i < pool->bucket_count; i++) {
        for (struct tag_set *set = pool->buckets[i], *next; set != NULL; set = next) {
            next = set->next;
            free_set(set);
        }
    }
    free(pool->buckets);
    *pool = (struct tag_pool){.buckets = NULL};
}
