/*
 * Webhooks, and their outbox: what is still to be told to each, in order. A message is put there in
 * the transaction of what it tells, and goes when it was delivered or given up.
 */
#ifndef OTAD_DB_WEBHOOKS_H
#define OTAD_DB_WEBHOOKS_H

#include "db/db.h"
#include "db/tokens.h"

#define DB_WEBHOOK_URL_MAX 512     /* characters */
#define DB_WEBHOOK_EVENTS_MAX 512  /* characters of the list of events */
#define DB_WEBHOOK_EVENT_MAX 48    /* characters of one */
#define DB_WEBHOOK_BODY_MAX 4096   /* bytes of a message */
#define DB_WEBHOOK_ERROR_MAX 200   /* characters */
#define DB_WEBHOOK_SALT_LEN 16     /* bytes */
#define DB_WEBHOOK_QUEUE_MAX 10000 /* messages of one hook; what comes beyond is dropped */

struct db_webhook {
    int64_t id;
    char name[DB_LABEL_MAX + 1];
    char url[DB_WEBHOOK_URL_MAX + 1];
    char events[DB_WEBHOOK_EVENTS_MAX + 1]; /* ",rollout.halted,"; "": everything of rollouts */
    bool enabled;
    uint8_t salt[DB_WEBHOOK_SALT_LEN];
    int64_t created_at;
    int64_t queued, delivered, dropped;
    int failures;    /* in a row */
    int64_t next_at; /* not before */
    int64_t last_at; /* the last try, 0: none yet */
    int last_status; /* its HTTP status, 0: no answer */
    char last_error[DB_WEBHOOK_ERROR_MAX + 1];
};

int db_webhook_add(struct db *db, struct db_webhook *hook);
int db_webhook_get(struct db *db, int64_t id, struct db_webhook *hook);
int64_t db_webhooks_count(struct db *db);
/* At most page->limit rows, ascending by id; the count or an error. */
int db_webhooks_list(struct db *db, const struct db_page *page, struct db_webhook *hooks);
/* Writes url, events, enabled and salt, and lets it be tried at once. */
int db_webhook_update(struct db *db, const struct db_webhook *hook);
/* With what was still to be told. */
int db_webhook_delete(struct db *db, int64_t id);

/* 1 when some hook wants the event, 0 when none does, or an error. */
int db_webhooks_want(struct db *db, const char *event);
/* A message for each hook that wants the event, or with `hook_id` for that one alone. */
int db_webhooks_tell(struct db *db, int64_t hook_id, const char *event, const char *body,
                     int64_t now);

struct db_webhook_message {
    int64_t id;
    int64_t at;
    char event[DB_WEBHOOK_EVENT_MAX + 1];
    char body[DB_WEBHOOK_BODY_MAX + 1];
};
/* Hooks that have something to tell and may: their number, at most `max`. */
int db_webhooks_due(struct db *db, int64_t now, struct db_webhook *hooks, int max);
/* The oldest message of a hook. */
int db_webhook_next(struct db *db, int64_t hook_id, struct db_webhook_message *message);
/* How a try went, from failures, next_at, last_at, last_status and last_error; with `done` the
 * message goes, as delivered or dropped. DB_E_NOT_FOUND when the hook is gone, or when a message
 * that stays failed at a URL that the hook has no more: that says nothing about the new one. */
int db_webhook_tried(struct db *db, const struct db_webhook *hook, int64_t message_id, bool done,
                     bool delivered);

#endif
