#include "server/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (256U << 10) /* bytes of a certificate chain or key */

struct tls_files {
    char *cert;
    char *key;
    gnutls_datum_t ticket_key;
};

static char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

static char *read_file(const char *name, char *error, size_t cap)
{
    FILE *file = fopen(name, "re");
    char *text = malloc(FILE_MAX + 1);
    size_t len = 0;

    if (file != NULL && text != NULL)
        len = fread(text, 1, FILE_MAX, file);
    if (len == 0 || len == FILE_MAX) {
        snprintf(error, cap, "%s cannot be read: %s", name,
                 file == NULL      ? strerror(errno)
                 : len == FILE_MAX ? "it is too large"
                                   : "it is empty");
        free(text);
        text = NULL;
    } else {
        text[len] = '\0';
    }
    if (file != NULL)
        fclose(file);
    return text;
}

static bool is_pair(const struct tls_files *files)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t cert = {(unsigned char *)files->cert, (unsigned)strlen(files->cert)};
    gnutls_datum_t key = {(unsigned char *)files->key, (unsigned)strlen(files->key)};
    bool ok;

    if (gnutls_certificate_allocate_credentials(&credentials) != GNUTLS_E_SUCCESS)
        return false;
    ok = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM) ==
         GNUTLS_E_SUCCESS;
    gnutls_certificate_free_credentials(credentials);
    return ok;
}

struct tls_files *tls_load(const char *cert_file, const char *key_file, char *error, size_t cap)
{
    struct tls_files *files = calloc(1, sizeof(*files));

    if (files == NULL) {
        snprintf(error, cap, "out of memory");
        return NULL;
    }
    files->cert = read_file(cert_file, error, cap);
    files->key = files->cert != NULL ? read_file(key_file, error, cap) : NULL;
    if (files->key != NULL && is_pair(files) &&
        gnutls_session_ticket_key_generate(&files->ticket_key) == GNUTLS_E_SUCCESS)
        return files;
    if (files->key != NULL)
        snprintf(error, cap, "%s and %s are not a certificate and its key in PEM", cert_file,
                 key_file);
    tls_free(files);
    return NULL;
}

void tls_free(struct tls_files *files)
{
    if (files == NULL)
        return;
    if (files->key != NULL)
        gnutls_memset(files->key, 0, strlen(files->key));
    gnutls_free(files->ticket_key.data);
    free(files->cert);
    free(files->key);
    free(files);
}

void tls_options(const struct tls_files *files, struct MHD_OptionItem *options)
{
    options[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, files->cert};
    options[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, files->key};
    options[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
    options[3] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

void tls_enable_tickets(struct MHD_Connection *connection, const struct tls_files *files)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (info != NULL && info->tls_session != NULL)
        gnutls_session_ticket_enable_server(info->tls_session, &files->ticket_key);
}
