#include "server/prefer.h"

#include <string.h>
#include <strings.h>

static bool parse_seconds(const char *at, uint32_t *seconds)
{
    bool quoted = *at == '"';
    uint32_t number = 0;
    size_t len;

    at += quoted;
    len = strspn(at, "0123456789");
    if (len == 0 || len > 9)
        return false;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (uint32_t)(at[i] - '0');
    at += len;
    if (quoted && *at++ != '"')
        return false;
    at += strspn(at, " \t");
    if (*at != '\0' && *at != ',' && *at != ';')
        return false;
    *seconds = number;
    return true;
}

/* The comma behind this preference or the end; a comma in quotes is none. */
static const char *skip_preference(const char *at)
{
    bool quoted = false;

    for (; *at != '\0' && (quoted || *at != ','); at++) {
        if (quoted && *at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '"')
            quoted = !quoted;
    }
    return at;
}

bool prefer_wait(const char *header, uint32_t *seconds)
{
    const char *at = header;

    while (at != NULL && *at != '\0') {
        at += strspn(at, " \t,");
        if (strncasecmp(at, "wait", 4) == 0) {
            const char *value = at + 4 + strspn(at + 4, " \t");
            if (*value == '=')
                return parse_seconds(value + 1 + strspn(value + 1, " \t"), seconds);
        }
        at = skip_preference(at);
    }
    return false;
}
