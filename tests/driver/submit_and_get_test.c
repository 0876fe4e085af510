/* SPDX-License-Identifier: MIT */
/*
 * submit_and_get_test.c - SUBMIT_AND_GET: what docs/protocol.md and protocol.h say of it.
 *
 * The oracle is the same done with SUBMIT_DECISIONS and GET_REQUESTS, whose tests stand in the other files.
 */
#include "driver_fixture.h"

static struct nt_file *decider;
static struct fixture_call both;

static int setup(void **state)
{
    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nt_file_close(decider);
    fixture_unload();
    return 0;
}

static void start(const uint64_t *ids, uint32_t count, uint32_t verdict, size_t output_size)
{
    struct {
        struct gatehouse_decisions head;
        struct gatehouse_decision list[4];
    } input = {.head = {GATEHOUSE_PROTOCOL_VERSION, count}};

    for (uint32_t i = 0; i < count; i++)
        input.list[i] = (struct gatehouse_decision){.id = ids[i], .verdict = verdict};
    fixture_start_with(&both, decider, GATEHOUSE_IOCTL_SUBMIT_AND_GET, &input, sizeof(input.head) + count * 24,
                       output_size);
}

static uint32_t status_at(uint32_t index)
{
    uint32_t status;

    memcpy(&status, both.buffer + 4 * index, sizeof(status));
    return status;
}

/* What a test leaves held is completed by teardown: so it may not lie on a stack. */
/* A connection in the decider's hands. */
static uint64_t hold(struct fixture_connection *held)
{
    struct gatehouse_request request;

    fixture_connect(held);
    assert_pended(held);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    return request.id;
}

/* The verdict counts at once; the answer comes with the next connection: status, padding, request. */
static void waits_for_the_next(void **state)
{
    static struct fixture_connection first, second;
    struct gatehouse_request request;
    uint64_t id = hold(&first);

    (void)state;
    start(&id, 1, GATEHOUSE_VERDICT_PERMIT, 1000);
    assert_decided(&first, WFP_PERMIT);
    assert_int_equal(both.done, 0);
    fixture_connect(&second);
    assert_int_equal(fixture_finish(&both), STATUS_SUCCESS);
    assert_true(status_at(0) == 0 && status_at(1) == 0);
    memcpy(&request, both.buffer + 8, sizeof(request));
    assert_int_equal(request.endpoint, second.endpoint);
    assert_int_equal(both.information, 8 + request.size);
    assert_memory_equal(both.buffer + 8 + sizeof(request), L"/bin/app", 16);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
    assert_decided(&second, WFP_BLOCK);
}

