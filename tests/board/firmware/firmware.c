#include "tests/board/firmware/firmware.h"

#define BAUD 115200U

extern uint32_t stack_top[];
extern uint32_t data_start[];
extern uint32_t data_end[];
extern const uint32_t data_load[];
extern uint32_t bss_start[];
extern uint32_t bss_end[];

static uint32_t timer_mhz;

void reset_handler(void);
void default_handler(void);

void default_handler(void)
{
    for (;;) {
    }
}

#define WEAK_ALIAS __attribute__((weak, alias("default_handler")))
void hard_fault_handler(void) WEAK_ALIAS;
void svc_handler(void) WEAK_ALIAS;
void pendsv_handler(void) WEAK_ALIAS;
void systick_handler(void) WEAK_ALIAS;
void tim2_handler(void) WEAK_ALIAS;
void eth_handler(void) WEAK_ALIAS;

struct vectors {
    uint32_t *stack;
    void (*handlers[15 + 62])(void);
};

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    .stack = stack_top,
    .handlers = {[0] = reset_handler,
                 [2] = hard_fault_handler,
                 [10] = svc_handler,
                 [13] = pendsv_handler,
                 [14] = systick_handler,
                 [15 + STM32_IRQ_TIM2] = tim2_handler,
                 [15 + STM32_IRQ_ETH] = eth_handler},
};

void reset_handler(void)
{
    const uint32_t *from = data_load;
    /* Both are the linker script's, around one region. */
    // cppcheck-suppress comparePointers
    for (uint32_t *to = data_start; to < data_end; to++)
        *to = *from++;
    // cppcheck-suppress comparePointers
    for (uint32_t *to = bss_start; to < bss_end; to++)
        *to = 0;
    console_init(HSI_HZ);
    firmware_main();
    firmware_end();
}

void console_init(uint32_t pclk1_hz)
{
    timer_mhz = (pclk1_hz == HSI_HZ ? pclk1_hz : 2 * pclk1_hz) / 1000000U;
    STM32_RCC->ahb1enr |= RCC_AHB1ENR_GPIO('D');
    STM32_RCC->apb1enr |= RCC_APB1ENR_USART3 | RCC_APB1ENR_TIM2;
    struct stm32_gpio *port = STM32_GPIO('D');
    port->afr[1] = (port->afr[1] & ~0xfU) | GPIO_AF_USART;
    port->moder = (port->moder & ~(3U << 16)) | GPIO_MODE_ALTERNATE << 16;
    STM32_USART3->brr = (pclk1_hz + BAUD / 2) / BAUD;
    STM32_USART3->cr1 = USART_CR1_UE | USART_CR1_TE;
}

void print(const char *text)
{
    for (; *text != '\0'; text++) {
        while ((STM32_USART3->sr & USART_SR_TXE) == 0) {
        }
        STM32_USART3->dr = (uint8_t)*text;
    }
}

void print_hex(uint32_t value)
{
    char text[] = "0x00000000";
    for (int digit = 0; digit < 8; digit++)
        text[9 - digit] = "0123456789abcdef"[value >> (4 * digit) & 0xfU];
    print(text);
}

void check(bool good, const char *name)
{
    print(good ? "ok - " : "not ok - ");
    print(name);
    print("\n");
}

void check_equal(uint32_t found, uint32_t expected, const char *name)
{
    check(found == expected, name);
    if (found != expected) {
        print("# found ");
        print_hex(found);
        print(", expected ");
        print_hex(expected);
        print("\n");
    }
}

void firmware_end(void)
{
    print("# end\n");
    while ((STM32_USART3->sr & USART_SR_TC) == 0) {
    }
    for (;;)
        __asm volatile("wfi");
}

void delay_us(uint32_t us)
{
    if ((STM32_TIM2->cr1 & TIM_CR1_CEN) == 0) {
        STM32_TIM2->psc = timer_mhz - 1;
        STM32_TIM2->egr = TIM_EGR_UG;
        STM32_TIM2->cr1 = TIM_CR1_CEN;
    }
    uint32_t from = STM32_TIM2->cnt;
    while (STM32_TIM2->cnt - from < us) {
    }
}
