#include "server/escape.h"

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

int escape_decode(const char *text, size_t len, bool slash, char *buf, size_t cap)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_value(text[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text[i + 2]) : -1;
            if (low < 0)
                return -1;
            c = (unsigned char)(high * 16 + low);
            i += 2;
            if (c == '/' && !slash)
                return -1;
        }
        if (c < 0x20 || c == 0x7f || out + 1 >= cap)
            return -1;
        buf[out++] = (char)c;
    }
    buf[out] = '\0';
    return (int)out;
}