/* Three statuses take 16 bytes; what is there already comes at once, as many as fit, and the rest stays. */
static void takes_what_is_there(void **state)
{
    static struct fixture_connection held[3], later[3];
    struct gatehouse_request request, left[3];
    uint64_t ids[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        ids[i] = hold(&held[i]);
    for (int i = 0; i < 3; i++)
        fixture_connect(&later[i]);
    start(ids, 3, GATEHOUSE_VERDICT_BLOCK, 16 + 2 * 192);
    assert_int_equal(fixture_finish(&both), STATUS_SUCCESS);
    for (int i = 0; i < 3; i++)
        assert_decided(&held[i], WFP_BLOCK);
    assert_true(status_at(0) == 0 && status_at(1) == 0 && status_at(2) == 0 && status_at(3) == 0);
    assert_int_equal(both.information, 16 + 2 * 192);
    for (int i = 0; i < 2; i++) {
        memcpy(&request, both.buffer + 16 + i * 192, sizeof(request));
        assert_int_equal(request.endpoint, later[i].endpoint);
    }
    assert_int_equal(fixture_get(decider, left, 3), 1);
    assert_int_equal(left[0].endpoint, later[2].endpoint);
}

/* A refused decision is told at once, though a connection waits that could come with it. */
static void a_refusal_does_not_wait(void **state)
{
    static struct fixture_connection held, later;
    struct gatehouse_request request;
    uint64_t ids[2] = {hold(&held), 999999};
    uint64_t refused = fixture_status(NULL).rejected_input;

    (void)state;
    fixture_connect(&later);
    start(ids, 2, GATEHOUSE_VERDICT_PERMIT, 1000);
    assert_int_equal(fixture_finish(&both), STATUS_SUCCESS);
    assert_int_equal(both.information, 8);
    assert_true(status_at(0) == 0 && status_at(1) == GATEHOUSE_E_UNKNOWN_ID);
    assert_int_equal(fixture_status(NULL).rejected_input, refused + 1);
    assert_decided(&held, WFP_PERMIT);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(request.endpoint, later.endpoint);
    ids[0] = 999999;
    start(ids, 1, GATEHOUSE_VERDICT_PERMIT, 1000);
    assert_int_equal(fixture_finish(&both), STATUS_SUCCESS);
    assert_true(both.information == 8 && status_at(0) == GATEHOUSE_E_UNKNOWN_ID && status_at(1) == 0);
}

/* Too little room for the next request: the statuses alone, then or when it comes; a larger read gets it. */
static void too_small_for_the_next(void **state)
{
    static struct fixture_call large;
    static struct fixture_connection held, later;
    struct gatehouse_request request;
    uint64_t refused = fixture_status(NULL).rejected_input;
    uint64_t id = hold(&held);

    (void)state;
    start(&id, 1, GATEHOUSE_VERDICT_PERMIT, 8 + 176);
    fixture_start(&large, decider, GATEHOUSE_IOCTL_GET_REQUESTS, 1000);
    fixture_connect(&later);
    assert_int_equal(fixture_finish(&both), STATUS_SUCCESS);
    assert_true(both.information == 8 && status_at(0) == 0);
    assert_int_equal(fixture_finish(&large), STATUS_SUCCESS);
    memcpy(&request, large.buffer, sizeof(request));
    assert_int_equal(request.endpoint, later.endpoint);

    fixture_connect(&held);
    start(&request.id, 1, GATEHOUSE_VERDICT_PERMIT, 8 + 176);
    assert_int_equal(fixture_finish(&both), STATUS_SUCCESS);
    assert_true(both.information == 8 && status_at(0) == 0);
    assert_decided(&later, WFP_PERMIT);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(fixture_status(NULL).rejected_input, refused);
}

/* Cancelled, and at the end of its handle: CANCELLED, and what it decided stays decided. */
static void ends_like_a_read(void **state)
{
    static struct fixture_connection held[2];
    uint64_t id = hold(&held[0]);

    (void)state;
    start(&id, 1, GATEHOUSE_VERDICT_PERMIT, 1000);
    fixture_cancel(&both);
    assert_int_equal(fixture_finish(&both), STATUS_CANCELLED);
    assert_int_equal(both.information, 0);
    assert_decided(&held[0], WFP_PERMIT);

    id = hold(&held[1]);
    start(&id, 1, GATEHOUSE_VERDICT_BLOCK, 1000);
    nt_file_close(decider);
    assert_int_equal(fixture_finish(&both), STATUS_CANCELLED);
    assert_decided(&held[1], WFP_BLOCK);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    assert_int_equal(fixture_status(NULL).requeued, 0);
}

/* It counts among the sixteen waiting reads; as the seventeenth it does not wait, and its decisions count. */
static void the_seventeenth(void **state)
{
    static struct fixture_call gets[16];
    static struct fixture_connection held;
    uint64_t id = hold(&held);

    (void)state;
    for (int i = 0; i < 16; i++)
        fixture_start(&gets[i], decider, GATEHOUSE_IOCTL_GET_REQUESTS, 1000);
    start(&id, 1, GATEHOUSE_VERDICT_PERMIT, 1000);
    assert_int_equal(fixture_finish(&both), STATUS_SUCCESS);
    assert_true(both.information == 8 && status_at(0) == 0);
    assert_decided(&held, WFP_PERMIT);
    for (int i = 0; i < 16; i++) {
        fixture_cancel(&gets[i]);
        assert_int_equal(fixture_finish(&gets[i]), STATUS_CANCELLED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_for_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_does_not_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(too_small_for_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_like_a_read, setup, teardown),
        cmocka_unit_test_setup_teardown(the_seventeenth, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
