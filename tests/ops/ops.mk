.PHONY: ops-test
ops-test: all ## metrics, alerts, systemd unit and completions, by promtool, systemd-analyze, zsh and fish
	@BUILD_DIR=$(B) tests/ops/run
