/* A USART, transmit only (RM0090 section 30): lines go to a callback, at the speed that BRR gives.
 */
#ifndef OTA_TESTS_BOARD_USART_H
#define OTA_TESTS_BOARD_USART_H

#include "tests/board/board.h"
#include "tests/board/gpio.h"
#include "tests/board/rcc.h"

#define USART_LINE_MAX 512 /* bytes; a longer line is told in pieces */
#define USART_LISTENER_BAUD 115200U

struct usart {
    struct board *board;
    const struct rcc *rcc;
    const struct gpio *gpio;
    char tx_port;
    uint8_t tx_pin;
    bool apb2; /* which bus clocks it */
    const char *name;
    uint32_t brr;
    uint32_t cr1;
    uint64_t free_at; /* ps when the data register takes the next byte */
    uint64_t done_at; /* ps when the last byte has left */
    char line[USART_LINE_MAX];
    size_t line_len;
    void (*on_line)(void *ctx, const char *line);
    void *on_line_ctx;
};

/* `tx` names the pin that must be in alternate function 7 for a byte to get out. */
void usart_init(struct usart *usart, struct board *board, const struct rcc *rcc,
                const struct gpio *gpio, unsigned number, const char tx[3]);

#endif
