# make demo: the whole way of an update, on real firmware. tests/demo/run tells the story.

.PHONY: demo
demo: all ## 20 devices, a good release in stages, a bad one that stops by itself (under 3 minutes)
	@tests/demo/run build build/demo
