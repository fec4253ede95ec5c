# Parts of server/; see the top Makefile for the conventions.
include server/otactl.mk
include server/rollout.mk
include server/delta.mk
include server/otad.mk
