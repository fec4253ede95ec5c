.PHONY: docker-test
docker-test: $(B)/otactl $(B)/ota-device ## build the container image and run an update through it (scripts/setup docker)
	@BUILD_DIR=$(B) tests/docker/run

# As root, like docker-test.
.PHONY: docs-test
docs-test: compile ## what README and quickstart tell users to type, and what pages say of the tree (scripts/setup docker)
	@BUILD_DIR=$(B) tests/docker/docs
