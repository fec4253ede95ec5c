# Parts of protocol/; see the top Makefile for the conventions.
