/*
 * Profiles: servers with their tokens, in otactl/profiles.json below $XDG_CONFIG_HOME or ~/.config,
 * readable by their owner only. A file that others can read is refused rather than used.
 *
 *     {"current": "NAME", "profiles": {"NAME": {"server": URL, "token": TOKEN, "cacert": FILE}}}
 */
#ifndef OTAD_SERVER_OTACTL_PROFILE_H
#define OTAD_SERVER_OTACTL_PROFILE_H

#include "server/otactl.h"

#define OTACTL_PROFILE_DEFAULT "default"

/* The whole file, an empty object when there is none. OTACTL_OK or OTACTL_FAILED; *all is to be
 * freed with cJSON_Delete(). */
int otactl_profiles_read(cJSON **all);
/* Replaces the file, whole or not at all. */
int otactl_profiles_write(const cJSON *all);

/* "current", else OTACTL_PROFILE_DEFAULT. */
const char *otactl_profiles_current(const cJSON *all);
/* NULL when there is none of that name. */
cJSON *otactl_profiles_find(const cJSON *all, const char *name);
/* Adds it or replaces the one of that name; takes `profile`. */
void otactl_profiles_put(cJSON *all, const char *name, cJSON *profile);
void otactl_profiles_remove(cJSON *all, const char *name);

#endif
