#include "server/otactl_elf.h"

#include <string.h>

#include "server/otactl.h"

/* System V ABI, ELF-32 header and program header: offsets of the fields that are read. */
#define ELF_HEADER_LEN 52U
#define PROGRAM_HEADER_LEN 32U
#define SEGMENTS_MAX 64U
#define MACHINE_ARM 40U
#define PT_LOAD 1U
#define SECTION_HEADER_LEN 40U
#define SHT_NULL 0U
#define SHT_NOBITS 8U
#define SHF_ALLOC 2U

struct segment {
    uint32_t offset;
    uint32_t address;
    uint32_t len;
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) | (uint32_t)get16(at + 2) << 16;
}

bool otactl_elf_is(const uint8_t *file, size_t len)
{
    return len >= 4 && memcmp(file, "\177ELF", 4) == 0;
}

static const char *check_header(const uint8_t *file, size_t len)
{
    if (len < ELF_HEADER_LEN || !otactl_elf_is(file, len))
        return "it is no whole ELF file";
    if (file[4] != 1 || file[5] != 1 || get16(file + 18) != MACHINE_ARM)
        return "it is an ELF file, but not for a 32-bit little-endian ARM";
    if (get16(file + 42) != PROGRAM_HEADER_LEN || get16(file + 44) > SEGMENTS_MAX)
        return "its program headers are not as the ELF standard has them";
    if (get32(file + 28) > len ||
        (size_t)get16(file + 44) * PROGRAM_HEADER_LEN > len - get32(file + 28))
        return "its program headers lie outside of the file";
    return NULL;
}

/* Where the first allocated section with bytes starts in the file, within the segment; its end when
 * there is none. Fields out of bounds end the search: the caller then finds no start. */
static uint32_t first_section(const uint8_t *file, size_t len, const struct segment *s)
{
    uint32_t table = get32(file + 32);
    unsigned count = get16(file + 48);
    uint32_t first = s->offset + s->len;
    if (get16(file + 46) != SECTION_HEADER_LEN || table > len ||
        (size_t)count * SECTION_HEADER_LEN > len - table)
        return first;
    for (const uint8_t *h = file + table; count > 0; count--, h += SECTION_HEADER_LEN) {
        uint32_t offset = get32(h + 16);
        bool in_flash = (get32(h + 8) & SHF_ALLOC) != 0 && get32(h + 4) != SHT_NOBITS &&
                        get32(h + 4) != SHT_NULL && get32(h + 20) > 0;
        if (in_flash && offset >= s->offset && offset < first)
            first = offset;
    }
    return first;
}

/* Linkers put the ELF header itself into the first segment when the page has room for it, as it has
 * before a vector table at +0x200. It is no part of the firmware. */
static const char *trim_headers(const uint8_t *file, size_t len, struct segment *s)
{
    if (s->offset >= ELF_HEADER_LEN)
        return NULL;
    uint32_t skip = first_section(file, len, s) - s->offset;
    if (skip >= s->len)
        return "its first segment holds the ELF header and no section says where the code starts";
    s->offset += skip;
    s->address += skip;
    s->len -= skip;
    return NULL;
}

static const char *collect(const uint8_t *file, size_t len, struct segment *segments, size_t *count)
{
    const uint8_t *header = file + get32(file + 28);
    *count = 0;
    for (unsigned n = get16(file + 44); n > 0; n--, header += PROGRAM_HEADER_LEN) {
        struct segment s = {get32(header + 4), get32(header + 12), get32(header + 16)};
        if (get32(header) != PT_LOAD || s.len == 0)
            continue;
        if (s.offset > len || s.len > len - s.offset)
            return "a segment lies outside of the file";
        if (s.len > UINT32_MAX - s.address)
            return "a segment ends behind the last address";
        const char *why = trim_headers(file, len, &s);
        if (why != NULL)
            return why;
        segments[(*count)++] = s;
    }
    return *count > 0 ? NULL
                      : "it has no segment to load: link it, and don't strip its program headers";
}

static bool overlap(const struct segment *segments, size_t count)
{
    for (size_t a = 0; a < count; a++) {
        for (size_t b = a + 1; b < count; b++) {
            if (segments[a].address < segments[b].address + segments[b].len &&
                segments[b].address < segments[a].address + segments[a].len)
                return true;
        }
    }
    return false;
}

const char *otactl_elf_load(const uint8_t *file, size_t len, struct otactl_elf_image *image)
{
    struct segment segments[SEGMENTS_MAX];
    size_t count = 0;
    const char *why = check_header(file, len);
    if (why == NULL)
        why = collect(file, len, segments, &count);
    if (why != NULL)
        return why;
    uint32_t first = UINT32_MAX;
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        first = segments[i].address < first ? segments[i].address : first;
        end = segments[i].address + segments[i].len > end ? segments[i].address + segments[i].len
                                                          : end;
    }
    if (end - first > OTACTL_ELF_IMAGE_MAX)
        return "its segments lie more than 16 MB apart: a section of RAM or option bytes has a "
               "load address of its own";
    if (overlap(segments, count))
        return "two of its segments have the same load address";
    image->address = first;
    image->len = end - first;
    image->bytes = otactl_alloc(image->len);
    memset(image->bytes, 0xff, image->len);
    for (size_t i = 0; i < count; i++)
        memcpy(image->bytes + (segments[i].address - first), file + segments[i].offset,
               segments[i].len);
    return NULL;
}
