/* Wiring of the two boards: a generic STM32F407 with RMII on port B and G, and the Nucleo-F429ZI.
 */
#include "tests/board/chip.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wiring {
    struct board_chip chip;
    unsigned usart;
    char usart_tx[3];
    struct eth_pin pins[ETH_PINS];
};

static const struct wiring wirings[] = {
    {.chip = {.name = "f407",
              .flash_len = 0x100000,
              .sram_len = 0x20000,
              .bank_len = 0x100000,
              .hclk_max = 168000000,
              .idcode = 0x10076413},
     .usart = 3,
     .usart_tx = "D8",
     .pins = {{'A', 1},
              {'A', 2},
              {'A', 7},
              {'B', 11},
              {'B', 12},
              {'B', 13},
              {'C', 1},
              {'C', 4},
              {'C', 5}}},
    /* UM1974 table 11 and 16: solder bridges as delivered. */
    {.chip = {.name = "f429",
              .flash_len = 0x200000,
              .sram_len = 0x30000,
              .bank_len = 0x100000,
              .hclk_max = 180000000,
              .idcode = 0x20036419},
     .usart = 3,
     .usart_tx = "D8",
     .pins = {{'A', 1},
              {'A', 2},
              {'A', 7},
              {'B', 13},
              {'C', 1},
              {'C', 4},
              {'C', 5},
              {'G', 11},
              {'G', 13}}},
};

int chip_init(struct chip *chip, const char *name)
{
    const struct wiring *wiring = NULL;
    for (size_t i = 0; i < sizeof wirings / sizeof wirings[0]; i++)
        if (strcmp(name, wirings[i].chip.name) == 0)
            wiring = &wirings[i];
    if (wiring == NULL || board_init(&chip->board, &wiring->chip) != 0)
        return -1;
    struct board *board = &chip->board;
    flash_ctl_init(&chip->flash, board);
    rcc_init(&chip->rcc, board, &chip->flash);
    gpio_init(&chip->gpio, board);
    usart_init(&chip->usart, board, &chip->rcc, &chip->gpio, wiring->usart, wiring->usart_tx);
    tim2_init(&chip->tim2, board, &chip->rcc);
    iwdg_init(&chip->iwdg, board);
    rng_init(&chip->rng, board, &chip->rcc);
    phy_init(&chip->phy, board);
    eth_init(&chip->eth, board, &chip->rcc, &chip->gpio, &chip->phy, wiring->pins);
    memset(&chip->net, 0, sizeof chip->net);
    board_power_cycle(board);
    return 0;
}

void chip_free(struct chip *chip)
{
    if (chip->net.slirp != NULL)
        net_free(&chip->net);
    board_free(&chip->board);
}

/* The whole file in memory of its own; NULL with errno set. */
static uint8_t *slurp(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long end = -1;
    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0 && (bytes = malloc((size_t)end + 1)) != NULL)
        *len = fread(bytes, 1, (size_t)end, file);
    fclose(file);
    return bytes;
}

static bool load_elf(struct flash_ctl *flash, const uint8_t *bytes, size_t len)
{
    Elf32_Ehdr header;
    if (len < sizeof header)
        return false;
    memcpy(&header, bytes, sizeof header);
    for (size_t i = 0; i < header.e_phnum; i++) {
        Elf32_Phdr segment;
        size_t at = header.e_phoff + i * sizeof segment;
        if (at > len - sizeof segment)
            return false;
        memcpy(&segment, bytes + at, sizeof segment);
        if (segment.p_type != PT_LOAD || segment.p_filesz == 0)
            continue;
        if (segment.p_offset > len || segment.p_filesz > len - segment.p_offset ||
            !flash_ctl_load(flash, segment.p_paddr, bytes + segment.p_offset, segment.p_filesz))
            return false;
    }
    return true;
}

int chip_load(struct chip *chip, const char *path, uint32_t addr)
{
    size_t len = 0;
    uint8_t *bytes = slurp(path, &len);
    if (bytes == NULL) {
        snprintf(chip->board.note, sizeof chip->board.note, "%s: %s", path, strerror(errno));
        return -1;
    }
    bool is_elf = len > SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0;
    bool loaded = is_elf ? load_elf(&chip->flash, bytes, len)
                         : flash_ctl_load(&chip->flash, addr, bytes, (uint32_t)len);
    free(bytes);
    if (!loaded) {
        snprintf(chip->board.note, sizeof chip->board.note, "%s: does not fit the flash", path);
        return -1;
    }
    return 0;
}

bool chip_holds(struct chip *chip, const char *path, uint32_t addr)
{
    const struct board *board = &chip->board;
    uint32_t offset = addr - BOARD_FLASH_BASE;
    size_t len = 0;
    uint8_t *bytes = slurp(path, &len);
    bool holds = bytes != NULL && len > 0 && addr >= BOARD_FLASH_BASE &&
                 len <= board->chip->flash_len && offset <= board->chip->flash_len - len &&
                 memcmp(board->flash + offset, bytes, len) == 0;
    free(bytes);
    return holds;
}
