/* Certificate files and TLS session tickets for the edge. TLS 1.2 and newer. */
#ifndef OTAD_TLS_H
#define OTAD_TLS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_files;

/* NULL: `error` holds one line. */
struct tls_files *tls_load(const char *cert_file, const char *key_file, char *error, size_t cap);
void tls_free(struct tls_files *files);
/* What the library needs to know; `options` has room for 4. They point into `files`. */
void tls_options(const struct tls_files *files, struct MHD_OptionItem *options);
/* Let a client resume: the library enables no tickets by itself. */
void tls_enable_tickets(struct MHD_Connection *connection, const struct tls_files *files);

#endif
