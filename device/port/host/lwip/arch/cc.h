/* lwIP's view of a POSIX host: the compiler's own types, errors to stderr. */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h> /* struct timeval */

#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_ERRNO_STDINCLUDE 1

/* Port numbers and sequence numbers; from the kernel, slirp_netif.c. */
unsigned int ota_host_random(void);
#define LWIP_RAND() ota_host_random()

#define LWIP_PLATFORM_DIAG(message)                                                                \
    do {                                                                                           \
        printf message;                                                                            \
    } while (0)
#define LWIP_PLATFORM_ASSERT(message)                                                              \
    do {                                                                                           \
        fprintf(stderr, "lwip: %s\n", message);                                                    \
        abort();                                                                                   \
    } while (0)

#endif
