/* SPDX-License-Identifier: MIT */
/*
 * cost.c - what the engine costs: classify alone, and pend + complete + reauthorize, with 1, 10,000 and 1,000,000 held,
 * and with the verifier on.
 */
#include "nt/verify/verify.h"
#include "tests/lib/engine_fixture.h"

#include <stdio.h>
#include <time.h>

#define MOST   1000000
#define ROUNDS 20000

static UINT64 *contexts;
static size_t context_count;

static double now_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static void NTAPI hold(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *data,
                       const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    HANDLE pended;

    (void)data;
    (void)context;
    (void)filter;
    (void)flow_context;
    if ((values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32 &
         FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0) {
        out->actionType = FWP_ACTION_BLOCK;
        out->rights = 0;
        return;
    }
    if (!NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &pended)))
        abort();
    contexts[context_count++] = (UINT64)(uintptr_t)pended;
    out->actionType = FWP_ACTION_BLOCK;
    out->flags = FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights = 0;
}

static NTSTATUS NTAPI agree(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER3 *filter)
{
    (void)type;
    (void)key;
    (void)filter;
    return STATUS_SUCCESS;
}

static double classify_cost(void)
{
    double start = now_ns();

    for (int i = 0; i < ROUNDS; i++)
        connect_now(1);
    return (now_ns() - start) / ROUNDS;
}

/* Holds up to held, then measures single held connects one after the other. */
static double held_cost(size_t held)
{
    UINT64 endpoint = 1000;
    double start;

    while (context_count < held - 1)
        connect_now(++endpoint + context_count);
    start = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        connect_now(1);
        FwpsCompleteOperation0((HANDLE)(uintptr_t)contexts[--context_count], NULL);
    }
    return (now_ns() - start) / ROUNDS;
}

int main(void)
{
    static const size_t steps[] = {1, 10000, MOST};
    struct sample sample = {.key = make_key(5)};
    FWPS_CALLOUT3 callout = {.calloutKey = sample.key, .classifyFn = hold, .notifyFn = agree};
    UINT64 filter;

    contexts = calloc(MOST + 1, sizeof(*contexts));
    if (contexts == NULL || FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine) != STATUS_SUCCESS)
        return 1;
    UINT64 block = add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_BLOCK});
    printf("classify, one filter: %.0f ns\n", classify_cost());
    FwpmFilterDeleteById0(engine, block);
    if (FwpsCalloutRegister3(&callout, &callout, &sample.id) != STATUS_SUCCESS)
        return 1;
    add_callout(engine, &sample, NULL);
    filter = add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &sample});
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        printf("pend + complete + reauthorize, %zu held: %.0f ns\n", steps[i], held_cost(steps[i]));
    nt_verify_on = true;
    printf("the same with the verifier on, %zu held: %.0f ns\n", context_count + 1, held_cost(context_count + 1));
    nt_verify_on = false;
    while (context_count != 0)
        FwpsCompleteOperation0((HANDLE)(uintptr_t)contexts[--context_count], NULL);
    FwpmFilterDeleteById0(engine, filter);
    FwpsCalloutUnregisterById0(sample.id);
    wfp_reset();
    free(contexts);
    return 0;
}
