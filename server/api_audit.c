#include <stdlib.h>

#include "db/audit.h"
#include "server/api.h"

static void put_entry(struct json_writer *out, const struct db_audit *entry)
{
    json_object(out);
    json_put_int(out, "id", entry->id);
    json_put_time(out, "time", entry->at);
    json_put_string(out, "actor", entry->actor);
    json_put_string(out, "kind", entry->kind);
    if (entry->actor_id != 0)
        json_put_int(out, "actor_id", entry->actor_id);
    else
        json_put_null(out, "actor_id");
    json_put_string(out, "role", entry->role);
    json_put_string(out, "peer", entry->peer);
    json_put_string(out, "action", entry->action);
    json_put_string(out, "subject", entry->subject);
    json_put_string(out, "detail", entry->detail);
    json_object_end(out);
}

void api_audit_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", "actor", "action", NULL};
    char actor[DB_LABEL_MAX + 1] = "";
    char action[DB_AUDIT_WORD_MAX + 1] = "";
    struct db_audit *entries;
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page) ||
        request_query(rq, "actor", actor, sizeof(actor)) < 0 ||
        request_query(rq, "action", action, sizeof(action)) < 0)
        return;
    entries = calloc((size_t)page.limit, sizeof(*entries));
    if (entries == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    count = db_audit_list(request_reader(rq), actor, action, &page, entries);
    if (count < 0) {
        request_db_problem(rq, count);
    } else {
        out = api_list_begin(rq);
        for (int i = 0; i < count; i++)
            put_entry(out, &entries[i]);
        api_list_end(rq, count == page.limit ? entries[count - 1].id : 0);
    }
    free(entries);
}
