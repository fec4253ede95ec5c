/* Ethernet MAC and DMA; RM0090 sections 33.5, 33.6 and 33.8. */
#include "tests/board/eth.h"

#include <string.h>

/* MAC registers, offsets from 0x40028000. */
#define MACCR 0x00U
#define MACFFR 0x04U
#define MACMIIAR 0x10U
#define MACMIIDR 0x14U
#define MACA0HR 0x40U
#define MACA0LR 0x44U
#define MAC_LEN 0x100U
#define DMA_OFFSET 0x1000U

#define MACCR_RE (1U << 2)
#define MACCR_TE (1U << 3)
#define MACCR_IPCO (1U << 10)
#define MACCR_DM (1U << 11)
#define MACCR_FES (1U << 14)
#define MACFFR_PM (1U << 0)
#define MACFFR_PAM (1U << 4)
#define MACFFR_BFD (1U << 5)
#define MACFFR_RA (1U << 31)
#define MIIAR_MB (1U << 0)
#define MIIAR_MW (1U << 1)

/* DMA registers, offsets from 0x40029000. */
#define DMABMR 0x00U
#define DMATPDR 0x04U
#define DMARPDR 0x08U
#define DMARDLAR 0x0cU
#define DMATDLAR 0x10U
#define DMASR 0x14U
#define DMAOMR 0x18U
#define DMAIER 0x1cU
#define DMAMFBOCR 0x20U
#define DMACHTDR 0x48U
#define DMACHRDR 0x4cU
#define DMA_LEN 0x80U

#define DMABMR_SR (1U << 0)
#define DMABMR_DSL(v) ((v) >> 2 & 0x1fU)
#define DMABMR_EDFE (1U << 7)
#define DMASR_TS (1U << 0)
#define DMASR_TBUS (1U << 2)
#define DMASR_ROS (1U << 4)
#define DMASR_RS (1U << 6)
#define DMASR_RBUS (1U << 7)
#define DMASR_FBES (1U << 13)
#define DMASR_AIS (1U << 15)
#define DMASR_NIS (1U << 16)
#define DMASR_NORMAL (DMASR_TS | DMASR_TBUS | DMASR_RS)
#define DMASR_ABNORMAL (DMASR_ROS | DMASR_RBUS | DMASR_FBES)
#define DMASR_CLEARABLE 0x1e7ffU
#define DMAOMR_SR (1U << 1)
#define DMAOMR_ST (1U << 13)
#define DMAOMR_FTF (1U << 20)
#define DMAOMR_TSF (1U << 21)
#define DMAOMR_DTCEFD (1U << 26)

#define DES_OWN (1U << 31)
#define TDES0_IC (1U << 30)
#define TDES0_LS (1U << 29)
#define TDES0_FS (1U << 28)
#define TDES0_CIC(v) ((v) >> 22 & 3U)
#define TDES0_TER (1U << 21)
#define TDES0_TCH (1U << 20)
#define RDES0_FL(len) ((uint32_t)(len) << 16)
#define RDES0_ES (1U << 15)
#define RDES0_FS (1U << 9)
#define RDES0_LS (1U << 8)
#define RDES0_IPHCE (1U << 7)
#define RDES0_FT (1U << 5)
#define RDES0_PCE (1U << 0)
#define RDES1_DIC (1U << 31)
#define RDES1_RER (1U << 15)
#define RDES1_RCH (1U << 14)

#define FCS_LEN 4U
#define FRAME_MIN 60U          /* without FCS */
#define WIRE_OVERHEAD 24U      /* bytes: preamble, FCS, inter-frame gap */
#define PS_PER_BYTE_100 80000U /* 100 Mbit/s */
#define ALTERNATE_ETH 11
#define ETH_IRQ 61U
#define MDIO_BITS 64U

static uint32_t dma(const struct eth *eth, uint32_t offset)
{
    return eth->dma[offset / 4];
}

