# The bootloader's ELF for each board: build/arm/boot-f407.elf, build/arm/boot-f429.elf.
#
#   make bootloader BOOT_KEYS="release.pub.pem spare.pub.pem" BOOT_PRODUCT=lamp BOOT_HARDWARE=rev2
#   make bootloader PRODUCTION=1 BOOT_KEYS=...    refuses the demo keys of tests/keys

BOOT_BOARDS := f407 f429
BOOT_KEYS ?= tests/keys/release.pub.pem
BOOT_PRODUCT ?= demo
BOOT_HARDWARE ?= stm32f4

BOOT := $(ARM)/boot
BOOT_ELFS := $(BOOT_BOARDS:%=$(ARM)/boot-%.elf)
BOOT_SOURCES := \
    device/boot/boot.c device/boot/describe.c device/boot/swap.c \
    protocol/crc32.c device/core/journal.c device/core/slots.c \
    device/port/bearssl/crypto.c \
    device/port/stm32f4/boot_main.c device/port/stm32f4/chip.c device/port/stm32f4/flash_f4.c \
    device/port/stm32f4/mem.c \
    protocol/image.c protocol/text.c
# One program, small: the linker sees all of it at once. BearSSL's contexts are cast, so no aliasing.
BOOT_OPTIMIZE ?= -Os
BOOT_CFLAGS := $(ARM_FLAGS) $(BOOT_OPTIMIZE) -flto -ffunction-sections -fdata-sections -fno-strict-aliasing \
    -ffreestanding -fno-tree-loop-distribute-patterns
# The call graph with the stack of each function (x.ci) is what tests/size reads.
BOOT_LDFLAGS := -nostartfiles -nostdlib -Wl,--gc-sections -Wl,--fatal-warnings \
    -fcallgraph-info=su -T device/port/stm32f4/boot.ld
BOOT_LIBS := -lgcc

# BearSSL for P-256 only, and with its two largest arrays in static memory instead of on the stack:
# docs/bootloader.md, "Crypto".
BOOT_BEARSSL := $(filter-out %secp384r1 %secp521r1,$(BEARSSL_CRYPTO))
BOOT_BEARSSL_CFLAGS := -I$(BEARSSL)/inc -I$(BEARSSL)/src -I$(BEARSSL)/src/ec \
    -include device/port/bearssl/p256_only.h -std=c99 -w

$(BOOT)/bearssl/%.c: $(BEARSSL)/.fetched device/port/bearssl/p256_only.sed
	@mkdir -p $(@D)
	$(Q)sed -f device/port/bearssl/p256_only.sed $(BEARSSL)/src/$*.c >$@

$(BOOT)/obj/bearssl/%.o: $(BOOT)/bearssl/%.c device/port/bearssl/p256_only.h
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(ARM_CC) $(BOOT_CFLAGS) $(BOOT_BEARSSL_CFLAGS) -c -o $@ $<

$(BOOT)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(ARM_CC) -I. -I$(BOOT) -isystem $(BEARSSL)/inc -std=c11 $(BOOT_CFLAGS) $(WARNINGS) $(WERROR) \
	    -MMD -MP -c -o $@ $<
# The compiler calls these by itself, after the linker has looked for them.
$(BOOT)/obj/device/port/stm32f4/mem.o: BOOT_CFLAGS += -fno-lto -fno-builtin -fcallgraph-info=su
# ccache would not bring the call graph back with the object.
$(BOOT)/obj/device/port/stm32f4/mem.o: export CCACHE_DISABLE := 1
# ccache does not keep the call graph that is written beside the object.
$(BOOT)/obj/device/port/stm32f4/mem.o: export CCACHE_DISABLE := 1
$(BOOT)/obj/device/port/bearssl/crypto.o: | $(BEARSSL)/.fetched

# Made anew when the variables change, not only when the files do.
$(BOOT)/boot_identity.h: FORCE
	@mkdir -p $(@D)
	$(Q)scripts/boot-identity $(if $(PRODUCTION),--production) $@ $(BOOT_PRODUCT) $(BOOT_HARDWARE) \
	    $(BOOT_KEYS)
$(BOOT)/obj/device/port/stm32f4/boot_main.o: $(BOOT)/boot_identity.h

$(ARM)/boot-%.elf: $(BOOT_SOURCES:%.c=$(BOOT)/obj/%.o) $(BOOT)/obj/device/port/stm32f4/board_%.o \
                   $(BOOT_BEARSSL:%=$(BOOT)/obj/bearssl/%.o) device/port/stm32f4/boot.ld
	@echo "  LD    $@"
	$(Q)$(ARM_CC) $(BOOT_CFLAGS) $(BOOT_LDFLAGS) -Wl,-Map=$(@:.elf=.map) -o $@ $(filter %.o,$^) $(BOOT_LIBS)

.PHONY: bootloader FORCE
FORCE:
bootloader: $(BOOT_ELFS) ## the bootloader for STM32F407 and F429 in build/arm (BOOT_KEYS=..., PRODUCTION=1)

-include $(shell find $(BOOT)/obj -name '*.d' 2>/dev/null)
