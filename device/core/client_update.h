/*
 * The update under way, as the journal keeps it: which deployment, and how far it came. The journal
 * is the only copy, so that a power cut has nothing to lose.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_UPDATE_H
#define OTA_DEVICE_CORE_CLIENT_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/core/client.h"
#include "protocol/text.h"

enum ota_update_stage {
    OTA_UPDATE_NONE = 0,
    OTA_UPDATE_ACTIVE = 1, /* to be downloaded, verified, installed */
    OTA_UPDATE_TRIAL = 2,  /* its trial boot was reported */
    OTA_UPDATE_ENDED = 3,  /* confirmed, reverted or failed: reported, never tried again */
};

/* Which file the image comes from. */
enum ota_update_file {
    OTA_UPDATE_IMAGE = 0,   /* the image itself */
    OTA_UPDATE_PATCH = 1,   /* a patch */
    OTA_UPDATE_REFUSED = 2, /* a patch that was no good: the next manifest tells where the image is,
                               and no patch of this deployment is taken any more */
};

#define OTA_UPDATE_LAYOUT 2

/* As stored; host byte order, one device reads what it wrote. Strings are NUL-terminated. */
struct ota_update {
    uint8_t layout;
    uint8_t stage;    /* enum ota_update_stage */
    uint8_t restarts; /* from byte 0 */
    uint8_t file;     /* enum ota_update_file */
    uint32_t image_len;
    uint32_t file_len; /* bytes of what `url` names */
    uint32_t counter;
    struct ota_version version;
    uint8_t hash[OTA_HASH_LEN];
    char deployment[OTA_DEPLOYMENT_MAX + 1];
    char url[OTA_URL_MAX + 1];
    char etag[OTA_HTTP_ETAG_MAX + 1]; /* of the file that `url` names, "" for not known */
    char pad;
};

/* What the journal has; all zero (stage NONE) when there is none or it is of another layout. */
void ota_client_update_load(struct ota_client *client, struct ota_update *update);
int ota_client_update_store(struct ota_client *client, const struct ota_update *update);

/* Put a string of the manifest into its place here, which the codec has seen fit. */
void ota_client_update_copy(char *to, struct ota_text from);

/* The deployment came to its end: report it, and never try it again. *update is changed. */
void ota_client_update_end(struct ota_client *client, struct ota_update *update,
                           enum ota_event event, int reason);

#endif
