/* SPDX-License-Identifier: MIT */
/*
 * engine_test.c - management calls through client, wire and server, on the engine, with no driver loaded.
 *
 * The oracle of the random sequences is the engine itself: the same calls, made directly on its kernel-side routines,
 * give the same results, objects and enumerations. What the filters then decide is asked of the engine's
 * classification. The rest is what only the server does: clients, their end, and their transactions.
 */
#include "tests/lib/engine_fixture.h"

#include "fwpuclnt/server.h"
#include "tests/fwpuclnt/api.h"
#include "tests/fwpuclnt/objects.h"
#include "tests/fwpuclnt/server_here.h"

#include <stdio.h>

#define SEQUENCES 400u
#define STEPS     120u
#define SESSIONS  3u
#define IDS       64u
#define LOG_SIZE  (1u << 20)

/* --- Sequences ----------------------------------------------------------------------------- */

struct run {
    const struct api *api;
    HANDLE sessions[SESSIONS]; /* NULL: closed */
    HANDLE enumerations[SESSIONS];
    int owner; /* whose transaction is open; -1: nobody's */
    UINT64 ids[IDS];
    unsigned id_count;
    char *log;
    size_t used;
};

static void note(struct run *run, const char *what, UINT32 result)
{
    int length = snprintf(run->log + run->used, LOG_SIZE - run->used, "%s %08x\n", what, (unsigned)result);

    assert_true(length > 0 && (size_t)length < LOG_SIZE - run->used);
    run->used += (size_t)length;
}

static void note_text(struct run *run, const char *text)
{
    size_t length = strlen(text);

    assert_true(run->used + length + 2 < LOG_SIZE);
    memcpy(run->log + run->used, text, length);
    run->used += length;
    run->log[run->used++] = '\n';
    run->log[run->used] = '\0';
}

static void note_filter(struct run *run, FWPM_FILTER0 *filter)
{
    filter->filterId = 0; /* ids never repeat, so they differ from run to run */
    note_text(run, say_filter(filter));
}

static void step_session(struct run *run, unsigned which)
{
    FWPM_SESSION0 session = {.txnWaitTimeoutInMSec = 1};
    UINT32 result;

    if (run->sessions[which] != NULL) {
        if (run->owner >= 0 && run->owner != (int)which)
            return; /* would time out: the engine keeps the session then, the client does not */
        note(run, "close", run->api->close(run->sessions[which]));
        run->sessions[which] = run->enumerations[which] = NULL;
        if (run->owner == (int)which)
            run->owner = -1;
        return;
    }
    session.flags = objects_below(3);
    result = run->api->open(&session, &run->sessions[which]);
    if (result != 0)
        run->sessions[which] = NULL;
    note(run, "open", result);
}

static void step_transaction(struct run *run, HANDLE session, unsigned which)
{
    UINT32 result;

    switch (objects_below(3)) {
    case 0:
        result = run->api->begin(session, objects_below(8) == 0 ? objects_below(3) : 0);
        if (result == 0)
            run->owner = (int)which;
        note(run, "begin", result);
        return;
    case 1:
        result = run->api->commit(session);
        note(run, "commit", result);
        break;
    default:
        result = run->api->abort(session);
        note(run, "abort", result);
        break;
    }
    if (result == 0)
        run->owner = -1;
}

static void step_provider(struct run *run, HANDLE session)
{
    FWPM_PROVIDER0 provider, *got = NULL;
    UINT32 result;

    random_provider(&provider);
    switch (objects_below(4)) {
    case 0:
        note(run, "delete provider", run->api->provider_delete(session, &provider.providerKey));
        break;
    case 1:
        result = run->api->provider_get(session, &provider.providerKey, &got);
        note(run, "get provider", result);
        if (result == 0) {
            note_text(run, say_provider(got));
            run->api->free_memory((void **)&got);
        }
        break;
    default:
        note(run, "add provider", run->api->provider_add(session, &provider));
        break;
    }
}

static void step_sublayer(struct run *run, HANDLE session)
{
    FWPM_SUBLAYER0 sublayer, *got = NULL;
    UINT32 result;

    random_sublayer(&sublayer);
    switch (objects_below(4)) {
    case 0:
        note(run, "delete sublayer", run->api->sublayer_delete(session, &sublayer.subLayerKey));
        break;
    case 1:
        result = run->api->sublayer_get(session, &sublayer.subLayerKey, &got);
        note(run, "get sublayer", result);
        if (result == 0) {
            note_text(run, say_sublayer(got));
            run->api->free_memory((void **)&got);
        }
        break;
    default:
        note(run, "add sublayer", run->api->sublayer_add(session, &sublayer));
        break;
    }
}

static UINT64 some_id(const struct run *run)
{
    return run->id_count == 0 || objects_below(10) == 0 ? ~0ull : run->ids[objects_below(run->id_count)];
}

