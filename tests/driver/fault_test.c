/* SPDX-License-Identifier: MIT */
/*
 * fault_test.c - each way to a routine that can fail fails once, under the verifier: load, hold two connections, decide
 * one, let the other's decider go, unload. Whatever fails: no rule is broken, nothing is left, nobody waits for ever.
 *
 * Page: Driver Verifier, "Systematic Low Resources Simulation".
 */
#include "driver_fixture.h"

#include "nt/verify/fault.h"
#include "nt/verify/verify.h"
#include "tests/driver/load.h"
#include "tests/lib/violations.h"

#define RUNS_MOST 2000

static struct fixture_connection held[2];
static struct fixture_call get;
static unsigned loaded_runs, decided_runs;

/* A handle without asserts: what the fixture takes for granted may fail here. NULL: it did. */
static struct nt_file *open_decider(void)
{
    struct nt_caller caller = {2, TRUE};
    struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, GATEHOUSE_ROLE_DECIDER, 0};
    struct nt_file *file = NULL;

    if (nt_file_open("\\\\.\\Gatehouse", GENERIC_READ | GENERIC_WRITE, &caller, &file) != STATUS_SUCCESS)
        return NULL;
    if (fixture_control(file, GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), &hello, sizeof(hello), NULL) ==
        STATUS_SUCCESS)
        return file;
    nt_file_close(file);
    return NULL;
}

static void decide_first(struct nt_file *decider)
{
    struct gatehouse_request request;

    fixture_start(&get, decider, GATEHOUSE_IOCTL_GET_REQUESTS, sizeof(get.buffer));
    if (get.done == 0)
        fixture_cancel(&get);
    if (fixture_finish(&get) != STATUS_SUCCESS || get.information < sizeof(request))
        return;
    memcpy(&request, get.buffer, sizeof(request));
    if (fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, 0, 0) == 0)
        decided_runs++;
}

static void run(void)
{
    if (fixture_try_load(NULL, 0) != STATUS_SUCCESS)
        return;
    loaded_runs++;
    struct nt_file *decider = open_decider();
    fixture_connect(&held[0]);
    fixture_connect(&held[1]);
    if (decider != NULL) {
        decide_first(decider);
        nt_file_close(decider);
    }
    fixture_advance(61000 * MS); /* the deadline */
    assert_true(held[0].first.outcome != WFP_PENDED || held[0].done == 1);
    assert_true(held[1].first.outcome != WFP_PENDED || held[1].done == 1);
    wfp_ale_endpoint_closed(held[0].endpoint);
    wfp_ale_endpoint_closed(held[1].endpoint);
    driver_unload();
}

/* Provider and sublayer, too: the driver holds a session for their removal from its start. */
static void assert_nothing_left(void)
{
    struct wfp_counts counts;
    size_t bytes, blocks;

    wfp_count(&counts);
    assert_int_equal(counts.sessions, 0);
    assert_int_equal(counts.providers, 0);
    assert_int_equal(counts.callouts, 0);
    assert_int_equal(counts.filters, 0);
    assert_int_equal(counts.registered_callouts, 0);
    assert_int_equal(counts.pended, 0);
    nt_pool_usage('etaG', &bytes, &blocks);
    assert_int_equal(blocks, 0);
    nt_set_clock(NULL);
    wfp_reset();
}

static void each_failure_is_survived(void **state)
{
    struct nt_faults *faults = nt_faults_new(0);
    unsigned runs = 0;
    bool again = true;

    (void)state;
    loaded_runs = decided_runs = 0;
    nt_verify_on = true;
    violations_record();
    while (again && runs < RUNS_MOST) {
        nt_faults_begin(faults, 0);
        run();
        again = nt_faults_end(faults);
        runs++;
        assert_nothing_left();
        if (violations_seen.count != 0)
            for (size_t index = 0; nt_faults_at(faults, index) != NULL; index++)
                if (nt_faults_at(faults, index + 1) == NULL)
                    print_error("failed: call %u of %s\n", nt_faults_at(faults, index)->call,
                                nt_faults_at(faults, index)->routine);
        violations_none();
    }
    nt_quarantine_check(true);
    violations_none();
    nt_verify_on = false;
    size_t count = 0;
    while (nt_faults_at(faults, count) != NULL)
        count++;
    print_message("%zu call stacks failed in %u runs, %u with the driver loaded, %u with a decision\n", count, runs,
                  loaded_runs, decided_runs);
    assert_true(runs < RUNS_MOST);
    assert_true(count > 20 && loaded_runs > 5 && decided_runs > 2);
    nt_faults_free(faults);
    nt_set_violation_handler(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_failure_is_survived)};

    return cmocka_run_group_tests_name("driver under faults", tests, NULL, NULL);
}
