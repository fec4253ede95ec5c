/*
 * What most commands do with the server's answer: a table, a record, or with --json the JSON
 * itself.
 */
#ifndef OTAD_SERVER_OTACTL_ANSWER_H
#define OTAD_SERVER_OTACTL_ANSWER_H

#include "server/otactl.h"
#include "server/otactl_table.h"

#define OTACTL_COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Print a list that is already there. */
void otactl_show_items(const struct otactl *ctl, const struct otactl_column *columns, size_t count,
                       const cJSON *answer, const char *nothing);
/* GET all pages of `path`, which is freed, and print them. */
int otactl_show_list(struct otactl *ctl, char *path, const struct otactl_column *columns,
                     size_t count, const char *nothing);
/* GET one object at `path`, which is freed, and print it. */
int otactl_show_one(struct otactl *ctl, char *path, const struct otactl_column *columns,
                    size_t count);

/* The id of the one item of `collection` ("release-keys") whose id or name is `given`; to be freed.
 * OTACTL_FAILED when there is none, or several of that name. */
int otactl_find(struct otactl *ctl, const char *collection, const char *given, char **id);
/* DELETE the item that otactl_find() finds and say so. */
int otactl_remove(struct otactl *ctl, const char *collection, const char *what, const char *given);

/* A secret that the server shows once: to the file (0600) when one is named, else to stdout. */
int otactl_give_secret(const struct otactl *ctl, const cJSON *answer, const char *member,
                       const char *file);

#endif
