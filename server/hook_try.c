#include "server/hook_try.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "server/hook_address.h"
#include "server/version.h"

#define CONNECT_SECONDS 5L
#define TRY_SECONDS 10L
#define ANSWER_MAX 65536U /* bytes of an answer that are read before it counts as broken */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct hook_try *try = ctx;

    (void)purpose;
    if (!try->to_private && !hook_address_is_public(&address->addr)) {
        try->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* What the receiver says is not wanted, and too much of it ends the connection. */
static size_t drop_answer(char *bytes, size_t size, size_t count, void *ctx)
{
    struct hook_try *try = ctx;

    (void)bytes;
    try->answered += size * count;
    return try->answered <= ANSWER_MAX ? size * count : 0;
}

static struct curl_slist *make_headers(const struct hook_try *try, const struct hooks *hooks,
                                       int64_t now)
{
    const struct db_webhook_message *message = &try->message;
    char secret[HOOKS_SECRET_LEN + 1];
    char signature[HOOKS_SIGNATURE_LEN + 1];
    char line[160];
    struct curl_slist *headers;
    bool ok = hooks_secret(hooks, try->hook.salt, secret) &&
              hooks_sign(secret, now, message->body, strlen(message->body), signature);

    OPENSSL_cleanse(secret, sizeof(secret));
    if (!ok)
        return NULL;
    headers = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(line, sizeof(line), "Otad-Event: %s", message->event);
    headers = curl_slist_append(headers, line);
    snprintf(line, sizeof(line), "Otad-Delivery: %lld", (long long)message->id);
    headers = curl_slist_append(headers, line);
    snprintf(line, sizeof(line), "Otad-Signature: t=%lld,v1=%s", (long long)now, signature);
    return curl_slist_append(headers, line);
}

static void set_options(struct hook_try *try)
{
    CURL *curl = try->curl;

    curl_easy_setopt(curl, CURLOPT_PRIVATE, try);
    curl_easy_setopt(curl, CURLOPT_URL, try->hook.url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TRY_SECONDS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "otad/" OTAD_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, try->headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, try->message.body);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, try);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, try);
    /* A hook's address is judged for each message anew. */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}

bool hook_try_begin(struct hook_try *try, const struct hooks *hooks, CURLM *multi, int64_t now)
{
    try->refused = false;
    try->answered = 0;
    try->curl = curl_easy_init();
    try->headers = make_headers(try, hooks, now);
    if (try->curl != NULL && try->headers != NULL) {
        set_options(try);
        if (curl_multi_add_handle(multi, try->curl) == CURLM_OK)
            return true;
    }
    hook_try_end(try, multi);
    return false;
}

struct hook_try *hook_try_of(CURL *curl)
{
    char *try = NULL;

    curl_easy_getinfo(curl, CURLINFO_PRIVATE, &try);
    return (struct hook_try *)(void *)try;
}

long hook_try_status(const struct hook_try *try, CURLcode code, const char **why)
{
    long status = 0;

    if (code == CURLE_OK)
        curl_easy_getinfo(try->curl, CURLINFO_RESPONSE_CODE, &status);
    *why = try->refused       ? "its address is private, local or reserved; --webhook-private yes "
                                "allows that"
           : code != CURLE_OK ? curl_easy_strerror(code)
                              : "";
    return status;
}

void hook_try_end(struct hook_try *try, CURLM *multi)
{
    if (try->curl != NULL)
        curl_multi_remove_handle(multi, try->curl);
    curl_easy_cleanup(try->curl);
    curl_slist_free_all(try->headers);
    try->curl = NULL;
    try->headers = NULL;
}
