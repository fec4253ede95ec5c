# protocol/: one library; a linker takes from it only the halves that a program uses.

$(eval $(call library,protocol,$(wildcard protocol/*.c)))

PROTOCOL_TESTS := test_error test_text test_version test_json test_image test_manifest test_report
UNIT_TESTS += $(PROTOCOL_TESTS)
$(foreach test,$(PROTOCOL_TESTS),$(eval TEST_LIBS_$(test) := $(B)/libprotocol.a))
TEST_LIBS_test_image += $(B)/obj/tests/vectors/p256.o -lcrypto
TEST_LIBS_test_manifest += $(B)/obj/tests/vectors/p256.o -lcrypto

FUZZ_SOURCES_json := protocol/json.c protocol/text.c
FUZZ_SOURCES_image := protocol/image.c protocol/text.c
FUZZ_SOURCES_manifest := $(addprefix protocol/,manifest.c manifest_encode.c fields.c json.c \
    json_encode.c out.c text.c version.c)
FUZZ_SOURCES_report := $(addprefix protocol/,report.c report_encode.c fields.c json.c json_encode.c \
    out.c text.c version.c)
FUZZ_SOURCES_delta := $(wildcard protocol/delta*.c) protocol/crc32.c
