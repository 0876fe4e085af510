/* SPDX-License-Identifier: MIT */
/*
 * life_test.c - loading with settings, unloading with everything outstanding, and each call that can fail failing.
 */
#include "driver_fixture.h"

static void settings_are_read(void **state)
{
    const struct nt_registry_value good[] = {
        {"DeadlineMs", 5000}, {"Undecided", 1}, {"NoDecider", 2}, {"Capacity", 99}};
    const struct nt_registry_value bad[] = {{"DeadlineMs", 5}, {"Undecided", 7}, {"NoDecider", 3}, {"Capacity", 0}};
    struct gatehouse_status status;

    (void)state;
    fixture_load(good, 4);
    status = fixture_status(NULL);
    assert_true(status.policy.deadline_ms == 5000 && status.policy.undecided == 1 && status.policy.no_decider == 2);
    assert_int_equal(status.capacity, 99);
    fixture_unload();
    fixture_load(bad, 4);
    status = fixture_status(NULL);
    assert_true(status.policy.deadline_ms == 60000 && status.policy.undecided == 2 && status.policy.no_decider == 0);
    assert_int_equal(status.capacity, 65536);
    fixture_unload();
}

/* Held and given back, waiting reads, live flows with contexts, remembered answers: all at once. */
static void unload_with_everything_outstanding(void **state)
{
    static struct fixture_connection held[300], flows[20];
    static struct gatehouse_request requests[300];
    static struct fixture_call gets[3], reads[3];
    struct nt_file *decider, *observer;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    observer = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER);
    for (int i = 0; i < 20; i++)
        fixture_connect_to(&flows[i], fixture_endpoint(), &(struct fixture_connect){.remote_last = (uint8_t)i});
    assert_int_equal(fixture_get(decider, requests, 300), 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fixture_decide(decider, requests[i].id, GATEHOUSE_VERDICT_PERMIT, (uint32_t)i % 2, 0), 0);
        wfp_ale_flow_established(flows[i].final.flow);
    }
    for (int i = 0; i < 150; i++)
        fixture_connect_to(&held[i], fixture_endpoint(), &(struct fixture_connect){.remote_last = 200});
    assert_int_equal(fixture_get(decider, requests, 300), 150);
    for (int i = 0; i < 3; i++)
        fixture_start(&gets[i], decider, GATEHOUSE_IOCTL_GET_REQUESTS, 200);
    fixture_connect_to(&held[150], fixture_endpoint(), &(struct fixture_connect){.remote_last = 201});
    assert_int_equal(fixture_finish(&gets[0]), STATUS_SUCCESS);
    while (1) { /* until the observer has read all and waits */
        fixture_start(&reads[0], observer, GATEHOUSE_IOCTL_READ_EVENTS, 60000);
        if (reads[0].done == 0)
            break;
        assert_int_equal(fixture_finish(&reads[0]), STATUS_SUCCESS);
    }
    /* The system unloads no driver whose device is open: handles go first, all the rest stays. */
    nt_file_close(decider);
    nt_file_close(observer);
    for (int i = 1; i < 3; i++)
        assert_int_equal(fixture_finish(&gets[i]), STATUS_CANCELLED);
    assert_int_equal(fixture_finish(&reads[0]), STATUS_CANCELLED);
    for (int i = 0; i <= 150; i++)
        assert_pended(&held[i]);
    fixture_unload();
    for (int i = 0; i <= 150; i++)
        assert_decided(&held[i], WFP_BLOCK);
}

/* --- Each call that can fail, failing --- */

static _Atomic long fail_at;
static _Atomic bool failed;

static char routines[32][40]; /* that were asked whether they fail */

static void note_routine(const char *routine)
{
    size_t i = 0;

    while (i < 32 && routines[i][0] != '\0' && strcmp(routines[i], routine) != 0)
        i++;
    if (i < 32)
        snprintf(routines[i], sizeof(routines[i]), "%s", routine);
}

/* Says how many calls failed, one a round, and of which routines: through a driver file they are the same, but for
 * those that a library of Windows makes of others. */
static void tell_failures(const char *what, long calls)
{
    printf("# %s: %ld calls failed in turn, of", what, calls);
    for (size_t i = 0; i < 32 && routines[i][0] != '\0'; i++)
        printf(" %s", routines[i]);
    printf("\n");
    memset(routines, 0, sizeof(routines));
    assert_true(calls > 0);
}

