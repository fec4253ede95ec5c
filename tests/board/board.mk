# The emulated STM32F4, its own tests, and the tests that run device binaries on it.

BOARD := $(B)/board
BOARD_SOURCES := $(wildcard tests/board/*.c)
# Unicorn looks its QEMU functions up by name: a function of ours must not be found instead.
$(call objects,$(BOARD_SOURCES)): ALL_CFLAGS += -fvisibility=hidden
$(call objects,tests/board/net.c): CPPFLAGS += -D_GNU_SOURCE # ppoll
$(BOARD): $(call objects,$(BOARD_SOURCES))
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lunicorn -lslirp

# The same without sanitizers, which make it four times slower: what runs whole updates.
BOARD_FAST := build/board
ifneq ($(B),build/host)
$(BOARD_FAST): $(BOARD_SOURCES) $(wildcard tests/board/*.h)
	@$(MAKE) --no-print-directory B=build/host SAN= $@
else
$(BOARD_FAST): $(BOARD)
	@cp $< $@.new && mv -f $@.new $@ # the one in use may be running
endif

# Test firmware: one ELF a program.
BOARD_FIRMWARE_DIR := tests/board/firmware
BOARD_FIRMWARE := $(patsubst $(BOARD_FIRMWARE_DIR)/%.c,$(ARM)/firmware/%.elf,\
    $(filter-out %/firmware.c,$(wildcard $(BOARD_FIRMWARE_DIR)/*.c)))
$(ARM)/firmware/%.elf: $(ARM)/obj/$(BOARD_FIRMWARE_DIR)/%.o $(ARM)/obj/$(BOARD_FIRMWARE_DIR)/firmware.o \
                       $(BOARD_FIRMWARE_DIR)/firmware.ld
	@mkdir -p $(@D)
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) $(ARM_LDFLAGS) -T $(BOARD_FIRMWARE_DIR)/firmware.ld -o $@ $(filter %.o,$^)

# The drivers, as the application compiles them.
$(ARM)/firmware/drivers.elf: $(patsubst %,$(ARM)/obj/device/port/stm32f4/%.o,\
    board_f429 chip clock flash_f4 rng ticks)

# Releases that tests roll out: applications with the bad manners that a test needs.
BOARD_APPS_DIR := tests/board/apps
BOARD_APPS := $(patsubst $(BOARD_APPS_DIR)/%.c,$(ARM)/apps/%.bin,$(wildcard $(BOARD_APPS_DIR)/*.c))
$(ARM)/apps/%.elf: $(APP)/$(BOARD_APPS_DIR)/%.o $(APP)/device/port/stm32f4/board_f429.o $(APP_OBJECTS) \
                   device/port/stm32f4/app.ld
	@mkdir -p $(@D)
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) $(ARM_LDFLAGS) $(APP_CFLAGS) $(NUCLEO_MEMORY) -T device/port/stm32f4/app.ld -o $@ \
	    $(filter %.o,$^)

# The decoder of patches.
DELTA_DECODER := $(wildcard protocol/delta*.c) protocol/crc32.c
$(ARM)/firmware/delta.elf: $(call arm_objects,$(DELTA_DECODER))

NODE_TESTS += $(wildcard tests/board/*.test.mjs)
compile: $(BOARD) $(BOARD_FAST) $(BOARD_FIRMWARE) $(BOARD_APPS) $(BOOT_ELFS) $(ARM)/nucleo-f429zi.bin $(ARM)/nucleo-f429zi-mqtt.bin $(ARM)/app-f407.bin

# For one file of tests.
BOARD_TEST_SECONDS := 5400

# Those of which make test runs a part; the others it runs whole.
BOARD_TESTS := $(patsubst %,tests/board/%.test.mjs,update faults sweep)

.PHONY: board-test
board-test: ## the real bootloader and application on the emulated board: all that can happen to them
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 compile
	@BOARD_TEST=full tests/run --build build/san --timeout $(BOARD_TEST_SECONDS) \
	    $(if $(ONLY),--only $(ONLY)) $(BOARD_TESTS)

.PHONY: board-sweep
board-sweep: ## a power cut at every flash operation of an update on the emulated board (20 minutes of a core)
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 compile
	@SWEEP_EVERY=1 tests/run --build build/san --timeout $(BOARD_TEST_SECONDS) tests/board/sweep.test.mjs

.PHONY: bench-board
bench-board: all $(BOARD_FAST) $(BOOT_ELFS) $(ARM)/nucleo-f429zi.bin $(NODE_MODULES) ## how long an update of 256 KB over TLS takes on the emulated board
	@BOARD_SPEED=1 BUILD_DIR=$(B) node --test --test-reporter=spec \
	    --test-name-pattern='boots for the first time' tests/board/update.test.mjs
