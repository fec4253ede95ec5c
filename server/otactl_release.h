/* Signing by the options of a command line: --version --counter --product --hardware --header-size
 * and --key, for which $OTACTL_RELEASE_KEY can stand. */
#ifndef OTAD_SERVER_OTACTL_RELEASE_H
#define OTAD_SERVER_OTACTL_RELEASE_H

#include "server/otactl_args.h"

#define OTACTL_RELEASE_KEY_ENV "OTACTL_RELEASE_KEY" /* the PEM itself, not a file's name */

struct otactl_built {
    uint8_t *image; /* to be freed */
    size_t len;
};

/* The signed image of the file that the first operand names. All options but --header-size must
 * have been given. OTACTL_OK, or what is wrong was told. */
int otactl_release_build(const struct otactl_args *args, struct otactl_built *built);

#endif
