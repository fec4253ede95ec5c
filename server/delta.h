/*
 * The maker of patches (SPEC.md, "Delta"), and their use on whole files in memory.
 *
 *     delta_match.c ... which parts of the result come from where in the base
 *     delta_parse.c ... how the gaps between them are filled
 *     delta_range.c ... the encoder's half of the range coder
 *     delta.c ......... the patch around the coded stream, and its check
 *
 * Needs about 12 times the base in memory. Not for the thread that answers polls.
 */
#ifndef OTAD_SERVER_DELTA_H
#define OTAD_SERVER_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/delta.h"

struct delta_bytes {
    const uint8_t *at;
    uint32_t len;
};

/* The patch from base to result, in memory that the caller frees. It was decoded and compared.
 * OTA_OK; OTA_E_TOO_LARGE (over OTA_DELTA_LEN_MAX, or an empty result), OTA_E_NO_SPACE (memory),
 * OTA_E_STATE (it does not decode to the result: a bug). */
int delta_make(struct delta_bytes base, struct delta_bytes result, uint8_t **patch,
               size_t *patch_len);

/* The result, in memory that the caller frees. Hashes are checked: OTA_E_DELTA_BASE, OTA_E_HASH
 * (the result's), or an error of ota_delta_run(), OTA_E_NO_SPACE. */
int delta_apply(struct delta_bytes base, struct delta_bytes patch, uint8_t **result,
                size_t *result_len);

#endif
