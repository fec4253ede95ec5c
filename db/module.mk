# Parts of db/; see the top Makefile for the conventions.
