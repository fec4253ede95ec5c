/*
 * A small program for the demo when there is no network: blinks, and carries a table so that it has
 * the size of a real one. RELEASE makes two builds differ.
 */
#include <stdint.h>

/* Addresses of app.ld. */
extern uint32_t stack_end[], data_from[], data_start[], data_end[], bss_start[], bss_end[];

void reset(void);
static void hang(void);

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_end,          (const void *)reset, (const void *)hang, (const void *)hang,
    (const void *)hang, (const void *)hang,  (const void *)hang,
};

#define ROW(n) (RELEASE * 2654435761U ^ (n)*40503U), ((n)*2246822519U + RELEASE)
#define ROWS8(n)                                                                                   \
    ROW(n), ROW(n + 1), ROW(n + 2), ROW(n + 3), ROW(n + 4), ROW(n + 5), ROW(n + 6), ROW(n + 7)
#define ROWS64(n)                                                                                  \
    ROWS8(n), ROWS8(n + 8), ROWS8(n + 16), ROWS8(n + 24), ROWS8(n + 32), ROWS8(n + 40),            \
        ROWS8(n + 48), ROWS8(n + 56)
#define ROWS512(n)                                                                                 \
    ROWS64(n), ROWS64(n + 64), ROWS64(n + 128), ROWS64(n + 192), ROWS64(n + 256), ROWS64(n + 320), \
        ROWS64(n + 384), ROWS64(n + 448)

static const uint32_t table[] = {ROWS512(0U),    ROWS512(512U),  ROWS512(1024U), ROWS512(1536U),
                                 ROWS512(2048U), ROWS512(2560U), ROWS512(3072U), ROWS512(3584U),
                                 ROWS512(4096U), ROWS512(4608U), ROWS512(5120U), ROWS512(5632U),
                                 ROWS512(6144U), ROWS512(6656U), ROWS512(7168U), ROWS512(7680U),
                                 ROWS512(8192U), ROWS512(8704U), ROWS512(9216U), ROWS512(9728U)};

static volatile uint32_t lamp = RELEASE;

static void hang(void)
{
    for (;;) {
    }
}

void reset(void)
{
    for (uint32_t *from = data_from, *to = data_start; (uintptr_t)to < (uintptr_t)data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; (uintptr_t)to < (uintptr_t)bss_end;)
        *to++ = 0;
    for (uint32_t i = 0;; i = (i + 1) % (sizeof table / sizeof table[0]))
        lamp ^= table[i];
}
