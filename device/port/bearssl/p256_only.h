/*
 * Put before BearSSL's own headers in the bootloader's build: room for P-256, not for P-521, no
 * curve but it, and plain comparisons. inner.h has an include guard, so what is defined here
 * stands.
 *
 * A signature, the image it covers and the public key are no secrets: verifying them needs no code
 * whose time is the same for all values. Nothing but verifying may be built with this header.
 */
#include "inner.h"

#undef BR_MAX_EC_SIZE
#define BR_MAX_EC_SIZE 256

/* Named by a switch over curves; the caller asks for P-256 alone. */
#define br_secp384r1 br_secp256r1
#define br_secp521r1 br_secp256r1

#define NOT(ctl) ((uint32_t) !(ctl))
#define MUX(ctl, x, y) ((ctl) ? (x) : (y))
#define EQ(x, y) ((uint32_t)((x) == (y)))
#define NEQ(x, y) ((uint32_t)((x) != (y)))
#define GT(x, y) ((uint32_t)((x) > (y)))
#define BIT_LENGTH(x) ((x) == 0 ? 0U : 32U - (uint32_t)__builtin_clz(x))
#undef CCOPY
#define CCOPY(ctl, dst, src, len) ((ctl) ? (void)memcpy(dst, src, len) : (void)0)
