#include "tests/powercut/flash_sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"

/* States of a unit of write-once flash. */
enum {
    UNIT_ERASED = 0,
    UNIT_WRITTEN = 1,
    UNIT_FAULTY = 2, /* its ECC does not fit: a read faults */
};

#define READ_NS 200U /* of one byte, hashing it included; 168 MHz */

uint64_t flash_sim_random(struct flash_sim *sim)
{
    /* xorshift64*; the seed is never 0. */
    sim->random ^= sim->random >> 12;
    sim->random ^= sim->random << 25;
    sim->random ^= sim->random >> 27;
    return sim->random * 0x2545f4914f6cdd1dU;
}

static uint32_t journal_len(const struct flash_sim *sim)
{
    return 2 * sim->geometry->journal_sector_len;
}

unsigned flash_sim_sector(const struct flash_sim *sim, uint32_t addr)
{
    uint32_t at = addr - FLASH_SIM_ADDR;
    if (at < journal_len(sim))
        return at / sim->geometry->journal_sector_len;
    return 2 + (at - journal_len(sim)) / sim->geometry->slot_sector_len;
}

static uint32_t sim_sector_len(void *ctx, uint32_t addr)
{
    const struct flash_sim *sim = ctx;
    uint32_t at = addr - FLASH_SIM_ADDR;

    if (addr < FLASH_SIM_ADDR || at >= sim->len)
        return 0;
    if (at < journal_len(sim))
        return at % sim->geometry->journal_sector_len == 0 ? sim->geometry->journal_sector_len : 0;
    at -= journal_len(sim);
    return at % sim->geometry->slot_sector_len == 0 ? sim->geometry->slot_sector_len : 0;
}

static bool is_inside(const struct flash_sim *sim, uint32_t addr, size_t len)
{
    return addr >= FLASH_SIM_ADDR && addr - FLASH_SIM_ADDR <= sim->len &&
           len <= sim->len - (addr - FLASH_SIM_ADDR);
}

static void spend(struct flash_sim *sim, uint64_t us)
{
    sim->unfed_us += us;
    if (sim->unfed_us > sim->unfed_us_max)
        sim->unfed_us_max = sim->unfed_us;
}

void flash_sim_feed(struct flash_sim *sim)
{
    sim->unfed_us = 0;
}

static int sim_read(void *ctx, uint32_t addr, void *buf, size_t len)
{
    struct flash_sim *sim = ctx;

    if (!is_inside(sim, addr, len)) {
        sim->violations++;
        return OTA_E_FLASH;
    }
    uint32_t at = addr - FLASH_SIM_ADDR;
    spend(sim, len * READ_NS / 1000);
    if (sim->units != NULL && len > 0) {
        uint32_t write_len = sim->geometry->write_len;
        for (uint32_t unit = at / write_len; unit <= (at + len - 1) / write_len; unit++) {
            if (sim->units[unit] == UNIT_FAULTY)
                return OTA_E_FLASH;
        }
    }
    memcpy(buf, sim->bytes + at, len);
    return OTA_OK;
}

static void power_off(struct flash_sim *sim)
{
    sim->cuts++;
    sim->cut_at = FLASH_SIM_NEVER;
    sim->unfed_us = 0;
    longjmp(*sim->power_off, 1);
}

/* Bits of `mask` kept with a chance that differs from one call to the next. */
static uint8_t some_bits(struct flash_sim *sim, uint8_t mask, enum flash_tear tear)
{
    uint64_t random = flash_sim_random(sim);
    uint8_t keep = (uint8_t)random;

    if (tear == FLASH_TEAR_MOST)
        keep |= (uint8_t)(random >> 8 | random >> 16 | random >> 24);
    else if (random >> 62 == 0)
        keep &= (uint8_t)(random >> 8);
    return mask & keep;
}

/* Half of a unit written: one read in four happens to pass the ECC. Where no bit went over it may
 * be as good as erased, or not. */
static uint8_t torn_unit(struct flash_sim *sim, uint32_t at, const uint8_t *from)
{
    uint32_t write_len = sim->geometry->write_len;
    bool lucky = flash_sim_random(sim) % 4 == 0;
    bool erased = true;

    if (memcmp(sim->bytes + at, from, write_len) == 0)
        return UNIT_WRITTEN;
    for (uint32_t i = 0; i < write_len; i++)
        erased = erased && sim->bytes[at + i] == 0xff;
    if (!lucky)
        return UNIT_FAULTY;
    return erased ? UNIT_ERASED : UNIT_WRITTEN;
}

