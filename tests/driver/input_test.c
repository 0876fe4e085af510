/* SPDX-License-Identifier: MIT */
/*
 * input_test.c - every operation with everything wrong that can be: its own status, and nothing changed.
 *
 * "Nothing changed" is GET_STATUS before and after, except the time and the count of refused input.
 */
#include "driver_fixture.h"
#include "gatehouse/rules.h"

static struct nt_file *observer, *decider, *fresh;

static struct gatehouse_status snapshot(void)
{
    struct gatehouse_status status = fixture_status(observer);

    status.now = 0;
    return status;
}

/* The call is refused with this status, is counted once, and changes nothing else. */
static void refuse(struct nt_file *file, uint32_t code, const void *input, size_t input_size, size_t output_size,
                   uint32_t expected)
{
    static uint8_t output[70000];
    struct gatehouse_status before = snapshot(), after;
    size_t information = 99;

    assert_int_equal((uint32_t)fixture_control(file, code, input, input_size, output, output_size, &information),
                     expected);
    assert_int_equal(information, 0);
    after = snapshot();
    assert_int_equal(after.rejected_input, before.rejected_input + 1);
    after.rejected_input = before.rejected_input;
    assert_memory_equal(&before, &after, sizeof(before));
}

static int setup(void **state)
{
    (void)state;
    fixture_load(NULL, 0);
    observer = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER);
    decider = fixture_open_as(4, GATEHOUSE_ROLE_DECIDER);
    fresh = fixture_open(5);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nt_file_close(fresh);
    nt_file_close(decider);
    nt_file_close(observer);
    fixture_unload();
    return 0;
}

static void hello_input(void **state)
{
    uint8_t bytes[64] = {0};
    const struct {
        struct gatehouse_hello hello;
        uint32_t status;
    } rows[] = {
        {{0, 1, 0}, GATEHOUSE_E_BAD_VERSION}, {{2, 1, 0}, GATEHOUSE_E_BAD_VERSION},
        {{1, 0, 0}, GATEHOUSE_E_BAD_ROLE},    {{1, 3, 0}, GATEHOUSE_E_BAD_ROLE},
        {{1, 2, 1}, GATEHOUSE_E_RESERVED},    {{1, 1, 0}, GATEHOUSE_E_DECIDER_PRESENT},
    };

    (void)state;
    for (size_t size = 0; size < 40; size++) {
        struct gatehouse_hello hello = {1, 2, 0};
        memcpy(bytes, &hello, sizeof(hello));
        if (size != sizeof(hello))
            refuse(fresh, GATEHOUSE_IOCTL_HELLO, bytes, size, sizeof(hello),
                   size < sizeof(hello) ? GATEHOUSE_E_SHORT_INPUT : GATEHOUSE_E_LONG_INPUT);
        if (size < sizeof(hello))
            refuse(fresh, GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), size, GATEHOUSE_E_SHORT_OUTPUT);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refuse(fresh, GATEHOUSE_IOCTL_HELLO, &rows[i].hello, 16, 16, rows[i].status);
    refuse(decider, GATEHOUSE_IOCTL_HELLO, &(struct gatehouse_hello){1, 1, 0}, 16, 16, GATEHOUSE_E_HELLO_TWICE);
    refuse(observer, GATEHOUSE_IOCTL_HELLO, &(struct gatehouse_hello){1, 1, 0}, 16, 16, GATEHOUSE_E_HELLO_TWICE);
}

static void nothing_without_hello(void **state)
{
    uint8_t zeros[64] = {0};

    (void)state;
    refuse(fresh, GATEHOUSE_IOCTL_GET_REQUESTS, NULL, 0, 60000, GATEHOUSE_E_NO_HELLO);
    refuse(fresh, GATEHOUSE_IOCTL_SUBMIT_DECISIONS, zeros, 32, 4, GATEHOUSE_E_NO_HELLO);
    refuse(fresh, GATEHOUSE_IOCTL_SUBMIT_AND_GET, zeros, 32, 60000, GATEHOUSE_E_NO_HELLO);
    refuse(fresh, GATEHOUSE_IOCTL_SET_POLICY, zeros, 24, 0, GATEHOUSE_E_NO_HELLO);
    refuse(fresh, GATEHOUSE_IOCTL_GET_STATUS, NULL, 0, 216, GATEHOUSE_E_NO_HELLO);
    refuse(fresh, GATEHOUSE_IOCTL_READ_EVENTS, NULL, 0, 60000, GATEHOUSE_E_NO_HELLO);
}

