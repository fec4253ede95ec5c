/* The ELF loader, on files made here and on hostile ones. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "server/otactl_elf.h"

#define FILE_MAX 2048U

struct elf {
    uint8_t bytes[FILE_MAX];
    size_t len;
    unsigned segments;
};

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

/* A 32-bit ARM header with room for four program headers; data goes to 256 and up. */
static void start(struct elf *elf)
{
    memset(elf, 0, sizeof *elf);
    memcpy(elf->bytes, "\177ELF\1\1\1", 7);
    put16(elf->bytes + 18, 40);
    put32(elf->bytes + 28, 52);
    put16(elf->bytes + 42, 32);
    for (size_t i = 256; i < FILE_MAX; i++)
        elf->bytes[i] = (uint8_t)(i * 7 + 3);
    elf->len = 1024;
}

static void add_segment(struct elf *elf, uint32_t type, uint32_t offset, uint32_t address,
                        uint32_t len)
{
    uint8_t *header = elf->bytes + 52 + 32 * elf->segments++;
    put32(header, type);
    put32(header + 4, offset);
    put32(header + 8, address + 0x01000000); /* virtual: must not be used */
    put32(header + 12, address);
    put32(header + 16, len);
    put32(header + 20, len + 100);
    put16(elf->bytes + 44, elf->segments);
}

static const char *load(const struct elf *elf, struct otactl_elf_image *image)
{
    /* An exact copy on the heap, so that ASan sees a read behind the end. */
    uint8_t *copy = malloc(elf->len);
    assert_non_null(copy);
    memcpy(copy, elf->bytes, elf->len);
    const char *why = otactl_elf_load(copy, elf->len, image);
    free(copy);
    return why;
}

static void refused(const struct elf *elf)
{
    struct otactl_elf_image image = {0};
    assert_non_null(load(elf, &image));
    assert_null(image.bytes);
}

static void by_physical_address(void **state)
{
    (void)state;
    struct elf elf;
    struct otactl_elf_image image = {0};
    start(&elf);
    add_segment(&elf, 1, 512, 0x08000140, 64); /* behind the other one, listed first */
    add_segment(&elf, 1, 256, 0x08000100, 32);
    add_segment(&elf, 2, 300, 0x20000000, 16); /* not PT_LOAD */
    add_segment(&elf, 1, 0, 0x20000000, 0);    /* .bss: nothing in the file */
    assert_null(load(&elf, &image));
    assert_int_equal(image.address, 0x08000100);
    assert_int_equal(image.len, 64 + 64);
    assert_memory_equal(image.bytes, elf.bytes + 256, 32);
    for (size_t i = 32; i < 64; i++)
        assert_int_equal(image.bytes[i], 0xff);
    assert_memory_equal(image.bytes + 64, elf.bytes + 512, 64);
    free(image.bytes);
}

/* What arm-none-eabi-ld makes of a vector table at +0x200: the file's own header in the segment. */
static void without_its_header(void **state)
{
    (void)state;
    struct elf elf;
    struct otactl_elf_image image = {0};
    start(&elf);
    add_segment(&elf, 1, 0, 0x08020000, 600);
    refused(&elf);

    uint8_t *section = elf.bytes + 700 + 40; /* the first one is the null section */
    memset(elf.bytes + 700, 0, 80);
    put32(elf.bytes + 32, 700);
    put16(elf.bytes + 46, 40);
    put16(elf.bytes + 48, 2);
    put32(section + 4, 1);
    put32(section + 8, 2);
    put32(section + 16, 512);
    put32(section + 20, 88);
    assert_null(load(&elf, &image));
    assert_int_equal(image.address, 0x08020200);
    assert_int_equal(image.len, 88);
    assert_memory_equal(image.bytes, elf.bytes + 512, 88);
    free(image.bytes);
}

static void outside_of_the_file(void **state)
{
    (void)state;
    static const uint32_t places[][2] = {
        {1024, 1}, {1000, 25}, {0xffffffff, 2}, {300, 0xffffffff}, {0xfffffff0, 0xfffffff0}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct elf elf;
        start(&elf);
        add_segment(&elf, 1, places[i][0], 0x08000000, places[i][1]);
        refused(&elf);
    }
}

static void bad_addresses(void **state)
{
    (void)state;
    struct elf elf;
    start(&elf);
    add_segment(&elf, 1, 256, 0x08000000, 64);
    add_segment(&elf, 1, 256, 0x0800003f, 64); /* overlaps by a byte */
    refused(&elf);
    start(&elf);
    add_segment(&elf, 1, 256, 0x08000000, 64);
    add_segment(&elf, 1, 256, 0x1fff7800, 16); /* option bytes: 400 MB apart */
    refused(&elf);
    start(&elf);
    add_segment(&elf, 1, 256, 0xfffffff0, 64); /* wraps */
    refused(&elf);
    start(&elf);
    refused(&elf); /* nothing to load */
}

static void other_machines(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {{0, 0}, {4, 2}, {5, 2}, {18, 62}, {42, 56}, {44, 200}, {29, 0xff}, {31, 0xff}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct elf elf;
        start(&elf);
        add_segment(&elf, 1, 256, 0x08000000, 64);
        elf.bytes[changes[i].at] = changes[i].value;
        refused(&elf);
    }
}

static void every_prefix(void **state)
{
    (void)state;
    struct elf elf;
    start(&elf);
    add_segment(&elf, 1, 256, 0x08000000, 768); /* to the last byte */
    for (elf.len = 1; elf.len < 1024; elf.len++)
        refused(&elf);
}

/* Whatever the bytes say, the loader returns and stays within the file. */
static void every_byte_changed(void **state)
{
    (void)state;
    struct elf elf;
    start(&elf);
    add_segment(&elf, 1, 0, 0x08020000, 600);
    add_segment(&elf, 1, 600, 0x08020800, 100);
    put32(elf.bytes + 32, 900);
    put16(elf.bytes + 46, 40);
    put16(elf.bytes + 48, 3);
    for (size_t at = 0; at < 1024; at++) {
        for (unsigned value = 0; value < 256; value += 5) {
            struct otactl_elf_image image = {0};
            uint8_t was = elf.bytes[at];
            elf.bytes[at] = (uint8_t)value;
            if (load(&elf, &image) == NULL)
                assert_true(image.len > 0 && image.len <= OTACTL_ELF_IMAGE_MAX);
            free(image.bytes);
            elf.bytes[at] = was;
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("segments go to their physical address and gaps are 0xff", by_physical_address)},
        {TEST("the ELF header in the first segment is no firmware", without_its_header)},
        {TEST("a segment outside of the file is refused", outside_of_the_file)},
        {TEST("overlapping, distant and wrapping segments are refused", bad_addresses)},
        {TEST("an ELF file for another machine is refused", other_machines)},
        {TEST("every prefix of an ELF file is refused", every_prefix)},
        {TEST("no changed byte makes the loader read outside of the file", every_byte_changed)},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
