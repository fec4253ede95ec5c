/* GPIO and SYSCFG; RM0090 sections 8.4 and 9.2. */
#include "tests/board/gpio.h"

#include <string.h>

#define MODER 0x00U
#define IDR 0x10U
#define ODR 0x14U
#define BSRR 0x18U
#define AFRL 0x20U
#define AFRH 0x24U
#define MODE_ALTERNATE 2U

static void set_outputs(struct gpio_port *port, uint32_t value)
{
    uint32_t rising = value & ~port->reg[ODR / 4];
    for (unsigned pin = 0; pin < 16; pin++)
        port->rises[pin] += rising >> pin & 1U;
    port->reg[ODR / 4] = value & 0xffffU;
}

static uint32_t read_register(void *ctx, uint32_t offset, unsigned size)
{
    const struct gpio_port *port = ctx;
    (void)size;
    if (offset == IDR)
        return port->reg[ODR / 4]; /* nothing else drives the pins */
    return offset / 4 < GPIO_REGISTERS ? port->reg[offset / 4] : 0;
}

static void write_register(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct gpio_port *port = ctx;
    (void)size;
    if (offset == BSRR)
        set_outputs(port, (port->reg[ODR / 4] & ~(value >> 16)) | (value & 0xffffU));
    else if (offset == ODR)
        set_outputs(port, value);
    else if (offset / 4 < GPIO_REGISTERS)
        port->reg[offset / 4] = value;
}

static void reset(void *ctx, enum board_cause cause)
{
    struct gpio_port *port = ctx;
    (void)cause;
    memset(port->reg, 0, sizeof port->reg);
    port->reg[MODER / 4] = port->name == 'A' ? 0xa8000000U : port->name == 'B' ? 0x280U : 0;
}

int gpio_alternate(const struct gpio *gpio, char port, unsigned pin)
{
    const uint32_t *reg = gpio->ports[port - 'A'].reg;
    if ((reg[MODER / 4] >> (2 * pin) & 3U) != MODE_ALTERNATE)
        return -1;
    uint32_t word = pin < 8 ? reg[AFRL / 4] : reg[AFRH / 4];
    return (int)(word >> (4 * (pin % 8)) & 0xfU);
}

static uint32_t read_syscfg(void *ctx, uint32_t offset, unsigned size)
{
    const struct gpio *gpio = ctx;
    (void)size;
    return offset == 4 ? gpio->syscfg_pmc : 0;
}

static void write_syscfg(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct gpio *gpio = ctx;
    (void)size;
    if (offset == 4)
        gpio->syscfg_pmc = value;
}

static void reset_syscfg(void *ctx, enum board_cause cause)
{
    struct gpio *gpio = ctx;
    (void)cause;
    gpio->syscfg_pmc = 0;
}

void gpio_init(struct gpio *gpio, struct board *board)
{
    static const char *const names[GPIO_PORTS] = {"GPIOA", "GPIOB", "GPIOC", "GPIOD", "GPIOE",
                                                  "GPIOF", "GPIOG", "GPIOH", "GPIOI"};
    memset(gpio, 0, sizeof *gpio);
    for (unsigned i = 0; i < GPIO_PORTS; i++) {
        gpio->ports[i].board = board;
        gpio->ports[i].name = (char)('A' + i);
        board_add_device(board, &(struct board_device){.name = names[i],
                                                       .base = 0x40020000U + 0x400U * i,
                                                       .len = 0x400,
                                                       .enable_offset = 0x30,
                                                       .enable_bit = 1U << i,
                                                       .ctx = &gpio->ports[i],
                                                       .read = read_register,
                                                       .write = write_register,
                                                       .reset = reset});
    }
    board_add_device(board, &(struct board_device){.name = "SYSCFG",
                                                   .base = 0x40013800U,
                                                   .len = 0x400,
                                                   .enable_offset = 0x44,
                                                   .enable_bit = 1U << 14,
                                                   .ctx = gpio,
                                                   .read = read_syscfg,
                                                   .write = write_syscfg,
                                                   .reset = reset_syscfg});
}
