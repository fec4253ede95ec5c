# Power cuts: tests/powercut/powercut.c says what is done. Two programs of the same sources: with a toy
# for the crypto, fast enough for a million runs, and with the device's own.

POWERCUT := $(B)/tests/powercut
POWERCUT_REAL := $(B)/tests/powercut-real
POWERCUT_WORLD := $(call objects,tests/powercut/world.c tests/powercut/flash_sim.c)
POWERCUT_DEVICE := $(B)/libdevice-boot.a $(B)/libdevice-core.a $(B)/libprotocol.a
# The full run; 0 seconds is no limit.
POWERCUT_RUNS ?= 1000000
POWERCUT_SECONDS ?= 0

$(POWERCUT): $(call objects,tests/powercut/powercut.c tests/powercut/toy_crypto.c) $(POWERCUT_WORLD) \
             $(POWERCUT_DEVICE)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(POWERCUT_REAL): $(call objects,tests/powercut/powercut.c tests/powercut/demo_sign.c \
                  tests/vectors/p256.c) $(POWERCUT_WORLD) $(POWERCUT_DEVICE) $(B)/libdevice-crypto.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--wrap=ota_p256_verify_raw -o $@ $(filter %.o,$^) \
	    -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lcrypto

UNIT_TESTS += test_journal test_slots test_boot test_crypto test_crypto_boot
TEST_LIBS_test_journal := $(call objects,tests/powercut/flash_sim.c) $(B)/libdevice-core.a $(B)/libprotocol.a
TEST_LIBS_test_slots := $(call objects,tests/powercut/flash_sim.c tests/vectors/p256.c) $(B)/libdevice-core.a \
    $(B)/libdevice-crypto.a $(B)/libprotocol.a -lcrypto
TEST_LIBS_test_boot := $(call objects,tests/powercut/toy_crypto.c) $(POWERCUT_WORLD) $(POWERCUT_DEVICE)

# The crypto seam in both its builds: the host's, and the bootloader's smaller one.
CRYPTO_CASES := $(call objects,tests/unit/crypto/cases.c tests/vectors/p256.c)
TEST_LIBS_test_crypto := $(CRYPTO_CASES) $(B)/libdevice-crypto.a $(B)/libprotocol.a -lcrypto
TEST_LIBS_test_crypto_boot := $(CRYPTO_CASES) $(B)/obj/device/port/bearssl/crypto.o \
    $(BOOT_BEARSSL:%=$(B)/obj/bearssl-boot/%.o) \
    $(B)/libprotocol.a -lcrypto
$(B)/obj/bearssl-boot/%.o: $(BOOT)/bearssl/%.c device/port/bearssl/p256_only.h
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(CC) -I. $(BOOT_BEARSSL_CFLAGS) $(OPTIMIZE) $(CFLAGS) $(SANITIZE) -c -o $@ $<

# Every so many operations; for the run with real crypto, every seventh of those.
POWERCUT_EVERY ?= 1
POWERCUT_REAL_EVERY = $(shell expr 7 '*' $(POWERCUT_EVERY))

.PHONY: powercut powercut-run powercut-mutate
powercut: ## cut the power at every flash operation, then put defects into the bootloader
	@$(MAKE) --no-print-directory powercut-run
	@$(MAKE) --no-print-directory powercut-mutate

# POWERCUT_EVERY=11 POWERCUT_SECONDS=60 make it a short one.
powercut-run: $(POWERCUT) $(POWERCUT_REAL)
	$(POWERCUT) --sweep --every $(POWERCUT_EVERY) --runs $(POWERCUT_RUNS) --seconds $(POWERCUT_SECONDS)
	$(POWERCUT_REAL) --sweep --every $(POWERCUT_REAL_EVERY)

powercut-mutate: ## put defects into bootloader and journal; the tests must catch each
	tests/powercut/mutate

# tests/unit/powercut.test.sh runs a short form with every `make test`.
compile: $(POWERCUT)
