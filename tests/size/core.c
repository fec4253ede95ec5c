/* The client and its HTTP as an application links them, and nothing else, to be measured. */
#include "device/core/client.h"
#include "device/net/transport_lwip.h"

void measured(void);

extern const struct ota_client_config config;
extern const struct ota_lwip_config lwip_config;
extern struct ota_transport transport;

void measured(void)
{
    static struct ota_client client;
    static struct ota_lwip_transport lwip;
    struct ota_client_status status;

    ota_lwip_transport_init(&lwip, &lwip_config);
    transport = ota_lwip_transport_seam(&lwip);
    (void)ota_client_init(&client, &config, 0);
    do {
        (void)ota_client_step(&client, 0);
        ota_client_status(&client, &status);
    } while (!status.idle);
}
