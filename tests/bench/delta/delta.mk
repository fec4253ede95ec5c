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
bench-delta: $(B)/otactl $(BOARD) $(ARM)/firmware/delta.elf $(DELTA_PAIR) ## patches beside bsdiff, xdelta3 and xz, 4 minutes; fetches images from npm
	@mkdir -p build/bench-delta
	@node tests/bench/delta/run.mjs --build $(B) --arm $(ARM)
