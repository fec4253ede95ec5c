#include "server/otactl_http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#define PAGE_LIMIT "500"
#define PAGES_MAX 100000 /* a server that never ends its list */
#define BAR_CELLS 40

struct otactl_http {
    CURL *curl;
    char *server;
    char *ca_file;
    struct curl_slist *authorization; /* prepended to each call's headers */
    char error[CURL_ERROR_SIZE];
};

struct buffer {
    char *bytes;
    size_t len;
    CURL *curl;
    const struct otactl_request *request;
    bool ended; /* by who takes the lines */
};

static bool is_loopback(const char *server)
{
    const char *host = strstr(server, "://") + 3;
    return strncmp(host, "127.", 4) == 0 || strncasecmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

int otactl_http_new(struct otactl_http **http, const struct otactl_http_config *config)
{
    *http = NULL;
    bool plain = strncmp(config->server, "http://", 7) == 0;
    if (!plain && strncmp(config->server, "https://", 8) != 0)
        return otactl_fail(OTACTL_USAGE, "server %s: it starts with http:// or https://",
                           config->server);
    if (plain && !is_loopback(config->server))
        otactl_warn("warning: the token goes to %s unencrypted; use https:// outside of tests",
                    config->server);
    struct otactl_http *h = otactl_alloc(sizeof *h);
    h->server = otactl_strdup(config->server);
    h->ca_file = config->ca_file != NULL ? otactl_strdup(config->ca_file) : NULL;
    for (size_t len = strlen(h->server); len > 0 && h->server[len - 1] == '/'; len--)
        h->server[len - 1] = '\0';
    char *header = otactl_format("Authorization: Bearer %s", config->token);
    h->authorization = curl_slist_append(NULL, header);
    free(header);
    h->curl = curl_easy_init();
    if (h->curl == NULL || h->authorization == NULL) {
        otactl_http_free(h);
        return otactl_fail(OTACTL_FAILED, "libcurl does not start");
    }
    *http = h;
    return OTACTL_OK;
}

void otactl_http_free(struct otactl_http *http)
{
    if (http == NULL)
        return;
    curl_easy_cleanup(http->curl);
    curl_slist_free_all(http->authorization);
    free(http->server);
    free(http->ca_file);
    free(http);
}

/* Hands the whole lines over and keeps the rest. */
static bool give_lines(struct buffer *buffer)
{
    char *line = buffer->bytes;
    char *end;
    while (!buffer->ended && (end = memchr(line, '\n', buffer->len)) != NULL) {
        *end = '\0';
        buffer->ended = !buffer->request->take_line(buffer->request->take_line_ctx, line);
        buffer->len -= (size_t)(end + 1 - line);
        line = end + 1;
    }
    memmove(buffer->bytes, line, buffer->len + 1);
    return !buffer->ended;
}

static size_t take(char *bytes, size_t size, size_t count, void *ctx)
{
    struct buffer *buffer = ctx;
    size_t len = size * count;
    if (len > OTACTL_ANSWER_MAX - buffer->len)
        return 0;
    char *grown = realloc(buffer->bytes, buffer->len + len + 1);
    if (grown == NULL)
        return 0;
    memcpy(grown + buffer->len, bytes, len);
    buffer->bytes = grown;
    buffer->len += len;
    grown[buffer->len] = '\0';
    long status = 0;
    curl_easy_getinfo(buffer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (buffer->request->take_line != NULL && status == 200 && !give_lines(buffer))
        return 0;
    return len;
}

static int show_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                         curl_off_t up)
{
    (void)ctx;
    (void)down_total;
    (void)down;
    if (up_total <= 0)
        return 0;
    int cells = (int)(up * BAR_CELLS / up_total);
    fprintf(stderr, "\r[%-*.*s] %3d %% of %ld KB", BAR_CELLS, cells,
            "########################################", (int)(up * 100 / up_total),
            (long)((up_total + 1023) / 1024));
    return 0;
}

static void set_body(CURL *curl, const struct otactl_request *request)
{
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->file != NULL) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READDATA, request->file);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->file_len);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, show_progress);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, isatty(STDERR_FILENO) ? 0L : 1L);
    } else if (strcmp(request->method, "GET") != 0) {
        /* An explicit empty body too: a POST without a length is refused by some proxies. */
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    }
}

static struct curl_slist *make_headers(const struct otactl_http *http,
                                       const struct otactl_request *request)
{
    char *type = request->type != NULL ? otactl_format("Content-Type: %s", request->type)
                                       : otactl_strdup("Content-Type:");
    struct curl_slist *headers = curl_slist_append(NULL, type);
    headers = curl_slist_append(headers, http->authorization->data);
    /* No "Expect: 100-continue": it costs a second with servers that ignore it. */
    headers = curl_slist_append(headers, "Expect:");
    headers = curl_slist_append(headers, "Accept: application/json, application/problem+json");
    free(type);
    return headers;
}