static void set_dma(struct eth *eth, uint32_t offset, uint32_t value)
{
    eth->dma[offset / 4] = value;
}

static uint32_t mac(const struct eth *eth, uint32_t offset)
{
    return eth->mac[offset / 4];
}

static void update_irq(struct eth *eth)
{
    uint32_t enabled = dma(eth, DMASR) & dma(eth, DMAIER);
    bool normal = (enabled & DMASR_NORMAL) != 0 && (dma(eth, DMAIER) & DMASR_NIS) != 0;
    bool abnormal = (enabled & DMASR_ABNORMAL) != 0 && (dma(eth, DMAIER) & DMASR_AIS) != 0;
    board_irq(eth->board, ETH_IRQ, normal || abnormal);
}

static void raise_status(struct eth *eth, uint32_t bits)
{
    uint32_t summary = ((bits & DMASR_NORMAL) != 0 ? DMASR_NIS : 0) |
                       ((bits & DMASR_ABNORMAL) != 0 ? DMASR_AIS : 0);
    set_dma(eth, DMASR, dma(eth, DMASR) | bits | summary);
    update_irq(eth);
}

/* A descriptor's words in memory; NULL, with a bus error, when they are not in SRAM. */
static uint32_t *descriptor(struct eth *eth, uint32_t addr)
{
    uint8_t *bytes = addr % 4 != 0 ? NULL : board_dma(eth->board, addr, 16);
    if (bytes == NULL) {
        raise_status(eth, DMASR_FBES);
        board_misuse(eth->board, "the Ethernet DMA reads a descriptor at 0x%08x", addr);
    }
    union {
        uint8_t *bytes;
        uint32_t *words;
    } pointer = {bytes};
    return pointer.words;
}

static uint8_t *buffer(struct eth *eth, uint32_t addr, uint32_t len)
{
    uint8_t *bytes = board_dma(eth->board, addr, len);
    if (bytes == NULL) {
        raise_status(eth, DMASR_FBES);
        board_misuse(eth->board, "the Ethernet DMA reaches for %u bytes at 0x%08x", len, addr);
    }
    return bytes;
}

static uint32_t next_descriptor(const struct eth *eth, uint32_t addr, uint32_t base, bool end,
                                bool chained, const uint32_t *words)
{
    if (end)
        return base;
    return chained ? words[3] : addr + 16 + 4 * DMABMR_DSL(dma(eth, DMABMR));
}

/* The frame from the current descriptor on. Its last descriptor, or NULL when it is not all there.
 */
static uint32_t *gather(struct eth *eth)
{
    uint32_t addr = dma(eth, DMACHTDR);
    eth->transmit.len = 0;
    for (;;) {
        uint32_t *words = descriptor(eth, addr);
        if (words == NULL || (words[0] & DES_OWN) == 0)
            return NULL;
        bool chained = (words[0] & TDES0_TCH) != 0;
        uint32_t lens[2] = {words[1] & 0x1fffU, chained ? 0 : words[1] >> 16 & 0x1fffU};
        for (unsigned i = 0; i < 2; i++) {
            const uint8_t *from = lens[i] == 0 ? NULL : buffer(eth, words[2 + i], lens[i]);
            if (from != NULL && eth->transmit.len + lens[i] <= ETH_FRAME_MAX) {
                memcpy(eth->transmit.bytes + eth->transmit.len, from, lens[i]);
                eth->transmit.len = (uint16_t)(eth->transmit.len + lens[i]);
            } else if (lens[i] != 0) {
                board_misuse(eth->board, "a frame that cannot be sent, longer than %u bytes",
                             ETH_FRAME_MAX);
                return NULL;
            }
        }
        eth->transmit_last = addr;
        if ((words[0] & TDES0_LS) != 0)
            return words;
        addr = next_descriptor(eth, addr, dma(eth, DMATDLAR), (words[0] & TDES0_TER) != 0, chained,
                               words);
    }
}

