/* A client of TLS with mbedTLS and nothing else, to be measured. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/memory_buffer_alloc.h>
#include <mbedtls/ssl.h>
#include <stddef.h>

void measured(void);

/* A test's port gives them; unresolved here, as in core.c. */
extern unsigned char heap[];
extern const unsigned char ca[];
extern mbedtls_ssl_send_t send_bytes;
extern mbedtls_ssl_recv_t receive_bytes;
extern mbedtls_entropy_f_source_ptr chip_random;

static mbedtls_ssl_context ssl;
static mbedtls_ssl_config config;
static mbedtls_ctr_drbg_context random;
static mbedtls_entropy_context entropy;
static mbedtls_x509_crt trusted;

void measured(void)
{
    unsigned char byte = 0;

    mbedtls_memory_buffer_alloc_init(heap, 16384);
    mbedtls_entropy_init(&entropy);
    mbedtls_entropy_add_source(&entropy, chip_random, NULL, 32, MBEDTLS_ENTROPY_SOURCE_STRONG);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0);
    mbedtls_x509_crt_init(&trusted);
    mbedtls_x509_crt_parse_der(&trusted, ca, 512);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&config, &trusted, NULL);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_setup(&ssl, &config);
    mbedtls_ssl_set_hostname(&ssl, "ota.example");
    mbedtls_ssl_set_bio(&ssl, NULL, send_bytes, receive_bytes, NULL);
    while (mbedtls_ssl_handshake(&ssl) != 0) {
    }
    while (mbedtls_ssl_read(&ssl, &byte, 1) == 1)
        mbedtls_ssl_write(&ssl, &byte, 1);
    mbedtls_ssl_close_notify(&ssl);
}
