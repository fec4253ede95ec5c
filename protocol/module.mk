# protocol/: one library; a linker takes from it only the halves that a program uses.

$(eval $(call library,protocol,$(wildcard protocol/*.c)))

UNIT_TESTS += test_version
TEST_LIBS_test_version := $(B)/libprotocol.a
