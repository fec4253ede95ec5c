# What the firmware costs; tests/size/size.mjs has one row for each part and the limits.

.PHONY: size
size: bootloader ## text, RAM and worst stack of the firmware; fails past the limits
	@node tests/size/size.mjs --build $(ARM) --size $(ARM_SIZE)