static void only_the_right_role(void **state)
{
    uint8_t zeros[64] = {0};

    (void)state;
    refuse(observer, GATEHOUSE_IOCTL_GET_REQUESTS, NULL, 0, 60000, GATEHOUSE_E_NOT_DECIDER);
    refuse(observer, GATEHOUSE_IOCTL_SUBMIT_DECISIONS, zeros, 32, 4, GATEHOUSE_E_NOT_DECIDER);
    refuse(observer, GATEHOUSE_IOCTL_SUBMIT_AND_GET, zeros, 32, 60000, GATEHOUSE_E_NOT_DECIDER);
    refuse(decider, GATEHOUSE_IOCTL_READ_EVENTS, NULL, 0, 60000, GATEHOUSE_E_BAD_ROLE);
    refuse(observer, IOCTL_WFP_GET_NEXT_REQUEST, NULL, 0, 24, (uint32_t)STATUS_INVALID_DEVICE_STATE);
    refuse(decider, IOCTL_WFP_SUBMIT_DECISION, zeros, 16, 16, (uint32_t)STATUS_INVALID_DEVICE_STATE);
    refuse(fresh, IOCTL_WFP_GET_NEXT_REQUEST, NULL, 0, 24, (uint32_t)STATUS_DEVICE_BUSY);
}

static void unknown_codes(void **state)
{
    (void)state;
    for (uint32_t function = 0; function < 0x1000; function += 7) {
        if (function == 0x800 || function == 0x801 || (function >= 0x810 && function <= 0x815))
            continue;
        refuse(decider, GATEHOUSE_CTL(function, 0), NULL, 0, 16, GATEHOUSE_E_UNKNOWN_CODE);
    }
}

static void reads_and_status_take_no_input(void **state)
{
    uint8_t zeros[8] = {0};

    (void)state;
    refuse(decider, GATEHOUSE_IOCTL_GET_REQUESTS, zeros, 1, 60000, GATEHOUSE_E_LONG_INPUT);
    refuse(decider, GATEHOUSE_IOCTL_GET_REQUESTS, NULL, 0, 0, GATEHOUSE_E_SHORT_OUTPUT);
    refuse(decider, GATEHOUSE_IOCTL_GET_REQUESTS, NULL, 0, 175, GATEHOUSE_E_SHORT_OUTPUT);
    refuse(decider, GATEHOUSE_IOCTL_GET_STATUS, zeros, 8, 216, GATEHOUSE_E_LONG_INPUT);
    refuse(decider, GATEHOUSE_IOCTL_GET_STATUS, NULL, 0, 215, GATEHOUSE_E_SHORT_OUTPUT);
    refuse(observer, GATEHOUSE_IOCTL_READ_EVENTS, zeros, 8, 60000, GATEHOUSE_E_LONG_INPUT);
    refuse(observer, GATEHOUSE_IOCTL_READ_EVENTS, NULL, 0, 23, GATEHOUSE_E_SHORT_OUTPUT);
}