static void step_filter(struct run *run, HANDLE session)
{
    FWPM_FILTER0 filter, *got = NULL;
    UINT64 id = 0;
    UINT32 result;

    random_filter(&filter, true);
    switch (objects_below(8)) {
    case 0:
        note(run, "delete filter by id", run->api->filter_delete_by_id(session, some_id(run)));
        return;
    case 1:
        note(run, "delete filter by key", run->api->filter_delete_by_key(session, &filter.filterKey));
        return;
    case 2:
        result = run->api->filter_get_by_id(session, some_id(run), &got);
        note(run, "get filter by id", result);
        break;
    case 3:
        result = run->api->filter_get_by_key(session, &filter.filterKey, &got);
        note(run, "get filter by key", result);
        break;
    default:
        result = run->api->filter_add(session, &filter, &id);
        note(run, "add filter", result);
        if (result == 0 && run->id_count < IDS)
            run->ids[run->id_count++] = id;
        return;
    }
    if (result == 0) {
        note_filter(run, got);
        run->api->free_memory((void **)&got);
    }
}

static void step_enumeration(struct run *run, HANDLE session, unsigned which)
{
    FWPM_FILTER_ENUM_TEMPLATE0 wanted;
    FWPM_FILTER0 **entries = NULL;
    UINT32 count = 0, result;

    random_template(&wanted);
    if (run->enumerations[which] == NULL) {
        result = run->api->enum_create(session, objects_below(3) == 0 ? &wanted : NULL, &run->enumerations[which]);
        if (result != 0)
            run->enumerations[which] = NULL;
        note(run, "create enumeration", result);
        return;
    }
    if (objects_below(5) == 0) {
        result = run->api->enum_destroy(session, run->enumerations[which]);
        if (result == 0)
            run->enumerations[which] = NULL;
        note(run, "destroy enumeration", result);
        return;
    }
    result = run->api->enum_next(session, run->enumerations[which], objects_below(6), &entries, &count);
    note(run, "enumerate", result);
    if (result != 0)
        return;
    note(run, "entries", count);
    for (UINT32 i = 0; i < count; i++)
        note_filter(run, entries[i]);
    run->api->free_memory((void **)&entries);
    assert_null(entries);
}

static void run_step(struct run *run)
{
    unsigned which = objects_below(SESSIONS);
    HANDLE session = run->sessions[which];

    if (session == NULL || objects_below(25) == 0) {
        step_session(run, which);
        return;
    }
    switch (objects_below(10)) {
    case 0:
        step_transaction(run, session, which);
        break;
    case 1:
        step_provider(run, session);
        break;
    case 2:
        step_sublayer(run, session);
        break;
    case 3:
    case 4:
        step_enumeration(run, session, which);
        break;
    default:
        step_filter(run, session);
        break;
    }
}

/* What the filters that are left decide, by the engine's own classification; and the counts. */
static void note_outcome(struct run *run)
{
    struct wfp_decision decision = connect_now(1);
    struct wfp_counts counts;

    wfp_count(&counts);
    note(run, "decision", decision.outcome);
    note(run, "providers", (UINT32)counts.providers);
    note(run, "sublayers", (UINT32)counts.sublayers);
    note(run, "filters", (UINT32)counts.filters);
}

static void run_sequence(struct run *run, UINT64 seed)
{
    run->owner = -1;
    run->used = 0;
    objects_start(seed);
    for (unsigned i = 0; i < STEPS; i++)
        run_step(run);
    for (unsigned pass = 0; pass < 2; pass++) /* the owner of an open transaction first */
        for (unsigned i = 0; i < SESSIONS; i++)
            if (run->sessions[i] != NULL && (pass == 1 || run->owner == (int)i)) {
                note(run, "close", run->api->close(run->sessions[i]));
                run->sessions[i] = NULL;
            }
    note_outcome(run);
    wfp_reset();
}

/* Tells the first line that differs, not a megabyte. */
static void check_same(const char *wire, const char *direct, UINT64 seed)
{
    size_t at = 0, line = 0;

    for (; wire[at] == direct[at]; at++) {
        if (wire[at] == '\0')
            return;
        if (wire[at] == '\n')
            line = at + 1;
    }
    fail_msg("seed %llu: through the wire \"%.300s\", directly \"%.300s\"", (unsigned long long)seed, wire + line,
             direct + line);
}

