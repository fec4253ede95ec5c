/*
 * lwIP on the host: the sizes that an STM32F4 would use, so that what is tested is what is flashed.
 *
 * One connection to the server, one to a broker, and one of each in closing; a receive window of
 * four segments, which flash empties.
 */
#ifndef LWIP_LWIPOPTS_H
#define LWIP_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_ALTCP 1

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_DNS 1
#define LWIP_DHCP 0
#define LWIP_AUTOIP 0
#define LWIP_IGMP 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define LWIP_STATS 0

#define LWIP_SUPPORT_CUSTOM_PBUF 1 /* TLS lends its record buffer */

#define MEM_ALIGNMENT 8
#define MEM_SIZE (12 * 1024) /* bytes: send segments */
#define PBUF_POOL_SIZE 12
#define MEMP_NUM_TCP_PCB 6 /* HTTP, MQTT and those in closing */
#define MEMP_NUM_ALTCP_PCB 8
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 1) /* MQTT's */
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_TCP_SEG 16
#define MEMP_NUM_UDP_PCB 2

#define TCP_MSS 1460
#define TCP_WND (4 * TCP_MSS)
#define TCP_SND_BUF (2 * TCP_MSS)
#define TCP_SND_QUEUELEN 12
#define TCP_MSL 1000U /* ms: a port is free again soon */

#define MQTT_OUTPUT_RINGBUF_SIZE 512   /* bytes */
#define MQTT_VAR_HEADER_BUFFER_LEN 256 /* bytes: OTA_MQTT_PACKET_MAX */

#define LWIP_NETIF_TX_SINGLE_PBUF 0
#define LWIP_CHECKSUM_CTRL_PER_NETIF 0

#endif
