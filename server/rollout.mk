# The rollout engine: pure functions, on top of protocol/ alone.

ROLLOUT_SOURCES := $(wildcard server/rollout*.c) server/deployment.c server/selector.c \
                   server/sequential.c server/window.c

$(eval $(call library,rollout,$(ROLLOUT_SOURCES)))
