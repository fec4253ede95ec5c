# make bench: what docs/performance.md says, measured again. run.mjs tells how.

BENCH_DEVICE := $(call objects,tests/bench/device.c) $(B)/libprotocol.a
BENCH_PROGRAMS := $(B)/tests/bench-fleet $(B)/tests/bench-load $(B)/tests/bench-tls
CPPFLAGS_load := -D_GNU_SOURCE

$(B)/tests/bench-fleet: $(call objects,tests/bench/fleet.c server/secret.c) $(BENCH_DEVICE) $(B)/libdb.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lsqlite3 -lcrypto

$(B)/tests/bench-load: $(call objects,$(wildcard tests/bench/load*.c)) $(BENCH_DEVICE)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcrypto -lm

$(B)/tests/bench-tls: $(call objects,tests/bench/tls.c)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lssl -lcrypto -lpthread

.PHONY: bench
bench: all $(BENCH_PROGRAMS) $(NODE_MODULES) ## throughput and scale beside nginx, 8 minutes; BENCH_QUICK=1, ONLY=row
	@BUILD_DIR=$(B) node tests/bench/run.mjs $(if $(ONLY),--only $(ONLY))
	@$(if $(ONLY),,BUILD_DIR=$(B) tests/bench/waiting.mjs)

# They are compiled with every `make test`, so that they can't rot.
compile: $(BENCH_PROGRAMS)
