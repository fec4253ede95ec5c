#include "device/port/stm32f4/phy_lan8742.h"

#include "device/port/stm32f4/stm32f4_regs.h"
#include "protocol/error.h"

#define REG_CONTROL 0U
#define REG_STATUS 1U
#define REG_ID1 2U
#define REG_ID2 3U
#define REG_SPECIAL 31U

#define CONTROL_RESET (1U << 15)
#define CONTROL_AUTO (1U << 12)
#define CONTROL_RESTART_AUTO (1U << 9)
#define STATUS_AUTO_DONE (1U << 5)
#define STATUS_LINK (1U << 2)
#define SPECIAL_FAST (1U << 3)
#define SPECIAL_FULL (1U << 4)
#define ID1 0x0007U
#define ID2 0xc130U
#define ID2_MASK 0xfff0U /* without the revision */

#define MDC_DIVIDER ETH_MACMIIAR_CR_DIV102 /* HCLK 168 MHz: 1.6 MHz, 2.5 MHz are allowed */
#define BUSY_TURNS_MAX 100000U             /* of a wait; an access takes 40 us */
#define RESET_READS_MAX 1000U

/* false when the MAC does not come back: then nothing was read or written. */
static bool access(uint8_t address, uint32_t reg, uint32_t direction)
{
    STM32_ETH_MAC->miiar =
        ETH_MACMIIAR_PA(address) | ETH_MACMIIAR_MR(reg) | MDC_DIVIDER | direction | ETH_MACMIIAR_MB;
    for (uint32_t turn = 0; turn < BUSY_TURNS_MAX; turn++)
        if ((STM32_ETH_MAC->miiar & ETH_MACMIIAR_MB) == 0)
            return true;
    return false;
}

/* 0xffff when nobody answers. */
static uint32_t read(uint8_t address, uint32_t reg)
{
    return access(address, reg, 0) ? STM32_ETH_MAC->miidr & 0xffffU : 0xffffU;
}

static void write(uint8_t address, uint32_t reg, uint32_t value)
{
    STM32_ETH_MAC->miidr = value;
    (void)access(address, reg, ETH_MACMIIAR_MW);
}

int phy_start(uint8_t address)
{
    if (read(address, REG_ID1) != ID1 || (read(address, REG_ID2) & ID2_MASK) != ID2)
        return OTA_E_NOT_FOUND;
    write(address, REG_CONTROL, CONTROL_RESET);
    for (uint32_t i = 0; (read(address, REG_CONTROL) & CONTROL_RESET) != 0; i++)
        if (i == RESET_READS_MAX)
            return OTA_E_NOT_FOUND;
    write(address, REG_CONTROL, CONTROL_AUTO | CONTROL_RESTART_AUTO);
    return OTA_OK;
}

struct phy_link phy_link(uint8_t address)
{
    uint32_t status = read(address, REG_STATUS); /* its link bit latches a loss until it is read */
    uint32_t special = read(address, REG_SPECIAL);
    return (struct phy_link){
        .up = status != 0xffffU && (status & STATUS_LINK) != 0 && (status & STATUS_AUTO_DONE) != 0,
        .fast = (special & SPECIAL_FAST) != 0,
        .full = (special & SPECIAL_FULL) != 0,
    };
}