static CURLcode perform(struct otactl *ctl, const struct otactl_request *request,
                        struct buffer *answer, long *status)
{
    struct otactl_http *http = ctl->http;
    CURL *curl = http->curl;
    char *url = otactl_format("%s%s", http->server, request->path);
    struct curl_slist *headers = make_headers(http, request);
    curl_easy_reset(curl); /* keeps the connection */
    http->error[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (http->ca_file != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, http->ca_file);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, OTACTL_CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, OTACTL_STALL_SECONDS);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "otactl/" OTACTL_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    set_body(curl, request);
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    if (request->file != NULL && isatty(STDERR_FILENO))
        fputc('\n', stderr);
    curl_slist_free_all(headers);
    free(url);
    return result;
}

/* OpenSSL judges the chain; curl refuses a name before it keeps that verdict. */
static int tell_certificate(const struct otactl_http *http, const char *why)
{
    long verdict = X509_V_OK;
    curl_easy_getinfo(http->curl, CURLINFO_SSL_VERIFYRESULT, &verdict);
    if (verdict == X509_V_OK || verdict == X509_V_ERR_UNSPECIFIED)
        return otactl_fail(OTACTL_UNREACHABLE,
                           "the certificate of %s is for another host (%s): use a name that is in "
                           "it, or give otad a certificate for this one",
                           http->server, why);
    if (verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID)
        return otactl_fail(OTACTL_UNREACHABLE,
                           "the certificate of %s is out of date (%s): renew it, and look at this "
                           "machine's clock",
                           http->server, why);
    return otactl_fail(OTACTL_UNREACHABLE,
                       "the certificate of %s is not trusted (%s): give its CA with --cacert",
                       http->server, why);
}

static int tell_unreachable(const struct otactl_http *http, CURLcode result, bool quiet)
{
    const char *why = http->error[0] != '\0' ? http->error : curl_easy_strerror(result);
    if (result == CURLE_SSL_CACERT_BADFILE)
        return otactl_fail(OTACTL_USAGE,
                           "the CA file %s cannot be read: give a PEM file with --cacert",
                           http->ca_file != NULL ? http->ca_file : "of the system");
    if (quiet)
        return OTACTL_UNREACHABLE;
    switch ((int)result) {
    case CURLE_URL_MALFORMAT:
        return otactl_fail(OTACTL_USAGE, "server %s is not a URL like https://HOST:PORT",
                           http->server);
    case CURLE_COULDNT_RESOLVE_HOST:
        return otactl_fail(OTACTL_UNREACHABLE, "the host of %s has no address: check --server",
                           http->server);
    case CURLE_COULDNT_CONNECT:
        return otactl_fail(
            OTACTL_UNREACHABLE,
            "nothing answers at %s (%s): is otad running there? --server names another",
            http->server, why);
    case CURLE_GOT_NOTHING:
        return otactl_fail(OTACTL_UNREACHABLE, "%s gave no answer (%s): is it https:// there?",
                           http->server, why);
    case CURLE_SSL_CONNECT_ERROR:
        return otactl_fail(OTACTL_UNREACHABLE, "no TLS with %s (%s): does it speak http:// there?",
                           http->server, why);
    case CURLE_PEER_FAILED_VERIFICATION:
        return tell_certificate(http, why);
    case CURLE_OPERATION_TIMEDOUT:
        return otactl_fail(OTACTL_UNREACHABLE, "%s did not answer in time (%s): try again",
                           http->server, why);
    case CURLE_WRITE_ERROR:
        return otactl_fail(OTACTL_FAILED, "the answer of %s is larger than %u bytes", http->server,
                           OTACTL_ANSWER_MAX);
    default:
        return otactl_fail(OTACTL_UNREACHABLE, "talking to %s failed: %s", http->server, why);
    }
}

static int tell_refused(const struct otactl *ctl, const cJSON *problem, long status)
{
    int code = status == 401 || status == 403 ? OTACTL_UNAUTHORIZED : OTACTL_FAILED;
    const char *detail = otactl_json_text(problem, "detail");
    const char *word = otactl_json_text(problem, "code");
    if (detail[0] == '\0')
        detail = otactl_json_text(problem, "title");
    otactl_print_json(ctl, problem);
    if (detail[0] == '\0')
        return otactl_fail(code, "%s answered %ld without a reason: is it really otad?",
                           ctl->http->server, status);
    return otactl_fail(code, "%s (%ld%s%s)%s", detail, status, word[0] != '\0' ? " " : "", word,
                       status == 401 ? " otactl login takes another." : "");
}

