# What the firmware costs; tests/size/size.mjs has one row for each part and the limits.

# The client core and HTTP, with the codecs, the journal and the slots that they use, and without: what
# lwIP, TLS and port give, and in the second what is left out, stays unresolved.
SIZE_CORE := $(ARM)/size-core.elf
SIZE_CLIENT := $(ARM)/size-client.elf
SIZE_DELTA := $(ARM)/size-delta.elf
SIZE_MAIN := $(APP)/tests/size/core.o
$(SIZE_MAIN): | $(LWIP)/.fetched
$(SIZE_CORE): $(SIZE_MAIN) $(patsubst %.c,$(APP)/%.o,$(APP_CORE_SOURCES) $(APP_HTTP_SOURCES))
$(SIZE_CLIENT): $(SIZE_MAIN) $(patsubst %.c,$(APP)/%.o,$(wildcard device/core/client*.c) $(APP_HTTP_SOURCES))
$(SIZE_DELTA): $(APP)/tests/size/delta.o $(patsubst %.c,$(APP)/%.o,$(wildcard protocol/delta*.c) protocol/crc32.c)
$(SIZE_CORE) $(SIZE_CLIENT) $(SIZE_DELTA):
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) $(ARM_FLAGS) $(APP_CFLAGS) -nostdlib -Wl,--gc-sections -Wl,-e,measured \
	    -Wl,--unresolved-symbols=ignore-all -o $@ $^

.PHONY: size
size: bootloader $(SIZE_CORE) $(SIZE_CLIENT) $(SIZE_DELTA) $(ARM)/nucleo-f429zi.elf $(ARM)/nucleo-f429zi-mqtt.elf ## flash, RAM and stack of the firmware; fails past the limits
	@node tests/size/size.mjs --build $(ARM) --size $(ARM_SIZE)

# What two TLS libraries cost for the same profile: a client of each by itself, as in core.c. mbedTLS is
# built for this alone.
MBEDTLS := $(THIRD_PARTY)/mbedtls-2.28.3
SIZE_TLS_CFLAGS := $(ARM_FLAGS) -Os -ffunction-sections -fdata-sections -Wl,--gc-sections -nostdlib \
    -Wl,-e,measured -Wl,--unresolved-symbols=ignore-all
$(MBEDTLS)/.fetched: | scripts/fetch-source
	$(Q)scripts/fetch-source mbedtls 2.28.3 $(THIRD_PARTY)
$(ARM)/size-mbedtls.elf: tests/size/tls/mbedtls.c tests/size/tls/mbedtls_config.h $(MBEDTLS)/.fetched
	@mkdir -p $(@D)
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) $(SIZE_TLS_CFLAGS) -w -I. -I$(MBEDTLS)/include -I$(MBEDTLS)/library \
	    -DMBEDTLS_CONFIG_FILE='"tests/size/tls/mbedtls_config.h"' -o $@ $< $(MBEDTLS)/library/*.c
$(ARM)/size-bearssl.elf: tests/size/tls/bearssl.c device/net/tls_profile.c $(BEARSSL)/.fetched
	@mkdir -p $(@D)
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) $(SIZE_TLS_CFLAGS) -w -I. -I$(BEARSSL)/inc -I$(BEARSSL)/src -o $@ $(filter %.c,$^) \
	    $(APP_BEARSSL:%=$(BEARSSL)/src/%.c) $(BEARSSL)/src/ssl/ssl_io.c

.PHONY: size-tls
size-tls: $(ARM)/size-bearssl.elf $(ARM)/size-mbedtls.elf ## flash and static RAM of a TLS client with BearSSL and with mbedTLS
	@$(ARM_SIZE) $^
