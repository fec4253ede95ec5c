/* rollout plan: whom it would reach. */
#include <stdlib.h>

#include "server/otactl_answer.h"
#include "server/otactl_firmware.h"
#include "server/otactl_http.h"
#include "server/otactl_rollout.h"

const struct otactl_option otactl_rollout_plan_options[] = {
    {"firmware", "ID|HASH|PRODUCT@VERSION", "what would be rolled out", OTACTL_OPTIONAL},
    OTACTL_ROLLOUT_OPTIONS,
    {0},
};

static const struct otactl_column other_columns[] = {
    {"DEVICES", "devices", OTACTL_SHAPE_COUNT},
    {"LATER", "later", OTACTL_SHAPE_COUNT},
    {"WHY", "sentence", OTACTL_SHAPE_PLAIN},
    {"FOR EXAMPLE", "samples", OTACTL_SHAPE_PLAIN},
};

static const struct otactl_column stage_columns[] = {
    {"STAGE", "title", OTACTL_SHAPE_PLAIN},
    {"DEVICES", "devices", OTACTL_SHAPE_COUNT},
    {"FOR EXAMPLE", "samples", OTACTL_SHAPE_PLAIN},
};

static void add_title(cJSON *stage, int number)
{
    const char *group = otactl_json_text(stage, "group");
    char *title = group[0] != '\0'
                      ? otactl_format("%d, group %s", number, group)
                      : otactl_format("%d, to %g %%", number, otactl_json_number(stage, "percent"));
    cJSON_AddStringToObject(stage, "title", title);
    free(title);
}

static void draw(cJSON *plan)
{
    double devices = otactl_json_number(plan, "devices");
    double updated = otactl_json_number(plan, "updated");
    cJSON *stages = cJSON_GetObjectItemCaseSensitive(plan, "stages");
    cJSON *others = cJSON_GetObjectItemCaseSensitive(plan, "others");
    unsigned width = otactl_terminal_width();
    int number = 0;
    cJSON *item = NULL;
    cJSON_ArrayForEach(item, stages)
    {
        add_title(item, ++number);
    }
    printf("%.0f of %.0f devices would get it (seed %.0f)\n\n", updated, devices,
           otactl_json_number(plan, "seed"));
    otactl_table_print(stdout, stage_columns, OTACTL_COUNT(stage_columns), stages, width, "");
    if (cJSON_GetArraySize(others) > 0) {
        printf("\n%.0f would not; LATER: a stage takes them, and they may yet get it\n\n",
               devices - updated);
        otactl_table_print(stdout, other_columns, OTACTL_COUNT(other_columns), others, width, "");
    }
}

/* By options, as rollout create takes them. */
static int plan_new(struct otactl *ctl, const struct otactl_args *args, cJSON **plan)
{
    const char *given = otactl_args_value(args, "firmware");
    char *firmware = NULL;
    if (given == NULL)
        return otactl_fail(OTACTL_USAGE,
                           "rollout plan needs the ID of a rollout, or --firmware and --stage");
    int code = otactl_firmware_find(ctl, given, &firmware);
    cJSON *body = code == OTACTL_OK ? otactl_rollout_body(args, "plan", firmware) : NULL;
    free(firmware);
    if (code == OTACTL_OK && body == NULL)
        code = OTACTL_USAGE;
    return code == OTACTL_OK ? otactl_send(ctl, "POST", otactl_path("rollouts", "plan"), body, plan)
                             : code;
}

int otactl_rollout_plan_run(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *plan = NULL;
    int code = args->operand_count > 0
                   ? otactl_get(ctl, otactl_path("rollouts", args->operands[0], "plan"), &plan)
                   : plan_new(ctl, args, &plan);
    if (code == OTACTL_OK && !otactl_print_json(ctl, plan))
        draw(plan);
    cJSON_Delete(plan);
    return code;
}