static void policy_input(void **state)
{
    const struct {
        struct gatehouse_policy policy;
        uint32_t status;
    } rows[] = {
        {{2, 60000, 2, 0, 0}, GATEHOUSE_E_BAD_VERSION}, {{1, 60000, 2, 0, 1}, GATEHOUSE_E_RESERVED},
        {{1, 99, 2, 0, 0}, GATEHOUSE_E_BAD_SETTING},    {{1, 120001, 2, 0, 0}, GATEHOUSE_E_BAD_SETTING},
        {{1, 60000, 0, 0, 0}, GATEHOUSE_E_BAD_SETTING}, {{1, 60000, 3, 0, 0}, GATEHOUSE_E_BAD_SETTING},
        {{1, 60000, 2, 3, 0}, GATEHOUSE_E_BAD_SETTING},
    };
    uint8_t bytes[40] = {1};

    (void)state;
    for (size_t size = 0; size < sizeof(bytes); size++) {
        if (size != 24)
            refuse(decider, GATEHOUSE_IOCTL_SET_POLICY, bytes, size, 0,
                   size < 24 ? GATEHOUSE_E_SHORT_INPUT : GATEHOUSE_E_LONG_INPUT);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refuse(decider, GATEHOUSE_IOCTL_SET_POLICY, &rows[i].policy, 24, 0, rows[i].status);
    assert_int_equal(fixture_set_policy(decider, 1000, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_NO_DECIDER_BLOCK), 0);
    struct gatehouse_policy now = fixture_status(observer).policy;
    assert_true(now.deadline_ms == 1000 && now.undecided == 1 && now.no_decider == 2);
}

/* room: least output that two decisions need. */
static void refuse_decisions(uint32_t code, size_t room)
{
    uint8_t bytes[8 + 24 * 2 + 8] = {0};
    struct gatehouse_decisions header = {1, 2};

    memcpy(bytes, &header, sizeof(header));
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        if (size != 56)
            refuse(decider, code, bytes, size, room, size < 56 ? GATEHOUSE_E_SHORT_INPUT : GATEHOUSE_E_LONG_INPUT);
    }
    for (size_t less = 0; less < room; less++)
        refuse(decider, code, bytes, 56, less, GATEHOUSE_E_SHORT_OUTPUT);
    for (int i = 0; i < 4; i++) {
        header.count = (const uint32_t[]){0, 1025, 0x0AAAAAABu, 0xFFFFFFFFu}[i];
        memcpy(bytes, &header, sizeof(header));
        refuse(decider, code, bytes, 56, room, GATEHOUSE_E_BAD_COUNT);
    }
    header = (struct gatehouse_decisions){9, 2};
    memcpy(bytes, &header, sizeof(header));
    refuse(decider, code, bytes, 56, room, GATEHOUSE_E_BAD_VERSION);
}

static void decisions_input(void **state)
{
    (void)state;
    refuse_decisions(GATEHOUSE_IOCTL_SUBMIT_DECISIONS, 8);
    refuse_decisions(GATEHOUSE_IOCTL_SUBMIT_AND_GET, 8 + 176);
}

/* One decision with this status; the connection stays held, nothing but the count of refusals moves. */
static void refuse_decision(struct nt_file *file, struct gatehouse_decision decision, uint32_t expected)
{
    struct {
        struct gatehouse_decisions header;
        struct gatehouse_decision decision;
    } input = {{1, 1}, decision};
    struct gatehouse_status before = snapshot(), after;
    uint32_t status = 0;

    assert_int_equal(fixture_control(file, GATEHOUSE_IOCTL_SUBMIT_DECISIONS, &input, sizeof(input), &status, 4, NULL),
                     0);
    assert_int_equal(status, expected);
    after = snapshot();
    assert_int_equal(after.rejected_input, before.rejected_input + 1);
    after.rejected_input = before.rejected_input;
    assert_memory_equal(&before, &after, sizeof(before));
}

