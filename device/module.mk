# Parts of device/; see the top Makefile for the conventions.