static BOOLEAN fail_nth(const char *routine, void *context)
{
    (void)context;
    note_routine(routine);
    if (fail_at < 0 || atomic_fetch_sub(&fail_at, 1) != 0)
        return FALSE;
    failed = true;
    return TRUE;
}

/* DriverEntry under each failure in turn: a status, nothing left; until it succeeds. */
static void load_survives_each_failure(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        NTSTATUS status;

        fail_at = n;
        failed = false;
        nt_set_fault(fail_nth, NULL);
        status = fixture_try_load(NULL, 0);
        nt_set_fault(NULL, NULL);
        if (NT_SUCCESS(status))
            fixture_unload();
        else
            assert_true(failed);
        if (!failed) {
            tell_failures("load", n);
            break;
        }
        assert_true(n < 500);
    }
}

/* A connection, an answer with a filter, a flow, an observer; the n-th call that can fail fails. Verdicts stay safe:
 * blocked unless the decider's permit was taken. */
static void work_survives_each_failure(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        struct fixture_connection held[2];
        struct gatehouse_request requests[2];
        struct nt_file *decider, *observer;
        unsigned got;

        fixture_load(NULL, 0);
        decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
        observer = fixture_open(3);
        fail_at = n;
        failed = false;
        nt_set_fault(fail_nth, NULL);
        struct gatehouse_hello hello = {1, GATEHOUSE_ROLE_OBSERVER, 0};
        NTSTATUS greeted = fixture_control(observer, GATEHOUSE_IOCTL_HELLO, &hello, 16, &hello, 16, NULL);
        assert_true(greeted == STATUS_SUCCESS || greeted == STATUS_INSUFFICIENT_RESOURCES);
        for (int i = 0; i < 2; i++)
            fixture_connect_to(&held[i], fixture_endpoint(), &(struct fixture_connect){.remote_last = (uint8_t)i});
        got = fixture_get(decider, requests, 2);
        for (unsigned i = 0; i < got; i++) {
            struct fixture_connection *c = requests[i].endpoint == held[0].endpoint ? &held[0] : &held[1];
            uint32_t status = fixture_decide(decider, requests[i].id, GATEHOUSE_VERDICT_PERMIT, i, 0);
            if (status != 0) {
                assert_true(status == GATEHOUSE_E_ANSWERS_FULL || status == (uint32_t)STATUS_INSUFFICIENT_RESOURCES);
                status = fixture_decide(decider, requests[i].id, GATEHOUSE_VERDICT_PERMIT, 0, 0);
                assert_true(status == 0 || status == GATEHOUSE_E_UNKNOWN_ID);
            }
            assert_int_equal(c->done, 1);
            if (!failed)
                assert_decided(c, WFP_PERMIT);
            if (c->final.outcome == WFP_PERMIT)
                wfp_ale_flow_established(c->final.flow);
        }
        for (int i = 0; i < 2; i++) {
            bool offered = false;
            for (unsigned k = 0; k < got; k++)
                offered |= requests[k].endpoint == held[i].endpoint;
            if (!offered)
                assert_decided(&held[i], WFP_BLOCK);
        }
        nt_set_fault(NULL, NULL);
        nt_file_close(observer);
        nt_file_close(decider);
        fixture_unload();
        if (!failed) {
            tell_failures("work", n);
            break;
        }
        assert_true(n < 500);
    }
}

/* A handle that cannot be opened for want of memory is refused, and leaves nothing. */
static void open_survives_each_failure(void **state)
{
    (void)state;
    fixture_load(NULL, 0);
    for (long n = 0;; n++) {
        struct nt_caller caller = {5, TRUE};
        struct nt_file *file = NULL;
        NTSTATUS status;

        fail_at = n;
        failed = false;
        nt_set_fault(fail_nth, NULL);
        status = nt_file_open("\\\\.\\Gatehouse", GENERIC_READ | GENERIC_WRITE, &caller, &file);
        nt_set_fault(NULL, NULL);
        assert_true(NT_SUCCESS(status) || status == STATUS_INSUFFICIENT_RESOURCES);
        if (NT_SUCCESS(status))
            nt_file_close(file);
        if (!failed) {
            tell_failures("open", n);
            break;
        }
        assert_true(n < 100);
    }
    fixture_unload();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read),          cmocka_unit_test(unload_with_everything_outstanding),
        cmocka_unit_test(load_survives_each_failure), cmocka_unit_test(work_survives_each_failure),
        cmocka_unit_test(open_survives_each_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
