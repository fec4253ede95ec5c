/* audit: who changed what. */
#include <stdlib.h>

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_http.h"

static const struct otactl_column columns[] = {
    {"TIME", "time", OTACTL_SHAPE_TIME},      {"BY", "actor", OTACTL_SHAPE_PLAIN},
    {"AS", "role", OTACTL_SHAPE_PLAIN},       {"FROM", "peer", OTACTL_SHAPE_PLAIN},
    {"ACTION", "action", OTACTL_SHAPE_PLAIN}, {"OF", "subject", OTACTL_SHAPE_PLAIN},
    {"WHAT", "detail", OTACTL_SHAPE_PLAIN},
};

static const struct otactl_option options[] = {
    {"actor", "NAME", "only of this token or user", OTACTL_OPTIONAL},
    {"action", "ACTION", "only this, as in rollouts.start", OTACTL_OPTIONAL},
    {"limit", "N", "only the newest N, 100 unless given; 1 to 500", OTACTL_OPTIONAL},
    {"all", NULL, "all of them", OTACTL_OPTIONAL},
    {0},
};

static int run_audit(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    uint64_t limit = 100;
    int code = otactl_args_number(args, "limit", 1, 500, &limit);
    if (code != OTACTL_OK)
        return code;
    char *path = otactl_path("audit");
    otactl_path_query(&path, "actor", otactl_args_value(args, "actor"));
    otactl_path_query(&path, "action", otactl_args_value(args, "action"));
    if (otactl_args_has(args, "all"))
        return otactl_show_list(ctl, path, columns, OTACTL_COUNT(columns), "no such entry");
    char *text = otactl_format("%llu", (unsigned long long)limit);
    otactl_path_query(&path, "limit", text);
    free(text);
    code = otactl_get(ctl, path, &answer);
    if (code == OTACTL_OK)
        otactl_show_items(ctl, columns, OTACTL_COUNT(columns), answer, "no such entry");
    cJSON_Delete(answer);
    return code;
}

const struct otactl_command otactl_audit_commands[] = {
    {NULL, "audit", "", "Tell who changed what, newest first.", options, 0, 0, false, run_audit},
    {0},
};
