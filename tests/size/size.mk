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
