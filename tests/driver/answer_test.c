/* SPDX-License-Identifier: MIT */
/*
 * answer_test.c - remembered answers: filters that decide, cover what is held, and end on time. Events beside them.
 */
#include "driver_fixture.h"

static struct nt_file *decider;

static unsigned filters_now(void)
{
    struct wfp_counts counts;

    wfp_count(&counts);
    return (unsigned)counts.filters - 10; /* without the callouts' own, those for loopback and other protocols */
}

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

static uint64_t connect_and_get(struct fixture_connection *held, const struct fixture_connect *how)
{
    struct gatehouse_request request;

    fixture_connect_to(held, fixture_endpoint(), how);
    assert_pended(held);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    return request.id;
}

static enum wfp_outcome outcome_of(const struct fixture_connect *how)
{
    struct fixture_connection probe;

    fixture_connect_to(&probe, fixture_endpoint(), how);
    if (probe.first.outcome == WFP_PENDED)
        wfp_ale_endpoint_closed(probe.endpoint); /* asked about: take it back */
    return probe.first.outcome;
}

/* Scope by scope: what the answer decides from now on, and what is still asked about. */
static void scopes_reach_as_far_as_they_say(void **state)
{
    const struct fixture_connect base = {.remote_last = 1, .program = "/bin/a"};
    const struct fixture_connect rows[] = {
        {.remote_last = 1, .program = "/bin/a"},
        {.remote_last = 1, .program = "/bin/a", .process_id = 99},
        {.remote_last = 2, .program = "/bin/a"},
        {.remote_last = 1, .program = "/bin/a", .remote_port = 80},
        {.remote_last = 1, .program = "/bin/a", .protocol = 17},
        {.remote_last = 1, .program = "/bin/a", .ip_version = 6},
        {.remote_last = 1, .program = "/bin/A"},
        {.remote_last = 1, .program = "/bin/a2"},
        {.remote_last = 1, .program = ""},
    };
    /* how many of the rows each scope covers, from the first on */
    const unsigned covered[] = {0, 2, 6};

    (void)state;
    for (uint32_t verdict = GATEHOUSE_VERDICT_PERMIT; verdict <= GATEHOUSE_VERDICT_BLOCK; verdict++) {
        for (uint32_t scope = 0; scope <= 2; scope++) {
            struct fixture_connection held;
            enum wfp_outcome outcome = verdict == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK;
            uint64_t id = connect_and_get(&held, &base);

            assert_int_equal(fixture_decide(decider, id, verdict, scope, scope == 0 ? 0 : 1000), 0);
            assert_decided(&held, outcome);
            assert_int_equal(filters_now(), scope);
            assert_int_equal(fixture_status(decider).answers, scope != 0);
            for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_int_equal(outcome_of(&rows[i]), i < covered[scope] ? outcome : WFP_PENDED);
            fixture_advance(1001 * MS);
            assert_int_equal(filters_now(), 0);
            assert_int_equal(fixture_status(decider).answers, 0);
        }
    }
}

/* The same for IPv6 addresses. */
static void destination_scope_ipv6(void **state)
{
    const struct fixture_connect base = {.ip_version = 6, .remote_last = 7};
    struct fixture_connection held;
    uint64_t id;

    (void)state;
    id = connect_and_get(&held, &base);
    assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_PERMIT, 1, 0), 0);
    assert_int_equal(outcome_of(&base), WFP_PERMIT);
    assert_int_equal(outcome_of(&(struct fixture_connect){.ip_version = 6, .remote_last = 8}), WFP_PENDED);
    assert_int_equal(outcome_of(&(struct fixture_connect){.remote_last = 7}), WFP_PENDED);
    fixture_advance(3600000 * MS); /* lifetime 0: for ever */
    assert_int_equal(outcome_of(&base), WFP_PERMIT);
}

/* What is already held and covered is decided too, exactly that, and told as BY_ANSWER. */
static void held_ones_are_covered(void **state)
{
    static struct fixture_connection same[300], other[20];
    struct fixture_connection first;
    uint64_t id;

    (void)state;
    id = connect_and_get(&first, &(struct fixture_connect){.program = "/bin/a", .remote_last = 1});
    for (int i = 0; i < 300; i++)
        fixture_connect_to(&same[i], fixture_endpoint(),
                           &(struct fixture_connect){.program = "/bin/a", .remote_last = 1});
    for (int i = 0; i < 20; i++)
        fixture_connect_to(
            &other[i], fixture_endpoint(),
            &(struct fixture_connect){.program = i % 2 ? "/bin/a" : "/bin/b", .remote_last = (uint8_t)(i % 2 ? 2 : 1)});
    assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_PERMIT, 1, 0), 0);
    assert_decided(&first, WFP_PERMIT);
    for (int i = 0; i < 300; i++)
        assert_decided(&same[i], WFP_PERMIT);
    for (int i = 0; i < 20; i++)
        assert_pended(&other[i]);
    struct gatehouse_status status = fixture_status(decider);
    assert_int_equal(status.permitted_by_answer, 300);
    assert_int_equal(status.permitted_by_decider, 1);
    assert_int_equal(status.held, 20);
}

