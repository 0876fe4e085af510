/* SPDX-License-Identifier: MIT */
/*
 * rules_test.c - the rule of permit and block: exceptions by exact path, and looking up names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/exceptions.h"
#include "core/path_text.h"

#define UDP 17
#define TCP 6

static uint8_t path_buffer[512];

static struct request request_of(const char *path)
{
    struct request request = {.fixed = {.ip_version = 4, .protocol = TCP, .remote_port = 443}, .path = path_buffer};
    size_t size = 0;

    assert_true(path_text_from_bytes((const uint8_t *)path, strlen(path), path_buffer, sizeof(path_buffer), &size));
    request.fixed.path_size = (uint16_t)size;
    if (size == 0)
        request.fixed.flags = GATEHOUSE_REQUEST_NO_PROGRAM;
    return request;
}

static enum gatehouse_verdict decide_path(const struct exceptions *exceptions, const char *path)
{
    struct request request = request_of(path);

    return exceptions_decide(exceptions, &request);
}

static void exceptions_match_whole_paths(void **state)
{
    static const char *const others[] = {
        "", "/usr/bin/cur", "/usr/bin/curl2", "/usr/bin/CURL", "/opt/usr/bin/curl", "mnt:[7]/usr/bin/curl"};
    struct problem problem;
    struct exceptions exceptions;

    (void)state;
    exceptions_init(&exceptions, GATEHOUSE_VERDICT_BLOCK);
    assert_int_equal(exceptions_add(&exceptions, "/usr/bin/curl", &problem), AGENT_OK);
    assert_int_equal(exceptions_add(&exceptions, "/bin/a", &problem), AGENT_OK);
    assert_int_equal(exceptions_add(&exceptions, "/usr/bin/curl", &problem), AGENT_OK);
    assert_int_equal(exceptions.count, 2);
    assert_int_equal(decide_path(&exceptions, "/usr/bin/curl"), GATEHOUSE_VERDICT_PERMIT);
    assert_int_equal(decide_path(&exceptions, "/bin/a"), GATEHOUSE_VERDICT_PERMIT);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(decide_path(&exceptions, others[i]), GATEHOUSE_VERDICT_BLOCK);
    assert_int_equal(exceptions_add(&exceptions, "", &problem), AGENT_USAGE);
    exceptions_cleanup(&exceptions);
}

/* Random sets of short names against a linear search. */
static void exceptions_agree_with_a_plain_search(void **state)
{
    (void)state;
    srandom(7);
    for (unsigned round = 0; round < 300; round++) {
        char names[40][5];
        struct problem problem;
        struct exceptions exceptions;

        exceptions_init(&exceptions, GATEHOUSE_VERDICT_PERMIT);
        for (unsigned i = 0; i < 40; i++) {
            unsigned length = 1 + (unsigned)random() % 4;
            for (unsigned k = 0; k < length; k++)
                names[i][k] = (char)('a' + random() % 3);
            names[i][length] = '\0';
            if (i < 20)
                assert_int_equal(exceptions_add(&exceptions, names[i], &problem), AGENT_OK);
        }
        for (unsigned i = 0; i < 40; i++) {
            bool named = false;
            for (unsigned k = 0; k < 20; k++)
                named = named || strcmp(names[k], names[i]) == 0;
            assert_int_equal(decide_path(&exceptions, names[i]),
                             named ? GATEHOUSE_VERDICT_BLOCK : GATEHOUSE_VERDICT_PERMIT);
        }
        exceptions_cleanup(&exceptions);
    }
}

static enum gatehouse_verdict lookup(const struct exceptions *exceptions, const struct resolver *to, uint8_t protocol,
                                     uint16_t port)
{
    struct request request = request_of("/usr/bin/dig");

    request.fixed.ip_version = to->ip_version;
    request.fixed.protocol = protocol;
    request.fixed.remote_port = port;
    memcpy(request.fixed.remote_address, to->address, 16);
    return exceptions_decide(exceptions, &request);
}

static void looking_up_names_stays_permitted(void **state)
{
    const struct resolver known[2] = {{4, {192, 0, 2, 53}}, {6, {0x20, 1, 0xd, 0xb8, [15] = 0x53}}};
    const struct resolver other[2] = {{4, {192, 0, 2, 54}}, {6, {192, 0, 2, 53}}};
    struct exceptions exceptions;

    (void)state;
    exceptions_init(&exceptions, GATEHOUSE_VERDICT_BLOCK);
    assert_int_equal(lookup(&exceptions, &known[0], UDP, 53), GATEHOUSE_VERDICT_BLOCK);
    exceptions_set_resolvers(&exceptions, known, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(lookup(&exceptions, &known[i], UDP, 53), GATEHOUSE_VERDICT_PERMIT);
        assert_int_equal(lookup(&exceptions, &known[i], TCP, 53), GATEHOUSE_VERDICT_PERMIT);
        assert_int_equal(lookup(&exceptions, &known[i], UDP, 54), GATEHOUSE_VERDICT_BLOCK);
        assert_int_equal(lookup(&exceptions, &known[i], 132, 53), GATEHOUSE_VERDICT_BLOCK);
        assert_int_equal(lookup(&exceptions, &other[i], UDP, 53), GATEHOUSE_VERDICT_BLOCK);
    }
    exceptions_cleanup(&exceptions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exceptions_match_whole_paths),
        cmocka_unit_test(exceptions_agree_with_a_plain_search),
        cmocka_unit_test(looking_up_names_stays_permitted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
