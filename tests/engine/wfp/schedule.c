/* SPDX-License-Identifier: MIT */
/*
 * schedule.c - the engine under the scheduler: sessions that want the gate at once, and the end of their patience; a
 * run that is given up inside the engine leaves it as new.
 */
#include "tests/lib/engine_fixture.h"

#include "nt/verify/scheduler.h"

static unsigned wrong; /* the first line that was, 0: none */

#define check(good) check_at((good), __LINE__)
static void check_at(bool good, unsigned line)
{
    if (!good && wrong == 0)
        wrong = line;
}

static void break_nothing(const struct nt_violation *violation)
{
    print_error("%s in %s: %s\n", violation->rule, violation->routine, violation->detail);
    check(false);
}

static struct nt_schedule_result run(const struct nt_schedule_options *options, void (*body)(void *context))
{
    struct nt_schedule_result result;

    wrong = 0;
    nt_set_violation_handler(break_nothing);
    nt_schedule(options, body, NULL, &result);
    nt_set_violation_handler(NULL);
    assert_int_equal(wrong, 0);
    return result;
}

static NTSTATUS add_one(HANDLE session, GUID *key)
{
    wchar_t name[] = L"schedule";
    FWPM_SUBLAYER0 sublayer = {.displayData.name = name, .weight = 7};
    static unsigned keys;

    sublayer.subLayerKey = *key = make_key(1000 + keys++ % 100);
    return FwpmSubLayerAdd0(session, &sublayer, NULL);
}

/* --- The gate ------------------------------------------------------------------------------------------ */

static void change_policy(void *unused)
{
    HANDLE session;
    GUID first, second;

    (void)unused;
    check(NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session)));
    for (int i = 0; i < 3; i++) {
        check(FwpmTransactionBegin0(session, 0) == STATUS_SUCCESS);
        check(add_one(session, &first) == STATUS_SUCCESS);
        check(add_one(session, &second) == STATUS_SUCCESS);
        check(FwpmTransactionCommit0(session) == STATUS_SUCCESS);
        check(FwpmSubLayerDeleteByKey0(session, &first) == STATUS_SUCCESS);
        check(FwpmSubLayerDeleteByKey0(session, &second) == STATUS_SUCCESS);
    }
    check(FwpmEngineClose0(session) == STATUS_SUCCESS);
}

static void three_change_policy(void *unused)
{
    nt_schedule_spawn("one", change_policy, NULL);
    nt_schedule_spawn("two", change_policy, NULL);
    change_policy(unused);
}

/* Time may jump, but nobody's 15 s at the gate are over by that. */
static void sessions_wait_for_each_other(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct wfp_counts counts;
        struct nt_schedule_result result = run(
            &(struct nt_schedule_options){
                .strategy = seed % 2 == 0 ? NT_RANDOM_WALK : NT_PRIORITIES, .seed = seed, .preemptions = 4},
            three_change_policy);

        assert_false(result.stuck || result.abandoned);
        wfp_count(&counts);
        assert_int_equal(counts.sessions + counts.sublayers, 0);
        wfp_reset();
        nt_reset();
    }
}

static HANDLE keeper;

static void want_in(void *unused)
{
    HANDLE session;
    GUID key;
    uint64_t start = nt_now();

    (void)unused;
    check(NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session)));
    check(add_one(session, &key) == STATUS_FWP_TIMEOUT);
    check(nt_now() - start == 150000000);
    check(FwpmTransactionAbort0(keeper) == STATUS_SUCCESS);
    check(FwpmEngineClose0(keeper) == STATUS_SUCCESS);
    check(add_one(session, &key) == STATUS_SUCCESS);
    check(FwpmEngineClose0(session) == STATUS_SUCCESS);
}

static void keep_a_transaction(void *unused)
{
    (void)unused;
    check(NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &keeper)));
    check(FwpmTransactionBegin0(keeper, 0) == STATUS_SUCCESS);
    nt_schedule_spawn("wants", want_in, NULL);
}

static void a_kept_transaction_times_others_out(void **state)
{
    (void)state;
    (void)run(&(struct nt_schedule_options){.strategy = NT_RUN_ON}, keep_a_transaction);
    wfp_reset();
    nt_reset();
}

/* --- Given up -------------------------------------------------------------------------------------------- */

static void give_up_inside(void *unused)
{
    HANDLE session;
    GUID key;

    (void)unused;
    check(NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session)));
    check(FwpmTransactionBegin0(session, 0) == STATUS_SUCCESS);
    check(add_one(session, &key) == STATUS_SUCCESS);
    nt_schedule_spawn("waits", change_policy, NULL);
    nt_schedule_settle();
    nt_schedule_abandon();
}

static uint64_t first_id;

static void look_at_the_next_id(void *unused)
{
    HANDLE session;

    (void)unused;
    check(NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session)));
    if (first_id == 0)
        first_id = (uint64_t)(uintptr_t)session;
    check(first_id == (uint64_t)(uintptr_t)session);
    check(FwpmEngineClose0(session) == STATUS_SUCCESS);
}

static void an_engine_that_was_given_up_is_as_new(void **state)
{
    (void)state;
    for (int times = 0; times < 50; times++) {
        struct wfp_counts counts, none = {0};
        size_t bytes, blocks;
        struct nt_schedule_result result = run(&(struct nt_schedule_options){.strategy = NT_RUN_ON}, give_up_inside);

        assert_true(result.abandoned);
        wfp_forget();
        nt_reset();
        wfp_count(&counts);
        assert_memory_equal(&counts, &none, sizeof(counts));
        nt_pool_usage(0, &bytes, &blocks);
        assert_int_equal(blocks, 0);
        (void)run(&(struct nt_schedule_options){.strategy = NT_RUN_ON}, look_at_the_next_id);
        wfp_reset();
        nt_reset();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_wait_for_each_other),
        cmocka_unit_test(a_kept_transaction_times_others_out),
        cmocka_unit_test(an_engine_that_was_given_up_is_as_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
