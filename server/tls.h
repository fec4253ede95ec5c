/* Certificate files and TLS session tickets for the edge. TLS 1.2 and newer. */
#ifndef OTAD_TLS_H
#define OTAD_TLS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_files;

/* `client_ca_file` may be NULL. NULL: `error` holds one line. */
struct tls_files *tls_load(const char *cert_file, const char *key_file, const char *client_ca_file,
                           char *error, size_t cap);
void tls_free(struct tls_files *files);
#define TLS_OPTIONS 5
/* What the library needs to know; `options` has room for TLS_OPTIONS. They point into `files`. */
void tls_options(const struct tls_files *files, struct MHD_OptionItem *options);
/* Let a client resume: the library enables no tickets by itself. */
void tls_enable_tickets(struct MHD_Connection *connection, const struct tls_files *files);
/* The common name of the certificate that the client showed, when a client CA of ours signed it and
 * it is valid now. */
enum tls_peer {
    TLS_PEER_NONE,  /* it showed none, or was not asked */
    TLS_PEER_GOOD,  /* `name` is set */
    TLS_PEER_WRONG, /* `why` is set: one sentence */
};
enum tls_peer tls_peer_name(struct MHD_Connection *connection, char *name, size_t name_cap,
                            char *why, size_t why_cap);

#endif
