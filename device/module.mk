# Parts of device/; see the top Makefile for the conventions.
#
#   $(B)/libdevice-crypto.a  the crypto seam over BearSSL, for the host
#   $(B)/libdevice-core.a    journal, slots
#   $(B)/libdevice-client.a  the update client
#   $(B)/libdevice-boot.a    the bootloader as a function
#   $(B)/libdevice-host.a    the host port: flash in a file

include device/port/bearssl/bearssl.mk
include device/net/net.mk
include device/port/host/host.mk
include device/net/tls.mk
include device/port/stm32f4/arm.mk
include device/port/stm32f4/boot.mk
include tests/powercut/powercut.mk
include device/port/stm32f4/app.mk
include tests/size/size.mk

$(eval $(call library,device-core,device/core/journal.c device/core/slots.c))
$(eval $(call library,device-client,$(wildcard device/core/client*.c)))
$(eval $(call library,device-host,device/port/host/flash_file.c))
$(eval $(call library,device-boot,device/boot/boot.c device/boot/describe.c device/boot/swap.c))

# The client against a scripted server, over simulated flash, with real signatures.
CLIENT_WORLD := $(call objects,$(wildcard tests/client/*.c) tests/powercut/flash_sim.c \
                               tests/vectors/p256.c)
CLIENT_TESTS := test_client test_client_manifest test_client_download test_client_time test_client_wait \
    test_client_power test_client_delta
UNIT_TESTS += $(CLIENT_TESTS)
$(foreach test,$(CLIENT_TESTS),$(eval TEST_LIBS_$(test) := $(CLIENT_WORLD) $(B)/libdevice-client.a \
    $(B)/libdevice-boot.a $(B)/libdevice-core.a $(B)/libdelta.a $(B)/libprotocol.a -ldivsufsort -lcrypto -lm))
