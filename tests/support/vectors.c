#include "tests/support/vectors.h"

#include <stdlib.h>
#include <string.h>

#define DIRECTORY "tests/vectors/"

void vectors_open(struct vectors *vectors, const char *path)
{
    char full[sizeof(DIRECTORY) + VECTOR_NAME_MAX];

    *vectors = (struct vectors){.path = path, .is_index = strstr(path, "index.txt") != NULL};
    snprintf(full, sizeof(full), "%s%s", DIRECTORY, path);
    vectors->file = blob_read(full);
}

/* The next line without its end; false when there is none. */
static bool next_line(struct vectors *vectors, const char **line, size_t *len)
{
    const char *start = (const char *)vectors->file.at + vectors->at;
    size_t rest = vectors->file.len - vectors->at;

    if (rest == 0)
        return false;
    const char *end = memchr(start, '\n', rest);
    *line = start;
    *len = end != NULL ? (size_t)(end - start) : rest;
    vectors->at += *len + (end != NULL);
    vectors->line++;
    return true;
}

/* `\xHH` is a byte, all else stands for itself. */
static struct blob unescape(const char *text, size_t len)
{
    char *bytes = malloc(len + 1);
    size_t used = 0;

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 3 < len && text[i + 1] == 'x') {
            const char digits[3] = {text[i + 2], text[i + 3], '\0'};
            bytes[used++] = (char)strtoul(digits, NULL, 16);
            i += 3;
        } else {
            bytes[used++] = text[i];
        }
    }
    struct blob blob = blob_copy(bytes, used);
    free(bytes);
    return blob;
}

static void take_line(const struct vectors *vectors, struct vector *vector, const char *line,
                      size_t len)
{
    const char *space = memchr(line, ' ', len);

    assert_non_null(space);
    size_t word_len = (size_t)(space - line);
    const char *text = space + 1;
    size_t text_len = len - word_len - 1;
    assert_true(word_len < sizeof(vector->word));
    memcpy(vector->word, line, word_len);
    vector->word[word_len] = '\0';
    if (vectors->is_index) {
        snprintf(vector->name, sizeof(vector->name), DIRECTORY "%.*s", (int)text_len, text);
        vector->bytes = blob_read(vector->name);
    } else {
        snprintf(vector->name, sizeof(vector->name), "%s:%u", vectors->path, vectors->line);
        vector->bytes = unescape(text, text_len);
    }
}

bool vectors_next(struct vectors *vectors, struct vector *vector)
{
    const char *line;
    size_t len;

    blob_free(&vector->bytes);
    do {
        if (!next_line(vectors, &line, &len)) {
            blob_free(&vectors->file);
            return false;
        }
    } while (len == 0 || line[0] == '#');
    take_line(vectors, vector, line, len);
    return true;
}

void sweep_prefixes(const struct blob *bytes, vector_visit *visit, void *ctx)
{
    for (size_t len = 0; len < bytes->len; len++) {
        struct blob prefix = blob_copy(bytes->at, len);
        visit(ctx, &prefix, len);
        blob_free(&prefix);
    }
}

void sweep_bit_flips(const struct blob *bytes, vector_visit *visit, void *ctx)
{
    for (size_t bit = 0; bit < bytes->len * 8; bit++) {
        struct blob flipped = blob_copy(bytes->at, bytes->len);
        blob_flip(&flipped, bit);
        visit(ctx, &flipped, bit);
        blob_free(&flipped);
    }
}
