PREFIX ?= /usr/local
DESTDIR ?=

# As root, after `make`: systemctl enable --now otad starts it.
.PHONY: install
install: all ## programs, manual pages, completions and systemd unit below DESTDIR and PREFIX (/usr/local)
	install -D -t $(DESTDIR)$(PREFIX)/bin $(B)/otad $(B)/otactl
	install -D scripts/make-tls $(DESTDIR)$(PREFIX)/bin/otad-make-tls
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(MAN)/otactl.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 $(MAN)/otad.8
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(B)/otactl completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/otactl
	$(B)/otactl completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/otactl.fish
	$(B)/otactl completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_otactl
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local/bin|$(PREFIX)/bin|' packaging/otad.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/otad.service
