# make demo: the whole way of an update, on real firmware. tests/demo/run tells the story.

.PHONY: demo
demo: all $(BOARD_FAST) $(ARM)/boot-f429.elf $(ARM)/nucleo-f429zi.bin $(ARM)/apps/crash.bin ## 20 devices and 2 boards, a good release in stages, a bad one that stops by itself (under 3 minutes)
	@tests/demo/run build build/demo
