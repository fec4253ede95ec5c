.PHONY: ops-test
ops-test: all ## metrics, alerts, unit, completions and proxies, by promtool, systemd, zsh, fish, nginx and Caddy
	@BUILD_DIR=$(B) tests/ops/run
