# The rollout engine: pure functions, on top of protocol/ alone.

ROLLOUT_SOURCES := $(wildcard server/rollout*.c) server/deployment.c server/selector.c \
                   server/sequential.c server/window.c

$(eval $(call library,rollout,$(ROLLOUT_SOURCES)))

ROLLOUT_LIBS := $(B)/librollout.a $(B)/libprotocol.a

UNIT_TESTS += test_selector test_window test_sequential
TEST_LIBS_test_selector := $(ROLLOUT_LIBS)
TEST_LIBS_test_window := $(ROLLOUT_LIBS)
TEST_LIBS_test_sequential := $(ROLLOUT_LIBS) -lm

UNIT_TESTS += test_rollout test_rollout_target test_deployment test_rollout_reason test_rollout_docs
ROLLOUT_CALLER := $(B)/obj/tests/unit/rollout/caller.o
TEST_LIBS_test_rollout := $(ROLLOUT_CALLER) $(ROLLOUT_LIBS)
TEST_LIBS_test_rollout_target := $(ROLLOUT_CALLER) $(ROLLOUT_LIBS)
TEST_LIBS_test_deployment := $(ROLLOUT_CALLER) $(ROLLOUT_LIBS)
TEST_LIBS_test_rollout_docs := $(ROLLOUT_LIBS) -lm
TEST_LIBS_test_rollout_reason := $(ROLLOUT_CALLER) $(ROLLOUT_LIBS)

UNIT_TESTS += test_rollout_model
TEST_LIBS_test_rollout_model := $(call objects,$(wildcard tests/unit/rollout/*.c)) $(ROLLOUT_LIBS) -lm

MODEL_TEST := $(B)/tests/test_rollout_model

.PHONY: model
model: $(MODEL_TEST) ## the rollout engine against its model, 200,000 random sequences
	MODEL_SEQUENCES=200000 MODEL_SECONDS=600 $(MODEL_TEST)

.PHONY: mutate
mutate: $(MODEL_TEST) ## put defects into the rollout engine; the model must catch each
	BUILD_DIR=$(B) tests/mutate-engine

FUZZ_SOURCES_selector := server/selector.c
