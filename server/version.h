#ifndef OTAD_SERVER_VERSION_H
#define OTAD_SERVER_VERSION_H

/* Of otad and otactl. */
#define OTAD_VERSION "0.1.0"

#endif
