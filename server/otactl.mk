# otactl, the command line. A new subject of commands is one more source here.

OTACTL_LIB_SOURCES := $(wildcard server/otactl_*.c) server/nearest.c
OTACTL_LIBS := $(B)/libotactl.a $(B)/libdelta.a $(B)/libprotocol.a -ldivsufsort -lcurl -lcjson -lcrypto -lm

$(eval $(call library,otactl,$(OTACTL_LIB_SOURCES)))

PROGRAMS += $(B)/otactl
$(B)/otactl: $(B)/obj/server/otactl.o $(filter %.a,$(OTACTL_LIBS))
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(filter -l%,$(OTACTL_LIBS))

UNIT_TESTS += test_otactl_elf test_otactl_image test_otactl_text
TEST_LIBS_test_otactl_elf := $(OTACTL_LIBS)
TEST_LIBS_test_otactl_image := $(OTACTL_LIBS)
TEST_LIBS_test_otactl_text := $(OTACTL_LIBS)