static void each_decision_stands_for_itself(void **state)
{
    struct fixture_connection held, queued, no_program;
    struct gatehouse_request request[2];

    (void)state;
    fixture_connect(&held);
    fixture_connect_to(&no_program, fixture_endpoint(), &(struct fixture_connect){.program = ""});
    assert_int_equal(fixture_get(decider, request, 2), 2);
    fixture_connect(&queued);
    uint64_t id = request[0].id;
    refuse_decision(decider, (struct gatehouse_decision){id, 0, 0, 0, 0}, GATEHOUSE_E_BAD_VERDICT);
    refuse_decision(decider, (struct gatehouse_decision){id, 3, 0, 0, 0}, GATEHOUSE_E_BAD_VERDICT);
    refuse_decision(decider, (struct gatehouse_decision){id, 1, 5, 0, 0}, GATEHOUSE_E_BAD_SCOPE);
    refuse_decision(decider, (struct gatehouse_decision){id, 1, 4, 0, 0}, GATEHOUSE_E_NO_NAME);
    refuse_decision(decider, (struct gatehouse_decision){id, 1, 0, 5, 0}, GATEHOUSE_E_BAD_LIFETIME);
    refuse_decision(decider, (struct gatehouse_decision){id, 1, 0, 0, 3}, GATEHOUSE_E_BAD_LIFETIME);
    refuse_decision(decider, (struct gatehouse_decision){id, 1, 1, 0, 4}, GATEHOUSE_E_BAD_LIFETIME);
    refuse_decision(decider, (struct gatehouse_decision){id, 1, 1, 0, 1}, GATEHOUSE_E_BAD_LIFETIME);
    refuse_decision(decider, (struct gatehouse_decision){id, 1, 1, 5, 2}, GATEHOUSE_E_BAD_LIFETIME);
    refuse_decision(decider, (struct gatehouse_decision){0, 1, 0, 0, 0}, GATEHOUSE_E_UNKNOWN_ID);
    refuse_decision(decider, (struct gatehouse_decision){id + (1ull << 32), 1, 0, 0, 0}, GATEHOUSE_E_UNKNOWN_ID);
    refuse_decision(decider, (struct gatehouse_decision){UINT64_MAX, 1, 1, 0, 0}, GATEHOUSE_E_UNKNOWN_ID);
    refuse_decision(decider, (struct gatehouse_decision){request[1].id, 1, 1, 0, 0}, GATEHOUSE_E_BAD_SCOPE);
    refuse_decision(decider, (struct gatehouse_decision){request[1].id, 1, 2, 0, 0}, GATEHOUSE_E_BAD_SCOPE);
    refuse_decision(decider, (struct gatehouse_decision){request[1].id, 1, 3, 0, 0}, GATEHOUSE_E_BAD_SCOPE);
    refuse_decision(decider, (struct gatehouse_decision){request[1].id, 1, 4, 0, 0}, GATEHOUSE_E_BAD_SCOPE);
    assert_true((request[1].flags & GATEHOUSE_REQUEST_NO_PROGRAM) != 0);
    /* the queued one has the next slot: guessing its id does not help */
    refuse_decision(decider, (struct gatehouse_decision){request[1].id + 1, 1, 0, 0, 0}, GATEHOUSE_E_NOT_YOURS);
    refuse_decision(decider, (struct gatehouse_decision){request[1].id + 1, 1, 2, 0, 0}, GATEHOUSE_E_NOT_YOURS);
    assert_pended(&held);
    assert_pended(&queued);
    assert_pended(&no_program);
    assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
    assert_decided(&held, WFP_BLOCK);
    refuse_decision(decider, (struct gatehouse_decision){id, 1, 0, 0, 0}, GATEHOUSE_E_UNKNOWN_ID);
    wfp_ale_endpoint_closed(queued.endpoint);
    wfp_ale_endpoint_closed(no_program.endpoint);
}