static uint64_t wire_time(size_t len)
{
    return (uint64_t)(len + WIRE_OVERHEAD) * PS_PER_BYTE_100;
}

static void begin_transmit(struct eth *eth)
{
    bool on = (dma(eth, DMAOMR) & DMAOMR_ST) != 0 && (mac(eth, MACCR) & MACCR_TE) != 0;
    if (!on || eth->transmit_done != 0)
        return;
    const uint32_t *last = gather(eth);
    if (last == NULL) {
        raise_status(eth, DMASR_TBUS);
        return;
    }
    const uint32_t *first = descriptor(eth, dma(eth, DMACHTDR));
    if ((first[0] & TDES0_FS) == 0) {
        board_misuse(eth->board, "a frame whose first descriptor has no FS");
        return;
    }
    unsigned insert = TDES0_CIC(first[0]);
    if (insert != 0 && (dma(eth, DMAOMR) & DMAOMR_TSF) == 0)
        board_misuse(eth->board, "checksum insertion without DMAOMR.TSF");
    eth_insert_checksums(&eth->transmit, insert >= 1, insert == 3);
    if (eth->transmit.len < FRAME_MIN) {
        memset(eth->transmit.bytes + eth->transmit.len, 0, FRAME_MIN - eth->transmit.len);
        eth->transmit.len = FRAME_MIN;
    }
    eth->transmit_done = eth->board->now + wire_time(eth->transmit.len);
    board_reschedule(eth->board);
}

/* Hand the frame's descriptors back, then the frame to the wire. */
static void end_transmit(struct eth *eth)
{
    uint32_t addr = dma(eth, DMACHTDR);
    uint32_t flags = 0;
    bool last = false;
    eth->transmit_done = 0;
    while (!last) {
        uint32_t *words = descriptor(eth, addr);
        if (words == NULL)
            return;
        last = addr == eth->transmit_last;
        flags = words[0];
        words[0] = flags & ~DES_OWN;
        addr = next_descriptor(eth, addr, dma(eth, DMATDLAR), (flags & TDES0_TER) != 0,
                               (flags & TDES0_TCH) != 0, words);
    }
    set_dma(eth, DMACHTDR, addr);
    raise_status(eth, (flags & TDES0_IC) != 0 ? DMASR_TS : 0);
    if (phy_link(eth->phy) &&
        (mac(eth, MACCR) & (MACCR_FES | MACCR_DM)) == (MACCR_FES | MACCR_DM)) {
        eth->counts.sent++;
        eth->on_transmit(eth->on_transmit_ctx, eth->transmit.bytes, eth->transmit.len);
    } else {
        eth->counts.lost++;
    }
    begin_transmit(eth);
}

/* Section 33.5.3: perfect filter with one address. */
static bool is_for_us(const struct eth *eth, const uint8_t *frame)
{
    uint32_t filter = mac(eth, MACFFR);
    uint32_t low = mac(eth, MACA0LR);
    uint32_t high = mac(eth, MACA0HR);
    const uint8_t own[6] = {(uint8_t)low,         (uint8_t)(low >> 8), (uint8_t)(low >> 16),
                            (uint8_t)(low >> 24), (uint8_t)(high),     (uint8_t)(high >> 8)};
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    if ((filter & (MACFFR_PM | MACFFR_RA)) != 0)
        return true;
    if (memcmp(frame, broadcast, 6) == 0)
        return (filter & MACFFR_BFD) == 0;
    return (frame[0] & 1U) != 0 ? (filter & MACFFR_PAM) != 0 : memcmp(frame, own, 6) == 0;
}

/* Copy one frame into the current descriptor's buffer. false when the driver has none free: it
 * stays in the FIFO. Frames over several descriptors are not modelled. */
