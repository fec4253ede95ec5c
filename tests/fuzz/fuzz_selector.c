/* The selector compiler: what it compiled lies within its own text, and matching reads no further.
 */
#include <string.h>

#include "server/selector.h"
#include "tests/fuzz/fuzz.h"

static void require_word(const struct selector *selector, struct selector_word word)
{
    fuzz_require(word.len >= 1 && word.len <= SELECTOR_WORD_MAX);
    fuzz_require(word.at + word.len <= selector->text_len);
}

static void require_requirement(const struct selector *selector,
                                const struct selector_requirement *requirement)
{
    require_word(selector, requirement->key);
    fuzz_require(requirement->op >= SELECTOR_EXISTS && requirement->op <= SELECTOR_NOT_IN);
    fuzz_require(requirement->first_value + requirement->value_count <= selector->value_count);
    fuzz_require((requirement->value_count == 0) == (requirement->op <= SELECTOR_ABSENT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct selector_tag tags[] = {{{"ring", 4}, {"canary", 6}}, {{"a", 1}, {"", 0}}};
    struct selector selector, again;
    size_t error_at = 0;
    struct ota_text text = {(const char *)data, len};

    if (selector_parse(&selector, text, &error_at) != SELECTOR_OK) {
        fuzz_require(error_at <= len && selector.requirement_count == 0);
        fuzz_require(selector_matches(&selector, tags, 2));
        return 0;
    }
    fuzz_require(selector.text_len == len && selector.value_count <= SELECTOR_VALUES_MAX);
    for (size_t i = 0; i < selector.requirement_count; i++)
        require_requirement(&selector, &selector.requirements[i]);
    for (size_t i = 0; i < selector.value_count; i++)
        require_word(&selector, selector.values[i]);
    fuzz_require(selector_parse(&again, text, NULL) == SELECTOR_OK);
    fuzz_require(selector_matches(&selector, tags, 2) == selector_matches(&again, tags, 2));
    return 0;
}
