/* SPDX-License-Identifier: MIT */
/*
 * names_test.c - names that were learned: in requests and events, by program and by time; what bad input leaves; the
 * scope of a port. gatehouse/rules.h (Names) and protocol.h say what has to happen.
 */
#include "driver_fixture.h"
#include "gatehouse/rules.h"

static struct nt_file *decider, *observer;

static int setup(void **state)
{
    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    observer = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nt_file_close(decider);
    nt_file_close(observer);
    fixture_unload();
    return 0;
}

/* --- NAMES_LEARNED --- */

struct names_input {
    size_t size;
    uint8_t bytes[4096];
};

static void names_begin(struct names_input *input)
{
    struct gatehouse_names header = {GATEHOUSE_PROTOCOL_VERSION, 0};

    memset(input, 0, sizeof(*input));
    memcpy(input->bytes, &header, sizeof(header));
    input->size = sizeof(header);
}

/* last: of 192.0.2.x, or of the fixture's IPv6 address. */
static void names_add(struct names_input *input, const char *program, const char *name, int ip_version, uint8_t last,
                      uint32_t ttl_ms)
{
    struct gatehouse_name record = {0, ttl_ms, 0, (uint16_t)strlen(name), (uint8_t)ip_version, {0}, {0}};
    struct gatehouse_names header;
    uint8_t *out = input->bytes + input->size;

    record.path_size = (uint16_t)(2 * strlen(program));
    record.size = (uint32_t)(sizeof(record) + record.path_size + record.name_size + 7) / 8 * 8;
    if (ip_version == 6)
        memcpy(record.address, (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4), record.address[15] = last;
    else
        memcpy(record.address, (const uint8_t[]){192, 0, 2, last}, 4);
    memcpy(out, &record, sizeof(record));
    for (size_t i = 0; i < strlen(program); i++)
        out[sizeof(record) + 2 * i] = (uint8_t)program[i];
    memcpy(out + sizeof(record) + record.path_size, name, record.name_size);
    memcpy(&header, input->bytes, sizeof(header));
    header.count++;
    memcpy(input->bytes, &header, sizeof(header));
    input->size += record.size;
}

static uint32_t names_send(const struct names_input *input)
{
    size_t information = 99;
    uint32_t status = (uint32_t)fixture_control(observer, GATEHOUSE_IOCTL_NAMES_LEARNED, input->bytes, input->size,
                                                NULL, 0, &information);

    assert_int_equal(information, 0);
    return status;
}

static void learn(const char *program, const char *name, int ip_version, uint8_t last, uint32_t ttl_ms)
{
    struct names_input input;

    names_begin(&input);
    names_add(&input, program, name, ip_version, last, ttl_ms);
    assert_int_equal(names_send(&input), 0);
}

/* --- What a request shows --- */

static void name_in(const uint8_t *record, char *name)
{
    struct gatehouse_request request;

    memcpy(&request, record, sizeof(request));
    assert_true(request.name_size <= GATEHOUSE_NAME_MAX && request.reserved == 0);
    assert_int_equal(request.size, (sizeof(request) + request.path_size + request.name_size + 7) / 8 * 8);
    memcpy(name, record + sizeof(request) + request.path_size, request.name_size);
    name[request.name_size] = 0;
}

/* The one request there is to get. Its id. */
static uint64_t get_named(char *name)
{
    static struct fixture_call get;
    struct gatehouse_request request;

    fixture_start(&get, decider, GATEHOUSE_IOCTL_GET_REQUESTS, 4096);
    assert_int_equal(fixture_finish(&get), 0);
    memcpy(&request, get.buffer, sizeof(request));
    assert_int_equal(get.information, request.size);
    name_in(get.buffer, name);
    return request.id;
}

static void assert_name(const struct fixture_connect *how, const char *expected)
{
    struct fixture_connection held;
    char name[GATEHOUSE_NAME_MAX + 1];

    fixture_connect_to(&held, fixture_endpoint(), how);
    assert_pended(&held);
    (void)get_named(name);
    assert_true(strcmp(name, expected) == 0);
    wfp_ale_endpoint_closed(held.endpoint);
}

static void each_program_has_its_own_names(void **state)
{
    const struct fixture_connect a = {.program = "/bin/a", .remote_last = 1};
    const struct fixture_connect b = {.program = "/bin/b", .remote_last = 1};

    (void)state;
    assert_name(&a, "");
    learn("/bin/a", "One.Example.ORG", 4, 1, 0);
    assert_name(&a, "one.example.org");
    assert_name(&b, "");
    learn("/bin/b", "two.example.org", 4, 1, 0);
    assert_name(&a, "one.example.org");
    assert_name(&b, "two.example.org");
    assert_name(&(struct fixture_connect){.program = "/bin/a", .remote_last = 2}, "");
    assert_name(&(struct fixture_connect){.program = "/bin/a", .remote_last = 1, .ip_version = 6}, "");
    assert_name(&(struct fixture_connect){.program = "/bin/a", .remote_last = 1, .protocol = 17}, "one.example.org");
    learn("/bin/a", "three.example.org", 4, 1, 0);
    assert_name(&a, "three.example.org"); /* the latest */
    learn("/bin/a", "one.example.org", 4, 1, 0);
    assert_name(&a, "one.example.org");
    /* What is known for any program: where its own is not known, and where there is no program. */
    learn("", "any.example.org", 4, 1, 0);
    assert_name(&a, "one.example.org");
    assert_name(&(struct fixture_connect){.program = "/bin/c", .remote_last = 1}, "any.example.org");
    assert_name(&(struct fixture_connect){.program = "", .remote_last = 1}, "any.example.org");
}

static void names_run_out(void **state)
{
    const struct fixture_connect a = {.program = "/bin/a", .remote_last = 1};

    (void)state;
    learn("/bin/a", "short.example", 4, 1, 1000);
    fixture_advance((uint64_t)(GATEHOUSE_NAME_KEEP_MIN_MS - 1) * MS);
    assert_name(&a, "short.example");
    fixture_advance(2 * MS);
    assert_name(&a, "");
    learn("/bin/a", "long.example", 4, 1, 0xFFFFFFFFu);
    fixture_advance((uint64_t)(GATEHOUSE_NAME_KEEP_MAX_MS - 1) * MS);
    assert_name(&a, "long.example");
    fixture_advance(2 * MS);
    assert_name(&a, "");
}

/* Each event of one connection carries its name, though the table knows another by then. */
static void events_carry_it(void **state)
{
    static struct fixture_call read;
    struct fixture_connection held;
    char name[GATEHOUSE_NAME_MAX + 1];
    struct gatehouse_event event;
    unsigned seen = 0;
    uint64_t id;

    (void)state;
    learn("/bin/a", "one.example.org", 4, 1, 0);
    fixture_connect_to(&held, fixture_endpoint(), &(struct fixture_connect){.program = "/bin/a", .remote_last = 1});
    learn("/bin/a", "two.example.org", 4, 1, 0);
    id = get_named(name);
    assert_true(strcmp(name, "one.example.org") == 0);
    assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
    while (seen != 2) {
        fixture_start(&read, observer, GATEHOUSE_IOCTL_READ_EVENTS, 4096);
        assert_int_equal(fixture_finish(&read), 0);
        for (size_t at = 0; at < read.information; at += event.size, seen++) {
            memcpy(&event, read.buffer + at, sizeof(event));
            assert_int_equal(event.type, seen == 0 ? GATEHOUSE_EVENT_HELD : GATEHOUSE_EVENT_DECIDED);
            name_in(read.buffer + at + sizeof(event), name);
            assert_true(strcmp(name, "one.example.org") == 0);
        }
    }
}

/* One bad record among good ones: refused, counted, and none of them is known. */
static void bad_input_changes_nothing(void **state)
{
    const struct fixture_connect a = {.program = "/bin/a", .remote_last = 1};
    static const uint32_t statuses[] = {GATEHOUSE_E_BAD_NAME, GATEHOUSE_E_BAD_NAME, GATEHOUSE_E_RESERVED,
                                        GATEHOUSE_E_SHORT_INPUT, GATEHOUSE_E_LONG_INPUT};
    struct gatehouse_status before = fixture_status(observer);
    struct names_input input;

    (void)state;
    for (int bad = 0; bad < 5; bad++) {
        size_t second;

        names_begin(&input);
        names_add(&input, "/bin/a", "one.example.org", 4, 1, 0);
        second = input.size;
        names_add(&input, "/bin/a", bad == 0 ? "no name" : "two.example.org", bad == 1 ? 5 : 4, 1, 0);
        if (bad == 2)
            input.bytes[second + 13] = 1;
        if (bad == 3)
            input.size -= 8;
        if (bad == 4)
            input.size += 8;
        assert_int_equal(names_send(&input), statuses[bad]);
        assert_int_equal(fixture_status(observer).rejected_input, before.rejected_input + (unsigned)bad + 1);
        assert_name(&a, "");
    }
    names_begin(&input);
    assert_int_equal(names_send(&input), GATEHOUSE_E_BAD_COUNT);
    names_add(&input, "/bin/a", "one.example.org", 4, 1, 0);
    names_add(&input, "/bin/b", "two.example.org", 6, 1, 0);
    names_add(&input, "/bin/b", "three.example.org", 4, 1, 0);
    assert_int_equal(names_send(&input), 0);
    assert_name(&a, "one.example.org");
    assert_name(&(struct fixture_connect){.program = "/bin/b", .remote_last = 1}, "three.example.org");
}

/* --- Scopes --- */

static enum wfp_outcome outcome_of(const struct fixture_connect *how)
{
    struct fixture_connection probe;

    fixture_connect_to(&probe, fixture_endpoint(), how);
    if (probe.first.outcome == WFP_PENDED)
        wfp_ale_endpoint_closed(probe.endpoint); /* asked about: take it back */
    return probe.first.outcome;
}

static uint64_t connect_and_get(struct fixture_connection *held, const struct fixture_connect *how)
{
    char name[GATEHOUSE_NAME_MAX + 1];

    fixture_connect_to(held, fixture_endpoint(), how);
    assert_pended(held);
    return get_named(name);
}

static void port_scope(void **state)
{
    const struct fixture_connect rows[] = {
        {.remote_last = 1, .program = "/bin/a", .remote_port = 443},
        {.remote_last = 9, .program = "/bin/a", .remote_port = 443},
        {.remote_last = 9, .program = "/bin/a", .remote_port = 443, .ip_version = 6},
        {.remote_last = 1, .program = "/bin/a", .remote_port = 80},
        {.remote_last = 1, .program = "/bin/a", .remote_port = 443, .protocol = 17},
        {.remote_last = 1, .program = "/bin/b", .remote_port = 443},
    };
    static struct fixture_connection waiting[1200];
    struct fixture_connection held;
    enum { ROWS = sizeof(rows) / sizeof(rows[0]), COVERED = 3 };

    (void)state;
    for (uint32_t verdict = GATEHOUSE_VERDICT_PERMIT; verdict <= GATEHOUSE_VERDICT_BLOCK; verdict++) {
        enum wfp_outcome outcome = verdict == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK;
        uint64_t id = connect_and_get(&held, &rows[0]);

        /* More than one look at the list takes, covered and not. */
        for (unsigned i = 0; i < 1200; i++)
            fixture_connect_to(&waiting[i], fixture_endpoint(), &rows[i % ROWS]);
        assert_int_equal(fixture_decide(decider, id, verdict, GATEHOUSE_SCOPE_PROGRAM_PORT, 1000), 0);
        assert_decided(&held, outcome);
        for (unsigned i = 0; i < 1200; i++) {
            if (i % ROWS < COVERED)
                assert_decided(&waiting[i], outcome);
            else
                assert_pended(&waiting[i]);
        }
        for (unsigned i = 0; i < ROWS; i++)
            assert_int_equal(outcome_of(&rows[i]), i < COVERED ? outcome : WFP_PENDED);
        for (unsigned i = 0; i < 1200; i++)
            wfp_ale_endpoint_closed(waiting[i].endpoint);
        fixture_advance(1001 * MS);
        assert_int_equal(outcome_of(&rows[0]), WFP_PENDED);
    }
}

/* A wider answer that comes later does not undo a narrower one. Which is asked first here: the narrow ones. */
static void narrower_answers_come_first(void **state)
{
    const struct fixture_connect here = {.remote_last = 1}, there = {.remote_last = 2};
    const struct fixture_connect other = {.remote_last = 1, .remote_port = 80}, third = {.remote_port = 8080};
    struct fixture_connection held[3];
    uint64_t id[3];

    (void)state;
    id[0] = connect_and_get(&held[0], &here);
    id[1] = connect_and_get(&held[1], &there);
    id[2] = connect_and_get(&held[2], &other);
    assert_int_equal(fixture_decide(decider, id[0], GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_SCOPE_PROGRAM_DESTINATION, 0),
                     0);
    assert_int_equal(fixture_decide(decider, id[1], GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_SCOPE_PROGRAM_PORT, 0), 0);
    assert_int_equal(fixture_decide(decider, id[2], GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_SCOPE_PROGRAM, 0), 0);
    assert_int_equal(outcome_of(&here), WFP_PERMIT);
    assert_int_equal(outcome_of(&there), WFP_BLOCK);
    assert_int_equal(outcome_of(&other), WFP_PERMIT);
    assert_int_equal(outcome_of(&third), WFP_PERMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_program_has_its_own_names, setup, teardown),
        cmocka_unit_test_setup_teardown(names_run_out, setup, teardown),
        cmocka_unit_test_setup_teardown(events_carry_it, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_input_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(port_scope, setup, teardown),
        cmocka_unit_test_setup_teardown(narrower_answers_come_first, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