static bool scatter(struct eth *eth, const struct eth_frame *frame, uint32_t status)
{
    uint32_t addr = dma(eth, DMACHRDR);
    uint32_t total = frame->len + FCS_LEN;
    uint32_t *words = descriptor(eth, addr);
    if (words == NULL || (words[0] & DES_OWN) == 0)
        return false;
    uint32_t room = words[1] & 0x1fffU;
    uint8_t *to = room < total || room % 4 != 0 ? NULL : buffer(eth, words[2], room);
    if (to == NULL) {
        board_misuse(eth->board, "a receive buffer of %u bytes for a frame of %u", room, total);
        return false;
    }
    memcpy(to, frame->bytes, frame->len);
    memset(to + frame->len, 0, FCS_LEN); /* the FCS is not computed */
    words[0] = RDES0_FS | RDES0_LS | RDES0_FL(total) | status;
    set_dma(eth, DMACHRDR,
            next_descriptor(eth, addr, dma(eth, DMARDLAR), (words[1] & RDES1_RER) != 0,
                            (words[1] & RDES1_RCH) != 0, words));
    raise_status(eth, (words[1] & RDES1_DIC) != 0 ? 0 : DMASR_RS);
    return true;
}

static void drain_fifo(struct eth *eth)
{
    static const uint32_t status[] = {RDES0_FT, RDES0_FT | RDES0_ES | RDES0_IPHCE,
                                      RDES0_FT | RDES0_ES | RDES0_PCE};
    while (eth->fifo_frames > 0 && (dma(eth, DMAOMR) & DMAOMR_SR) != 0) {
        const struct eth_frame *frame = &eth->fifo[0];
        bool check = (mac(eth, MACCR) & MACCR_IPCO) != 0;
        enum eth_checksum sums = check ? eth_check_checksums(frame) : ETH_CHECKSUM_GOOD;
        eth->counts.bad_checksum += sums != ETH_CHECKSUM_GOOD;
        if (sums == ETH_CHECKSUM_GOOD || (dma(eth, DMAOMR) & DMAOMR_DTCEFD) != 0) {
            if (!scatter(eth, frame, status[sums])) {
                raise_status(eth, DMASR_RBUS);
                return;
            }
            eth->counts.received++;
        }
        eth->fifo_bytes -= frame->len;
        eth->fifo_frames--;
        memmove(&eth->fifo[0], &eth->fifo[1], eth->fifo_frames * sizeof eth->fifo[0]);
    }
}

static void take_arrival(struct eth *eth)
{
    const struct eth_frame *frame = &eth->queue[eth->queue_first];
    bool hears = phy_link(eth->phy) && (mac(eth, MACCR) & MACCR_RE) != 0 &&
                 (mac(eth, MACCR) & (MACCR_FES | MACCR_DM)) == (MACCR_FES | MACCR_DM);
    if (!hears || !is_for_us(eth, frame->bytes)) {
        eth->counts.lost++;
    } else if (eth->fifo_bytes + frame->len > ETH_FIFO_LEN ||
               eth->fifo_frames == sizeof eth->fifo / sizeof eth->fifo[0]) {
        eth->counts.overflowed++;
        raise_status(eth, DMASR_ROS);
    } else {
        eth->fifo[eth->fifo_frames++] = *frame;
        eth->fifo_bytes += frame->len;
        drain_fifo(eth);
    }
    eth->queue_first = (eth->queue_first + 1) % ETH_QUEUE_MAX;
    eth->queue_len--;
    eth->arrival =
        eth->queue_len == 0 ? 0 : eth->board->now + wire_time(eth->queue[eth->queue_first].len);
}

void eth_receive(struct eth *eth, const uint8_t *frame, size_t len)
{
    if (eth->queue_len == ETH_QUEUE_MAX || len > ETH_FRAME_MAX || len < 14) {
        eth->counts.lost++;
        return;
    }
    struct eth_frame *slot = &eth->queue[(eth->queue_first + eth->queue_len) % ETH_QUEUE_MAX];
    memcpy(slot->bytes, frame, len);
    if (len < FRAME_MIN) {
        memset(slot->bytes + len, 0, FRAME_MIN - len);
        len = FRAME_MIN;
    }
    slot->len = (uint16_t)len;
    if (eth->queue_len++ == 0) {
        eth->arrival = eth->board->now + wire_time(len);
        board_reschedule(eth->board);
    }
}

