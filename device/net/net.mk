# HTTP over lwIP. lwIP's source comes from the distribution's source package; its configuration
# (lwipopts.h, arch/cc.h) is the port's.

$(eval $(call library,device-http,device/net/http.c device/net/http_request.c))

UNIT_TESTS += test_http
TEST_LIBS_test_http := $(B)/libdevice-http.a $(B)/libprotocol.a

UNIT_TESTS += test_mqtt_frame
TEST_LIBS_test_mqtt_frame := $(B)/obj/device/net/mqtt_frame.o

LWIP_VERSION := 2.1.3
LWIP := $(THIRD_PARTY)/lwip-$(LWIP_VERSION)
LWIP_SOURCES := \
    core/altcp core/altcp_alloc core/altcp_tcp core/def core/dns core/inet_chksum core/init core/ip \
    core/mem core/memp core/netif core/pbuf core/stats core/sys core/tcp core/tcp_in core/tcp_out \
    core/timeouts core/udp core/ipv4/etharp core/ipv4/icmp core/ipv4/ip4 core/ipv4/ip4_addr \
    core/ipv4/ip4_frag netif/ethernet
# Its headers are theirs to warn about.
LWIP_CPPFLAGS := -isystem $(LWIP)/src/include

# lwIP's MQTT client, through mqtt_lwip.c: which connection it gets, and what it is given of it.
MQTT_LWIP_CPPFLAGS := -DLWIP_ALTCP_TLS=1
MQTT_CLIENT_CPPFLAGS := $(MQTT_LWIP_CPPFLAGS) -Daltcp_recv=ota_mqtt_guard -Daltcp_recved=ota_mqtt_parsed

$(LWIP)/.fetched: | scripts/fetch-source
	scripts/fetch-source lwip $(LWIP_VERSION) $(THIRD_PARTY)

FUZZ_SOURCES_http := device/net/http.c protocol/text.c
