/*
 * Which server, with which token: flags before environment variables before the profile.
 *
 * A profile's token goes to the profile's server only: with another --server or $OTACTL_SERVER it
 * stays where it is. With --profile the environment does not count.
 */
#ifndef OTAD_SERVER_OTACTL_CONNECT_H
#define OTAD_SERVER_OTACTL_CONNECT_H

#include "server/otactl_args.h"

/* Sets ctl->http. OTACTL_OK, or what was wrong has been told. */
int otactl_connect(struct otactl *ctl, const struct otactl_args *args);

/* An option's value, else the environment's unless --profile is given; NULL for none or "". */
const char *otactl_setting(const struct otactl_args *args, const char *option, const char *env);

/* What a file or a person gave as a token: ends it at the first white space. OTACTL_UNAUTHORIZED
 * when it can be none. */
int otactl_token_trim(char *token);
/* The token in a file, to be freed. */
int otactl_token_read(const char *file, char **token);

#endif
