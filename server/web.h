/*
 * The dashboard's files, which the build puts into the program (server/web/, scripts/embed).
 *
 * They are plain pages, modules and style sheets that speak to the REST API; nothing in them is
 * secret, so anybody may have them. Their policy allows scripts and styles of this server alone.
 */
#ifndef OTAD_WEB_H
#define OTAD_WEB_H

#include <stddef.h>

#include "server/request.h"

struct web_file {
    const char *name; /* below server/web/ */
    const char *type;
    const char *etag; /* of its bytes, in quotes */
    const unsigned char *bytes;
    size_t len;
};

/* Written by the build; an entry without a name ends it. */
extern const struct web_file WEB_FILES[];

/* The route of `/` and `/web/NAME`, NULL when there is no such file. */
const struct route *web_route(const char *path);

#endif
