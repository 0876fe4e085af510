/* SPDX-License-Identifier: MIT */
/*
 * stress.c - threads that connect, complete, close, and change filters at once, for about a second. Every pended
 * connect is decided exactly once and nothing is left; with -Db_sanitize=thread also: no data race.
 */
#include "tests/lib/engine_fixture.h"
#include "wfp/policy.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define RING   256
#define ENOUGH 100 /* connects that were held */

static _Atomic(UINT64) ring[RING];
static _Atomic(unsigned) put_at, pended, decided;
static atomic_bool stop;
static struct sample dummy;

static void done(void *context, const struct wfp_decision *decision)
{
    (void)context;
    atomic_fetch_add(&decided, 1);
    if (decision->outcome == WFP_PERMIT)
        wfp_ale_flow_established(decision->flow);
}

static void NTAPI hold(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *data,
                       const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    HANDLE handle;

    (void)data;
    (void)context;
    (void)filter;
    (void)flow_context;
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    out->actionType = FWP_ACTION_PERMIT;
    if ((values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32 &
         FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0 ||
        !NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &handle)))
        return;
    atomic_fetch_add(&pended, 1);
    out->actionType = FWP_ACTION_BLOCK;
    out->flags = FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights = 0;
    UINT64 old = atomic_exchange(&ring[atomic_fetch_add(&put_at, 1) % RING], (UINT64)(uintptr_t)handle);
    if (old != 0)
        FwpsCompleteOperation0((HANDLE)(uintptr_t)old, NULL);
}

static NTSTATUS NTAPI agree(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER3 *filter)
{
    (void)type;
    (void)key;
    (void)filter;
    return STATUS_SUCCESS;
}

static void *connector(void *argument)
{
    UINT64 endpoint = (UINT64)(uintptr_t)argument << 32;

    while (!atomic_load(&stop)) {
        struct wfp_ale_connect connect = make_connect(++endpoint);
        struct wfp_decision decision;
        BOOLEAN again;

        wfp_ale_connect(&connect, done, NULL, &decision);
        if (decision.outcome == WFP_PERMIT)
            wfp_ale_flow_packet(decision.flow, FALSE, NULL, &decision, &again);
        if (endpoint % 2 == 0)
            wfp_ale_endpoint_closed(endpoint - 1);
    }
    return NULL;
}

static void *completer(void *argument)
{
    (void)argument;
    while (!atomic_load(&stop)) {
        for (int i = 0; i < RING; i++) {
            UINT64 context = atomic_exchange(&ring[i], 0);

            if (context != 0)
                FwpsCompleteOperation0((HANDLE)(uintptr_t)context, NULL);
        }
    }
    return NULL;
}

/* Filters of subnets and ports, so that every level of the policy has an index; one filter at a time goes and comes. */
static void change(HANDLE session, unsigned n)
{
    FWP_V4_ADDR_AND_MASK subnet = {.mask = 0xffffffffu << n % 20};
    FWPM_FILTER_CONDITION0 conditions[2] = {
        {.fieldKey = FWPM_CONDITION_IP_REMOTE_ADDRESS,
         .conditionValue = {.type = FWP_V4_ADDR_MASK, .v4AddrMask = &subnet}},
        {.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT, .conditionValue = {.type = FWP_UINT16, .uint16 = 443}}};
    UINT64 ids[60] = {0};

    for (unsigned i = 0; i < 60; i++) {
        subnet.addr = (0xc0000207u + i / 8) & subnet.mask;
        try_filter(
            session,
            &(struct filter_spec){
                .weight = (n + i) % 50 + 1, .action = FWP_ACTION_CONTINUE, .conditions = conditions, .count = i % 3},
            &ids[i]);
    }
    for (unsigned i = 0; i < 60; i++)
        if (!NT_SUCCESS(FwpmFilterDeleteById0(session, ids[i])))
            abort();
}

static void *changer(void *argument)
{
    HANDLE session;

    (void)argument;
    if (!NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session)))
        abort();
    for (unsigned n = 0; !atomic_load(&stop); n++)
        change(session, n);
    FwpmEngineClose0(session);
    return NULL;
}

static void test_all_at_once(void **state)
{
    FWPS_CALLOUT3 callout = {.calloutKey = make_key(42), .classifyFn = hold, .notifyFn = agree};
    struct timespec moment = {0, 500000000};
    struct wfp_counts counts;
    pthread_t threads[6];

    (void)state;
    wfp_policy_set_steps(6, 24);
    dummy.key = callout.calloutKey;
    assert_int_equal(FwpsCalloutRegister3(&callout, &callout, &dummy.id), STATUS_SUCCESS);
    add_callout(engine, &dummy, NULL);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &dummy});
    pthread_create(&threads[0], NULL, connector, (void *)1);
    pthread_create(&threads[1], NULL, connector, (void *)2);
    pthread_create(&threads[2], NULL, completer, NULL);
    pthread_create(&threads[3], NULL, completer, NULL);
    pthread_create(&threads[4], NULL, changer, NULL);
    pthread_create(&threads[5], NULL, changer, NULL);
    for (int i = 0; i < 60 && (i < 3 || pended < ENOUGH); i++) /* 1.5 s, up to 30 on a slow machine */
        nanosleep(&moment, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < RING; i++)
        if (ring[i] != 0)
            FwpsCompleteOperation0((HANDLE)(uintptr_t)ring[i], NULL);
    assert_int_equal(pended, decided);
    assert_true(pended >= ENOUGH);
    wfp_count(&counts);
    assert_int_equal(counts.pended, 0);
    assert_int_equal(counts.filters, 1);
    assert_int_equal(FwpsCalloutUnregisterById0(dummy.id), STATUS_SUCCESS);
    wfp_policy_set_steps(0, 0);
    print_message("%u held connects\n", (unsigned)pended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_at_once, engine_setup, engine_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
