# otad, the server: everything in server/ that is neither otactl's nor the rollout engine's.

OTAD_LIB_SOURCES := $(filter-out server/main.c server/otactl%.c $(ROLLOUT_SOURCES) \
    $(DELTA_SOURCES),$(wildcard server/*.c))
OTAD_LIBS := $(B)/libotad.a $(B)/librollout.a $(B)/libdelta.a $(B)/libdb.a $(B)/libprotocol.a \
             -ldivsufsort -lmicrohttpd -lgnutls -lcurl -lcjson -lcrypto -lsqlite3 -lmosquitto -lm -lpthread

# madvise()
CPPFLAGS_fleet_index := -D_DEFAULT_SOURCE

# The dashboard's files, as a C file.
WEB_SOURCE := $(B)/gen/web_files.c
WEB_FILES := $(sort $(wildcard server/web/*))
$(WEB_SOURCE): scripts/embed $(WEB_FILES) $(MAKEFILE_LIST)
	@mkdir -p $(@D)
	@echo "  EMBED $@"
	$(Q)scripts/embed $(WEB_FILES) >$@

$(eval $(call library,otad,$(OTAD_LIB_SOURCES) $(WEB_SOURCE)))

PROGRAMS += $(B)/otad
$(B)/otad: $(B)/obj/server/main.o $(filter %.a,$(OTAD_LIBS))
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(OTAD_LIBS)

# Runs under valgrind (tests/unit/constant-time.test.sh), so never with the sanitizers.
CONSTANT_TIME := $(B)/tests/constant-time
CONSTANT_TIME_WRAPS := CRYPTO_memcmp EVP_PBE_scrypt ota_base64url_encode request_header request_reader \
                       db_token_find MHD_lookup_connection_value
$(CONSTANT_TIME): $(B)/obj/tests/unit/constant_time.o $(filter %.a,$(OTAD_LIBS))
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(OTAD_LIBS) $(CONSTANT_TIME_WRAPS:%=-Wl,--wrap=%)

UNIT_TESTS += test_db test_writer test_fleet test_server_text test_tags test_hooks test_patches
TEST_LIBS_test_db := $(B)/libdb.a -lsqlite3
TEST_LIBS_test_writer := $(OTAD_LIBS)
TEST_LIBS_test_fleet := $(OTAD_LIBS)
TEST_LIBS_test_server_text := $(OTAD_LIBS)
TEST_LIBS_test_tags := $(OTAD_LIBS)
TEST_LIBS_test_hooks := $(OTAD_LIBS)
TEST_LIBS_test_patches := $(OTAD_LIBS)