static void tear_program(struct flash_sim *sim, uint32_t at, const uint8_t *from)
{
    if (sim->tear == FLASH_TEAR_NOTHING)
        return;
    for (uint32_t i = 0; i < sim->geometry->write_len; i++) {
        uint8_t to_clear = (uint8_t)(sim->bytes[at + i] & ~from[i]);
        sim->bytes[at + i] &= (uint8_t)~some_bits(sim, to_clear, sim->tear);
    }
    if (sim->units != NULL)
        sim->units[at / sim->geometry->write_len] = torn_unit(sim, at, from);
}

static void tear_erase(struct flash_sim *sim, uint32_t at, uint32_t len)
{
    if (sim->tear == FLASH_TEAR_NOTHING)
        return;
    for (uint32_t i = 0; i < len; i += 8) {
        uint64_t random = flash_sim_random(sim);
        uint64_t word;
        memcpy(&word, sim->bytes + at + i, 8);
        if (sim->tear == FLASH_TEAR_MOST)
            word |= random | random << 7 | random >> 9;
        else if ((random >> 60) % 2 == 0)
            word = random;
        else
            word |= random & random << 11;
        memcpy(sim->bytes + at + i, &word, 8);
    }
    if (sim->units != NULL) {
        uint32_t write_len = sim->geometry->write_len;
        for (uint32_t unit = at / write_len; unit < (at + len) / write_len; unit++) {
            uint64_t random = flash_sim_random(sim);
            if (random % 4 != 0)
                sim->units[unit] = random % 4 == 1 ? UNIT_WRITTEN : UNIT_FAULTY;
        }
    }
}

static bool is_cut(struct flash_sim *sim)
{
    return sim->operations++ == sim->cut_at;
}

static int program_unit(struct flash_sim *sim, uint32_t at, const uint8_t *from)
{
    uint32_t write_len = sim->geometry->write_len;
    uint8_t defect = sim->defects[flash_sim_sector(sim, FLASH_SIM_ADDR + at)];

    spend(sim, sim->geometry->program_us);
    if (sim->units != NULL && sim->units[at / write_len] != UNIT_ERASED) {
        sim->violations++;
        return OTA_E_FLASH;
    }
    for (uint32_t i = 0; i < write_len; i++)
        sim->violations += (from[i] & ~sim->bytes[at + i]) != 0;
    if (is_cut(sim)) {
        tear_program(sim, at, from);
        power_off(sim);
    }
    if ((defect & FLASH_NO_PROGRAM) != 0)
        return OTA_E_FLASH;
    for (uint32_t i = 0; i < write_len; i++)
        sim->bytes[at + i] &= from[i];
    if (sim->units != NULL)
        sim->units[at / write_len] = UNIT_WRITTEN;
    if ((defect & FLASH_BAD_PROGRAM) != 0 && flash_sim_random(sim) % 16 == 0)
        sim->bytes[at] |= (uint8_t)~from[0];
    sim->bytes_programmed += write_len;
    return OTA_OK;
}

static int sim_program(void *ctx, uint32_t addr, const void *buf, size_t len)
{
    struct flash_sim *sim = ctx;
    const uint8_t *from = buf;
    uint32_t write_len = sim->geometry->write_len;

    if (!is_inside(sim, addr, len) || (addr - FLASH_SIM_ADDR) % write_len != 0 ||
        len % write_len != 0) {
        sim->violations++;
        return OTA_E_FLASH;
    }
    for (size_t done = 0; done < len; done += write_len) {
        int error = program_unit(sim, addr - FLASH_SIM_ADDR + (uint32_t)done, from + done);
        if (error != OTA_OK)
            return error;
    }
    return OTA_OK;
}

