/* SPDX-License-Identifier: MIT */
/*
 * arbitration.c - Filter Arbitration (win32 desktop-src/FWP), row by row; FWPS_CLASSIFY_OUT0; FwpsCalloutRegister1.
 */
#include "tests/lib/engine_fixture.h"

/* What one sublayer holds: a plain filter, or a callout. */
enum voice { NOBODY, PERMIT, PERMIT_HARD, BLOCK, CALLOUT };

struct row {
    const char *what;
    enum voice high;
    enum sample_act high_act;
    enum voice low;
    enum sample_act low_act;
    enum wfp_outcome expected;
    unsigned low_calls; /* of a callout in the low sublayer */
};

static const struct row rows[] = {
    {"nothing matches: default permit", NOBODY, 0, NOBODY, 0, WFP_PERMIT, 0},
    {"filter permit", PERMIT, 0, NOBODY, 0, WFP_PERMIT, 0},
    {"filter block", BLOCK, 0, NOBODY, 0, WFP_BLOCK, 0},
    {"filter permit is soft: block below wins", PERMIT, 0, BLOCK, 0, WFP_BLOCK, 0},
    {"filter block is hard: permit below loses", BLOCK, 0, PERMIT, 0, WFP_BLOCK, 0},
    {"hard permit: filter block below loses", PERMIT_HARD, 0, BLOCK, 0, WFP_PERMIT, 0},
    {"hard permit: callout veto wins", PERMIT_HARD, 0, CALLOUT, SAMPLE_VETO, WFP_BLOCK, 1},
    {"hard permit: callout that obeys the right leaves it", PERMIT_HARD, 0, CALLOUT, SAMPLE_BLOCK_HARD, WFP_PERMIT, 1},
    {"soft permit: callout soft block below wins", PERMIT, 0, CALLOUT, SAMPLE_BLOCK_SOFT, WFP_BLOCK, 1},
    {"callout soft block: filter permit below wins", CALLOUT, SAMPLE_BLOCK_SOFT, PERMIT, 0, WFP_PERMIT, 0},
    {"callout hard block: filter permit below loses", CALLOUT, SAMPLE_BLOCK_HARD, PERMIT, 0, WFP_BLOCK, 0},
    {"callout soft permit: filter block below wins", CALLOUT, SAMPLE_PERMIT_SOFT, BLOCK, 0, WFP_BLOCK, 0},
    {"callout hard permit: filter block below loses", CALLOUT, SAMPLE_PERMIT_HARD, BLOCK, 0, WFP_PERMIT, 0},
    {"every sublayer is visited after a block", BLOCK, 0, CALLOUT, SAMPLE_CONTINUE, WFP_BLOCK, 1},
    {"callout that says nothing", CALLOUT, SAMPLE_NOTHING, BLOCK, 0, WFP_BLOCK, 0},
    {"callout that continues", CALLOUT, SAMPLE_CONTINUE, PERMIT, 0, WFP_PERMIT, 0},
};

static void put(enum voice voice, const GUID *sublayer, struct sample *sample, enum sample_act act, unsigned version)
{
    if (voice == NOBODY)
        return;
    if (voice == CALLOUT) {
        sample->act = act;
        assert_int_equal(sample_register(sample, version, 0), STATUS_SUCCESS);
        add_callout(engine, sample, NULL);
        add_filter(engine, &(struct filter_spec){
                               .sublayer = sublayer, .action = FWP_ACTION_CALLOUT_TERMINATING, .callout = sample});
        return;
    }
    add_filter(engine, &(struct filter_spec){.sublayer = sublayer,
                                             .action = voice == BLOCK ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT,
                                             .flags = voice == PERMIT_HARD ? FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT : 0});
}

static void test_sublayers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sample high = {0}, low = {0};
        HANDLE session;
        FWPM_SESSION0 dynamic = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
        HANDLE outer = engine;

        assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &dynamic, &session), STATUS_SUCCESS);
        engine = session;
        GUID heavy = add_sublayer(session, 200);
        GUID light = add_sublayer(session, 100);
        put(rows[i].low, &light, &low, rows[i].low_act, (unsigned)i % 4);
        put(rows[i].high, &heavy, &high, rows[i].high_act, (unsigned)(i + 1) % 4);
        struct wfp_decision decision = connect_now(1000 + i);
        if (decision.outcome != rows[i].expected)
            fail_msg("%s: outcome %d", rows[i].what, decision.outcome);
        assert_int_equal(low.classified, rows[i].low_calls);
        assert_int_equal(decision.by_callout, rows[i].high == CALLOUT || rows[i].low == CALLOUT);
        wfp_ale_endpoint_closed(1000 + i);
        engine = outer;
        assert_int_equal(FwpmEngineClose0(session), STATUS_SUCCESS);
        if (high.id != 0)
            assert_int_equal(sample_unregister(&high), STATUS_SUCCESS);
        if (low.id != 0)
            assert_int_equal(sample_unregister(&low), STATUS_SUCCESS);
    }
}

