# protocol/: one library; a linker takes from it only the halves that a program uses.

$(eval $(call library,protocol,$(wildcard protocol/*.c)))

PROTOCOL_TESTS := test_error test_text test_version test_json test_image test_manifest test_report
UNIT_TESTS += $(PROTOCOL_TESTS)
$(foreach test,$(PROTOCOL_TESTS),$(eval TEST_LIBS_$(test) := $(B)/libprotocol.a))
TEST_LIBS_test_image += $(B)/obj/tests/vectors/p256.o -lcrypto
TEST_LIBS_test_manifest += $(B)/obj/tests/vectors/p256.o -lcrypto
