#include "device/examples/nucleo-f429zi/broker.h"

#include "device/net/tls_bearssl.h"

uint8_t server_records[OTA_TLS_RECORDS_LEN(OTA_TLS_RECORD_MAX)];
const size_t server_records_len = sizeof server_records;

struct broker *broker_start(const struct broker_config *config, uint32_t now_ms)
{
    (void)config;
    (void)now_ms;
    return NULL;
}

void broker_step(struct broker *broker, uint32_t now_ms)
{
    (void)broker;
    (void)now_ms;
}
