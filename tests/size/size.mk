# What the firmware costs; tests/size/size.mjs has one row for each part and the limits.

# The client core and HTTP with the codecs that they use: what lwIP, TLS and port give stays unresolved.
SIZE_CORE := $(ARM)/size-core.elf
$(SIZE_CORE): $(patsubst %.c,$(APP)/%.o,tests/size/core.c $(APP_CORE_SOURCES) $(APP_HTTP_SOURCES))
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) $(ARM_FLAGS) $(APP_CFLAGS) -nostdlib -Wl,--gc-sections -Wl,-e,measured \
	    -Wl,--unresolved-symbols=ignore-all -o $@ $^

.PHONY: size
size: bootloader $(SIZE_CORE) $(ARM)/nucleo-f429zi.elf $(ARM)/nucleo-f429zi-mqtt.elf ## flash, RAM and stack of the firmware; fails past the limits
	@node tests/size/size.mjs --build $(ARM) --size $(ARM_SIZE)