static int sim_erase(void *ctx, uint32_t addr)
{
    struct flash_sim *sim = ctx;
    uint32_t len = sim_sector_len(ctx, addr);

    if (len == 0) {
        sim->violations++;
        return OTA_E_FLASH;
    }
    uint32_t at = addr - FLASH_SIM_ADDR;
    unsigned sector = flash_sim_sector(sim, addr);
    spend(sim, sim->geometry->erase_us);
    if (is_cut(sim)) {
        tear_erase(sim, at, len);
        power_off(sim);
    }
    sim->erases[sector]++;
    if ((sim->defects[sector] & FLASH_HALF_ERASE) != 0) {
        enum flash_tear tear = sim->tear;
        sim->tear = FLASH_TEAR_SOME;
        tear_erase(sim, at, len);
        sim->tear = tear;
    }
    if ((sim->defects[sector] & (FLASH_NO_ERASE | FLASH_HALF_ERASE)) != 0)
        return OTA_E_FLASH;
    memset(sim->bytes + at, 0xff, len);
    if (sim->units != NULL)
        memset(sim->units + at / sim->geometry->write_len, UNIT_ERASED,
               len / sim->geometry->write_len);
    return OTA_OK;
}

static size_t units_len(const struct flash_sim *sim)
{
    return sim->geometry->write_once ? sim->len / sim->geometry->write_len : 0;
}

void flash_sim_open(struct flash_sim *sim, const struct flash_geometry *geometry)
{
    uint32_t slot_len = geometry->slot_sectors * geometry->slot_sector_len;

    memset(sim, 0, sizeof *sim);
    sim->geometry = geometry;
    sim->len = 2 * geometry->journal_sector_len + 2 * slot_len + geometry->slot_sector_len;
    assert(sim->len <= FLASH_SIM_LEN_MAX &&
           2 * geometry->slot_sectors + 3 <= FLASH_SIM_SECTORS_MAX);
    sim->bytes = malloc(sim->len);
    sim->units = geometry->write_once ? malloc(units_len(sim)) : NULL;
    sim->map.journal[0] = (struct ota_flash_area){FLASH_SIM_ADDR, geometry->journal_sector_len};
    sim->map.journal[1] = (struct ota_flash_area){FLASH_SIM_ADDR + geometry->journal_sector_len,
                                                  geometry->journal_sector_len};
    sim->map.primary = (struct ota_flash_area){FLASH_SIM_ADDR + journal_len(sim), slot_len};
    sim->map.secondary = (struct ota_flash_area){FLASH_SIM_ADDR + journal_len(sim) + slot_len,
                                                 slot_len + geometry->slot_sector_len};
    sim->flash = (struct ota_flash){
        .ctx = sim,
        .write_len = geometry->write_len,
        .write_once = geometry->write_once,
        .sector_len = sim_sector_len,
        .read = sim_read,
        .program = sim_program,
        .erase = sim_erase,
    };
    sim->random = 0x9e3779b97f4a7c15U;
    flash_sim_reset(sim);
}

void flash_sim_close(struct flash_sim *sim)
{
    free(sim->bytes);
    free(sim->units);
}

void flash_sim_reset(struct flash_sim *sim)
{
    memset(sim->bytes, 0xff, sim->len);
    if (sim->units != NULL)
        memset(sim->units, UNIT_ERASED, units_len(sim));
    memset(sim->defects, FLASH_SOUND, sizeof sim->defects);
    memset(sim->erases, 0, sizeof sim->erases);
    sim->operations = 0;
    sim->cut_at = FLASH_SIM_NEVER;
    sim->cuts = 0;
    sim->violations = 0;
    sim->bytes_programmed = 0;
    sim->unfed_us = 0;
    sim->unfed_us_max = 0;
}

uint8_t *flash_sim_copy_new(const struct flash_sim *sim)
{
    return malloc(sim->len + units_len(sim));
}

void flash_sim_save(const struct flash_sim *sim, uint8_t *copy)
{
    memcpy(copy, sim->bytes, sim->len);
    if (sim->units != NULL)
        memcpy(copy + sim->len, sim->units, units_len(sim));
}

void flash_sim_load(struct flash_sim *sim, const uint8_t *copy)
{
    memcpy(sim->bytes, copy, sim->len);
    if (sim->units != NULL)
        memcpy(sim->units, copy + sim->len, units_len(sim));
}

void flash_sim_cut(struct flash_sim *sim, uint64_t n, enum flash_tear tear)
{
    sim->cut_at = n == FLASH_SIM_NEVER ? n : sim->operations + n;
    sim->tear = tear;
}

void flash_sim_flip(struct flash_sim *sim, uint32_t addr, unsigned bit)
{
    uint32_t at = addr - FLASH_SIM_ADDR;

    sim->bytes[at] ^= (uint8_t)(1U << bit);
    if (sim->units != NULL)
        sim->units[at / sim->geometry->write_len] = UNIT_FAULTY;
}
