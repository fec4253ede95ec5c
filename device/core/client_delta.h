/*
 * Images from patches: the update client over the decoder of protocol/delta.h.
 *
 *     file bytes --> work.answer --> decoder --> spare slot
 *                                     ^   ^
 *                              primary     spare slot, what is written
 *
 * An application that wants patches gives the client a struct ota_client_delta; one that doesn't
 * links none of this. Where a patch stands is in the journal, a checkpoint each
 * OTA_DELTA_CHECKPOINT_STEP bytes of the image; what was written behind it is decoded again and
 * found in flash.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_DELTA_H
#define OTA_DEVICE_CORE_CLIENT_DELTA_H

#include "device/core/client.h"
#include "device/core/client_update.h"
#include "protocol/delta.h"

/* What the client does with a patch; private to device/core/client*.c. */
struct ota_client_delta_use {
    /* Name the patch in *update, if it is for the image that runs; else tell the server. */
    void (*choose)(struct ota_client *client, struct ota_update *update,
                   const struct ota_manifest_delta *patch);
    /* Begin, or go on at the checkpoint in the journal; uses work.answer. The slot is located. */
    void (*open)(struct ota_client *client);
    /* The byte of the patch that comes next. */
    uint32_t (*wants)(const struct ota_client *client);
    /* Decode from what work.answer holds, a bounded step. 1: there is more to do, 0: more bytes are
     * needed or the image is whole, or a negative error. */
    int (*step)(struct ota_client *client);
    /* A patch begins anew at its first byte; what it wrote stays. OTA_OK or OTA_E_FLASH. */
    int (*forget)(struct ota_client *client);
    /* The patch is no good: the next manifest, asked for at once, tells where the image is. What is
     * in flash stays. */
    void (*detour)(struct ota_client *client, struct ota_update *update, int reason);
};

struct ota_client_delta {
    const struct ota_client_delta_use *use;
    struct ota_delta_io io;
    bool open;
    bool resumed; /* at a checkpoint, and nothing was decoded since */
    struct ota_delta decoder;
};

/* Make it ready for ota_client_config; then it is the client's. Returns `delta`. */
struct ota_client_delta *ota_client_delta_init(struct ota_client_delta *delta);

#endif
