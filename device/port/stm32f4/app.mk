# Applications for the STM32F4: the client with lwIP and TLS, and the example that uses it.
#
#   build/arm/nucleo-f429zi.elf, .bin     device/examples/nucleo-f429zi
#   build/arm/app-f407.elf, .bin          the same program for an STM32F407 board
#   build/arm/nucleo-f429zi-mqtt.elf, .bin   the example, listening on an MQTT broker

APP := $(ARM)/app
APP_PRODUCT ?= $(BOOT_PRODUCT)
APP_HARDWARE ?= $(BOOT_HARDWARE)
# A moment that has passed when the firmware runs; certificates are judged by it.
APP_BUILD_SECONDS ?= $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),1767225600)

APP_CPPFLAGS := -Idevice/port/stm32f4/lwip $(LWIP_CPPFLAGS) -isystem $(BEARSSL)/inc \
    -DAPP_PRODUCT='"$(APP_PRODUCT)"' -DAPP_HARDWARE='"$(APP_HARDWARE)"' \
    -DAPP_BUILD_SECONDS=$(APP_BUILD_SECONDS)ULL
# The linker sees all of it at once (5 KB less); plain code besides, for debuggers and `size`.
APP_CFLAGS := $(ARM_CFLAGS) -fno-strict-aliasing -flto -flto-partition=one -ffat-lto-objects

# All of it: the linker takes what is used.
APP_CORE_SOURCES := $(wildcard device/core/*.c) $(wildcard protocol/*.c)
APP_HTTP_SOURCES := device/net/http.c device/net/http_request.c device/net/transport_lwip.c
APP_PORT_SOURCES := device/port/provision.c device/port/bearssl/crypto.c \
    $(filter-out %/boot_main.c %/mem.c $(wildcard device/port/stm32f4/board_*.c),\
    $(wildcard device/port/stm32f4/*.c))
APP_LWIP := $(LWIP_SOURCES) core/ipv4/dhcp
APP_BEARSSL := $(sort $(BEARSSL_CRYPTO) $(BEARSSL_TLS))

$(APP)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  ARM   $@"
	$(Q)$(ARM_CC) -I. $(APP_CPPFLAGS) $(APP_CFLAGS) $(WERROR) -MMD -MP -c -o $@ $<
$(APP)/lwip/%.o: $(LWIP)/.fetched device/port/stm32f4/lwip/lwipopts.h device/port/stm32f4/lwip/arch/cc.h
	@mkdir -p $(@D)
	@echo "  ARM   $@"
	$(Q)$(ARM_CC) -I. $(APP_CPPFLAGS) $(APP_CFLAGS) -std=gnu11 -w -c -o $@ $(LWIP)/src/$*.c
$(APP)/bearssl/%.o: $(BEARSSL)/.fetched
	@mkdir -p $(@D)
	@echo "  ARM   $@"
	$(Q)$(ARM_CC) -I$(BEARSSL)/inc -I$(BEARSSL)/src $(APP_CFLAGS) -std=c99 -w -c -o $@ $(BEARSSL)/src/$*.c

APP_OBJECTS = $(patsubst %.c,$(APP)/%.o,$(TLS_SOURCES) $(APP_CORE_SOURCES) $(APP_HTTP_SOURCES) $(APP_PORT_SOURCES)) \
    $(APP_LWIP:%=$(APP)/lwip/%.o) $(APP_BEARSSL:%=$(APP)/bearssl/%.o)
$(APP_OBJECTS): | $(LWIP)/.fetched $(BEARSSL)/.fetched
# lwIP's options set the layout of what all of them share.
$(APP_OBJECTS): device/port/stm32f4/lwip/lwipopts.h

# Bytes: the primary slot less header and signature, SRAM1 to 3 less the boot report.
NUCLEO := device/examples/nucleo-f429zi/main.c device/port/stm32f4/board_f429.c
NUCLEO_NO_BROKER := device/examples/nucleo-f429zi/broker_none.c
NUCLEO_BROKER := device/examples/nucleo-f429zi/broker_mqtt.c device/net/mqtt_lwip.c device/net/mqtt_frame.c
NUCLEO_MEMORY := -Wl,--defsym=APP_FLASH_LEN=0xbfa00 -Wl,--defsym=APP_RAM_LEN=0x2ffe0
$(ARM)/nucleo-f429zi.elf: $(NUCLEO_NO_BROKER:%.c=$(APP)/%.o)
$(ARM)/nucleo-f429zi-mqtt.elf: $(NUCLEO_BROKER:%.c=$(APP)/%.o) $(APP)/lwip/apps/mqtt/mqtt.o
$(APP)/device/net/mqtt_lwip.o: APP_CPPFLAGS += $(MQTT_LWIP_CPPFLAGS)
$(APP)/lwip/apps/mqtt/mqtt.o: APP_CPPFLAGS += $(MQTT_CLIENT_CPPFLAGS)
$(NUCLEO_BROKER:%.c=$(APP)/%.o): | $(LWIP)/.fetched $(BEARSSL)/.fetched
$(ARM)/nucleo-f429zi.elf $(ARM)/nucleo-f429zi-mqtt.elf: $(NUCLEO:%.c=$(APP)/%.o) $(APP_OBJECTS) device/port/stm32f4/app.ld
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) $(ARM_LDFLAGS) $(APP_CFLAGS) $(NUCLEO_MEMORY) -Wl,-Map=$(@:.elf=.map) \
	    -T device/port/stm32f4/app.ld -o $@ $(filter %.o,$^)

# 384 KB less header and signature, and SRAM1 and 2.
F407 := device/examples/nucleo-f429zi/main.c $(NUCLEO_NO_BROKER) device/port/stm32f4/board_f407.c
F407_MEMORY := -Wl,--defsym=APP_FLASH_LEN=0x5fa00 -Wl,--defsym=APP_RAM_LEN=0x1ffe0
$(ARM)/app-f407.elf: $(F407:%.c=$(APP)/%.o) $(APP_OBJECTS) device/port/stm32f4/app.ld
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) $(ARM_LDFLAGS) $(APP_CFLAGS) $(F407_MEMORY) -Wl,-Map=$(@:.elf=.map) \
	    -T device/port/stm32f4/app.ld -o $@ $(filter %.o,$^)

$(ARM)/%.bin: $(ARM)/%.elf
	$(Q)$(ARM_OBJCOPY) -O binary $< $@

-include $(shell find $(APP) -name '*.d' 2>/dev/null)
