/* The decoder of patches as a device links it, and nothing else, to be measured. */
#include "protocol/delta.h"

void measured(void);

extern const struct ota_delta_io io;
extern uint8_t buf[];
extern const size_t len; /* what is known of it when this is built would leave code out */

void measured(void)
{
    static struct ota_delta delta;

    if (ota_delta_resume(&delta, &io, buf, len) != 0)
        ota_delta_init(&delta, &io);
    while (ota_delta_run(&delta) > 0) {
        ota_delta_feed(&delta, buf + ota_delta_wants(&delta), len);
        (void)ota_delta_save(&delta, buf, len);
    }
}
