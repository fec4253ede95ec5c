/*
 * One message on its way to one webhook, as a transfer of libcurl's multi interface.
 *
 *     free --begin--> under way --(answer, error, time is over)--> end --> free
 */
#ifndef OTAD_HOOK_TRY_H
#define OTAD_HOOK_TRY_H

#include <curl/curl.h>

#include "server/hooks.h"

struct hook_try {
    CURL *curl; /* NULL: free */
    struct curl_slist *headers;
    struct db_webhook hook;
    struct db_webhook_message message;
    size_t answered; /* bytes */
    bool to_private; /* addresses that are not public are allowed */
    bool refused;    /* the address was not public */
};

/* Send try->message to try->hook, signed at `now`. False: out of memory, and it is free. */
bool hook_try_begin(struct hook_try *try, const struct hooks *hooks, CURLM *multi, int64_t now);
/* The try that a message of curl's is about. */
struct hook_try *hook_try_of(CURL *curl);
/* What `code`, curl's verdict, means: the status, 0 without one; *why is the error then. */
long hook_try_status(const struct hook_try *try, CURLcode code, const char **why);
/* Done, or cut off; it is free then. */
void hook_try_end(struct hook_try *try, CURLM *multi);

#endif
