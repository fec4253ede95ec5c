# Parts of tests/; see the top Makefile for the conventions.
