/*
 * Parsers of the strings that manifest, report and enrolment have in common, for OTA_FIELD_PARSED.
 */
#ifndef OTA_PROTOCOL_FIELDS_H
#define OTA_PROTOCOL_FIELDS_H

#include "protocol/text.h"

int ota_parse_hash(void *hash, struct ota_text text);       /* uint8_t[OTA_HASH_LEN] */
int ota_parse_nonce(void *nonce, struct ota_text text);     /* uint8_t[OTA_NONCE_LEN] */
int ota_parse_version(void *version, struct ota_text text); /* struct ota_version */

#endif
