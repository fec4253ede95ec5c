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
	@$(MAKE) --no-print-directory SAN=1 run-tests

.PHONY: run-tests
run-tests: compile
	@tests/run --build $(B) $(if $(ONLY),--only $(ONLY)) $(UNIT_PROGRAMS) $(SCRIPT_TESTS) $(NODE_TESTS)

.PHONY: compile
compile: $(PROGRAMS) $(UNIT_PROGRAMS) $(VECTOR_GENERATOR)

.PHONY: lint
lint: ## format, -Werror with gcc and clang, cppcheck, shellcheck, OpenAPI
	@tests/lint

.PHONY: vectors
vectors: $(VECTOR_GENERATOR) ## write the signed vectors again; the same bytes unless the generator changed
	$(VECTOR_GENERATOR) tests/vectors
include tests/demo/demo.mk
