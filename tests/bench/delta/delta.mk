# make bench-delta: what docs/delta.md says of sizes and costs, measured again. run.mjs tells how.

DELTA_LWIP := $(patsubst %,$(LWIP)/src/%.c,$(LWIP_SOURCES) core/ipv4/dhcp)
DELTA_PAIR := $(addprefix $(ARM)/delta-,base.bin constant.bin front.bin)
DELTA_FLAGS_base :=
DELTA_FLAGS_constant := -DPAIR_CONSTANT=9
DELTA_FLAGS_front := -DFUNCTION_IN_FRONT

$(ARM)/delta-%.elf: tests/bench/delta/firmware.c tests/bench/delta/firmware.ld | $(LWIP)/.fetched
	@mkdir -p $(@D)
	@echo "  ARMLD $@"
	$(Q)$(ARM_CC) -I. -Idevice/port/stm32f4/lwip $(LWIP_CPPFLAGS) $(ARM_FLAGS) -std=c11 -Os -w $(DELTA_FLAGS_$*) \
	    -nostartfiles -specs=nano.specs -specs=nosys.specs -T tests/bench/delta/firmware.ld -o $@ $< $(DELTA_LWIP)
$(ARM)/delta-%.bin: $(ARM)/delta-%.elf
	$(Q)$(ARM_OBJCOPY) -O binary $< $@

.PHONY: bench-delta
bench-delta: $(B)/otactl $(BOARD) $(ARM)/firmware/delta.elf $(ARM)/size-delta.elf $(DELTA_PAIR) ## patches beside bsdiff, xdelta3 and xz, 4 minutes; fetches images from npm
	@mkdir -p build/bench-delta
	@node tests/bench/delta/run.mjs --build $(B) --arm $(ARM)

# With sanitizers: a byte too far is seen.
DELTA_DAMAGE := $(B)/tests/delta-damage
$(DELTA_DAMAGE): $(call objects,tests/bench/delta/damage.c) $(B)/libprotocol.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
compile: $(DELTA_DAMAGE)

DAMAGE_FLIPS ?= 1000
.PHONY: damage-delta
damage-delta: ## cut real patches at every byte, and flip DAMAGE_FLIPS (1000) bits in each; after make bench-delta
	@test -e build/bench-delta/complete || { echo "make bench-delta has to fetch the images first" && false; }
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 build/san/otactl build/san/tests/delta-damage
	@tests/bench/delta/damage build/san build/bench-delta/images $(DAMAGE_FLIPS)
