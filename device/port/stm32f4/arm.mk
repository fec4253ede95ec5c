# Compiling for the Cortex-M4 with the distribution's gcc-arm-none-eabi. Soft float: nothing here
# computes with fractions, and exceptions stay short.
#
#   $(ARM)/obj/x.o                     from x.c anywhere in the tree
#   $(call arm_objects,sources)        their object files
#   $(ARM)/third_party/NAME/x.o        by the rules of those who use NAME

ARM := build/arm
ARM_CC := arm-none-eabi-gcc
ARM_SIZE := arm-none-eabi-size
ARM_OBJCOPY := arm-none-eabi-objcopy
ARM_FLAGS := -mcpu=cortex-m4 -mthumb -mfloat-abi=soft
ARM_CFLAGS := $(ARM_FLAGS) -std=c11 -Os -g -ffunction-sections -fdata-sections -fno-common \
              -fno-builtin-printf $(WARNINGS)
ARM_LDFLAGS := $(ARM_FLAGS) -nostartfiles -specs=nano.specs -specs=nosys.specs -Wl,--gc-sections \
               -Wl,--fatal-warnings -Wl,--no-warn-rwx-segments

arm_objects = $(patsubst %.c,$(ARM)/obj/%.o,$(1))

$(ARM)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  ARM   $@"
	$(Q)$(ARM_CC) -I. $(ARM_CPPFLAGS) $(ARM_CFLAGS) $(WERROR) -MMD -MP -c -o $@ $<

-include $(shell find $(ARM)/obj -name '*.d' 2>/dev/null)
