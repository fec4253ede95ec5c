#include "server/token_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db/tokens.h"
#include "server/app.h"
#include "server/audit.h"
#include "server/command_line.h"
#include "server/request.h"
#include "server/secret.h"

static int add(struct db *db, const char *name, enum role role, struct secret *secret)
{
    struct db_api_token token = {.role = (int)role, .created_at = (int64_t)app_now()};

    if (strlen(name) > DB_LABEL_MAX || !secret_make(secret, SECRET_API))
        return DB_E_LIMIT;
    memcpy(token.name, name, strlen(name));
    memcpy(token.hash, secret->hash, DB_HASH_LEN);
    return db_token_add(db, &token);
}

bool token_is_first(struct db *db)
{
    struct db_api_token token;
    struct db_page page = {.after = 0, .limit = 1};

    return db_tokens_list(db, &page, &token) == 0;
}

static bool write_secret(const char *path, const struct secret *secret)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && dprintf(fd, "%s\n", secret->text) > 0 && fsync(fd) == 0;

    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    return ok;
}

/* The file first: a token whose text nobody has would lock everybody out. */
bool token_make_first(struct db *db, const char *path, char *error, size_t cap)
{
    struct secret secret;
    int code = db_begin(db);

    if (code == DB_OK)
        code = add(db, "first", ROLE_ADMIN, &secret);
    if (code == DB_OK && !write_secret(path, &secret)) {
        snprintf(error, cap, "%s", strerror(errno));
        db_rollback(db);
        return false;
    }
    if (code == DB_OK)
        code = db_commit(db);
    else
        db_rollback(db);
    secret_wipe(&secret);
    if (code != DB_OK)
        snprintf(error, cap, "%s", db_error_name(code));
    return code == DB_OK;
}

int token_add_command(int argc, char **args)
{
    const char *data, *name, *word;
    const struct command_flag flags[] = {
        {"--data", &data, true}, {"--name", &name, true}, {"--role", &word, true}};
    struct secret secret;
    struct db *db;
    enum role role;
    int error;

    if (!command_read_flags(flags, sizeof(flags) / sizeof(flags[0]), argc, args) ||
        !command_read_role(word, &role)) {
        fprintf(stderr, "usage: otad token add --data DIR --name NAME --role "
                        "viewer|operator|admin\n");
        return 2;
    }
    db = command_open_db(data);
    if (db == NULL)
        return 1;
    error = db_begin(db);
    if (error == DB_OK)
        error = add(db, name, role, &secret);
    if (error == DB_OK)
        error = audit_command(db, "tokens.create", name);
    if (error == DB_OK)
        error = db_commit(db);
    db_close(db);
    if (error != DB_OK) {
        fprintf(stderr, "otad: the token could not be added: %s\n", db_error_name(error));
        return 1;
    }
    printf("%s\n", secret.text);
    secret_wipe(&secret);
    return 0;
}