int otactl_http_call(struct otactl *ctl, const struct otactl_request *request, cJSON **answer)
{
    struct buffer buffer = {.curl = ctl->http->curl, .request = request};
    long status = 0;
    *answer = NULL;
    CURLcode result = perform(ctl, request, &buffer, &status);
    if (request->take_line != NULL && status == 200)
        buffer.len = 0; /* a line without an end */
    cJSON *json = buffer.len > 0 ? cJSON_ParseWithLength(buffer.bytes, buffer.len) : NULL;
    bool empty = buffer.len == 0;
    free(buffer.bytes);
    if (buffer.ended)
        return OTACTL_OK;

    /* A server that refuses an upload early may close before it has read all of it: its answer
     * counts. */
    int code = OTACTL_OK;
    if (result != CURLE_OK && (status < 400 || json == NULL))
        code = tell_unreachable(ctl->http, result, request->quiet);
    else if (status < 200 || status > 299)
        code = tell_refused(ctl, json, status);
    else if (json == NULL && !empty)
        code = otactl_fail(OTACTL_FAILED, "%s%s answered %ld with something that is not JSON",
                           ctl->http->server, request->path, status);
    if (code == OTACTL_OK)
        *answer = json;
    else
        cJSON_Delete(json);
    return code;
}

int otactl_get(struct otactl *ctl, char *path, cJSON **answer)
{
    struct otactl_request request = {.method = "GET", .path = path};
    int code = otactl_http_call(ctl, &request, answer);
    free(path);
    return code;
}

int otactl_send(struct otactl *ctl, const char *method, char *path, cJSON *body, cJSON **answer)
{
    char *text = body != NULL ? cJSON_PrintUnformatted(body) : NULL;
    struct otactl_request request = {.method = method, .path = path};
    if (text != NULL) {
        request.type = "application/json";
        request.body = text;
        request.body_len = strlen(text);
    }
    int code = otactl_http_call(ctl, &request, answer);
    cJSON_Delete(body);
    cJSON_free(text);
    free(path);
    return code;
}

static void move_items(cJSON *to, cJSON *page)
{
    cJSON *items = cJSON_GetObjectItemCaseSensitive(page, "items");
    while (items != NULL && items->child != NULL)
        cJSON_AddItemToArray(to, cJSON_DetachItemViaPointer(items, items->child));
}

int otactl_get_all(struct otactl *ctl, char *path, cJSON **answer)
{
    cJSON *all = cJSON_CreateArray();
    char *cursor = NULL;
    int code = OTACTL_OK;
    for (int pages = 0; pages < PAGES_MAX; pages++) {
        char *page_path = otactl_strdup(path);
        cJSON *page = NULL;
        otactl_path_query(&page_path, "limit", PAGE_LIMIT);
        otactl_path_query(&page_path, "cursor", cursor);
        code = otactl_get(ctl, page_path, &page);
        free(cursor);
        cursor = NULL;
        if (code == OTACTL_OK) {
            move_items(all, page);
            cursor = otactl_json_id(page, "next");
        }
        cJSON_Delete(page);
        if (cursor == NULL)
            break;
    }
    free(cursor);
    free(path);
    if (code != OTACTL_OK) {
        cJSON_Delete(all);
        return code;
    }
    *answer = cJSON_CreateObject();
    cJSON_AddItemToObject(*answer, "items", all);
    return OTACTL_OK;
}

static void append_escaped(char **to, const char *between, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *grown = otactl_format("%s%s%s", *to, between, escaped != NULL ? escaped : "");
    curl_free(escaped);
    free(*to);
    *to = grown;
}

char *otactl_path_join(const char *const *segments)
{
    char *path = otactl_strdup("/api/v1");
    for (; *segments != NULL; segments++)
        append_escaped(&path, "/", *segments);
    return path;
}

void otactl_path_query(char **path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    append_escaped(path, strchr(*path, '?') != NULL ? "&" : "?", name);
    append_escaped(path, "=", value);
}

const char *otactl_json_text(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text != NULL ? text : "";
}

double otactl_json_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

char *otactl_json_id(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (cJSON_IsString(item))
        return otactl_strdup(item->valuestring);
    return cJSON_IsNumber(item) ? otactl_format("%.0f", item->valuedouble) : NULL;
}

bool otactl_print_json(const struct otactl *ctl, const cJSON *answer)
{
    if (!ctl->json || answer == NULL)
        return false;
    char *text = cJSON_Print(answer);
    puts(text != NULL ? text : "null");
    cJSON_free(text);
    return true;
}