static void test_oracle(void **state)
{
    static char direct_log[LOG_SIZE], wire_log[LOG_SIZE];
    unsigned succeeded = 0;

    (void)state;
    FwpmEngineClose0(engine); /* the sequences' resets would take it away */
    for (UINT64 seed = 1; seed <= SEQUENCES; seed++) {
        struct run direct = {.api = &api_kernel, .log = direct_log};
        struct run wire = {.api = &api_client, .log = wire_log};

        run_sequence(&direct, seed);
        client_start();
        run_sequence(&wire, seed);
        client_stop();
        check_same(wire_log, direct_log, seed);
        succeeded += direct.id_count;
    }
    assert_true(succeeded > SEQUENCES); /* the sequences do something */
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine), STATUS_SUCCESS);
}

/* --- Filters decide without a driver ------------------------------------------------------- */

static UINT64 add_block(HANDLE session, FWP_ACTION_TYPE action, UINT32 address, UINT8 class)
{
    static wchar_t name[] = L"test";
    FWPM_FILTER_CONDITION0 condition = {.fieldKey = FWPM_CONDITION_IP_REMOTE_ADDRESS,
                                        .matchType = FWP_MATCH_EQUAL,
                                        .conditionValue = {.type = FWP_UINT32, .uint32 = address}};
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .weight = {.type = FWP_UINT8, .uint8 = class},
                           .numFilterConditions = 1,
                           .filterCondition = &condition,
                           .action.type = action};
    UINT64 id = 0;

    assert_int_equal(api_client.filter_add(session, &filter, &id), 0);
    return id;
}

static HANDLE opened_sessions[8];
static unsigned opened_count;

static HANDLE open_session(UINT32 flags)
{
    FWPM_SESSION0 session = {.flags = flags, .txnWaitTimeoutInMSec = 50};
    HANDLE opened = NULL;

    assert_int_equal(api_client.open(&session, &opened), 0);
    assert_true(opened_count < 8);
    opened_sessions[opened_count++] = opened;
    return opened;
}

/* The client is gone, with all sessions that are open; then the handles' memory. */
static void end_client(void)
{
    client_stop();
    while (opened_count > 0)
        assert_int_not_equal(api_client.close(opened_sessions[--opened_count]), 0);
}

#define DESTINATION 0xC0000207u /* 192.0.2.7, where make_connect goes */

static void test_decide_without_driver(void **state)
{
    HANDLE session;

    (void)state;
    client_start();
    session = open_session(0);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    UINT64 block = add_block(session, FWP_ACTION_BLOCK, DESTINATION, 8);
    struct wfp_decision decision = connect_now(2);
    assert_int_equal(decision.outcome, WFP_BLOCK);
    assert_int_equal(decision.filter_id, block);
    assert_false(decision.by_callout);
    UINT64 permit = add_block(session, FWP_ACTION_PERMIT, DESTINATION, 9);
    assert_int_equal(connect_now(3).outcome, WFP_PERMIT);
    assert_int_equal(connect_now(3).filter_id, permit);
    assert_int_equal(api_client.filter_delete_by_id(session, permit), 0);
    assert_int_equal(connect_now(4).outcome, WFP_BLOCK);
    assert_int_equal(api_client.filter_delete_by_id(session, block), 0);
    assert_int_equal(connect_now(5).outcome, WFP_PERMIT);
    end_client();
}

/* Page Object Management: what a dynamic session added goes with it, other objects stay. */
static void test_client_ends(void **state)
{
    (void)state;
    client_start();
    add_block(open_session(FWPM_SESSION_FLAG_DYNAMIC), FWP_ACTION_BLOCK, DESTINATION, 8);
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    end_client();
    assert_int_equal(connect_now(2).outcome, WFP_PERMIT);
    client_start();
    UINT64 kept = add_block(open_session(0), FWP_ACTION_BLOCK, DESTINATION, 8);
    HANDLE unfinished = open_session(0);
    assert_int_equal(api_client.begin(unfinished, 0), 0);
    assert_int_equal(api_client.filter_delete_by_id(unfinished, kept), 0);
    end_client();
    assert_int_equal(connect_now(3).outcome, WFP_BLOCK);
    assert_int_equal(FwpmFilterDeleteById0(engine, kept), STATUS_SUCCESS);
}

/* --- Transactions -------------------------------------------------------------------------- */

static void test_clients_wait(void **state)
{
    HANDLE first, second;

    (void)state;
    client_start();
    first = open_session(0);
    second = open_session(0);
    assert_int_equal(api_client.begin(first, 0), 0);
    assert_int_equal(api_client.begin(second, 0), (UINT32)FWP_E_TIMEOUT);
    UINT64 id = add_block(first, FWP_ACTION_BLOCK, DESTINATION, 8);
    assert_int_equal(api_client.filter_delete_by_id(second, id), (UINT32)FWP_E_TIMEOUT);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    assert_int_equal(api_client.commit(first), 0);
    assert_int_equal(connect_now(2).outcome, WFP_BLOCK);
    assert_int_equal(api_client.filter_delete_by_id(second, id), 0);
    end_client();
}

