# otad: server, command line, device client and bootloader.
#
# `make help` lists the targets. Each directory describes its own parts in a module.mk:
#   $(eval $(call library,NAME,SOURCES))   a static library, built as $(B)/libNAME.a
#   PROGRAMS     += $(B)/otad, with its own link rule
#   UNIT_TESTS   += test_x (from tests/unit/test_x.c); its libraries: TEST_LIBS_test_x := $(B)/libNAME.a -lssl
# `make SAN=1 ...` builds the same with ASan and UBSan under build/san.

B := $(if $(SAN),build/san,build/host)
THIRD_PARTY := build/third_party

CC ?= cc
# V=1 shows the commands.
Q := $(if $(V),,@)
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wcast-qual -Wundef -Wvla -Wwrite-strings -Wformat=2 -Wswitch-enum
WERROR ?=
# A literal comma for $(if).
, := ,
SANITIZE := $(if $(SAN),-fsanitize=address$(,)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
OPTIMIZE := $(if $(SAN),-O1,-O2)
CFLAGS ?= -g
CPPFLAGS += -I. -D_POSIX_C_SOURCE=200809L
ALL_CFLAGS = -std=c11 $(OPTIMIZE) $(CFLAGS) $(WARNINGS) $(WERROR) $(SANITIZE) -MMD -MP
ALL_LDFLAGS = $(SANITIZE) $(LDFLAGS)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# $(call objects,sources): their object files.
objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

# $(eval $(call library,name,sources)): the rule for $(B)/lib<name>.a.
define library
$(B)/lib$(1).a: $(call objects,$(2)) $(MAKEFILE_LIST)
	@mkdir -p $$(@D)
	@echo "  AR    $$@"
	$(Q)rm -f $$@ && $(AR) rcs $$@ $$(filter %.o,$$^)
endef

PROGRAMS :=
UNIT_TESTS :=

include protocol/module.mk
include device/module.mk
include db/module.mk
include server/module.mk
include docs/man/man.mk
include packaging/install.mk
include tests/module.mk
include docs/docs.mk

.PHONY: all
all: $(PROGRAMS) man ## build otad, otactl and ota-device (links in build/)
	@mkdir -p build
	@for p in $(PROGRAMS); do ln -sf "$$(echo $$p | sed 's|^build/||')" build/; done

# Sources anywhere in the tree.
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(CC) $(CPPFLAGS) $(CPPFLAGS_$(*F)) $(ALL_CFLAGS) -c -o $@ $<

.PHONY: clean
clean: ## remove what was built, keep fetched third-party sources
	rm -rf build/host build/san build/board build/tsan build/bench build/arm build/fuzz build/lint-* build/otad build/otactl build/ota-device build/ota-provision

.PHONY: help
help: ## this list
	@grep -hE '^[a-zA-Z_-]+:.*?## ' $(MAKEFILE_LIST) | sort | \
	    awk -F ':.*?## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
