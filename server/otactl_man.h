/* `otactl __man globals|commands`: parts of otactl(1) in mdoc, from the table of commands. */
#ifndef OTAD_SERVER_OTACTL_MAN_H
#define OTAD_SERVER_OTACTL_MAN_H

/* OTACTL_OK, or OTACTL_USAGE for another part. */
int otactl_man(const char *part);

#endif
