#include "tests/support/support.h"

#include <arpa/inet.h>
#include <string.h>

#include "server/hook_address.h"
#include "server/hooks.h"

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return hook_address_is_public((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return hook_address_is_public((const struct sockaddr *)&v6);
}

static void keeps_to_the_public(void **state)
{
    static const char *const closed[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "64:ff9b::10.0.0.1",
        "fe80::1",
        "febf::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "2002:7f00:1::",
        "2002:c0a8:101::",
        "100::1",
        "3fff:fff::1",
        "4000::1",
        "fec0::1",
    };
    static const char *const open[] = {
        "1.1.1.1",          "8.8.8.8",         "9.255.255.255",     "11.0.0.0",
        "100.63.255.255",   "100.128.0.0",     "126.255.255.255",   "128.0.0.1",
        "169.253.255.255",  "169.255.0.0",     "172.15.255.255",    "172.32.0.0",
        "192.167.255.255",  "192.169.0.0",     "198.17.255.255",    "198.20.0.0",
        "223.255.255.255",  "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", "2002:808:808::1", "3fff:ffff::1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        if (is_public(closed[i]))
            fail_msg("%s counts as public", closed[i]);
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        if (!is_public(open[i]))
            fail_msg("%s does not count as public", open[i]);
    assert_false(hook_address_is_public(&(struct sockaddr){.sa_family = AF_UNIX}));
}

/* echo -n '1700000000.{"a":1}' | openssl dgst -sha256 -hmac otw_test */
static void signs(void **state)
{
    char signature[HOOKS_SIGNATURE_LEN + 1];

    (void)state;
    assert_true(hooks_sign("otw_test", 1700000000, "{\"a\":1}", 7, signature));
    assert_string_equal(signature,
                        "264d63a695f258bba36c2991edf5a7aec87c2b6a859beca3e2f2593195641be8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("only addresses of the public Internet are reached", keeps_to_the_public)},
        {TEST("a message is signed over its time and its bytes", signs)},
    };

    return cmocka_run_group_tests_name("hooks", tests, NULL, NULL);
}