static uint64_t deadline(void *ctx)
{
    const struct eth *eth = ctx;
    uint64_t at = BOARD_NEVER;
    const uint64_t candidates[] = {eth->mdio_done, eth->transmit_done, eth->arrival};
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++)
        if (candidates[i] != 0 && candidates[i] < at)
            at = candidates[i];
    return at;
}

static void end_mdio(struct eth *eth)
{
    uint32_t command = mac(eth, MACMIIAR);
    unsigned phy = command >> 11 & 0x1fU;
    unsigned reg = command >> 6 & 0x1fU;
    eth->mdio_done = 0;
    eth->mac[MACMIIAR / 4] = command & ~MIIAR_MB;
    if ((command & MIIAR_MW) == 0)
        eth->mac[MACMIIDR / 4] = phy == 0 ? phy_read(eth->phy, reg) : 0xffffU;
    else if (phy == 0)
        phy_write(eth->phy, reg, (uint16_t)mac(eth, MACMIIDR));
}

static void advance(void *ctx)
{
    struct eth *eth = ctx;
    uint64_t now = eth->board->now;
    if (eth->mdio_done != 0 && now >= eth->mdio_done)
        end_mdio(eth);
    if (eth->transmit_done != 0 && now >= eth->transmit_done)
        end_transmit(eth);
    if (eth->arrival != 0 && now >= eth->arrival)
        take_arrival(eth);
}

static void begin_mdio(struct eth *eth, uint32_t value)
{
    static const uint8_t dividers[8] = {42, 62, 16, 26, 102, 0, 0, 0};
    uint32_t divider = dividers[value >> 2 & 7U];
    if (divider == 0 || eth->rcc->hclk / divider > 2500000) {
        board_misuse(eth->board, "MDC at %u Hz: MACMIIAR.CR does not fit HCLK",
                     divider ? eth->rcc->hclk / divider : 0);
        return;
    }
    if (gpio_alternate(eth->gpio, 'A', 2) != ALTERNATE_ETH ||
        gpio_alternate(eth->gpio, 'C', 1) != ALTERNATE_ETH) {
        board_misuse(eth->board, "PHY access while PA2 and PC1 are not MDIO and MDC");
        return;
    }
    eth->mac[MACMIIAR / 4] = value;
    if ((value & MIIAR_MB) != 0) {
        uint64_t bit = BOARD_PS_PER_S * divider / eth->rcc->hclk;
        eth->mdio_done = eth->board->now + MDIO_BITS * bit;
        board_reschedule(eth->board);
    }
}

/* Section 33.8.3: the DMA's software reset ends only when all its clocks run. */
static bool rmii_wired(const struct eth *eth)
{
    for (size_t i = 0; i < ETH_PINS; i++)
        if (gpio_alternate(eth->gpio, eth->pins[i].port, eth->pins[i].pin) != ALTERNATE_ETH)
            return false;
    return (eth->gpio->syscfg_pmc >> 23 & 1U) != 0;
}

static void reset_core(struct eth *eth)
{
    memset(eth->mac, 0, sizeof eth->mac);
    memset(eth->dma, 0, sizeof eth->dma);
    eth->mac[MACCR / 4] = 0x8000;
    eth->mac[MACA0HR / 4] = 0x8000ffff;
    eth->mac[MACA0LR / 4] = 0xffffffff;
    eth->dma[DMABMR / 4] = 0x20100;
    eth->mdio_done = 0;
    eth->transmit_done = 0;
    eth->fifo_frames = 0;
    eth->fifo_bytes = 0;
    update_irq(eth);
}

