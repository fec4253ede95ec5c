/*
 * lwIP on the STM32F4: polled, one TCP connection and one in closing, checksums by the MAC.
 *
 * Memory: a receive window of four segments, which wait in the Ethernet driver's own buffers
 * (PBUF_POOL is not used); MEM_SIZE holds what is sent and not yet acknowledged.
 */
#ifndef LWIP_LWIPOPTS_H
#define LWIP_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_ALTCP 1
#define LWIP_SUPPORT_CUSTOM_PBUF 1 /* the driver's buffers, and TLS lends its record buffer */

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_DNS 1
#define DNS_TABLE_SIZE 2 /* names: the server's and the broker's */
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0 /* of lwIP 2.2: a module that 2.1 has not */
#define LWIP_AUTOIP 0
#define LWIP_IGMP 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define LWIP_STATS 0
#define LWIP_NETIF_LINK_CALLBACK 0

#define MEM_ALIGNMENT 4
#define MEM_SIZE (6 * 1024) /* bytes: send segments */
#define PBUF_POOL_SIZE 1
#define PBUF_POOL_BUFSIZE 256
#define MEMP_NUM_TCP_PCB 5
#define MEMP_NUM_ALTCP_PCB 6 /* two a connection with TLS: HTTP, MQTT, and one in closing */
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 1) /* MQTT's */
#define MQTT_VAR_HEADER_BUFFER_LEN 256                           /* bytes: OTA_MQTT_PACKET_MAX */
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_TCP_SEG 12
#define MEMP_NUM_UDP_PCB 2
#define MEMP_NUM_PBUF 4

#define TCP_MSS 1460
#define TCP_WND (4 * TCP_MSS)
#define TCP_SND_BUF (2 * TCP_MSS)
#define TCP_SND_QUEUELEN 8
#define TCP_OOSEQ_MAX_PBUFS 2 /* of the driver's buffers: the rest must stay free to go on */
#define TCP_MSL 1000U         /* ms: a port is free again soon */
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they compare TCP_WND with PBUF_POOL */

#define CHECKSUM_GEN_IP 0
#define CHECKSUM_GEN_UDP 0
#define CHECKSUM_GEN_TCP 0
#define CHECKSUM_GEN_ICMP 0
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_UDP 0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_ICMP 0
#define LWIP_CHECKSUM_ON_COPY 0

#endif
