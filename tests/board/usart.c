/* USART; RM0090 section 30.6. Reception, interrupts and DMA are not modelled. */
#include "tests/board/usart.h"

#include <stdlib.h>
#include <string.h>

#define SR 0x00U
#define DR 0x04U
#define BRR 0x08U
#define CR1 0x0cU
#define SR_TC (1U << 6)
#define SR_TXE (1U << 7)
#define CR1_TE (1U << 3)
#define CR1_UE (1U << 13)
#define CR1_OVER8 (1U << 15)
#define FRAME_BITS 10U /* start, 8 data, stop */
#define ALTERNATE_USART 7

static uint32_t baud(const struct usart *usart)
{
    uint32_t clock = usart->apb2 ? usart->rcc->pclk2 : usart->rcc->pclk1;
    return usart->brr == 0 ? 0 : clock / usart->brr;
}

static void end_line(struct usart *usart)
{
    usart->line[usart->line_len] = '\0';
    usart->line_len = 0;
    if (usart->on_line != NULL)
        usart->on_line(usart->on_line_ctx, usart->line);
}

static void send(struct usart *usart, uint8_t byte)
{
    struct board *board = usart->board;
    uint32_t rate = baud(usart);
    if ((usart->cr1 & (CR1_UE | CR1_TE)) != (CR1_UE | CR1_TE) || rate == 0) {
        board_misuse(board, "%s: a byte is sent while it is off", usart->name);
        return;
    }
    if (rate > USART_LISTENER_BAUD * 102 / 100 || rate < USART_LISTENER_BAUD * 98 / 100) {
        board_misuse(board, "%s: %u baud, the listener has %u", usart->name, rate,
                     USART_LISTENER_BAUD);
        return;
    }
    if (gpio_alternate(usart->gpio, usart->tx_port, usart->tx_pin) != ALTERNATE_USART) {
        board_misuse(board, "%s: P%c%u is not its pin", usart->name, usart->tx_port, usart->tx_pin);
        return;
    }
    uint64_t frame = FRAME_BITS * BOARD_PS_PER_S / rate;
    uint64_t start = usart->done_at > board->now ? usart->done_at : board->now;
    usart->free_at = start;
    usart->done_at = start + frame;
    if (byte == '\n' || usart->line_len == USART_LINE_MAX - 1)
        end_line(usart);
    if (byte != '\n' && byte != '\r')
        usart->line[usart->line_len++] = (char)byte;
}

static uint32_t read_register(void *ctx, uint32_t offset, unsigned size)
{
    struct usart *usart = ctx;
    struct board *board = usart->board;
    (void)size;
    switch (offset) {
    case SR: {
        uint32_t value = (board->now >= usart->free_at ? SR_TXE : 0) |
                         (board->now >= usart->done_at ? SR_TC : 0);
        if ((value & SR_TXE) == 0)
            board_skip_to(board, usart->free_at);
        else if ((value & SR_TC) == 0)
            board_skip_to(board, board->now + BOARD_PS_PER_US);
        return value;
    }
    case BRR:
        return usart->brr;
    case CR1:
        return usart->cr1;
    default:
        return 0;
    }
}

static void write_register(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct usart *usart = ctx;
    (void)size;
    if (offset == DR) {
        send(usart, (uint8_t)value);
    } else if (offset == BRR) {
        usart->brr = value & 0xffffU;
    } else if (offset == CR1) {
        usart->cr1 = value;
        if ((value & CR1_OVER8) != 0)
            board_misuse(usart->board, "%s: OVER8 is not modelled", usart->name);
    }
}

static void reset(void *ctx, enum board_cause cause)
{
    struct usart *usart = ctx;
    (void)cause;
    if (usart->line_len > 0)
        end_line(usart);
    usart->brr = 0;
    usart->cr1 = 0;
    usart->free_at = 0;
    usart->done_at = 0;
}

void usart_init(struct usart *usart, struct board *board, const struct rcc *rcc,
                const struct gpio *gpio, unsigned number, const char tx[3])
{
    static const struct {
        const char *name;
        uint32_t base;
        uint32_t enable_offset;
        uint32_t enable_bit;
    } table[] = {{"USART1", 0x40011000U, 0x44, 1U << 4},
                 {"USART2", 0x40004400U, 0x40, 1U << 17},
                 {"USART3", 0x40004800U, 0x40, 1U << 18}};
    memset(usart, 0, sizeof *usart);
    usart->board = board;
    usart->rcc = rcc;
    usart->gpio = gpio;
    usart->tx_port = tx[0];
    usart->tx_pin = (uint8_t)strtoul(tx + 1, NULL, 10);
    usart->apb2 = number == 1;
    usart->name = table[number - 1].name;
    board_add_device(board, &(struct board_device){.name = usart->name,
                                                   .base = table[number - 1].base,
                                                   .len = 0x400,
                                                   .enable_offset = table[number - 1].enable_offset,
                                                   .enable_bit = table[number - 1].enable_bit,
                                                   .ctx = usart,
                                                   .read = read_register,
                                                   .write = write_register,
                                                   .reset = reset});
}