/* A transaction that stays open is aborted, and every later call of its session says so until it is ended. */
static void test_transaction_deadline(void **state)
{
    HANDLE first, second;

    (void)state;
    client_start();
    first = open_session(0);
    second = open_session(0);
    assert_int_equal(api_client.begin(first, 0), 0);
    add_block(first, FWP_ACTION_BLOCK, DESTINATION, 8);
    UINT64 due = fwpm_server_tick(server_here());
    assert_true(due != FWPM_NEVER);
    client_pass(FWPM_TRANSACTION_MAX_MS - 1);
    assert_int_equal(fwpm_server_tick(server_here()), due);
    client_pass(1);
    assert_true(fwpm_server_tick(server_here()) == FWPM_NEVER);
    assert_int_equal(api_client.begin(second, 0), 0);
    assert_int_equal(api_client.commit(second), 0);
    assert_int_equal(api_client.filter_delete_by_id(first, 1), (UINT32)FWP_E_TXN_ABORTED);
    assert_int_equal(api_client.begin(first, 0), (UINT32)FWP_E_TXN_ABORTED);
    assert_int_equal(api_client.commit(first), (UINT32)FWP_E_TXN_ABORTED);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    assert_int_equal(api_client.begin(first, 0), 0);
    assert_int_equal(api_client.abort(first), 0);
    end_client();
}

/* The engine's own side (a driver) never waits for a client. */
static void test_driver_first(void **state)
{
    HANDLE client;

    (void)state;
    client_start();
    client = open_session(0);
    assert_int_equal(api_client.begin(client, 0), 0);
    add_block(client, FWP_ACTION_BLOCK, DESTINATION, 8);
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    assert_int_equal(FwpmTransactionCommit0(engine), STATUS_SUCCESS);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    HANDLE other = open_session(0);
    assert_int_equal(api_client.begin(other, 0), 0); /* nobody owns the engine any more */
    assert_int_equal(api_client.abort(other), 0);
    assert_int_equal(api_client.commit(client), (UINT32)FWP_E_TXN_ABORTED);
    end_client();
}

/* A client that leaves while another's transaction is open does not disturb it, and is ended after it. */
static void test_leaving(void **state)
{
    struct fwpm_client *leaver;
    UINT8 open[16] = {1, 0, 0, 0, 1, 0, 0, 0, 10}, answer[64];
    struct wfp_counts counts;
    HANDLE session;

    (void)state;
    client_start();
    session = open_session(0);
    leaver = fwpm_server_connect(server_here());
    assert_int_equal(fwpm_server_call(leaver, open, 13, answer, sizeof(answer)), 12);
    assert_int_equal(api_client.begin(session, 0), 0);
    add_block(session, FWP_ACTION_BLOCK, DESTINATION, 8);
    fwpm_server_disconnect(leaver);
    wfp_count(&counts);
    assert_int_equal(counts.sessions, 3);
    assert_int_equal(api_client.commit(session), 0);
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    assert_true(fwpm_server_tick(server_here()) == FWPM_NEVER);
    wfp_count(&counts);
    assert_int_equal(counts.sessions, 2);
    FwpmFilterDeleteById0(engine, connect_now(2).filter_id);
    end_client();
}

/* More than one answer holds: the client goes on asking, and nothing is lost or doubled. */
static void test_long_enumeration(void **state)
{
    enum { MANY = 3000 };
    static UINT64 ids[MANY];
    FWPM_FILTER0 **entries = NULL;
    HANDLE session, enumeration = NULL;
    UINT32 count = 0;

    (void)state;
    client_start();
    session = open_session(FWPM_SESSION_FLAG_DYNAMIC);
    assert_int_equal(api_client.begin(session, 0), 0);
    for (UINT32 i = 0; i < MANY; i++)
        ids[i] = add_block(session, FWP_ACTION_BLOCK, i, 8);
    assert_int_equal(api_client.commit(session), 0);
    assert_int_equal(api_client.enum_create(session, NULL, &enumeration), 0);
    assert_int_equal(api_client.enum_next(session, enumeration, 0xFFFFFFFFu, &entries, &count), 0);
    assert_int_equal(count, MANY);
    for (UINT32 i = 0; i < MANY; i++) {
        assert_int_equal(entries[i]->filterId, ids[i]);
        assert_int_equal(entries[i]->filterCondition[0].conditionValue.uint32, i);
    }
    api_client.free_memory((void **)&entries);
    assert_int_equal(api_client.enum_next(session, enumeration, 5, &entries, &count), 0);
    assert_int_equal(count, 0);
    api_client.free_memory((void **)&entries);
    end_client();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_oracle, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_decide_without_driver, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_client_ends, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_clients_wait, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_transaction_deadline, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_driver_first, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_leaving, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_long_enumeration, engine_setup, engine_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
