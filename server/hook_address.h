/* Which addresses a webhook may reach. */
#ifndef OTAD_HOOK_ADDRESS_H
#define OTAD_HOOK_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether an address is of the public Internet: neither this host, a private or link-local net
 * (cloud metadata among them), shared, multicast, documentation nor reserved (RFC 6890, 4193), nor
 * an IPv4 address of such a kind in an IPv6 one. False for other families. */
bool hook_address_is_public(const struct sockaddr *address);

#endif
