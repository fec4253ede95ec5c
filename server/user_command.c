#include "server/user_command.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "db/users.h"
#include "server/app.h"
#include "server/command_line.h"
#include "server/password.h"
#include "server/request.h"

struct options {
    const char *data;
    const char *name;
    const char *role;
    const char *password_file;
};

static int usage(void)
{
    fprintf(
        stderr,
        "usage: otad user add      --data DIR --name NAME --role viewer|operator|admin\n"
        "       otad user password --data DIR --name NAME\n"
        "       otad user remove   --data DIR --name NAME\n"
        "       otad user list     --data DIR\n"
        "--password-file FILE takes the password from the first line of a file, - from standard\n"
        "input; without it one is made and printed once.\n");
    return 2;
}

static bool read_options(struct options *options, int argc, char **args)
{
    const struct command_flag flags[] = {{"--data", &options->data, true},
                                         {"--name", &options->name, false},
                                         {"--role", &options->role, false},
                                         {"--password-file", &options->password_file, false}};

    return command_read_flags(flags, sizeof(flags) / sizeof(flags[0]), argc, args);
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "otad: %s: %s\n", what, why);
    return 1;
}

/* ---- passwords ---- */

static bool read_password(const char *path, char *password, size_t cap)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    bool ok = file != NULL && fgets(password, (int)cap, file) != NULL;

    if (file != NULL && file != stdin)
        fclose(file);
    if (ok)
        password[strcspn(password, "\r\n")] = '\0';
    return ok;
}

/* Into user->password; a made one is printed by the caller, once it is stored. */
static int set_password(const struct options *options, struct db_user *user, char *password,
                        size_t cap)
{
    size_t len;

    if (options->password_file == NULL) {
        if (!password_make(password, cap))
            return fail("the password", "no random bytes");
    } else if (!read_password(options->password_file, password, cap)) {
        return fail(options->password_file, "holds no password in its first line");
    }
    len = strlen(password);
    if (len < PASSWORD_MIN || len > PASSWORD_MAX) {
        fprintf(stderr, "otad: a password has %d to %d characters; this one has %zu\n",
                PASSWORD_MIN, PASSWORD_MAX, len);
        return 2;
    }
    user->changed_at = (int64_t)app_now();
    if (!password_hash(password, user->password))
        return fail("the password", "out of memory");
    return 0;
}

static void print_made(const struct options *options, const char *password)
{
    if (options->password_file == NULL)
        printf("%s\n", password);
}

/* ---- commands ---- */

static int add(struct db *db, const struct options *options)
{
    char password[PASSWORD_MAX + 2];
    struct db_user user = {.created_at = (int64_t)app_now()};
    enum role role;
    int status;
    int error;

    if (options->name == NULL || options->role == NULL || !command_read_role(options->role, &role))
        return usage();
    if (strlen(options->name) > DB_LABEL_MAX || options->name[0] == '\0') {
        fprintf(stderr, "otad: a user's name has 1 to %d characters\n", DB_LABEL_MAX);
        return 2;
    }
    memcpy(user.name, options->name, strlen(options->name));
    user.role = (int)role;
    status = set_password(options, &user, password, sizeof(password));
    if (status != 0)
        return status;
    error = db_user_add(db, &user);
    if (error == DB_OK)
        print_made(options, password);
    OPENSSL_cleanse(password, sizeof(password));
    if (error == DB_E_EXISTS)
        return fail(user.name,
                    "there is such a user already; `otad user password` gives them a new "
                    "password");
    return error == DB_OK ? 0 : fail("the user could not be added", db_error_name(error));
}

static int find(struct db *db, const struct options *options, struct db_user *user)
{
    int error = db_user_find(db, options->name, user);

    if (error == DB_E_NOT_FOUND || error == DB_E_LIMIT)
        return fail(options->name, "there is no such user; `otad user list` shows them");
    return error == DB_OK ? 0 : fail(options->name, db_error_name(error));
}

static int change_password(struct db *db, const struct options *options)
{
    char password[PASSWORD_MAX + 2];
    struct db_user user;
    int status;
    int error;

    if (options->name == NULL)
        return usage();
    status = find(db, options, &user);
    if (status == 0)
        status = set_password(options, &user, password, sizeof(password));
    if (status != 0)
        return status;
    error = db_user_update(db, &user);
    if (error == DB_OK)
        error = db_sessions_end(db, user.id);
    if (error == DB_OK)
        print_made(options, password);
    OPENSSL_cleanse(password, sizeof(password));
    return error == DB_OK ? 0 : fail(user.name, db_error_name(error));
}

static int remove_user(struct db *db, const struct options *options)
{
    struct db_user user;
    int status;
    int error;

    if (options->name == NULL)
        return usage();
    status = find(db, options, &user);
    if (status != 0)
        return status;
    error = db_user_delete(db, user.id);
    return error == DB_OK ? 0 : fail(user.name, db_error_name(error));
}

static int list(struct db *db, const struct options *options)
{
    struct db_page page = {.after = 0, .limit = 100};
    struct db_user users[100];
    int count;

    (void)options;
    while ((count = db_users_list(db, &page, users)) > 0) {
        for (int i = 0; i < count; i++)
            printf("%-9s %s\n", role_name((enum role)users[i].role), users[i].name);
        page.after = users[count - 1].id;
    }
    return count == 0 ? 0 : fail("the users", db_error_name(count));
}

int user_command(int argc, char **args)
{
    static const struct {
        const char *name;
        int (*run)(struct db *db, const struct options *options);
    } commands[] = {
        {"add", add}, {"password", change_password}, {"remove", remove_user}, {"list", list}};
    int (*run)(struct db * db, const struct options *options) = NULL;
    struct options options;
    struct db *db;
    int status;

    for (size_t i = 0; argc > 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, args[0]) == 0)
            run = commands[i].run;
    if (run == NULL || !read_options(&options, argc - 1, args + 1))
        return usage();
    db = command_open_db(options.data);
    if (db == NULL)
        return 1;
    status = run(db, &options);
    db_close(db);
    return status;
}
