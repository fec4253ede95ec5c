/* The people who may sign in to the dashboard. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "db/users.h"
#include "server/api.h"
#include "server/body.h"
#include "server/password.h"

static void put_user(struct json_writer *out, const struct db_user *user)
{
    json_object(out);
    json_put_int(out, "id", user->id);
    json_put_string(out, "name", user->name);
    json_put_string(out, "role", role_name((enum role)user->role));
    json_put_time(out, "created_at", user->created_at);
    json_put_time(out, "password_changed_at", user->changed_at);
    json_object_end(out);
}

void api_users_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct db_user *users;
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page))
        return;
    users = calloc((size_t)page.limit, sizeof(*users));
    if (users == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    count = db_users_list(request_reader(rq), &page, users);
    if (count < 0) {
        request_db_problem(rq, count);
    } else {
        out = api_list_begin(rq);
        for (int i = 0; i < count; i++)
            put_user(out, &users[i]);
        api_list_end(rq, count == page.limit ? users[count - 1].id : 0);
    }
    free(users);
}

void api_user_read(struct request *rq)
{
    body_parse(rq);
}

/* ---- add and change ---- */

struct fields {
    char name[DB_LABEL_MAX + 1];
    char role[16];
    char password[PASSWORD_MAX + 1];
    bool has_role;
    bool has_password;
};

static bool read_fields(struct request *rq, bool all, struct fields *f)
{
    const struct body_field fields[] = {
        {"role", BODY_STRING, all, f->role, sizeof(f->role), 1, 0, &f->has_role, false},
        {"password", BODY_STRING, all, f->password, sizeof(f->password), PASSWORD_MIN, 0,
         &f->has_password, false},
        {"name", BODY_STRING, all, f->name, sizeof(f->name), 1, 0, NULL, false},
    };

    return body_read(rq, NULL, "", fields, all ? 3 : 2) &&
           (!all || body_check_label(rq, "name", f->name));
}

/* On its own thread: the hash, before the writer is asked. */
void api_user_settle(struct request *rq)
{
    struct fields f = {.has_role = false};
    struct db_user *user = &rq->as.user;
    enum role role = ROLE_NONE;

    *user = (struct db_user){.created_at = (int64_t)app_now()};
    if (!read_fields(rq, strcmp(rq->method, "POST") == 0, &f))
        return;
    if (f.has_role && !role_parse(&role, f.role))
        body_invalid(rq, "", "role", "must be viewer, operator or admin");
    else if (f.has_password && !password_hash(f.password, user->password))
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
    user->role = (int)role;
    memcpy(user->name, f.name, sizeof(f.name));
    OPENSSL_cleanse(&f, sizeof(f));
    OPENSSL_cleanse(rq->body, rq->len);
}

void api_user_write(struct request *rq)
{
    struct db_user *user = &rq->as.user;
    int error;

    user->changed_at = user->created_at;
    error = db_user_add(rq->db, user);
    if (error == DB_E_EXISTS)
        request_problem(rq, 409, "user_exists", "There is a user %s already.", user->name);
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        put_user(request_json(rq, 201), user);
}

/* The user that the path names; false, and the problem is set, when there is none. */
static bool find(struct request *rq, struct db_user *user)
{
    int64_t id = request_id(rq, 0, "user");
    int error = id != 0 ? db_user_get(rq->db, id, user) : DB_OK;

    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no user with this id.");
    else if (error != DB_OK)
        request_fail(rq, error);
    return !request_is_over(rq);
}

void api_user_patch_write(struct request *rq)
{
    const struct db_user *wanted = &rq->as.user;
    struct db_user user;
    int error = DB_OK;

    if (!find(rq, &user))
        return;
    if (wanted->role != ROLE_NONE)
        user.role = wanted->role;
    if (wanted->password[0] != '\0') {
        memcpy(user.password, wanted->password, sizeof(user.password));
        user.changed_at = wanted->created_at;
        error = db_sessions_end(rq->db, user.id);
    }
    if (error == DB_OK)
        error = db_user_update(rq->db, &user);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        put_user(request_json(rq, 200), &user);
}

void api_user_delete(struct request *rq)
{
    struct db_user user;
    int error;

    if (!find(rq, &user))
        return;
    error = db_user_delete(rq->db, user.id);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        request_no_content(rq);
}
