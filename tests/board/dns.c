/* RFC 1035 section 4; one question, over UDP and IPv4 without options. */
#include "tests/board/dns.h"

#include <string.h>

#define MAC_LEN 6U
#define IP 14U /* offsets into the frame */
#define UDP (IP + 20U)
#define DNS (UDP + 8U)
#define QUESTION (DNS + 12U)
#define DNS_PORT 53U
#define NAME_MAX 255U
#define ANSWER_LEN 16U

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static bool is_question(const struct eth_frame *frame)
{
    static const uint8_t server[4] = {10, 0, 2, 3};
    const uint8_t *bytes = frame->bytes;
    return frame->len > QUESTION && get16(bytes + 12) == 0x0800 && bytes[IP] == 0x45 &&
           bytes[IP + 9] == 17 && memcmp(bytes + IP + 16, server, sizeof server) == 0 &&
           get16(bytes + UDP + 2) == DNS_PORT && get16(bytes + DNS + 4) == 1;
}

/* The name at QUESTION with dots. The offset behind it, 0 when it is not whole. */
static size_t read_name(const struct eth_frame *frame, char name[NAME_MAX + 1])
{
    size_t at = QUESTION;
    size_t len = 0;
    while (at < frame->len && frame->bytes[at] != 0) {
        size_t label = frame->bytes[at++];
        if (label > 63 || at + label >= frame->len || len + label + 1 > NAME_MAX)
            return 0;
        if (len > 0)
            name[len++] = '.';
        memcpy(name + len, frame->bytes + at, label);
        len += label;
        at += label;
    }
    name[len] = '\0';
    return at + 5 <= frame->len ? at + 1 : 0;
}

static void swap(uint8_t *one, uint8_t *other, size_t len)
{
    uint8_t held[MAC_LEN];
    memcpy(held, one, len);
    memcpy(one, other, len);
    memcpy(other, held, len);
}

static void address_to_asker(struct eth_frame *frame, size_t end)
{
    uint8_t *bytes = frame->bytes;
    swap(bytes, bytes + MAC_LEN, MAC_LEN);
    swap(bytes + IP + 12, bytes + IP + 16, 4);
    swap(bytes + UDP, bytes + UDP + 2, 2);
    put16(bytes + IP + 2, end - IP);
    put16(bytes + UDP + 4, end - UDP);
    frame->len = (uint16_t)end;
    eth_insert_checksums(frame, true, true);
}

bool dns_answer(struct eth_frame *frame, const char *name)
{
    static const uint8_t answer[ANSWER_LEN] = {0xc0, 12, 0, 1, 0,  1, 0, 0,
                                               0,    60, 0, 4, 10, 0, 2, 2};
    char asked[NAME_MAX + 1];
    size_t end = is_question(frame) ? read_name(frame, asked) : 0;
    if (end == 0)
        return false;
    end += 4; /* type and class */
    bool known = strcmp(asked, name) == 0 && get16(frame->bytes + end - 4) == 1 &&
                 end + ANSWER_LEN <= ETH_FRAME_MAX;
    put16(frame->bytes + DNS + 2, known ? 0x8180 : 0x8183);
    put16(frame->bytes + DNS + 6, known ? 1 : 0);
    put16(frame->bytes + DNS + 8, 0);
    put16(frame->bytes + DNS + 10, 0);
    if (known) {
        memcpy(frame->bytes + end, answer, sizeof answer);
        end += sizeof answer;
    }
    address_to_asker(frame, end);
    return true;
}
