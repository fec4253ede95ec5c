#include <stddef.h>

#include "server/api.h"

#define V1 "/api/v1"

/* Devices first: they are the many. A test compares this with openapi.yaml. */
const struct route ROUTES[] = {
    {"GET", "/device/v1/manifest", ROLE_DEVICE, BODY_NONE, device_poll_read, device_poll_write,
     device_poll_finish, NULL},
    {"GET", "/device/v1/firmware/{}", ROLE_DEVICE, BODY_NONE, device_firmware, NULL, NULL, NULL},
    {"POST", "/device/v1/reports", ROLE_DEVICE, BODY_DEVICE, device_report_read,
     device_report_write, NULL, NULL},
    {"POST", "/device/v1/enroll", ROLE_ENROLMENT, BODY_DEVICE, NULL, device_enroll_write, NULL,
     NULL},

    {"GET", "/healthz", ROLE_NONE, BODY_NONE, api_healthz, NULL, NULL, NULL},
    {"GET", "/readyz", ROLE_NONE, BODY_NONE, api_readyz, NULL, NULL, NULL},
    {"GET", "/metrics", ROLE_VIEWER, BODY_NONE, api_metrics, NULL, NULL, NULL},

    {"GET", V1 "/server-key", ROLE_VIEWER, BODY_NONE, api_server_key, NULL, NULL, NULL},
    {"GET", V1 "/tokens", ROLE_ADMIN, BODY_NONE, api_tokens_list, NULL, NULL, NULL},
    {"POST", V1 "/tokens", ROLE_ADMIN, BODY_OPERATOR, api_token_read, api_token_write, NULL, NULL},
    {"DELETE", V1 "/tokens/{}", ROLE_ADMIN, BODY_NONE, NULL, api_token_delete, NULL, NULL},
    {"GET", V1 "/release-keys", ROLE_VIEWER, BODY_NONE, api_release_keys_list, NULL, NULL, NULL},
    {"POST", V1 "/release-keys", ROLE_ADMIN, BODY_OPERATOR, api_release_key_read,
     api_release_key_write, NULL, NULL},
    {"DELETE", V1 "/release-keys/{}", ROLE_ADMIN, BODY_NONE, NULL, api_release_key_delete, NULL,
     NULL},
    {"GET", V1 "/enrolment-keys", ROLE_VIEWER, BODY_NONE, api_enrolment_keys_list, NULL, NULL,
     NULL},
    {"POST", V1 "/enrolment-keys", ROLE_ADMIN, BODY_OPERATOR, api_enrolment_key_read,
     api_enrolment_key_write, NULL, NULL},
    {"DELETE", V1 "/enrolment-keys/{}", ROLE_ADMIN, BODY_NONE, NULL, api_enrolment_key_delete, NULL,
     NULL},

    {"GET", V1 "/firmware", ROLE_VIEWER, BODY_NONE, api_firmware_list, NULL, NULL, NULL},
    {"POST", V1 "/firmware", ROLE_OPERATOR, BODY_NONE, api_firmware_open, api_firmware_write, NULL,
     api_firmware_settle},
    {"GET", V1 "/firmware/{}", ROLE_VIEWER, BODY_NONE, api_firmware_show, NULL, NULL, NULL},
    {"DELETE", V1 "/firmware/{}", ROLE_OPERATOR, BODY_NONE, NULL, api_firmware_delete,
     api_firmware_deleted, NULL},

    {"GET", V1 "/groups", ROLE_VIEWER, BODY_NONE, api_groups_list, NULL, NULL, NULL},
    {"POST", V1 "/groups", ROLE_OPERATOR, BODY_OPERATOR, api_group_read, api_group_write, NULL,
     NULL},
    {"DELETE", V1 "/groups/{}", ROLE_OPERATOR, BODY_NONE, NULL, api_group_delete, NULL, NULL},

    {"GET", V1 "/devices", ROLE_VIEWER, BODY_NONE, api_devices_list, NULL, NULL, NULL},
    {"POST", V1 "/devices", ROLE_OPERATOR, BODY_OPERATOR, api_device_read, api_device_write, NULL,
     NULL},
    {"POST", V1 "/devices/import", ROLE_OPERATOR, BODY_IMPORT, NULL, api_import_write, NULL, NULL},
    {"GET", V1 "/devices/{}", ROLE_VIEWER, BODY_NONE, api_device_show, NULL, NULL, NULL},
    {"PATCH", V1 "/devices/{}", ROLE_OPERATOR, BODY_OPERATOR, api_device_read,
     api_device_patch_write, NULL, NULL},
    {"DELETE", V1 "/devices/{}", ROLE_OPERATOR, BODY_NONE, NULL, api_device_delete, NULL, NULL},
    {"POST", V1 "/devices/{}/token", ROLE_OPERATOR, BODY_NONE, NULL, api_device_token_write, NULL,
     NULL},
    {"GET", V1 "/devices/{}/events", ROLE_VIEWER, BODY_NONE, api_device_events, NULL, NULL, NULL},

    {"GET", V1 "/rollouts", ROLE_VIEWER, BODY_NONE, api_rollouts_list, NULL, NULL, NULL},
    {"POST", V1 "/rollouts", ROLE_OPERATOR, BODY_OPERATOR, api_rollout_read, api_rollout_write,
     NULL, NULL},
    {"GET", V1 "/rollouts/{}", ROLE_VIEWER, BODY_NONE, api_rollout_show, NULL, NULL, NULL},
    {"GET", V1 "/rollouts/{}/devices", ROLE_VIEWER, BODY_NONE, api_rollout_devices, NULL, NULL,
     NULL},
    {"GET", V1 "/rollouts/{}/events", ROLE_VIEWER, BODY_NONE, api_rollout_events, NULL, NULL, NULL},
    {"POST", V1 "/rollouts/{}/start", ROLE_OPERATOR, BODY_OPERATOR, NULL, api_rollout_start, NULL,
     NULL},
    {"POST", V1 "/rollouts/{}/pause", ROLE_OPERATOR, BODY_OPERATOR, NULL, api_rollout_pause, NULL,
     NULL},
    {"POST", V1 "/rollouts/{}/resume", ROLE_OPERATOR, BODY_OPERATOR, NULL, api_rollout_resume, NULL,
     NULL},
    {"POST", V1 "/rollouts/{}/cancel", ROLE_OPERATOR, BODY_OPERATOR, NULL, api_rollout_cancel, NULL,
     NULL},
    {NULL, NULL, ROLE_NONE, BODY_NONE, NULL, NULL, NULL, NULL},
};
