/* GPIO ports A to I (RM0090 section 8) and SYSCFG (section 9): modes, alternate functions, outputs.
 */
#ifndef OTA_TESTS_BOARD_GPIO_H
#define OTA_TESTS_BOARD_GPIO_H

#include "tests/board/board.h"

#define GPIO_PORTS 9
#define GPIO_REGISTERS 10

struct gpio_port {
    struct board *board;
    char name;
    uint32_t reg[GPIO_REGISTERS];
    uint32_t rises[16]; /* of each output since power-on */
};

struct gpio {
    struct gpio_port ports[GPIO_PORTS];
    uint32_t syscfg_pmc;
};

void gpio_init(struct gpio *gpio, struct board *board);

/* The alternate function of a pin such as ('A', 1); -1 when it is not in that mode. */
int gpio_alternate(const struct gpio *gpio, char port, unsigned pin);

#endif
