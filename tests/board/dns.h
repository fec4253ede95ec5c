/*
 * The name server of the board's network: knows one name, which is this machine, 10.0.2.2. It
 * answers questions that come to 10.0.2.3, so that no question reaches the host's own servers.
 */
#ifndef OTA_TESTS_BOARD_DNS_H
#define OTA_TESTS_BOARD_DNS_H

#include "tests/board/eth.h"

/* Turn a question to the name server into its answer: an address for `name`, "no such name" for
 * others. false when the frame is none. */
bool dns_answer(struct eth_frame *frame, const char *name);

#endif
