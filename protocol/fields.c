#include "protocol/fields.h"

#include "protocol/limits.h"
#include "protocol/version.h"

int ota_parse_hash(void *hash, struct ota_text text)
{
    return ota_hex_decode(hash, OTA_HASH_LEN, text);
}

int ota_parse_nonce(void *nonce, struct ota_text text)
{
    return ota_hex_decode(nonce, OTA_NONCE_LEN, text);
}

int ota_parse_version(void *version, struct ota_text text)
{
    return ota_version_parse(version, text.at, text.len);
}
