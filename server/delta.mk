# The maker of patches, for otad and otactl.

DELTA_SOURCES := $(wildcard server/delta*.c)
DELTA_LIBS := $(B)/libdelta.a $(B)/libprotocol.a -ldivsufsort -lcrypto -lm

$(eval $(call library,delta,$(DELTA_SOURCES)))

UNIT_TESTS += test_delta
TEST_LIBS_test_delta := $(DELTA_LIBS)
