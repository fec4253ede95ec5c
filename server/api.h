/*
 * Handlers of the routes, by subject. What each takes and gives stands in protocol/openapi.yaml.
 * Names tell the step: *_read prepares on the connection's thread and may end there; *_write runs
 * on the writer thread.
 */
#ifndef OTAD_API_H
#define OTAD_API_H

#include "server/request.h"

/* api_health.c */
request_step api_healthz, api_readyz, api_metrics;
/* api_tokens.c: API tokens and enrolment keys */
request_step api_tokens_list, api_token_read, api_token_write, api_token_delete;
request_step api_enrolment_keys_list, api_enrolment_key_read, api_enrolment_key_write,
    api_enrolment_key_delete;
/* api_session.c, api_users.c */
request_step api_session_read, api_session_settle, api_session_write, api_session_show,
    api_session_delete;
request_step api_password_read, api_password_settle, api_password_write;
request_step api_users_list, api_user_read, api_user_settle, api_user_write, api_user_patch_write,
    api_user_delete;
/* api_keys.c: the server key and release keys */
request_step api_server_key, api_release_keys_list, api_release_key_read, api_release_key_write,
    api_release_key_delete;
/* api_audit.c */
request_step api_audit_list;
/* api_webhooks.c */
request_step api_webhooks_list, api_webhook_read, api_webhook_write, api_webhook_patch_write,
    api_webhook_delete, api_webhook_secret_write, api_webhook_test_write;
/* api_groups.c */
request_step api_groups_list, api_group_read, api_group_write, api_group_patch_write,
    api_group_delete;
/* api_fleet.c, api_events.c */
request_step api_fleet_show, api_fleet_history, api_events;
/* api_firmware.c */
request_step api_firmware_open, api_firmware_settle, api_firmware_write;
request_step api_firmware_read, api_firmware_patch_write;
request_step api_firmware_list, api_firmware_show, api_firmware_delete, api_firmware_deleted;
/* api_devices.c */
request_step api_devices_list, api_device_show, api_device_events, api_device_read,
    api_device_write, api_device_patch_write, api_device_delete, api_device_token_write;
/* api_tags.c */
request_step api_device_tags_write;
/* api_notify.c */
request_step api_device_notify;
/* api_import.c */
request_step api_import_write;
/* api_explain.c, api_plan.c: settle */
request_step api_device_explain, api_plan_new, api_plan_show;
/* api_rollouts.c, api_rollout_write.c */
request_step api_rollouts_list, api_rollout_show, api_rollout_devices, api_rollout_events;
request_step api_rollout_read, api_rollout_write, api_rollout_start, api_rollout_schedule,
    api_rollout_pause, api_rollout_resume, api_rollout_advance, api_rollout_halt,
    api_rollout_cancel;
/* api_rollback.c */
request_step api_rollback_read, api_rollback_write;
/* device_*.c: what devices ask */
request_step device_enroll_write, device_poll_read, device_poll_write, device_poll_finish,
    device_firmware, device_patch, device_report_read, device_report_write;

/* ---- shared ---- */

/* {"items":[ ... and its end. `next`: the cursor of the next page, 0 for none. */
struct json_writer *api_list_begin(struct request *rq);
void api_list_end(struct request *rq, int64_t next);
/* The name of a group, "" for 0. */
void api_group_name(struct db *db, int64_t id, char name[DB_LABEL_MAX + 1]);
/* The id of a group by its name; 0, and the problem (400, in `field`) is set, when there is none.
 */
int64_t api_group_id(struct request *rq, struct db *db, const char *field, const char *name);
/* The device in memory and its row, by the path; NULL when the problem is set. In `handle`. */
struct fleet_device *api_find_device(struct request *rq, struct db_device *row);
/* "tags": {"key": "value"} of formatted text. */
void api_put_tags(struct json_writer *out, const char *text);
/* What the object sets and, by null, removes, into the formatted text. False: the problem is set.
 */
bool api_merge_tags(struct request *rq, const struct cJSON *object, char text[TAGS_TEXT_MAX + 1]);
void api_put_device(struct request *rq, struct json_writer *out, const struct db_device *device);
/* `waiting` and `online`: how the device can be reached now. */
void api_put_reach(struct request *rq, struct json_writer *out, const char *name);
void api_put_rollout(struct request *rq, struct json_writer *out,
                     const struct fleet_rollout *rollout);
/* The settings of a rollout: from the body (false: the problem is set), and as JSON members. */
bool api_read_rollout(struct request *rq, struct fleet_rollout *rollout);
void api_put_settings(struct json_writer *out, struct db *db, const struct fleet_rollout *rollout);
/* Its own members only: a group or a percentage, thresholds and so on. */
void api_put_stage_settings(struct json_writer *out, struct db *db,
                            const struct rollout_stage *stage);
/* Its revision as ETag. */
void api_add_revision(struct request *rq, const struct fleet_rollout *rollout);
/* In `handle`: store a rollout and give it to the fleet. An error of db/. */
int api_add_rollout(struct request *rq, struct fleet_rollout *rollout);
/* In `handle`: the path's rollout; NULL when the problem is set. */
struct fleet_rollout *api_find_rollout(struct request *rq);
/* In `handle`: an order that was not carried out, as the answer. */
void api_refuse_order(struct request *rq, const struct fleet_rollout *rollout,
                      enum rollout_command command, int refusal);
/* A copy of the path's rollout; false when the problem is set. */
bool api_copy_rollout(struct request *rq, struct fleet_rollout *copy);
const char *api_device_state_name(enum db_device_state state);
/* api_device_search.c: the rest of a list's filters, from memory; page->after is a slot there. */
void api_devices_search(struct request *rq, const struct db_page *page, int64_t group_id,
                        int state);
const char *api_presence_name(enum presence presence);
const char *api_progress_name(enum progress progress); /* NULL: none */

#endif