static uint32_t read_dma(struct eth *eth, uint32_t offset)
{
    if (offset == DMABMR && eth->in_reset && rmii_wired(eth))
        eth->in_reset = false;
    if (offset == DMABMR)
        return dma(eth, DMABMR) | (eth->in_reset ? DMABMR_SR : 0);
    if (offset == DMAMFBOCR)
        return (uint32_t)(eth->counts.overflowed & 0x7ffU) << 17;
    return dma(eth, offset);
}

static void write_dma(struct eth *eth, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case DMABMR:
        if ((value & DMABMR_SR) != 0) {
            reset_core(eth);
            eth->in_reset = true;
        } else if ((value & DMABMR_EDFE) != 0) {
            board_misuse(eth->board, "enhanced descriptors are not modelled");
        } else {
            set_dma(eth, DMABMR, value);
        }
        break;
    case DMATPDR:
        begin_transmit(eth);
        break;
    case DMARPDR:
        drain_fifo(eth);
        break;
    case DMARDLAR:
        set_dma(eth, DMARDLAR, value & ~3U);
        set_dma(eth, DMACHRDR, value & ~3U);
        break;
    case DMATDLAR:
        set_dma(eth, DMATDLAR, value & ~3U);
        set_dma(eth, DMACHTDR, value & ~3U);
        break;
    case DMASR:
        set_dma(eth, DMASR, dma(eth, DMASR) & ~(value & DMASR_CLEARABLE));
        update_irq(eth);
        break;
    case DMAOMR:
        set_dma(eth, DMAOMR, value & ~DMAOMR_FTF);
        begin_transmit(eth);
        drain_fifo(eth);
        break;
    case DMAIER:
        set_dma(eth, DMAIER, value);
        update_irq(eth);
        break;
    default:
        break;
    }
}

static uint32_t read_register(void *ctx, uint32_t offset, unsigned size)
{
    struct eth *eth = ctx;
    (void)size;
    if (offset == MACMIIAR && eth->mdio_done != 0) {
        uint32_t value = mac(eth, MACMIIAR);
        board_skip_to(eth->board, eth->mdio_done);
        return value;
    }
    if (offset < MAC_LEN)
        return mac(eth, offset);
    if (offset >= DMA_OFFSET && offset - DMA_OFFSET < DMA_LEN)
        return read_dma(eth, offset - DMA_OFFSET);
    return 0;
}

static void write_register(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct eth *eth = ctx;
    (void)size;
    if (eth->in_reset) {
        board_misuse(eth->board, "ETH+0x%x is written while the DMA is in reset", offset);
        return;
    }
    if (offset == MACMIIAR) {
        begin_mdio(eth, value);
    } else if (offset < MAC_LEN) {
        eth->mac[offset / 4] = value;
        begin_transmit(eth);
    } else if (offset >= DMA_OFFSET && offset - DMA_OFFSET < DMA_LEN) {
        write_dma(eth, offset - DMA_OFFSET, value);
    }
}

static void reset(void *ctx, enum board_cause cause)
{
    struct eth *eth = ctx;
    reset_core(eth);
    eth->in_reset = false;
    if (cause == BOARD_CAUSE_POWER)
        phy_reset(eth->phy);
}

void eth_init(struct eth *eth, struct board *board, const struct rcc *rcc, const struct gpio *gpio,
              struct phy *phy, const struct eth_pin pins[ETH_PINS])
{
    memset(eth, 0, sizeof *eth);
    eth->board = board;
    eth->rcc = rcc;
    eth->gpio = gpio;
    eth->phy = phy;
    eth->pins = pins;
    board_add_device(board, &(struct board_device){.name = "ETH",
                                                   .base = 0x40028000U,
                                                   .len = 0x1400,
                                                   .enable_offset = 0x30,
                                                   .enable_bit = 7U << 25,
                                                   .ctx = eth,
                                                   .read = read_register,
                                                   .write = write_register,
                                                   .reset = reset,
                                                   .deadline = deadline,
                                                   .advance = advance});
}
