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

.PHONY: powercut
powercut: $(POWERCUT) $(POWERCUT_REAL) ## cut the power at every flash operation; POWERCUT_RUNS, POWERCUT_SECONDS
	$(POWERCUT) --sweep --runs $(POWERCUT_RUNS) --seconds $(POWERCUT_SECONDS)
	$(POWERCUT_REAL) --sweep --every 7
	tests/powercut/mutate

# tests/unit/powercut.test.sh runs a short form with every `make test`.
compile: $(POWERCUT)
