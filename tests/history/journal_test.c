/* SPDX-License-Identifier: MIT */
/*
 * journal_test.c - what a journal gets, from a socket that stands for it: read by the rules of systemd.io/
 * JOURNAL_NATIVE_PROTOCOL. And that nobody waits for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <endian.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gatehouse/protocol.h>

#include "history/journal.h"
#include "tests/history/history_fixture.h"

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int made = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(made, (struct sockaddr *)&address, sizeof(address)), 0);
    return made;
}

static char message[65536];
static ssize_t message_size;

static bool receive(int from)
{
    message_size = recv(from, message, sizeof(message), 0);
    return message_size > 0;
}

/* NULL: it has no such field. Fails on a message that is not as the protocol says. */
static const char *field(const char *name)
{
    static char value[8192];
    bool found = false;

    for (ssize_t at = 0; at < message_size;) {
        const char *end = memchr(message + at, '\n', (size_t)(message_size - at));
        uint64_t length;
        bool is;

        assert_non_null(end);
        assert_null(memchr(message + at, '=', (size_t)(end - message - at)));
        is = strlen(name) == (size_t)(end - message - at) && memcmp(message + at, name, strlen(name)) == 0;
        at = end + 1 - message;
        memcpy(&length, message + at, sizeof(length));
        length = le64toh(length);
        at += (ssize_t)sizeof(length);
        assert_true(at + (ssize_t)length < message_size && message[at + (ssize_t)length] == '\n');
        if (is) {
            memcpy(value, message + at, length);
            value[length] = '\0';
            found = true;
        }
        at += (ssize_t)length + 1;
    }
    return found ? value : NULL;
}

static void test_fields(void **state)
{
    struct history_fixture *fixture = *state;
    struct history_record record = fixture_record(1);
    int listener = listen_at(fixture->file);
    struct journal *journal = journal_open(fixture->file);

    record.program = "/opt/a\n\xff=b";
    record.who = "alice";
    record.by = GATEHOUSE_BY_DECIDER;
    record.verdict = GATEHOUSE_VERDICT_BLOCK;
    record.decided = record.began + 1;
    record.rule_id = 0x1f;
    record.rule = "block all";
    journal_tell(journal, &record);
    assert_true(receive(listener));
    assert_string_equal(field("GATEHOUSE_PROGRAM"), record.program);
    assert_string_equal(field("GATEHOUSE_VERDICT"), "block");
    assert_string_equal(field("GATEHOUSE_BY"), "decider");
    assert_string_equal(field("GATEHOUSE_WHO"), "alice");
    assert_string_equal(field("GATEHOUSE_RULE_ID"), "000000000000001f");
    assert_string_equal(field("GATEHOUSE_RULE"), "block all");
    assert_string_equal(field("GATEHOUSE_ADDRESS"), "192.0.0.1");
    assert_string_equal(field("GATEHOUSE_PORT"), "443");
    assert_string_equal(field("GATEHOUSE_NAME"), "1.example.org");
    assert_string_equal(field("GATEHOUSE_UID"), "1001");
    assert_string_equal(field("MESSAGE_ID"), JOURNAL_BLOCKED);
    assert_string_equal(field("PRIORITY"), "5");
    assert_string_equal(field("SYSLOG_IDENTIFIER"), "gatehouse");
    assert_non_null(strstr(field("MESSAGE"), "block  /opt/a\\x0a\\xff=b pid 101"));
    assert_null(strchr(field("MESSAGE"), '\n'));
    assert_null(field("GATEHOUSE_LOST"));
    journal_close(journal);
    close(listener);
}

/* One that is told again because its count grew is one message. */
static void test_once(void **state)
{
    struct history_fixture *fixture = *state;
    struct history_record record = fixture_record(1);
    int listener = listen_at(fixture->file);
    struct journal *journal = journal_open(fixture->file);
    unsigned count = 0;

    record.endpoint = 7;
    for (record.count = 1; record.count < 10; record.count++)
        journal_tell(journal, &record);
    record.endpoint = 8;
    journal_tell(journal, &record);
    while (receive(listener))
        count++;
    assert_int_equal(count, 2);
    journal_close(journal);
    close(listener);
}

/* It is not there, or reads nothing: nobody waits, and the next that goes says how many did not. */
static void test_nobody_waits(void **state)
{
    struct history_fixture *fixture = *state;
    struct history_record record = fixture_record(1);
    struct journal *journal = journal_open(fixture->file);
    unsigned received = 0, lost = 0;
    int listener;

    for (unsigned i = 0; i < 5; i++)
        journal_tell(journal, &record);
    listener = listen_at(fixture->file);
    journal_tell(journal, &record);
    assert_true(receive(listener));
    assert_string_equal(field("GATEHOUSE_LOST"), "5");
    for (unsigned i = 0; i < 5000; i++)
        journal_tell(journal, &record);
    while (receive(listener)) {
        assert_null(field("GATEHOUSE_LOST"));
        received++;
    }
    assert_in_range(received, 1, 4999);
    journal_tell(journal, &record);
    assert_true(receive(listener));
    lost = (unsigned)atoi(field("GATEHOUSE_LOST"));
    assert_int_equal(received + lost, 5000);
    journal_close(journal);
    journal_close(NULL);
    close(listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_fields), TEST(test_once), TEST(test_nobody_waits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
