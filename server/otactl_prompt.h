/* A secret from a person or a pipe: never from the command line, which others can read. */
#ifndef OTAD_SERVER_OTACTL_PROMPT_H
#define OTAD_SERVER_OTACTL_PROMPT_H

#include <stddef.h>

/* On a terminal asks with `prompt`, without echo; else reads a line of standard input. The newline
 * is taken off. OTACTL_OK, or OTACTL_USAGE when the input ends before a line. */
int otactl_prompt(const char *prompt, char *line, size_t cap);

#endif
