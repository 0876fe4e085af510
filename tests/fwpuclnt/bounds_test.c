/* SPDX-License-Identifier: MIT */
/*
 * bounds_test.c - what a client that means harm can not do to the engine, to its host's thread and to other clients.
 *
 * Calls are raw (docs/protocol.md, "Filter management"): a client's library would not make them. Each bound is reached
 * and passed; what is then there is asked of the engine itself.
 */
#include "tests/lib/engine_fixture.h"

#include "fwpuclnt/server.h"
#include "fwpuclnt/wire.h"
#include "tests/fwpuclnt/server_here.h"
#include "wfp/object.h"

#include <stdlib.h>
#include <time.h>

#define OPEN_SIZE 13u
#define BIG       60000u

static UINT8 answer[WIRE_ANSWER_MAX];

/* A call's status; what it gave is in answer, from its ninth byte on. */
static UINT32 call(struct fwpm_client *client, UINT32 number, UINT32 session, const void *arguments, UINT32 size)
{
    static UINT8 bytes[WIRE_CALL_MAX];
    UINT32 head[3] = {WIRE_VERSION, number, session}, status;

    memcpy(bytes, head, sizeof(head));
    if (size != 0)
        memcpy(bytes + sizeof(head), arguments, size);
    assert_true(fwpm_server_call(client, bytes, (UINT32)sizeof(head) + size, answer, sizeof(answer)) >= 8);
    memcpy(&status, answer + 4, sizeof(status));
    return status;
}

/* 0: refused. */
static UINT32 open_session(struct fwpm_client *client)
{
    UINT32 session, status = call(client, WIRE_ENGINE_OPEN, RPC_C_AUTHN_WINNT, "", 1); /* no FWPM_SESSION0 */

    if (status != 0)
        return 0;
    memcpy(&session, answer + 8, sizeof(session));
    return session;
}

static struct fwpm_client *connect_client(void)
{
    struct fwpm_client *client = fwpm_server_connect(server_here());

    assert_non_null(client);
    return client;
}

static UINT32 begin(struct fwpm_client *client, UINT32 session)
{
    return call(client, WIRE_TRANSACTION_BEGIN, session, "\0\0\0", 4);
}

/* A provider with data_size bytes of data. */
static UINT32 add_provider(struct fwpm_client *client, UINT32 session, const GUID *key, UINT32 data_size)
{
    static const UINT8 name[] = {1, 1, 0, 0, 0, 'n', 0, 0}; /* and no description */
    UINT8 *bytes = calloc(1, 64 + data_size);
    UINT32 at = 16, status;

    assert_non_null(bytes);
    memcpy(bytes, key, 16);
    memcpy(bytes + at, name, sizeof(name));
    at += sizeof(name) + 4; /* flags 0 */
    memcpy(bytes + at, &data_size, 4);
    at += 4 + data_size + 1; /* no service */
    status = call(client, WIRE_PROVIDER_ADD, session, bytes, at);
    free(bytes);
    return status;
}

static size_t session_count(void)
{
    struct wfp_counts counts;

    wfp_count(&counts);
    return counts.sessions;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What a transaction added and deleted is kept until it ends: it counts as well. */
static void test_bytes(void **state)
{
    static const GUID key = {.Data1 = 77};
    UINT32 added = 0, status;

    (void)state;
    server_here_start();
    struct fwpm_client *client = connect_client();
    UINT32 session = open_session(client);
    assert_int_equal(begin(client, session), 0);
    while ((status = add_provider(client, session, &key, BIG)) == 0 && added < 3 * WFP_CLIENTS_BYTES / BIG) {
        assert_int_equal(call(client, WIRE_PROVIDER_DELETE, session, &key, sizeof(key)), 0);
        added++;
    }
    assert_int_equal(status, (UINT32)STATUS_QUOTA_EXCEEDED);
    assert_in_range(added, WFP_CLIENTS_BYTES / BIG * 9 / 10, WFP_CLIENTS_BYTES / BIG);
    FWPM_PROVIDER0 drivers = {.providerKey = {.Data1 = 78}, .displayData.name = (wchar_t[]){'d', 0}};
    assert_int_equal(FwpmProviderAdd0(engine, &drivers, NULL), STATUS_SUCCESS); /* the driver is not bound by it */
    assert_int_equal(FwpmProviderDeleteByKey0(engine, &drivers.providerKey), STATUS_SUCCESS);
    assert_int_equal(call(client, WIRE_TRANSACTION_ABORT, session, NULL, 0), 0);
    assert_int_equal(add_provider(client, session, &key, BIG), 0);
    assert_int_equal(call(client, WIRE_PROVIDER_DELETE, session, &key, sizeof(key)), 0);
    fwpm_server_disconnect(client);
    server_here_stop();
}

/* Enumerations of a session whose transaction was aborted go with it. */
static void test_enumerations_end(void **state)
{
    size_t before, after, blocks;

    (void)state;
    server_here_start();
    struct fwpm_client *client = connect_client();
    for (unsigned round = 0; round < 3; round++) {
        UINT32 session = open_session(client);

        assert_int_not_equal(session, 0);
        nt_pool_usage('Epfw', &before, &blocks);
        assert_int_equal(begin(client, session), 0);
        for (unsigned i = 0; i < FWPM_ENUMERATIONS_MAX - 1; i++)
            assert_int_equal(call(client, WIRE_FILTER_ENUM_CREATE, session, "", 1), 0);
        assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS); /* aborts the client's */
        assert_int_equal(FwpmTransactionAbort0(engine), STATUS_SUCCESS);
        assert_int_equal(call(client, WIRE_FILTER_ENUM_CREATE, session, "", 1), (UINT32)STATUS_FWP_TXN_ABORTED);
        assert_int_equal(call(client, WIRE_ENGINE_CLOSE, session, NULL, 0), 0);
        nt_pool_usage('Epfw', &after, &blocks);
        assert_true(after < before);
    }
    fwpm_server_disconnect(client);
    server_here_stop();
}

