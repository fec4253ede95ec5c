#include "device/examples/nucleo-f429zi/broker.h"

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
