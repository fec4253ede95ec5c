# make browser-test: the dashboard in a real browser, with otad and devices as processes.

CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))

.PHONY: browser-test
browser-test: ## the dashboard in chromium (scripts/setup browser installs it); screenshots in build/browser
	@[ -n "$(CHROMIUM)" ] || { echo "make browser-test needs chromium: run scripts/setup browser, or set CHROMIUM"; exit 1; }
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 compile $(NODE_MODULES)
	@CHROMIUM=$(CHROMIUM) tests/run --build build/san --timeout 420 $(wildcard tests/browser/*.test.mjs)