static void seed_input(void **state)
{
    struct nt_file *seed, *other;
    struct fixture_connection held;
    static struct fixture_call get;
    USER_CLASSIFY_DECISION decision = {12345, 0, 0};
    USER_CLASSIFY_REQUEST request;

    (void)state;
    nt_file_close(decider);
    seed = fixture_open(8);
    other = fixture_open(9);
    fixture_start(&get, seed, IOCTL_WFP_GET_NEXT_REQUEST, 24);
    fixture_connect(&held);
    assert_int_equal(fixture_finish(&get), 0);
    memcpy(&request, get.buffer, sizeof(request));
    for (uint32_t room = 0; room < 24; room++)
        refuse(seed, IOCTL_WFP_GET_NEXT_REQUEST, NULL, 0, room, (uint32_t)STATUS_BUFFER_TOO_SMALL);
    refuse(seed, IOCTL_WFP_GET_NEXT_REQUEST, &decision, 1, 24, (uint32_t)STATUS_INVALID_PARAMETER);
    for (uint32_t size = 0; size < 16; size++)
        refuse(seed, IOCTL_WFP_SUBMIT_DECISION, &decision, size, 16, (uint32_t)STATUS_BUFFER_TOO_SMALL);
    refuse(seed, IOCTL_WFP_SUBMIT_DECISION, &(uint8_t[17]){0}, 17, 16, (uint32_t)STATUS_INVALID_PARAMETER);
    refuse(seed, IOCTL_WFP_SUBMIT_DECISION, &decision, 16, 15, (uint32_t)STATUS_BUFFER_TOO_SMALL);
    refuse(seed, IOCTL_WFP_SUBMIT_DECISION, &decision, 16, 16, (uint32_t)STATUS_NOT_FOUND);
    decision.RequestId = request.RequestId;
    refuse(other, IOCTL_WFP_SUBMIT_DECISION, &decision, 16, 16, (uint32_t)STATUS_ACCESS_DENIED);
    refuse(seed, GATEHOUSE_IOCTL_GET_STATUS, NULL, 0, 216, GATEHOUSE_E_NO_HELLO);
    refuse(seed, GATEHOUSE_IOCTL_HELLO, &(struct gatehouse_hello){1, 2, 0}, 16, 16, GATEHOUSE_E_HELLO_TWICE);
    assert_pended(&held);
    wfp_ale_endpoint_closed(held.endpoint);
    nt_file_close(seed);
    nt_file_close(other);
    decider = fixture_open_as(4, GATEHOUSE_ROLE_DECIDER);
}

static void too_many_reads(void **state)
{
    static struct fixture_call gets[17], reads[17];

    (void)state;
    for (int i = 0; i < 16; i++) {
        fixture_start(&gets[i], decider, GATEHOUSE_IOCTL_GET_REQUESTS, 1000);
        fixture_start(&reads[i], observer, GATEHOUSE_IOCTL_READ_EVENTS, 1000);
        assert_true(gets[i].done == 0 && reads[i].done == 0);
    }
    refuse(decider, GATEHOUSE_IOCTL_GET_REQUESTS, NULL, 0, 1000, GATEHOUSE_E_TOO_MANY_READS);
    refuse(observer, GATEHOUSE_IOCTL_READ_EVENTS, NULL, 0, 1000, GATEHOUSE_E_TOO_MANY_READS);
    for (int i = 15; i >= 0; i--) {
        fixture_cancel(&gets[i]);
        fixture_cancel(&reads[i]);
        assert_int_equal(fixture_finish(&gets[i]), STATUS_CANCELLED);
        assert_int_equal(fixture_finish(&reads[i]), STATUS_CANCELLED);
    }
}

/* A read too small for the connection that comes is refused; the connection stays for a larger one. */
static void short_read_loses_nothing(void **state)
{
    static struct fixture_call small, large;
    struct fixture_connection held;
    struct gatehouse_request request;

    (void)state;
    fixture_start(&small, decider, GATEHOUSE_IOCTL_GET_REQUESTS, 176);
    fixture_start(&large, decider, GATEHOUSE_IOCTL_GET_REQUESTS, 1000);
    fixture_connect(&held);
    assert_int_equal((uint32_t)fixture_finish(&small), GATEHOUSE_E_SHORT_OUTPUT);
    assert_int_equal(fixture_finish(&large), STATUS_SUCCESS);
    memcpy(&request, large.buffer, sizeof(request));
    assert_int_equal(request.path_size, 2 * strlen("/bin/app"));
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hello_input, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_without_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_right_role, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_codes, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_and_status_take_no_input, setup, teardown),
        cmocka_unit_test_setup_teardown(policy_input, setup, teardown),
        cmocka_unit_test_setup_teardown(decisions_input, setup, teardown),
        cmocka_unit_test_setup_teardown(each_decision_stands_for_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(seed_input, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(short_read_loses_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
