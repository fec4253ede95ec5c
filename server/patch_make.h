/*
 * `otad make-patch BASE IMAGE TO`: what the patch worker runs as a process of its own. Files are
 * named by paths; BASE `-` packs IMAGE by itself. TO is there already and empty.
 */
#ifndef OTAD_PATCH_MAKE_H
#define OTAD_PATCH_MAKE_H

#define PATCH_MAKE_COMMAND "make-patch"
#define PATCH_MAKE_NO_BASE "-"
#define PATCH_MAKE_IMAGE_MAX (4U << 20) /* bytes: bounds the memory of the encoder */

/* 0 when TO holds a whole patch that was tried out. */
int patch_make_command(int argc, char **args);

#endif
