/* SPDX-License-Identifier: MIT */
/*
 * show_test.c - addresses (inet_ntop is the oracle), SIDs, durations, escapes, and a sentence for each status.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "agent/clock.h"
#include "agent/show.h"
#include "agent/status_text.h"

static struct text text;

static const char *address(unsigned ip_version, const uint8_t bytes[16], uint32_t scope)
{
    text_clear(&text);
    show_address(&text, ip_version, bytes, scope);
    return text_string(&text);
}

static void test_addresses(void **state)
{
    char expected[64];
    uint8_t bytes[16];

    (void)state;
    srandom(20260103);
    for (unsigned round = 0; round < 200000; round++) {
        for (unsigned i = 0; i < 16; i++)
            bytes[i] = random() % 3 != 0 ? 0 : (uint8_t)random();
        for (unsigned i = 0; i < 16 && round % 2 == 0; i += 2)
            bytes[i] = bytes[i + 1] = random() % 2 == 0 ? 0 : (uint8_t)random();
        /* RFC 5952 leaves IPv4-compatible ones open; inet_ntop writes them dotted. */
        bytes[0] |= 1;
        assert_string_equal(address(6, bytes, 0), inet_ntop(AF_INET6, bytes, expected, sizeof(expected)));
        assert_string_equal(address(4, bytes, 0), inet_ntop(AF_INET, bytes, expected, sizeof(expected)));
    }
}

static void test_known_addresses(void **state)
{
    static const char *const texts[] = {
        "::",  "::1",   "fe80::1",        "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1", "::ffff:192.0.2.1",
        "1::", "0:1::", "1:2:3:4:5:6:7:0"};
    uint8_t bytes[16];

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(inet_pton(AF_INET6, texts[i], bytes), 1);
        assert_string_equal(address(6, bytes, 0), texts[i]);
    }
    inet_pton(AF_INET6, "fe80::1", bytes);
    assert_string_equal(address(6, bytes, 3), "fe80::1%3");
    inet_pton(AF_INET6, "febf::1", bytes);
    assert_string_equal(address(6, bytes, 3), "febf::1%3");
    inet_pton(AF_INET6, "fec0::1", bytes);
    assert_string_equal(address(6, bytes, 3), "fec0::1");
}

static void check_destination(unsigned protocol, unsigned ip_version, const char *name, const char *expected)
{
    struct request request = {.fixed = {.ip_version = (uint8_t)ip_version,
                                        .protocol = (uint8_t)protocol,
                                        .remote_port = 53,
                                        .interface_index = 2,
                                        .name_size = (uint16_t)strlen(name)},
                              .name = (const uint8_t *)name};

    inet_pton(ip_version == 4 ? AF_INET : AF_INET6, ip_version == 4 ? "10.0.0.1" : "fe80::1",
              request.fixed.remote_address);
    text_clear(&text);
    show_destination(&text, &request);
    assert_string_equal(text_string(&text), expected);
}

static void test_destinations(void **state)
{
    (void)state;
    check_destination(6, 4, "", "tcp 10.0.0.1:53");
    check_destination(17, 6, "", "udp [fe80::1%2]:53");
    check_destination(1, 4, "", "icmp 10.0.0.1");
    check_destination(58, 6, "", "icmpv6 fe80::1%2");
    check_destination(99, 4, "", "protocol 99 10.0.0.1");
    check_destination(6, 4, "example.org", "tcp example.org (10.0.0.1:53)");
    check_destination(17, 6, "example.org", "udp example.org ([fe80::1%2]:53)");
}

static void test_sids(void **state)
{
    static const uint8_t unix_user[] = {1, 2, 0, 0, 0, 0, 0, 22, 1, 0, 0, 0, 0xE8, 3, 0, 0};
    static const uint8_t system[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
    uint8_t other[16];
    uint32_t user = 0;

    (void)state;
    text_clear(&text);
    show_sid(&text, unix_user, sizeof(unix_user));
    assert_string_equal(text_string(&text), "S-1-22-1-1000");
    assert_true(show_sid_unix_user(unix_user, sizeof(unix_user), &user));
    assert_int_equal(user, 1000);
    text_clear(&text);
    show_sid(&text, system, sizeof(system));
    assert_string_equal(text_string(&text), "S-1-5-18");
    assert_false(show_sid_unix_user(system, sizeof(system), &user));
    for (size_t cut = 0; cut < sizeof(unix_user); cut++) {
        text_clear(&text);
        show_sid(&text, unix_user, cut);
        assert_string_equal(text_string(&text), "");
        assert_false(show_sid_unix_user(unix_user, cut, &user));
    }
    for (unsigned i = 0; i < 12; i++) {
        memcpy(other, unix_user, sizeof(other));
        other[i] ^= 1;
        assert_false(show_sid_unix_user(other, sizeof(other), &user));
    }
}

static void check_duration(uint64_t time, const char *expected)
{
    text_clear(&text);
    show_duration(&text, time);
    assert_string_equal(text_string(&text), expected);
}

static void test_durations(void **state)
{
    (void)state;
    check_duration(0, "0 s");
    check_duration(1, "1 s");
    check_duration(CLOCK_SECOND, "1 s");
    check_duration(CLOCK_SECOND + 1, "2 s");
    check_duration(60 * CLOCK_SECOND, "1 min 0 s");
    check_duration(90061 * CLOCK_SECOND, "1 d 1 h 1 min 1 s");
}

/* 2026-01-02T03:04:05.678Z is 1767323045.678 since 1970. */
static void test_time(void **state)
{
    (void)state;
    text_clear(&text);
    show_time_utc(&text, (UINT64_C(11644473600) + 1767323045) * CLOCK_SECOND + 6780000);
    assert_string_equal(text_string(&text), "2026-01-02T03:04:05.678Z");
}

static void test_every_status_has_a_sentence(void **state)
{
    FILE *header = fopen(STATUS_HEADER, "r");
    char line[256];
    unsigned count = 0;
    uint32_t highest = 0;

    (void)state;
    assert_non_null(header);
    while (fgets(line, sizeof(line), header) != NULL) {
        const char *number = strstr(line, "0xE047");
        uint32_t status;

        if (number == NULL)
            continue;
        status = (uint32_t)strtoul(number, NULL, 16);
        if (status_text(status) == NULL)
            fail_msg("no sentence for 0x%08X", (unsigned)status);
        highest = status > highest ? status : highest;
        count++;
    }
    fclose(header);
    assert_true(count >= 22);
    assert_null(status_text(highest + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_known_addresses),
        cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_sids),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_every_status_has_a_sentence),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    text_free(&text);
    return failed;
}
