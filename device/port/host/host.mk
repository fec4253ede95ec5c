# ota-device: the client as a process. lwIP is compiled with the host port's configuration.

HOST_LWIP_CPPFLAGS := -Idevice/port/host/lwip $(LWIP_CPPFLAGS)
HOST_LWIP_CONFIG := device/port/host/lwip/lwipopts.h device/port/host/lwip/arch/cc.h

$(B)/obj/lwip/%.o: $(LWIP)/.fetched $(HOST_LWIP_CONFIG)
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(CC) -Idevice/port/host/lwip -I$(LWIP)/src/include -std=gnu11 $(OPTIMIZE) $(CFLAGS) \
	    $(SANITIZE) -w -c -o $@ $(LWIP)/src/$*.c

$(B)/liblwip.a: $(LWIP_SOURCES:%=$(B)/obj/lwip/%.o)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

HOST_MAIN := device/port/host/main.c device/port/host/chip.c device/port/host/options.c \
             device/port/host/pem.c device/port/host/host_tls.c device/port/host/broker.c
$(B)/obj/lwip/apps/mqtt/mqtt.o: $(LWIP)/.fetched $(HOST_LWIP_CONFIG)
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(CC) $(MQTT_CLIENT_CPPFLAGS) -Idevice/port/host/lwip -I$(LWIP)/src/include -std=gnu11 $(OPTIMIZE) \
	    $(CFLAGS) $(SANITIZE) -w -c -o $@ $(LWIP)/src/apps/mqtt/mqtt.c

HOST_MQTT := device/net/mqtt_lwip.c
HOST_NET := device/net/transport_lwip.c device/port/host/slirp_netif.c
HOST_TLS_USERS := device/port/host/main.c device/port/host/host_tls.c device/port/host/broker.c
HOST_LWIP_USERS := $(HOST_NET) $(HOST_MQTT) $(HOST_TLS_USERS) tests/unit/test_transport_lwip.c
$(call objects,$(HOST_TLS_USERS)): CPPFLAGS += -isystem $(BEARSSL)/inc
$(call objects,$(HOST_TLS_USERS)): | $(BEARSSL)/.fetched
$(call objects,$(HOST_LWIP_USERS)): CPPFLAGS += $(HOST_LWIP_CPPFLAGS)
$(call objects,$(HOST_LWIP_USERS)): | $(LWIP)/.fetched
$(eval $(call library,device-net,$(HOST_NET)))
$(call objects,$(HOST_MQTT)): CPPFLAGS += $(MQTT_LWIP_CPPFLAGS)
$(B)/libdevice-mqtt.a: $(call objects,$(HOST_MQTT) device/net/mqtt_frame.c) $(B)/obj/lwip/apps/mqtt/mqtt.o
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The transport against a scripted server on a socket, through the whole stack.
UNIT_TESTS += test_transport_lwip
TEST_LIBS_test_transport_lwip := $(B)/libdevice-net.a $(B)/libdevice-http.a $(B)/liblwip.a $(B)/libprotocol.a -lslirp

PROGRAMS += $(B)/ota-device
$(B)/ota-device: $(call objects,$(HOST_MAIN)) $(B)/libdevice-mqtt.a $(B)/libdevice-tls.a \
                 $(B)/libtls-files.a $(B)/libdevice-net.a $(B)/libdevice-http.a \
                 $(B)/liblwip.a $(B)/libdevice-client.a $(B)/libdevice-boot.a $(B)/libdevice-core.a \
                 $(B)/libdevice-host.a $(B)/libdevice-crypto.a $(B)/libprotocol.a
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lslirp
