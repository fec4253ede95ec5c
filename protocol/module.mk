# protocol/: one library; a linker takes from it only the halves that a program uses.

$(eval $(call library,protocol,$(wildcard protocol/*.c)))
