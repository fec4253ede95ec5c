# Parts of device/; see the top Makefile for the conventions.
#
#   $(B)/libdevice-crypto.a  the crypto seam over BearSSL, for the host
#   $(B)/libdevice-core.a    journal, slots
#   $(B)/libdevice-boot.a    the bootloader as a function
#   $(B)/libdevice-host.a    the host port: flash in a file

include device/port/bearssl/bearssl.mk
include device/net/net.mk
include device/port/host/host.mk
include device/net/tls.mk
include device/port/stm32f4/arm.mk
include device/port/stm32f4/boot.mk

$(eval $(call library,device-core,device/core/journal.c device/core/slots.c))
$(eval $(call library,device-host,device/port/host/flash_file.c))
$(eval $(call library,device-boot,device/boot/boot.c device/boot/swap.c))