/* A new answer for the same subject takes the old one's place; the narrower of two counts. */
static void newer_replaces_narrower_counts(void **state)
{
    const struct fixture_connect a1 = {.program = "/bin/a", .remote_last = 1};
    const struct fixture_connect a2 = {.program = "/bin/a", .remote_last = 2};
    struct fixture_connection held[3];
    struct gatehouse_request requests[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        fixture_connect_to(&held[i], fixture_endpoint(), i == 2 ? &a2 : &a1);
    assert_int_equal(fixture_get(decider, requests, 3), 3);
    assert_int_equal(fixture_decide(decider, requests[2].id, GATEHOUSE_VERDICT_BLOCK, 2, 0), 0); /* /bin/a: block */
    assert_decided(&held[0], WFP_BLOCK);                                                         /* covered */
    assert_int_equal(filters_now(), 2);
    assert_int_equal(outcome_of(&a1), WFP_BLOCK);
    (void)a2;
}

/* A lifetime changed by a newer answer: the old expiry does not end it. */
static void newer_lifetime_counts(void **state)
{
    const struct fixture_connect how = {.program = "/bin/a", .remote_last = 1};
    struct fixture_connection held[2];
    struct gatehouse_request requests[2];

    (void)state;
    fixture_connect_to(&held[0], fixture_endpoint(), &how);
    assert_int_equal(fixture_get(decider, requests, 1), 1);
    assert_int_equal(fixture_decide(decider, requests[0].id, GATEHOUSE_VERDICT_PERMIT, 1, 1000), 0);
    fixture_advance(999 * MS);
    assert_int_equal(outcome_of(&how), WFP_PERMIT);
    fixture_advance(2 * MS);
    assert_int_equal(outcome_of(&how), WFP_PENDED);
    fixture_connect_to(&held[1], fixture_endpoint(), &how);
    assert_int_equal(fixture_get(decider, requests, 1), 1);
    assert_int_equal(fixture_decide(decider, requests[0].id, GATEHOUSE_VERDICT_BLOCK, 1, 5000), 0);
    nt_file_close(decider); /* the answer outlives its decider, and still ends on time */
    assert_int_equal(outcome_of(&how), WFP_BLOCK);
    fixture_advance(5001 * MS);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    assert_int_equal(outcome_of(&how), WFP_PENDED);
    wfp_ale_endpoint_closed(held[0].endpoint);
}

/* An answer that ends changes policy: flows it let through are reauthorized and live on. */
static void flows_outlive_their_answer(void **state)
{
    const struct fixture_connect how = {.program = "/bin/a", .remote_last = 1};
    struct fixture_connection held, by_filter;
    struct wfp_decision decision;
    BOOLEAN reauthorized = FALSE;
    uint64_t id = connect_and_get(&held, &how);

    (void)state;
    assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_PERMIT, 1, 1000), 0);
    fixture_connect_to(&by_filter, fixture_endpoint(), &how);
    assert_int_equal(by_filter.first.outcome, WFP_PERMIT);
    assert_false(by_filter.first.by_callout);
    wfp_ale_flow_established(by_filter.first.flow);
    fixture_advance(1001 * MS);
    wfp_ale_flow_packet(by_filter.first.flow, FALSE, NULL, &decision, &reauthorized);
    assert_true(reauthorized);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(by_filter.endpoint);
    wfp_ale_endpoint_closed(held.endpoint);
}

/* 4,096 answers and no more: the request stays undecided and can be decided once. */
static void answers_are_bounded(void **state)
{
    struct fixture_connection held;
    char program[32];
    uint64_t id;

    (void)state;
    for (int i = 0; i < 4096; i++) {
        snprintf(program, sizeof(program), "/bin/p%d", i);
        id = connect_and_get(&held, &(struct fixture_connect){.program = program});
        assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_BLOCK, 1, 0), 0);
    }
    id = connect_and_get(&held, &(struct fixture_connect){.program = "/bin/last"});
    assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_PERMIT, 1, 0), GATEHOUSE_E_ANSWERS_FULL);
    assert_pended(&held);
    assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
    assert_decided(&held, WFP_PERMIT);
    assert_int_equal(fixture_status(decider).answers, 4096);
    wfp_ale_endpoint_closed(held.endpoint);
}

