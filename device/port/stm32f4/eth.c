#include "device/port/stm32f4/eth.h"

#include <string.h>

#include <lwip/etharp.h>
#include <lwip/sys.h>
#include <netif/ethernet.h>

#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/phy_lan8742.h"

#define FCS_LEN 4U
#define MTU 1500U
#define RESET_TURNS_MAX 1000000U
#define DMA_BEATS 32U
#define SRAM_LEN_MAX 0x30000U /* SRAM1 to 3 */

_Static_assert(offsetof(struct stm32f4_eth_buffer, pbuf) == 0, "lwIP's pointer is the buffer's");
_Static_assert(STM32F4_ETH_RX_BUFFERS > STM32F4_ETH_RX_DESCRIPTORS, "some for lwIP to hold");

static uint32_t bus_address(const volatile void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

/* ---- start ---- */

static void start_pins(void)
{
    for (size_t i = 0; i < STM32F4_RMII_PINS; i++) {
        struct stm32f4_pin at = stm32f4_board.rmii[i];
        struct stm32_gpio *gpio = STM32_GPIO(at.port);
        STM32_RCC->ahb1enr |= RCC_AHB1ENR_GPIO(at.port);
        gpio->afr[at.pin / 8] =
            (gpio->afr[at.pin / 8] & ~(0xfU << (at.pin % 8 * 4))) | GPIO_AF_ETH << (at.pin % 8 * 4);
        gpio->ospeedr |= GPIO_SPEED_VERY_HIGH << (at.pin * 2);
        gpio->moder = (gpio->moder & ~(3U << (at.pin * 2))) | GPIO_MODE_ALTERNATE << (at.pin * 2);
    }
}

/* RMII is chosen while the MAC is held in reset and has no clock: RM0090 section 33.4.4. */
static bool reset_mac(void)
{
    const uint32_t clocks = RCC_AHB1ENR_ETHMAC | RCC_AHB1ENR_ETHMACTX | RCC_AHB1ENR_ETHMACRX;
    STM32_RCC->apb2enr |= RCC_APB2ENR_SYSCFG;
    STM32_SYSCFG->pmc |= SYSCFG_PMC_MII_RMII_SEL;
    start_pins();
    STM32_RCC->ahb1enr |= clocks;
    STM32_RCC->ahb1rstr |= RCC_AHB1RSTR_ETHMAC;
    STM32_RCC->ahb1rstr &= ~RCC_AHB1RSTR_ETHMAC;
    STM32_ETH_DMA->bmr = ETH_DMABMR_SR;
    for (uint32_t turn = 0; turn < RESET_TURNS_MAX; turn++)
        if ((STM32_ETH_DMA->bmr & ETH_DMABMR_SR) == 0)
            return true;
    return false; /* no reference clock from the PHY */
}

/* Locally administered, from the chip's unique id: RM0090 section 39.1. */
static void set_address(struct netif *netif)
{
    uint32_t id = STM32_UNIQUE_ID[0] * 31 + STM32_UNIQUE_ID[1] * 17 + STM32_UNIQUE_ID[2];
    const uint8_t address[6] = {
        0x02, 0x80, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    netif->hwaddr_len = sizeof address;
    memcpy(netif->hwaddr, address, sizeof address);
    STM32_ETH_MAC->a0hr = (uint32_t)address[5] << 8 | address[4];
    STM32_ETH_MAC->a0lr = (uint32_t)address[3] << 24 | (uint32_t)address[2] << 16 |
                          (uint32_t)address[1] << 8 | address[0];
}

static struct stm32f4_eth_buffer *take_buffer(struct stm32f4_eth *eth)
{
    struct stm32f4_eth_buffer *buffer = eth->rx_free;
    if (buffer != NULL)
        eth->rx_free = buffer->next;
    return buffer;
}

static void give_buffer(struct stm32f4_eth_buffer *buffer)
{
    buffer->next = buffer->eth->rx_free;
    buffer->eth->rx_free = buffer;
}

static void on_pbuf_freed(struct pbuf *pbuf)
{
    union {
        struct pbuf *pbuf;
        struct stm32f4_eth_buffer *buffer;
    } first = {pbuf};
    give_buffer(first.buffer);
}

/* Everything but OWN, which tells the DMA that all of it may be read. */
static void arm_receive(struct stm32f4_eth *eth, uint32_t index, struct stm32f4_eth_buffer *buffer)
{
    struct stm32_eth_descriptor *descriptor = &eth->rx_ring[index];
    eth->rx_used[index] = buffer;
    descriptor->size = ETH_RDES1_RCH | STM32F4_ETH_FRAME_LEN;
    descriptor->buffer = bus_address(buffer->bytes);
    descriptor->next = bus_address(&eth->rx_ring[(index + 1) % STM32F4_ETH_RX_DESCRIPTORS]);
    stm32f4_barrier();
    descriptor->status = ETH_DES0_OWN;
}

static void start_rings(struct stm32f4_eth *eth)
{
    for (uint32_t i = 0; i < STM32F4_ETH_RX_BUFFERS; i++) {
        eth->rx[i].eth = eth;
        eth->rx[i].pbuf.custom_free_function = on_pbuf_freed;
        give_buffer(&eth->rx[i]);
    }
    for (uint32_t i = 0; i < STM32F4_ETH_RX_DESCRIPTORS; i++)
        arm_receive(eth, i, take_buffer(eth));
    for (uint32_t i = 0; i < STM32F4_ETH_TX_DESCRIPTORS; i++)
        eth->tx_ring[i].next = bus_address(&eth->tx_ring[(i + 1) % STM32F4_ETH_TX_DESCRIPTORS]);
    STM32_ETH_DMA->rdlar = bus_address(eth->rx_ring);
    STM32_ETH_DMA->tdlar = bus_address(eth->tx_ring);
}

static void start_dma(void)
{
    STM32_ETH_DMA->bmr = ETH_DMABMR_AAB | ETH_DMABMR_FB | ETH_DMABMR_PBL(DMA_BEATS);
    /* Store and forward: checksums go into a frame's head once its end is known. */
    STM32_ETH_DMA->omr = ETH_DMAOMR_RSF | ETH_DMAOMR_TSF | ETH_DMAOMR_FTF;
}

/* ---- sending ---- */

/* Take back what was sent. */
static void release_sent(struct stm32f4_eth *eth)
{
    while (eth->tx_count > 0 && (eth->tx_ring[eth->tx_first].status & ETH_DES0_OWN) == 0) {
        struct pbuf *frame = eth->tx_used[eth->tx_first];
        eth->tx_used[eth->tx_first] = NULL;
        eth->tx_first = (eth->tx_first + 1) % STM32F4_ETH_TX_DESCRIPTORS;
        eth->tx_count--;
        if (frame != NULL)
            pbuf_free(frame);
    }
}

static bool dma_reaches(const struct pbuf *frame)
{
    for (const struct pbuf *piece = frame; piece != NULL; piece = piece->next)
        if (bus_address(piece->payload) - STM32_SRAM_BASE >= SRAM_LEN_MAX)
            return false;
    return true;
}

/* Hand the frame's pieces over, the first one last, so that the DMA never sees half of it. */
static void fill_descriptors(struct stm32f4_eth *eth, struct pbuf *frame)
{
    uint32_t first = eth->tx_next;
    uint32_t index = first;
    uint32_t head = 0;
    for (const struct pbuf *piece = frame; piece != NULL; piece = piece->next) {
        struct stm32_eth_descriptor *descriptor = &eth->tx_ring[index];
        uint32_t flags = ETH_TDES0_TCH | ETH_TDES0_CIC_FULL | ETH_DES0_OWN |
                         (piece == frame ? ETH_TDES0_FS : 0) |
                         (piece->next == NULL ? ETH_TDES0_LS : 0);
        descriptor->size = piece->len;
        descriptor->buffer = bus_address(piece->payload);
        if (piece == frame)
            head = flags;
        else
            descriptor->status = flags;
        if (piece->next == NULL)
            eth->tx_used[index] = frame;
        index = (index + 1) % STM32F4_ETH_TX_DESCRIPTORS;
        eth->tx_count++;
    }
    eth->tx_next = index;
    stm32f4_barrier();
    eth->tx_ring[first].status = head;
    stm32f4_barrier();
    STM32_ETH_DMA->sr = ETH_DMASR_TBUS;
    STM32_ETH_DMA->tpdr = 0;
}

/* netif->linkoutput. What finds no descriptor is lost, as on a wire: TCP sends it again. */
static err_t send_frame(struct netif *netif, struct pbuf *frame)
{
    struct stm32f4_eth *eth = netif->state;
    release_sent(eth);
    if (dma_reaches(frame))
        pbuf_ref(frame);
    else
        frame = pbuf_clone(PBUF_RAW, PBUF_RAM, frame);
    if (frame == NULL)
        return ERR_MEM;
    if (eth->tx_count + pbuf_clen(frame) > STM32F4_ETH_TX_DESCRIPTORS) {
        pbuf_free(frame);
        return ERR_MEM;
    }
    fill_descriptors(eth, frame);
    return ERR_OK;
}

/* ---- receiving ---- */

static bool is_good(uint32_t status)
{
    const uint32_t whole = ETH_RDES0_FS | ETH_RDES0_LS;
    return (status & ETH_RDES0_ES) == 0 && (status & whole) == whole &&
           ETH_RDES0_FL(status) > FCS_LEN && ETH_RDES0_FL(status) <= STM32F4_ETH_FRAME_LEN;
}

static void hand_on(struct netif *netif, struct stm32f4_eth_buffer *buffer, uint32_t len)
{
    struct pbuf *pbuf = pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, &buffer->pbuf,
                                            buffer->bytes, STM32F4_ETH_FRAME_LEN);
    if (netif->input(pbuf, netif) != ERR_OK)
        pbuf_free(pbuf);
}

/* The frame in descriptor `rx_next`: its buffer goes to lwIP, a free one takes its place. */
static void receive_frame(struct netif *netif)
{
    struct stm32f4_eth *eth = netif->state;
    uint32_t index = eth->rx_next;
    uint32_t status = eth->rx_ring[index].status;
    struct stm32f4_eth_buffer *filled = eth->rx_used[index];
    struct stm32f4_eth_buffer *fresh = is_good(status) ? take_buffer(eth) : NULL;
    eth->rx_next = (index + 1) % STM32F4_ETH_RX_DESCRIPTORS;
    if (fresh == NULL) {
        eth->errors += is_good(status) ? 0 : 1;
        eth->dropped += is_good(status) ? 1 : 0;
        arm_receive(eth, index, filled);
        return;
    }
    arm_receive(eth, index, fresh);
    hand_on(netif, filled, ETH_RDES0_FL(status) - FCS_LEN);
}

static void receive(struct netif *netif)
{
    struct stm32f4_eth *eth = netif->state;
    for (uint32_t i = 0; i < STM32F4_ETH_RX_BUFFERS; i++) {
        if ((eth->rx_ring[eth->rx_next].status & ETH_DES0_OWN) != 0)
            break;
        receive_frame(netif);
    }
    if ((STM32_ETH_DMA->sr & (ETH_DMASR_RBUS | ETH_DMASR_ROS)) != 0) {
        STM32_ETH_DMA->sr = ETH_DMASR_RBUS | ETH_DMASR_ROS;
        STM32_ETH_DMA->rpdr = 0; /* it had found no descriptor and waits */
    }
}

/* ---- the link ---- */

static void link_up(struct phy_link link)
{
    STM32_ETH_MAC->cr = ETH_MACCR_IPCO | (link.fast ? ETH_MACCR_FES : 0) |
                        (link.full ? ETH_MACCR_DM : 0) | ETH_MACCR_TE | ETH_MACCR_RE;
    STM32_ETH_DMA->omr |= ETH_DMAOMR_ST | ETH_DMAOMR_SR;
}

static void follow_link(struct netif *netif)
{
    struct stm32f4_eth *eth = netif->state;
    if (sys_now() - eth->link_ms < STM32F4_ETH_LINK_MS)
        return;
    eth->link_ms = sys_now();
    struct phy_link link = phy_link(stm32f4_board.phy_address);
    if (link.up && !netif_is_link_up(netif)) {
        link_up(link);
        netif_set_link_up(netif);
    } else if (!link.up && netif_is_link_up(netif)) {
        netif_set_link_down(netif);
    }
}

void stm32f4_eth_poll(struct netif *netif)
{
    struct stm32f4_eth *eth = netif->state;
    if (eth->dead)
        return;
    follow_link(netif);
    release_sent(eth);
    receive(netif);
}

err_t stm32f4_eth_init(struct netif *netif)
{
    struct stm32f4_eth *eth = netif->state;
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->mtu = MTU;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    eth->dead = !reset_mac() || phy_start(stm32f4_board.phy_address) != 0;
    if (eth->dead)
        return ERR_IF;
    set_address(netif);
    start_rings(eth);
    start_dma();
    return ERR_OK;
}
