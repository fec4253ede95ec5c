/* keygen, key ..., server-key: who may sign what. */
#include "server/otactl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "protocol/text.h"
#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_file.h"
#include "server/otactl_http.h"
#include "server/otactl_key_file.h"

static const struct otactl_column key_columns[] = {
    {"ID", "id", OTACTL_SHAPE_PLAIN},
    {"NAME", "name", OTACTL_SHAPE_PLAIN},
    {"KEY ID", "key_id", OTACTL_SHAPE_PLAIN},
    {"SINCE", "created_at", OTACTL_SHAPE_TIME},
};

static const struct otactl_option keygen_options[] = {
    {"public", "OUT.pub.pem", "write the public key as well", OTACTL_OPTIONAL},
    {0},
};

static void print_key_id(EVP_PKEY *key)
{
    uint8_t hash[OTA_HASH_LEN];
    char key_id[OTA_KEY_ID_LEN + 1];
    if (!otactl_key_hash(key, hash))
        return;
    ota_hex_encode(hash, OTA_KEY_ID_LEN / 2, key_id);
    printf("key id %s\n", key_id);
}

/* The public file first: when the private one can't be written, nothing secret is left behind. */
static int write_key(EVP_PKEY *key, const char *path, const char *public_path)
{
    char *secret = otactl_key_private_pem(key);
    char *open_part = otactl_key_public_pem(key);
    int code = OTACTL_OK;
    if (secret == NULL || open_part == NULL)
        code = otactl_fail(OTACTL_FAILED, "OpenSSL cannot write the key");
    if (code == OTACTL_OK && public_path != NULL)
        code = otactl_file_write(public_path, open_part, strlen(open_part), false, true);
    if (code == OTACTL_OK) {
        code = otactl_file_write(path, secret, strlen(secret), true, true);
        if (code != OTACTL_OK && public_path != NULL)
            unlink(public_path);
    }
    if (secret != NULL)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
    free(open_part);
    return code;
}

static int run_keygen(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    const char *path = args->operands[0];
    const char *public_path = otactl_args_value(args, "public");
    EVP_PKEY *key = otactl_key_generate();
    if (key == NULL)
        return otactl_fail(OTACTL_FAILED, "OpenSSL cannot make a key");
    int code = write_key(key, path, public_path);
    if (code == OTACTL_OK) {
        printf("%s: private key, keep it offline\n", path);
        if (public_path != NULL)
            printf("%s: public key, for otactl key add and for the devices\n", public_path);
        print_key_id(key);
    }
    EVP_PKEY_free(key);
    return code;
}

static int run_key_add(struct otactl *ctl, const struct otactl_args *args)
{
    EVP_PKEY *key = NULL;
    cJSON *answer = NULL;
    int code = otactl_key_read_public(args->operands[1], &key);
    if (code != OTACTL_OK)
        return code;
    /* Written anew, so that a private key file given by mistake never leaves this machine. */
    char *pem = otactl_key_public_pem(key);
    EVP_PKEY_free(key);
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "name", args->operands[0]);
    cJSON_AddStringToObject(body, "public_key", pem != NULL ? pem : "");
    free(pem);
    code = otactl_send(ctl, "POST", otactl_path("release-keys"), body, &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        otactl_record_print(stdout, key_columns, OTACTL_COUNT(key_columns), answer);
    cJSON_Delete(answer);
    return code;
}

static int run_key_list(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    return otactl_show_list(ctl, otactl_path("release-keys"), key_columns,
                            OTACTL_COUNT(key_columns),
                            "no release key yet: otactl key add NAME PUB.pem");
}

static int run_key_delete(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_remove(ctl, "release-keys", "release key", args->operands[0]);
}

static const struct otactl_option server_key_options[] = {
    {"o", "FILE", "write the PEM there", OTACTL_OPTIONAL},
    {0},
};

static int run_server_key(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    int code = otactl_get(ctl, otactl_path("server-key"), &answer);
    if (code != OTACTL_OK)
        return code;
    const char *file = otactl_args_value(args, "o");
    const char *pem = otactl_json_text(answer, "public_key");
    if (pem[0] == '\0')
        code = otactl_fail(OTACTL_FAILED, "the server's answer has no public_key");
    else if (file != NULL)
        code = otactl_file_write(file, pem, strlen(pem), false, false);
    else if (!otactl_print_json(ctl, answer))
        fputs(pem, stdout);
    cJSON_Delete(answer);
    return code;
}

const struct otactl_command otactl_key_commands[] = {
    {NULL, "keygen", "OUT.pem", "Make a release key (ECDSA P-256); an existing file is kept.",
     keygen_options, 1, 1, true, run_keygen},
    {"key", "add", "NAME PUB.pem", "Let the server accept firmware signed by this key.", NULL, 2, 2,
     false, run_key_add},
    {"key", "list", "", "List the release keys that the server accepts.", NULL, 0, 0, false,
     run_key_list},
    {"key", "delete", "ID|NAME", "Accept nothing more that is signed by this key.", NULL, 1, 1,
     false, run_key_delete},
    {NULL, "server-key", "", "Print the key that signs manifests: devices are provisioned with it.",
     server_key_options, 0, 0, false, run_server_key},
    {0},
};
