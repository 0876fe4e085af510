/* SPDX-License-Identifier: MIT */
/*
 * filter_wish_test.c - what --to, --port and the others of 'gatehouse filter add' mean. Addresses are held against
 * inet_pton, for random text that is nearly an address.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/filter_wish.h"

#define ROUNDS 400000

static bool reads(const char *to, struct filter_wish *wish)
{
    struct filter_words words = {.to = to};
    struct problem problem = {0};
    enum agent_result result = filter_wish_read(&words, true, wish, &problem);

    assert_true(result == AGENT_OK || (result == AGENT_USAGE && problem.sentence[0] != '\0'));
    return result == AGENT_OK;
}

static void check_address(const char *text, unsigned *good)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct filter_wish wish = {0};
    uint8_t address[16] = {0};
    bool v4 = inet_pton(AF_INET, text, address) == 1;
    bool v6 = !v4 && inet_pton(AF_INET6, text, address) == 1;

    if (reads(text, &wish) != (v4 || v6))
        fail_msg("'%s' is %san address to inet_pton", text, v4 || v6 ? "" : "no ");
    if (!v4 && !v6)
        return;
    (*good)++;
    if (v6 && memcmp(address, mapped, sizeof(mapped)) == 0) {
        memmove(address, address + 12, 4);
        memset(address + 4, 0, 12);
        v6 = false;
    }
    assert_memory_equal(wish.address, address, sizeof(address));
    assert_true(wish.v6 == v6 && wish.v4 == !v6 && wish.prefix == (v6 ? 128 : 32));
}

static void test_addresses(void **state)
{
    static const char *const seeds[] = {"192.0.2.1",
                                        "255.255.255.255",
                                        "2001:db8::1",
                                        "::",
                                        "::1",
                                        "1::",
                                        "::ffff:192.0.2.1",
                                        "1:2:3:4:5:6:7:8",
                                        "fe80::aBcD:0:1",
                                        "1:2:3:4:5:6:1.2.3.4",
                                        "1::2:3:4:5:6:7"};
    static const char marks[] = "0123456789abcdefF:.:.%/ ";
    unsigned good = 0;

    (void)state;
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        char text[40];

        snprintf(text, sizeof(text), "%s", seeds[rand() % (int)(sizeof(seeds) / sizeof(seeds[0]))]);
        for (int changes = rand() % 4; changes > 0; changes--) {
            size_t length = strlen(text), at = (size_t)rand() % (length + 1);

            if (rand() % 2 == 0 && length > 0 && at < length)
                memmove(text + at, text + at + 1, length - at);
            else if (length + 2 < sizeof(text)) {
                memmove(text + at + 1, text + at, length - at + 1);
                text[at] = marks[(size_t)rand() % (sizeof(marks) - 1)];
            }
        }
        if (strchr(text, '/') == NULL) /* a prefix, which inet_pton does not know */
            check_address(text, &good);
    }
    assert_true(good > ROUNDS / 10);
}

static void test_prefixes(void **state)
{
    struct filter_wish wish = {0};

    (void)state;
    assert_true(reads("10.0.0.0/8", &wish) && wish.v4 && !wish.v6 && wish.prefix == 8);
    assert_true(reads("0.0.0.0/0", &wish) && wish.prefix == 0);
    assert_true(reads("2001:db8::/33", &wish) && wish.v6 && wish.prefix == 33);
    assert_true(reads("::ffff:10.0.0.0/104", &wish) && wish.v4 && !wish.v6 && wish.prefix == 8);
    assert_true(reads("::/0", &wish) && wish.v6);
    assert_false(reads("10.0.0.1/8", &wish));
    assert_false(reads("2001:db8:8000::/32", &wish));
    assert_false(reads("10.0.0.0/33", &wish));
    assert_false(reads("10.0.0.0/-1", &wish));
    assert_false(reads("10.0.0.0/8/8", &wish));
    assert_false(reads("10.0.0.0/", &wish));
}

static void test_rest(void **state)
{
    struct filter_words words = {.port = "80-90", .protocol = "udp", .weight = "15", .name = "n", .v6 = true};
    struct filter_wish wish = {0};
    struct problem problem = {0};
    uint64_t number = 0;

    (void)state;
    assert_int_equal(filter_wish_read(&words, false, &wish, &problem), AGENT_OK);
    assert_true(wish.has_port && wish.port_first == 80 && wish.port_last == 90 && wish.protocol == 17);
    assert_true(wish.weight == 15 && wish.v6 && !wish.v4 && !wish.block && !wish.has_address);
    assert_string_equal(wish.name, "n");
    assert_int_equal(filter_wish_read(&(struct filter_words){0}, true, &wish, &problem), AGENT_OK);
    assert_true(wish.v4 && wish.v6 && wish.block && wish.weight == 8 && wish.protocol == 0 && wish.name != NULL);
    assert_true(filter_wish_number("18446744073709551615", UINT64_MAX, &number) && number == UINT64_MAX);
    assert_false(filter_wish_number("18446744073709551616", UINT64_MAX, &number));
    assert_false(filter_wish_number("65536", 65535, &number));
    assert_true(filter_wish_number("65535", 65535, &number) && filter_wish_number("0", 0, &number));
    assert_false(filter_wish_number("", 9, &number) || filter_wish_number("+1", 9, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
