#include "server/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (256U << 10) /* bytes of a certificate chain or key */

struct tls_files {
    char *cert;
    char *key;
    char *client_ca; /* NULL: clients are not asked */
    gnutls_datum_t ticket_key;
};

/* ChaCha20 first: small devices have no AES in hardware, and offer it first themselves. Suites with
 * SHA-384, which desktop clients prefer, come last: their hash alone costs a tenth of a handshake.
 */
static char priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE:-CIPHER-ALL:"
    "+CHACHA20-POLY1305:+AES-128-GCM:+AES-256-GCM:+AES-128-CCM:+AES-256-CCM:"
    "+AES-128-CBC:+AES-256-CBC";

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

static bool has_certificates(const char *pem)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t text = {(unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem)};
    int count;

    if (gnutls_certificate_allocate_credentials(&credentials) != GNUTLS_E_SUCCESS)
        return false;
    count = gnutls_certificate_set_x509_trust_mem(credentials, &text, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    return count > 0;
}

static bool load_client_ca(struct tls_files *files, const char *file, char *error, size_t cap)
{
    if (file == NULL)
        return true;
    files->client_ca = read_file(file, error, cap);
    if (files->client_ca == NULL)
        return false;
    if (!has_certificates(files->client_ca)) {
        snprintf(error, cap, "%s holds no certificate in PEM", file);
        return false;
    }
    return true;
}

struct tls_files *tls_load(const char *cert_file, const char *key_file, const char *client_ca_file,
                           char *error, size_t cap)
{
    struct tls_files *files = calloc(1, sizeof(*files));

    if (files == NULL) {
        snprintf(error, cap, "out of memory");
        return NULL;
    }
    if (!load_client_ca(files, client_ca_file, error, cap)) {
        tls_free(files);
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
    free(files->client_ca);
    free(files);
}

void tls_options(const struct tls_files *files, struct MHD_OptionItem *options)
{
    options[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, files->cert};
    options[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, files->key};
    options[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
    options[3] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    options[4] = options[3];
    if (files->client_ca != NULL)
        options[3] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, files->client_ca};
}

void tls_enable_tickets(struct MHD_Connection *connection, const struct tls_files *files)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (info != NULL && info->tls_session != NULL)
        gnutls_session_ticket_enable_server(info->tls_session, &files->ticket_key);
}

static void explain(unsigned status, char *why, size_t cap)
{
    const char *what = (status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0
                           ? "no client CA of ours signed it"
                       : (status & GNUTLS_CERT_EXPIRED) != 0       ? "it has expired"
                       : (status & GNUTLS_CERT_NOT_ACTIVATED) != 0 ? "it is not valid yet"
                                                                   : "it does not verify";

    snprintf(why, cap, "The client certificate is refused: %s.", what);
}

static bool common_name(const gnutls_datum_t *der, char *name, size_t cap)
{
    gnutls_x509_crt_t crt;
    bool ok;

    if (gnutls_x509_crt_init(&crt) != GNUTLS_E_SUCCESS)
        return false;
    ok = gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS &&
         gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &cap) ==
             GNUTLS_E_SUCCESS &&
         strlen(name) == cap; /* no NUL inside */
    gnutls_x509_crt_deinit(crt);
    return ok;
}

enum tls_peer tls_peer_name(struct MHD_Connection *connection, char *name, size_t name_cap,
                            char *why, size_t why_cap)
{
    static unsigned char client_purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID, client_purpose, 0};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const gnutls_datum_t *chain;
    unsigned count = 0;
    unsigned status = GNUTLS_CERT_INVALID;

    if (info == NULL || info->tls_session == NULL)
        return TLS_PEER_NONE;
    chain = gnutls_certificate_get_peers(info->tls_session, &count);
    if (chain == NULL || count == 0)
        return TLS_PEER_NONE;
    if (gnutls_certificate_verify_peers(info->tls_session, &purpose, 1, &status) !=
            GNUTLS_E_SUCCESS ||
        status != 0) {
        explain(status, why, why_cap);
        return TLS_PEER_WRONG;
    }
    if (common_name(&chain[0], name, name_cap))
        return TLS_PEER_GOOD;
    snprintf(why, why_cap,
             "The client certificate has no common name that could be a device's id.");
    return TLS_PEER_WRONG;
}
