#include "server/selector.h"

#include <string.h>

/* The rest of the text while it is compiled. */
struct reader {
    struct selector *selector;
    size_t at;
    int error;
};

static bool word_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/';
}

static void skip_blanks(struct reader *reader)
{
    while (reader->selector->text[reader->at] == ' ')
        reader->at++;
}

static bool fail(struct reader *reader, int error)
{
    if (reader->error == SELECTOR_OK)
        reader->error = error;
    return false;
}

static bool take(struct reader *reader, const char *token)
{
    size_t len = strlen(token);

    skip_blanks(reader);
    if (strncmp(reader->selector->text + reader->at, token, len) != 0)
        return false;
    reader->at += len;
    return true;
}

static bool take_word(struct reader *reader, struct selector_word *word)
{
    const char *text = reader->selector->text;

    skip_blanks(reader);
    word->at = (uint16_t)reader->at;
    while (word_character(text[reader->at]))
        reader->at++;
    word->len = (uint16_t)(reader->at - word->at);
    if (word->len == 0)
        return fail(reader, SELECTOR_E_SYNTAX);
    return word->len <= SELECTOR_WORD_MAX || fail(reader, SELECTOR_E_TOO_LONG);
}

static bool take_value(struct reader *reader, struct selector_requirement *requirement)
{
    struct selector *selector = reader->selector;

    if (selector->value_count == SELECTOR_VALUES_MAX)
        return fail(reader, SELECTOR_E_TOO_LONG);
    if (!take_word(reader, &selector->values[selector->value_count]))
        return false;
    selector->value_count++;
    requirement->value_count++;
    return true;
}

static bool take_value_list(struct reader *reader, struct selector_requirement *requirement)
{
    if (!take(reader, "("))
        return fail(reader, SELECTOR_E_SYNTAX);
    do {
        if (!take_value(reader, requirement))
            return false;
    } while (take(reader, ","));
    return take(reader, ")") || fail(reader, SELECTOR_E_SYNTAX);
}

static bool is_word(const struct selector *selector, struct selector_word word, const char *text)
{
    return word.len == strlen(text) && memcmp(selector->text + word.at, text, word.len) == 0;
}

/* Behind a key: "=", "in (...)", or nothing, which asks for the tag alone. */
static bool take_condition(struct reader *reader, struct selector_requirement *requirement)
{
    struct selector_word word;

    requirement->op = SELECTOR_IN;
    if (take(reader, "!=")) {
        requirement->op = SELECTOR_NOT_IN;
        return take_value(reader, requirement);
    }
    if (take(reader, "==") || take(reader, "="))
        return take_value(reader, requirement);
    skip_blanks(reader);
    if (!word_character(reader->selector->text[reader->at])) {
        requirement->op = SELECTOR_EXISTS;
        return true;
    }
    size_t start = reader->at;
    if (!take_word(reader, &word))
        return false;
    if (is_word(reader->selector, word, "notin"))
        requirement->op = SELECTOR_NOT_IN;
    else if (!is_word(reader->selector, word, "in")) {
        reader->at = start;
        return fail(reader, SELECTOR_E_SYNTAX);
    }
    return take_value_list(reader, requirement);
}

static bool take_requirement(struct reader *reader)
{
    struct selector *selector = reader->selector;
    struct selector_requirement *requirement;

    if (selector->requirement_count == SELECTOR_REQUIREMENTS_MAX)
        return fail(reader, SELECTOR_E_TOO_LONG);
    requirement = &selector->requirements[selector->requirement_count++];
    *requirement = (struct selector_requirement){.first_value = selector->value_count};
    if (take(reader, "!")) {
        requirement->op = SELECTOR_ABSENT;
        return take_word(reader, &requirement->key);
    }
    return take_word(reader, &requirement->key) && take_condition(reader, requirement);
}

static int compile(struct reader *reader)
{
    struct selector *selector = reader->selector;

    skip_blanks(reader);
    if (reader->at == selector->text_len)
        return SELECTOR_OK;
    do {
        if (!take_requirement(reader))
            return reader->error;
    } while (take(reader, ","));
    skip_blanks(reader);
    return reader->at == selector->text_len ? SELECTOR_OK : SELECTOR_E_SYNTAX;
}

int selector_parse(struct selector *selector, struct ota_text text, size_t *error_at)
{
    struct reader reader = {.selector = selector};
    int error = SELECTOR_E_TOO_LONG;

    memset(selector, 0, sizeof *selector);
    if (text.len <= SELECTOR_TEXT_MAX) {
        if (text.len > 0)
            memcpy(selector->text, text.at, text.len);
        selector->text_len = (uint16_t)text.len;
        error = compile(&reader);
    }
    if (error != SELECTOR_OK) {
        memset(selector, 0, sizeof *selector);
        if (error_at != NULL)
            *error_at = reader.at;
    }
    return error;
}

static bool word_is(const struct selector *selector, struct selector_word word,
                    struct ota_text text)
{
    return word.len == text.len && memcmp(selector->text + word.at, text.at, text.len) == 0;
}

static const struct selector_tag *find_tag(const struct selector *selector,
                                           struct selector_word key,
                                           const struct selector_tag *tags, size_t tag_count)
{
    for (size_t i = 0; i < tag_count; i++) {
        if (word_is(selector, key, tags[i].key))
            return &tags[i];
    }
    return NULL;
}

static bool lists(const struct selector *selector, const struct selector_requirement *requirement,
                  const struct selector_tag *tag)
{
    for (size_t i = 0; tag != NULL && i < requirement->value_count; i++) {
        if (word_is(selector, selector->values[requirement->first_value + i], tag->value))
            return true;
    }
    return false;
}

static bool holds(const struct selector *selector, const struct selector_requirement *requirement,
                  const struct selector_tag *tags, size_t tag_count)
{
    const struct selector_tag *tag = find_tag(selector, requirement->key, tags, tag_count);

    switch (requirement->op) {
    case SELECTOR_EXISTS:
        return tag != NULL;
    case SELECTOR_ABSENT:
        return tag == NULL;
    case SELECTOR_IN:
        return lists(selector, requirement, tag);
    case SELECTOR_NOT_IN:
        return !lists(selector, requirement, tag);
    }
    return false;
}

bool selector_matches(const struct selector *selector, const struct selector_tag *tags,
                      size_t tag_count)
{
    for (size_t i = 0; i < selector->requirement_count; i++) {
        if (!holds(selector, &selector->requirements[i], tags, tag_count))
            return false;
    }
    return true;
}
