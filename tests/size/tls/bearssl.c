/* A client of TLS with BearSSL as the device uses it and nothing else, to be measured. */
#include "device/net/tls_profile.h"

void measured(void);

/* A test's port gives them; unresolved here, as in core.c. */
extern const br_x509_trust_anchor ca[];
extern unsigned char record[];
extern int (*send_bytes)(void *ctx, const unsigned char *buf, size_t len);
extern int (*receive_bytes)(void *ctx, unsigned char *buf, size_t len);

static br_ssl_client_context client;
static br_x509_minimal_context x509;
static br_sslio_context io;

void measured(void)
{
    unsigned char byte = 0;

    br_x509_minimal_init(&x509, &br_sha256_vtable, ca, 1);
    ota_tls_profile(&client, &x509);
    br_ssl_engine_set_x509(&client.eng, &x509.vtable);
    br_ssl_engine_set_buffer(&client.eng, record, BR_SSL_BUFSIZE_MONO, 0);
    br_ssl_engine_inject_entropy(&client.eng, record, 32);
    br_ssl_client_reset(&client, "ota.example", 0);
    br_sslio_init(&io, &client.eng, receive_bytes, NULL, send_bytes, NULL);
    while (br_sslio_read(&io, &byte, 1) == 1)
        br_sslio_write_all(&io, &byte, 1);
    br_sslio_close(&io);
}
