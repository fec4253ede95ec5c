# The manual pages: written by hand, with what programs know of themselves put in at @MARKS@.

MAN := $(B)/man
MAN_PAGES := $(MAN)/otactl.1 $(MAN)/otad.8

.PHONY: man
man: $(MAN_PAGES) ## the manual pages otactl(1) and otad(8), in build/host/man

# $(call fill,MARK,command): replaces the line @MARK@ of the page by what the command prints.
fill = $(2) >$@.part && sed -e '/^@$(1)@$$/{r $@.part' -e 'd;}'

$(MAN)/otactl.1: docs/man/otactl.1 $(B)/otactl
	@mkdir -p $(MAN)
	@echo "  MAN   $@"
	$(Q)$(call fill,GLOBALS,$(B)/otactl __man globals) $< >$@.half
	$(Q)$(call fill,COMMANDS,$(B)/otactl __man commands) $@.half >$@
	@rm -f $@.half $@.part

$(MAN)/otad.8: docs/man/otad.8 docs/man/flags.awk docs/man/usage.awk $(B)/otad
	@mkdir -p $(MAN)
	@echo "  MAN   $@"
	$(Q)$(call fill,USAGE,$(B)/otad --help | awk -f docs/man/usage.awk) $< >$@.half
	$(Q)$(call fill,FLAGS,$(B)/otad serve --help | awk -f docs/man/flags.awk) $@.half >$@
	@rm -f $@.half $@.part
