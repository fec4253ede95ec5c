# The tests, their runner, fuzzing and lint. A test joins by standing in its place:
#   tests/unit/test_x.c       with `UNIT_TESTS += test_x` and `TEST_LIBS_test_x := $(B)/liby.a -lz` in
#                             the module.mk of what it tests; linked with cmocka and tests/support
#   tests/{api,e2e}/x.test.mjs  and tests/unit/x.test.sh (prints TAP): found by their names
# All of them run from the root of the tree, with BUILD_DIR naming where otad and the others are.

TEST_SUPPORT := $(call objects,$(wildcard tests/support/*.c))
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(B)/tests/%)
SCRIPT_TESTS := $(wildcard tests/unit/*.test.sh)
NODE_TESTS := $(wildcard tests/unit/*.test.mjs tests/api/*.test.mjs tests/e2e/*.test.mjs)

# Objects and archives of TEST_LIBS_x are built first; -l flags only stand on the command line.
define unit_test
$(B)/tests/$(1): $(B)/obj/tests/unit/$(1).o $(TEST_SUPPORT) $(filter %.o %.a,$(TEST_LIBS_$(1)))
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	$(Q)$(CC) $$(ALL_LDFLAGS) -o $$@ $$(filter-out %.a,$$^) $(filter-out %.o,$(TEST_LIBS_$(1))) -lcmocka
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit_test,$(test))))

# Writes the signed vectors. Tests that sign or verify link $(B)/obj/tests/vectors/p256.o -lcrypto.
VECTOR_GENERATOR := $(B)/tests/generate-vectors
$(VECTOR_GENERATOR): $(call objects,$(wildcard tests/vectors/*.c)) $(B)/libprotocol.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcrypto

.PHONY: test
test: ## every test under ASan and UBSan; ONLY=word runs those whose file name has it
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 compile
	@$(MAKE) --no-print-directory SAN=1 run-tests

# What the node tests import; `npm ci` writes this file last.
NODE_MODULES := node_modules/.package-lock.json
$(NODE_MODULES): package.json package-lock.json
	npm ci --ignore-scripts --no-progress --loglevel=error
	@touch $@

.PHONY: run-tests
run-tests: compile $(NODE_MODULES)
	@$(MAKE) --no-print-directory -s SAN= B=build/host build/host/tests/constant-time
	@tests/run --build $(B) $(if $(ONLY),--only $(ONLY)) $(UNIT_PROGRAMS) $(SCRIPT_TESTS) $(NODE_TESTS)

.PHONY: compile
compile: $(PROGRAMS) $(UNIT_PROGRAMS) $(VECTOR_GENERATOR) $(MAN_PAGES)

.PHONY: lint
lint: ## format, -Werror with gcc and clang, cppcheck, shellcheck, OpenAPI
	@tests/lint

.PHONY: vectors
vectors: $(VECTOR_GENERATOR) ## write the signed vectors again; the same bytes unless the generator changed
	$(VECTOR_GENERATOR) tests/vectors

# A data race ends the server, and with it the test that met it.
.PHONY: tsan
tsan: $(NODE_MODULES) ## the API's tests with the server under ThreadSanitizer (3 minutes)
	@$(MAKE) --no-print-directory -j$$(nproc) B=build/tsan SANITIZE=-fsanitize=thread OPTIMIZE=-O1 \
	    build/tsan/otad
	@TSAN_OPTIONS=halt_on_error=1 tests/run --build build/tsan --timeout 1500 tests/api/api.test.mjs

.PHONY: faults
faults: $(NODE_MODULES) ## kill and fail at every write, sync and rename of a change (2 minutes; a short form is in make test)
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 compile
	@FAULTS_SECONDS=0 tests/run --build build/san --timeout 3600 tests/api/faults.test.mjs

include tests/board/board.mk
include tests/bench/delta/delta.mk
include tests/demo/demo.mk
include tests/browser/browser.mk
include tests/ops/ops.mk
include tests/docker/docker.mk
include tests/bench/bench.mk

# Fuzzing needs clang's libFuzzer; without clang there is nothing to build. A target joins as
# tests/fuzz/fuzz_x.c with `FUZZ_SOURCES_x := the .c files that it runs` in a module.mk.
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FLAGS := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -O1 -g

define fuzz_target
build/fuzz/fuzz_$(1): tests/fuzz/fuzz_$(1).c tests/fuzz/fuzz.h $(FUZZ_SOURCES_$(1)) $(wildcard protocol/*.h)
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	$(Q)$(FUZZ_CC) -std=c11 $(WARNINGS) $(CPPFLAGS) $(FUZZ_FLAGS) -o $$@ $$(filter %.c,$$^)

.PHONY: fuzz-$(1)
fuzz-$(1): build/fuzz/fuzz_$(1)
	@node tests/fuzz/seeds.mjs $(1) build/fuzz/seeds/$(1)
	@mkdir -p build/fuzz/corpus/$(1)
	build/fuzz/fuzz_$(1) -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=5 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=build/fuzz/$(1)- build/fuzz/corpus/$(1) build/fuzz/seeds/$(1)
endef
$(foreach target,$(FUZZ_TARGETS),$(eval $(call fuzz_target,$(target))))

.PHONY: fuzz
ifneq ($(shell command -v $(FUZZ_CC)),)
fuzz: $(FUZZ_TARGETS:%=fuzz-%) ## each decoder under libFuzzer for FUZZ_SECONDS (60); fuzz-x runs one
else
fuzz:
	@echo "make fuzz needs $(FUZZ_CC) with libFuzzer; it is not installed" && false
endif