/* --- Events --- */

static unsigned read_events(struct nt_file *observer, struct gatehouse_event *events,
                            struct gatehouse_request *requests, unsigned limit)
{
    static struct fixture_call call;
    unsigned count = 0;
    size_t offset = 0;

    fixture_start(&call, observer, GATEHOUSE_IOCTL_READ_EVENTS, sizeof(call.buffer));
    if (call.done == 0)
        fixture_cancel(&call);
    if (fixture_finish(&call) != STATUS_SUCCESS)
        return 0;
    for (; offset < call.information && count < limit; count++) {
        memcpy(&events[count], call.buffer + offset, sizeof(events[count]));
        if (events[count].type != GATEHOUSE_EVENT_LOST)
            memcpy(&requests[count], call.buffer + offset + sizeof(events[count]), sizeof(requests[count]));
        offset += events[count].size;
    }
    return count;
}

static void observers_see_everything(void **state)
{
    struct nt_file *observers[3];
    struct gatehouse_event events[8];
    struct gatehouse_request requests[8];
    static struct fixture_call waiting;
    struct fixture_connection held, expired;
    uint64_t id;

    (void)state;
    for (int i = 0; i < 3; i++)
        observers[i] = fixture_open_as(10 + (uint64_t)i, GATEHOUSE_ROLE_OBSERVER);
    fixture_start(&waiting, observers[2], GATEHOUSE_IOCTL_READ_EVENTS, 1000);
    id = connect_and_get(&held, &(struct fixture_connect){.program = "/bin/a"});
    assert_int_equal(fixture_finish(&waiting), STATUS_SUCCESS);
    assert_int_equal(fixture_decide(decider, id, GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
    fixture_connect(&expired);
    fixture_advance(60020 * MS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read_events(observers[i], events, requests, 8), 4);
        assert_int_equal(events[0].type, GATEHOUSE_EVENT_HELD);
        assert_int_equal(requests[0].id, id);
        assert_int_equal(events[1].type, GATEHOUSE_EVENT_DECIDED);
        assert_int_equal(events[1].verdict, GATEHOUSE_VERDICT_BLOCK);
        assert_int_equal(events[1].by, GATEHOUSE_BY_DECIDER);
        assert_int_equal(requests[1].id, id);
        assert_int_equal(events[2].type, GATEHOUSE_EVENT_HELD);
        assert_int_equal(events[3].by, GATEHOUSE_BY_DEADLINE);
        assert_int_equal(read_events(observers[i], events, requests, 8), 0);
    }
    assert_int_equal(read_events(observers[2], events, requests, 8), 3);
    assert_int_equal(fixture_status(decider).observers, 3);
    for (int i = 0; i < 3; i++)
        nt_file_close(observers[i]);
    assert_int_equal(fixture_status(decider).observers, 0);
}

static void slow_observer_is_told_what_it_lost(void **state)
{
    struct nt_file *observer = fixture_open_as(10, GATEHOUSE_ROLE_OBSERVER);
    static struct gatehouse_event events[400];
    static struct gatehouse_request requests[400];
    uint64_t seen = 0, lost = 0;
    unsigned count;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct fixture_connection held;
        fixture_connect(&held);
        wfp_ale_endpoint_closed(held.endpoint);
    }
    while ((count = read_events(observer, events, requests, 400)) != 0) {
        for (unsigned i = 0; i < count; i++) {
            if (events[i].type == GATEHOUSE_EVENT_LOST) {
                assert_int_equal(seen, 0);
                lost += events[i].count;
            } else {
                seen++;
            }
        }
    }
    assert_int_equal(seen + lost, 6000);
    assert_true(lost > 0);
    assert_int_equal(fixture_status(decider).events_lost, lost);
    nt_file_close(observer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scopes_reach_as_far_as_they_say, setup, teardown),
        cmocka_unit_test_setup_teardown(destination_scope_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(held_ones_are_covered, setup, teardown),
        cmocka_unit_test_setup_teardown(newer_replaces_narrower_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(newer_lifetime_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(flows_outlive_their_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(observers_see_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_observer_is_told_what_it_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