/* "Evaluate matching filters in order until a Permit or a Block is returned." */
static void test_weights_inside_a_sublayer(void **state)
{
    (void)state;
    UINT64 light = add_filter(engine, &(struct filter_spec){.weight = 5, .action = FWP_ACTION_BLOCK});
    UINT64 heavy = add_filter(engine, &(struct filter_spec){.weight = 6, .action = FWP_ACTION_PERMIT});

    struct wfp_decision decision = connect_now(1);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    assert_int_equal(decision.filter_id, heavy);
    assert_int_equal(FwpmFilterDeleteById0(engine, heavy), STATUS_SUCCESS);
    decision = connect_now(2);
    assert_int_equal(decision.outcome, WFP_BLOCK);
    assert_int_equal(decision.filter_id, light);
    assert_false(decision.by_callout);
}

/* FwpsCalloutRegister1: before a driver registers, TERMINATING and UNKNOWN block, INSPECTION is ignored. */
static void test_unregistered_callouts(void **state)
{
    static const struct {
        FWP_ACTION_TYPE action;
        UINT32 flags;
        enum wfp_outcome expected;
    } cases[] = {
        {FWP_ACTION_CALLOUT_TERMINATING, 0, WFP_BLOCK},
        {FWP_ACTION_CALLOUT_UNKNOWN, 0, WFP_BLOCK},
        {FWP_ACTION_CALLOUT_INSPECTION, 0, WFP_PERMIT},
        {FWP_ACTION_CALLOUT_TERMINATING, FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED, WFP_PERMIT},
        {FWP_ACTION_CALLOUT_UNKNOWN, FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED, WFP_PERMIT},
    };
    struct sample sample = {.key = make_key(900000), .act = SAMPLE_BLOCK_HARD};

    (void)state;
    add_callout(engine, &sample, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        UINT64 id = add_filter(
            engine, &(struct filter_spec){.action = cases[i].action, .flags = cases[i].flags, .callout = &sample});
        struct wfp_decision decision = connect_now(10 + i);

        assert_int_equal(decision.outcome, cases[i].expected);
        assert_true(decision.by_callout);
        assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    }
    /* Registering brings the same filters to life; what an inspection callout says does not count. */
    UINT64 id = add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_INSPECTION, .callout = &sample});
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_SUCCESS);
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_FWP_ALREADY_EXISTS);
    assert_int_equal(connect_now(20).outcome, WFP_PERMIT);
    assert_int_equal(sample.classified, 1);
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    assert_int_equal(sample_unregister(&sample), STATUS_SUCCESS);
    assert_int_equal(sample_unregister(&sample), STATUS_FWP_CALLOUT_NOT_FOUND);
}

/* FWPS_CLASSIFY_OUT0: PERMIT without the right is no answer; ABSORB reaches the stack. */
static void test_rules_of_the_answer(void **state)
{
    struct sample sample = {.act = SAMPLE_PERMIT_ANYWAY};
    GUID heavy = add_sublayer(engine, 0xffff);

    (void)state;
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_SUCCESS);
    add_callout(engine, &sample, NULL);
    UINT64 block = add_filter(engine, &(struct filter_spec){.sublayer = &heavy, .action = FWP_ACTION_BLOCK});
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &sample});
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    assert_int_equal(sample.rights_in, 0);
    assert_int_equal(sample.action_in, FWP_ACTION_BLOCK);
    assert_int_equal(violations("action-without-right"), 1);
    assert_int_equal(FwpmFilterDeleteById0(engine, block), STATUS_SUCCESS);
    sample.act = SAMPLE_BLOCK_ABSORB;
    struct wfp_decision decision = connect_now(2);
    assert_int_equal(decision.outcome, WFP_BLOCK);
    assert_true(decision.absorb);
    assert_int_equal(sample.action_in, FWP_ACTION_NONE);
    assert_int_equal(sample_unregister(&sample), STATUS_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sublayers, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_weights_inside_a_sublayer, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_unregistered_callouts, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_rules_of_the_answer, engine_setup, engine_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