/* The engine's own side has a transaction open: nobody waits for it on the host's thread, and nothing is lost. */
static void test_driver_transaction(void **state)
{
    (void)state;
    server_here_start();
    struct fwpm_client *client = connect_client(), *leaver = connect_client();
    UINT32 session = open_session(client);
    assert_int_not_equal(open_session(leaver), 0);
    size_t sessions = session_count();
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    double began = seconds_now();
    assert_int_equal(begin(client, session), WIRE_BUSY);
    assert_int_equal(call(client, WIRE_ENGINE_CLOSE, session, NULL, 0), WIRE_BUSY);
    fwpm_server_disconnect(leaver);
    UINT64 due = fwpm_server_tick(server_here());
    assert_true(due != FWPM_NEVER && due > 0);
    assert_true(seconds_now() - began < 10);
    assert_int_equal(session_count(), sessions);
    assert_int_equal(FwpmTransactionCommit0(engine), STATUS_SUCCESS);
    assert_true(fwpm_server_tick(server_here()) == FWPM_NEVER);
    assert_int_equal(session_count(), sessions - 1);
    assert_int_equal(call(client, WIRE_ENGINE_CLOSE, session, NULL, 0), 0);
    assert_int_equal(session_count(), sessions - 2);
    fwpm_server_disconnect(client);
    server_here_stop();
}

/* Clients that come and go while one's transaction is open cannot use up the engine's sessions: its end needs one. */
static void test_leavers(void **state)
{
    unsigned opened = 0;

    (void)state;
    server_here_start();
    struct fwpm_client *holder = connect_client();
    UINT32 session = open_session(holder);
    size_t sessions = session_count();
    assert_int_equal(begin(holder, session), 0);
    for (unsigned i = 0; i < 1000; i++) {
        struct fwpm_client *leaver = connect_client();

        for (unsigned j = 0; j < FWPM_SESSIONS_MAX; j++)
            opened += open_session(leaver) != 0;
        fwpm_server_disconnect(leaver);
    }
    assert_int_equal(opened, FWPM_LEAVING_MAX * FWPM_SESSIONS_MAX);
    struct fwpm_client *late = connect_client();
    assert_int_equal(call(late, WIRE_ENGINE_OPEN, RPC_C_AUTHN_WINNT, "", 1), WIRE_BUSY);
    server_here_pass(FWPM_TRANSACTION_MAX_MS);
    assert_true(fwpm_server_tick(server_here()) == FWPM_NEVER);
    assert_int_equal(session_count(), sessions);
    assert_int_not_equal(open_session(late), 0);
    fwpm_server_disconnect(late);
    fwpm_server_disconnect(holder);
    server_here_stop();
}

/*
 * Some clients hold a transaction as long as they may and begin the next one at once, again and again. One that asks
 * every 5 ms as the library does gets in within FWPM_TRANSACTION_MAX_MS, however many they are.
 */
static void wait_among(unsigned count)
{
    struct fwpm_client *hostile[64];
    UINT32 sessions[64];

    server_here_start();
    for (unsigned i = 0; i < count; i++) {
        hostile[i] = connect_client();
        sessions[i] = open_session(hostile[i]);
        (void)begin(hostile[i], sessions[i]);
    }
    struct fwpm_client *client = connect_client();
    UINT32 session = open_session(client), waited = 0;
    for (; begin(client, session) != 0; waited += 5) {
        assert_true(waited <= FWPM_TRANSACTION_MAX_MS);
        server_here_pass(5);
        (void)fwpm_server_tick(server_here());
        for (unsigned i = 0; i < count; i++) {
            (void)call(hostile[i], WIRE_TRANSACTION_ABORT, sessions[i] * (waited % 500 == 0), NULL, 0);
            (void)begin(hostile[i], sessions[i]);
        }
    }
    assert_int_equal(call(client, WIRE_TRANSACTION_COMMIT, session, NULL, 0), 0);
    fwpm_server_disconnect(client);
    for (unsigned i = 0; i < count; i++)
        fwpm_server_disconnect(hostile[i]);
    server_here_stop();
}

static void test_fair(void **state)
{
    (void)state;
    wait_among(1);
    wait_among(2);
    wait_among(7);
    wait_among(60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_enumerations_end, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_driver_transaction, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_leavers, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_fair, engine_setup, engine_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
