/* SPDX-License-Identifier: MIT */
/*
 * inbound.c - ALE_AUTH_RECV_ACCEPT: what is indicated, and holding by clone and injection.
 *
 * Pages: ALE Layers, ALE Stateful Filtering, ALE Re-authorization (win32 desktop-src/FWP); FwpsPendOperation0,
 * FwpsCompleteOperation0, FwpsInjectTransportReceiveAsync0, FwpsQueryPacketInjectionState0,
 * FwpsAllocateCloneNetBufferList0 (fwpsk.h); Metadata Fields at Each Filtering Layer, Packet Indication Format,
 * Processing Classify Callouts Asynchronously (windows-driver-docs).
 */
#include "tests/lib/hook_callout.h"
#include "nt/verify/verify.h"
#include "wfp/packet.h"

static struct hook hook, other;
static HANDLE injection, strange;
static NET_BUFFER_LIST *clone;
static unsigned completions, injected_seen;
static NTSTATUS inject_status, injected_status;
static BOOLEAN keeps_offset;
static FWPS_PACKET_INJECTION_STATE state_seen;
static struct {
    UINT16 layer;
    UINT32 metadata_bits, ip_header_size, transport_header_size, flags, arrival, local_address;
    UINT16 local_port, remote_port;
    FWP_DIRECTION direction;
    KIRQL irql;
    BOOLEAN has_data;
} seen;

static void NTAPI on_injected(void *context, NET_BUFFER_LIST *list, BOOLEAN dispatch)
{
    assert_ptr_equal(context, &completions);
    assert_int_equal(dispatch, KeGetCurrentIrql() == DISPATCH_LEVEL);
    completions++;
    injected_status = NET_BUFFER_LIST_STATUS(list);
    FwpsFreeCloneNetBufferList0(list, 0);
}

static NTSTATUS make_clone(const struct hook_call *call)
{
    NET_BUFFER *buffer = NET_BUFFER_LIST_FIRST_NB((NET_BUFFER_LIST *)call->layer_data);
    ULONG headers = call->metadata->ipHeaderSize + call->metadata->transportHeaderSize;
    NTSTATUS status;

    if (keeps_offset)
        return FwpsAllocateCloneNetBufferList0(call->layer_data, NULL, NULL, 0, &clone);
    if (NdisRetreatNetBufferDataStart(buffer, headers, 0, NULL) != NDIS_STATUS_SUCCESS)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = FwpsAllocateCloneNetBufferList0(call->layer_data, NULL, NULL, 0, &clone);
    NdisAdvanceNetBufferDataStart(buffer, headers, FALSE, NULL);
    return status;
}

static void see(const struct hook_call *call)
{
    const FWPS_INCOMING_VALUE0 *values = call->values->incomingValue;

    seen.layer = call->values->layerId;
    seen.metadata_bits = call->metadata->currentMetadataValues;
    seen.ip_header_size = call->metadata->ipHeaderSize;
    seen.transport_header_size = call->metadata->transportHeaderSize;
    seen.direction = call->metadata->packetDirection;
    seen.irql = KeGetCurrentIrql();
    seen.flags = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_FLAGS].value.uint32;
    seen.arrival = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_ARRIVAL_INTERFACE_INDEX].value.uint32;
    seen.local_port = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_LOCAL_PORT].value.uint16;
    seen.remote_port = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_REMOTE_PORT].value.uint16;
    seen.local_address = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_LOCAL_ADDRESS].value.uint32;
    seen.has_data = call->layer_data != NULL;
}

/* As the pages want it: what it injected itself it permits; else clone, pend, block and absorb. */
static void hold(const struct hook_call *call)
{
    see(call);
    state_seen = FwpsQueryPacketInjectionState0(injection, call->layer_data, NULL);
    if (state_seen == FWPS_PACKET_INJECTED_BY_SELF) {
        injected_seen++;
        hook_permit(call);
    } else if (call->reauthorize || !NT_SUCCESS(make_clone(call))) {
        hook_permit(call);
    } else if (!NT_SUCCESS(hook_try_pend(call))) {
        FwpsFreeCloneNetBufferList0(clone, 0);
        hook_block(call);
    } else {
        hook_answer_pended(call);
    }
}

static int setup(void **state)
{
    engine_setup(state);
    memset(&hook, 0, sizeof(hook));
    memset(&other, 0, sizeof(other));
    memset(&seen, 0, sizeof(seen));
    completions = injected_seen = 0;
    clone = NULL;
    keeps_offset = FALSE;
    hook.classify = hold;
    hook_start(&hook, &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, NULL);
    assert_int_equal(FwpsInjectionHandleCreate0(0, FWPS_INJECTION_TYPE_TRANSPORT, &injection), STATUS_SUCCESS);
    assert_int_equal(FwpsInjectionHandleCreate0(2, FWPS_INJECTION_TYPE_TRANSPORT, &strange), STATUS_SUCCESS);
    return 0;
}

static int teardown(void **state)
{
    FwpsInjectionHandleDestroy0(injection);
    FwpsInjectionHandleDestroy0(strange);
    if (hook.id != 0)
        hook_stop(&hook);
    int failed = engine_teardown(state);
    hook_forget_all();
    nt_verify_on = false;
    return failed;
}

static struct wfp_decision accept_now(UINT64 endpoint, UINT8 protocol)
{
    static struct wfp_packet packet = {.size = 60, .ip_header_size = 20, .transport_header_size = 40};
    struct wfp_ale_connect accept = make_connect(endpoint);
    struct wfp_decision decision;

    packet.transport_header_size = protocol == 6 ? 40 : 8;
    accept.inbound = TRUE;
    accept.protocol = protocol;
    accept.local_port = 22;
    accept.remote_port = 50000;
    accept.interface_index = 3;
    accept.layer_data = &packet;
    wfp_ale_connect(&accept, on_done, NULL, &decision);
    return decision;
}

static NTSTATUS inject(HANDLE handle)
{
    return FwpsInjectTransportReceiveAsync0(handle, NULL, NULL, 0, 2, 1, 3, 0, clone, on_injected, &completions);
}

static void complete_and_inject(void)
{
    FwpsCompleteOperation0(hook.context, clone);
    assert_int_equal(done_count, 0);
    inject_status = inject(injection);
}

/* Metadata Fields at Each Filtering Layer, and the fields' pages. */
static void test_indicated(void **state)
{
    (void)state;
    assert_int_equal(accept_now(1, 6).outcome, WFP_PENDED);
    assert_int_equal(seen.layer, FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
    assert_int_equal(seen.direction, FWP_DIRECTION_INBOUND);
    assert_int_equal(seen.arrival, 3);
    assert_int_equal(seen.local_port, 22);
    assert_int_equal(seen.remote_port, 50000);
    assert_int_equal(seen.local_address, 0x0a000001);
    assert_int_equal(seen.ip_header_size, 20);
    assert_int_equal(seen.transport_header_size, 40);
    assert_int_equal(seen.irql, DISPATCH_LEVEL);
    assert_true(seen.has_data);
    UINT32 wanted = FWPS_METADATA_FIELD_IP_HEADER_SIZE | FWPS_METADATA_FIELD_TRANSPORT_HEADER_SIZE |
                    FWPS_METADATA_FIELD_PROCESS_ID | FWPS_METADATA_FIELD_PROCESS_PATH |
                    FWPS_METADATA_FIELD_COMPLETION_HANDLE | FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE |
                    FWPS_METADATA_FIELD_PACKET_DIRECTION | FWPS_METADATA_FIELD_COMPARTMENT_ID;
    assert_int_equal(seen.metadata_bits, wanted);
    complete_and_inject();
    wfp_ale_endpoint_closed(1);
}

/* Completing classifies nothing; the injected clone is classified afresh, known as the driver's own. */
static void test_permit(void **state)
{
    struct wfp_decision decision;

    (void)state;
    decision = accept_now(1, 6);
    assert_int_equal(state_seen, FWPS_PACKET_NOT_INJECTED);
    FwpsCompleteOperation0(hook.context, clone);
    assert_int_equal(hook.classified, 1);
    assert_int_equal(done_count, 0);
    assert_int_equal(inject(injection), STATUS_SUCCESS);
    assert_int_equal(hook.classified, 2);
    assert_int_equal(injected_seen, 1);
    assert_int_equal(seen.flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE, 0);
    assert_int_equal(completions, 1);
    assert_int_equal(injected_status, STATUS_SUCCESS);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    assert_int_equal(done_decision.operation, decision.operation);
    assert_int_not_equal(done_decision.flow, 0);
    wfp_ale_endpoint_closed(1);
}

/* "block = Complete(NULL), then free the clone": nothing is left that could come. */
static void test_block(void **state)
{
    (void)state;
    assert_int_equal(accept_now(1, 17).outcome, WFP_PENDED);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(done_count, 0);
    FwpsFreeCloneNetBufferList0(clone, 0);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    assert_int_equal(done_decision.flow, 0);
    assert_int_equal(hook.classified, 1);
}

/* Freed first, completed later: the same. */
static void test_block_other_order(void **state)
{
    (void)state;
    assert_int_equal(accept_now(1, 17).outcome, WFP_PENDED);
    FwpsFreeCloneNetBufferList0(clone, 0);
    assert_int_equal(done_count, 0);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
}

/* Injected before it is completed: it waits for that. */
static void test_inject_before_completion(void **state)
{
    (void)state;
    (void)accept_now(1, 6);
    assert_int_equal(inject(injection), STATUS_SUCCESS);
    assert_int_equal(hook.classified, 1);
    assert_int_equal(completions, 0);
    FwpsCompleteOperation0(hook.context, clone);
    assert_int_equal(completions, 1);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
}

/* A handle that goes takes what waits with it. */
static void test_destroy_drops_what_waits(void **state)
{
    (void)state;
    (void)accept_now(1, 6);
    assert_int_equal(inject(strange), STATUS_SUCCESS);
    assert_int_equal(FwpsInjectionHandleDestroy0(strange), STATUS_SUCCESS);
    assert_int_equal(completions, 1);
    assert_int_equal(injected_status, STATUS_DATA_NOT_ACCEPTED);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    assert_int_equal(inject(strange), STATUS_FWP_INJECT_HANDLE_STALE);
    assert_int_equal(FwpsInjectionHandleCreate0(2, FWPS_INJECTION_TYPE_TRANSPORT, &strange), STATUS_SUCCESS);
}

static void ask_other(const struct hook_call *call)
{
    state_seen = FwpsQueryPacketInjectionState0(strange, call->layer_data, NULL);
    hook_block(call);
}

/* Another callout sees it as injected by another one, and may block it. */
static void test_other_blocks_injected(void **state)
{
    GUID below = add_sublayer(engine, 1);

    (void)state;
    other.classify = ask_other;
    (void)accept_now(1, 6);
    hook_start(&other, &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, &below);
    complete_and_inject();
    assert_int_equal(inject_status, STATUS_SUCCESS);
    assert_int_equal(state_seen, FWPS_PACKET_INJECTED_BY_OTHER);
    assert_int_equal(completions, 1);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    hook_stop(&other);
}

/* Both pend: each injects its own clone when all is completed; the packet is decided once. */
static void test_two_hold(void **state)
{
    GUID below = add_sublayer(engine, 1);
    NET_BUFFER_LIST *first;

    (void)state;
    other.classify = hold;
    hook_start(&other, &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, &below);
    assert_int_equal(accept_now(1, 6).outcome, WFP_PENDED);
    first = clone; /* the second to run overwrote the other's: free that by its context */
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(inject(injection), STATUS_SUCCESS);
    assert_int_equal(completions, 0);
    FwpsCompleteOperation0(other.context, first);
    assert_int_equal(completions, 1);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    assert_int_equal(violations("left-clone"), 0);
    wfp_ale_endpoint_closed(1);
    hook_stop(&hook);
    hook_stop(&other);
    hook.id = 0;
    wfp_reset();
    assert_int_equal(violations("left-clone"), 1);
    assert_int_equal(violations("left-injection-handle"), 2);
    assert_int_equal(FwpsInjectionHandleCreate0(0, FWPS_INJECTION_TYPE_TRANSPORT, &injection), STATUS_SUCCESS);
    assert_int_equal(FwpsInjectionHandleCreate0(0, FWPS_INJECTION_TYPE_TRANSPORT, &strange), STATUS_SUCCESS);
}

/* The listener is closed meanwhile: nothing is classified, done comes with a block. */
static void test_endpoint_closed(void **state)
{
    (void)state;
    (void)accept_now(1, 6);
    wfp_ale_endpoint_closed(1);
    FwpsCompleteOperation0(hook.context, clone);
    assert_int_equal(inject(injection), STATUS_SUCCESS);
    assert_int_equal(injected_status, STATUS_DATA_NOT_ACCEPTED);
    assert_int_equal(hook.classified, 1);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
}

/* Blocked plainly, but cloned: the clone may still come. */
static void block_and_keep(const struct hook_call *call)
{
    if (FwpsQueryPacketInjectionState0(injection, call->layer_data, NULL) == FWPS_PACKET_INJECTED_BY_SELF) {
        hook_permit(call);
        return;
    }
    assert_int_equal(make_clone(call), STATUS_SUCCESS);
    hook_block(call);
    call->out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
}

static void test_blocked_and_injected(void **state)
{
    (void)state;
    hook.classify = block_and_keep;
    assert_int_equal(accept_now(1, 17).outcome, WFP_PENDED);
    assert_int_equal(inject(injection), STATUS_SUCCESS);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
}

static void test_filters_alone(void **state)
{
    struct wfp_decision decision;

    (void)state;
    hook.classify = hook_permit;
    decision = accept_now(1, 6);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    hook.classify = hook_block;
    assert_int_equal(accept_now(2, 6).outcome, WFP_BLOCK);
    wfp_ale_endpoint_closed(1);
}

static UINT32 established_direction;

static void see_established(const struct hook_call *call)
{
    established_direction = call->values->incomingValue[FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_DIRECTION].value.uint32;
}

/* FLOW_ESTABLISHED says inbound; a policy change reauthorizes at RECV_ACCEPT, in which nothing can be pended. */
static void test_flow(void **state)
{
    GUID below = add_sublayer(engine, 1);
    struct wfp_decision decision;
    BOOLEAN reauthorized;

    (void)state;
    other.classify = see_established;
    hook_start(&other, &FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, NULL);
    (void)accept_now(1, 6);
    complete_and_inject();
    wfp_ale_flow_established(done_decision.flow);
    assert_int_equal(established_direction, FWP_DIRECTION_INBOUND);
    wfp_ale_flow_packet(done_decision.flow, TRUE, NULL, &decision, &reauthorized);
    assert_false(reauthorized);
    add_filter(engine, &(struct filter_spec){.layer = &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4,
                                             .sublayer = &below,
                                             .action = FWP_ACTION_PERMIT});
    wfp_ale_flow_packet(done_decision.flow, TRUE, NULL, &decision, &reauthorized);
    assert_true(reauthorized);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    assert_int_equal(seen.layer, FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
    assert_int_not_equal(seen.flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE, 0);
    assert_int_equal(seen.metadata_bits & FWPS_METADATA_FIELD_IP_HEADER_SIZE, 0);
    wfp_ale_endpoint_closed(1);
    hook_stop(&other);
}

static void test_misuse(void **state)
{
    NET_BUFFER_LIST *second;

    (void)state;
    keeps_offset = TRUE;
    (void)accept_now(1, 6);
    FwpsCompleteOperation0(hook.context, clone);
    assert_int_equal(inject(injection), STATUS_INVALID_PARAMETER);
    assert_int_equal(violations("net-buffer-misuse"), 1);
    assert_int_equal(FwpsAllocateCloneNetBufferList0(clone, NULL, NULL, 0, &second), STATUS_SUCCESS);
    FwpsFreeCloneNetBufferList0(second, 0);
    FwpsFreeCloneNetBufferList0(second, 0);
    assert_int_equal(violations("net-buffer-misuse"), 2);
    FwpsFreeCloneNetBufferList0(clone, 0);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    assert_int_equal(FwpsAllocateCloneNetBufferList0(clone, NULL, NULL, 0, &second), STATUS_INVALID_PARAMETER);
    assert_int_equal(violations("net-buffer-misuse"), 3);
}

static void retreat_and_forget(const struct hook_call *call)
{
    NdisRetreatNetBufferDataStart(NET_BUFFER_LIST_FIRST_NB((NET_BUFFER_LIST *)call->layer_data), 20, 0, NULL);
    hook_permit(call);
}

static void test_retreat_left(void **state)
{
    (void)state;
    hook.classify = retreat_and_forget;
    assert_int_equal(accept_now(1, 6).outcome, WFP_PERMIT);
    assert_int_equal(violations("net-buffer-misuse"), 1);
    wfp_ale_endpoint_closed(1);
}

/* A datagram that is pended and not cloned is lost; a SYN comes again by itself. */
static void test_lost(void **state)
{
    (void)state;
    nt_verify_on = true;
    hook.classify = hook_pend;
    (void)accept_now(1, 6);
    assert_int_equal(violations("datagram-lost"), 0);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    (void)accept_now(2, 17);
    assert_int_equal(violations("datagram-lost"), 1);
    FwpsCompleteOperation0(hook.context, NULL);
    nt_verify_on = false;
}

static const char *failing;

static BOOLEAN fails(const char *routine, void *context)
{
    (void)context;
    return strcmp(routine, failing) == 0;
}

/* Each routine that can fail does, once: nothing leaks, and the packet is decided. */
static void test_failures(void **state)
{
    HANDLE handle;

    (void)state;
    failing = "FwpsAllocateCloneNetBufferList0";
    nt_set_fault(fails, NULL);
    assert_int_equal(accept_now(1, 6).outcome, WFP_PERMIT); /* what hold() does then */
    failing = "NdisRetreatNetBufferDataStart";
    assert_int_equal(accept_now(2, 6).outcome, WFP_PERMIT);
    failing = "FwpsPendOperation0";
    assert_int_equal(accept_now(3, 6).outcome, WFP_BLOCK);
    failing = "FwpsInjectionHandleCreate0";
    assert_int_equal(FwpsInjectionHandleCreate0(0, FWPS_INJECTION_TYPE_TRANSPORT, &handle),
                     STATUS_INSUFFICIENT_RESOURCES);
    failing = "FwpsInjectTransportReceiveAsync0";
    assert_int_equal(accept_now(4, 6).outcome, WFP_PENDED);
    complete_and_inject();
    assert_int_equal(inject_status, STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(completions, 0);
    FwpsFreeCloneNetBufferList0(clone, 0);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    nt_set_fault(NULL, NULL);
    wfp_ale_endpoint_closed(1);
    wfp_ale_endpoint_closed(2);
}

/* FwpsReferenceNetBufferList0 keeps the packet, so that it can be cloned later. */
static NET_BUFFER_LIST *kept;

static void reference_and_pend(const struct hook_call *call)
{
    NET_BUFFER *buffer;

    if (FwpsQueryPacketInjectionState0(injection, call->layer_data, NULL) == FWPS_PACKET_INJECTED_BY_SELF) {
        hook_permit(call);
        return;
    }
    kept = call->layer_data;
    buffer = NET_BUFFER_LIST_FIRST_NB(kept);
    FwpsReferenceNetBufferList0(kept, TRUE);
    assert_int_equal(hook_try_pend(call), STATUS_SUCCESS);
    assert_int_equal(NET_BUFFER_DATA_OFFSET(buffer), 28);
    hook_answer_pended(call);
}

static void test_reference(void **state)
{
    (void)state;
    hook.classify = reference_and_pend;
    assert_int_equal(accept_now(1, 17).outcome, WFP_PENDED);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(done_count, 0);
    assert_int_equal(NdisRetreatNetBufferDataStart(NET_BUFFER_LIST_FIRST_NB(kept), 28, 0, NULL), NDIS_STATUS_SUCCESS);
    assert_int_equal(FwpsAllocateCloneNetBufferList0(kept, NULL, NULL, 0, &clone), STATUS_SUCCESS);
    FwpsDereferenceNetBufferList0(kept, FALSE);
    assert_int_equal(inject(injection), STATUS_SUCCESS);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
}

/* FwpsInjectionHandleCreate0: PASSIVE_LEVEL. */
static void test_irql(void **state)
{
    HANDLE handle;
    KIRQL irql;

    (void)state;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    assert_int_equal(FwpsInjectionHandleCreate0(0, FWPS_INJECTION_TYPE_TRANSPORT, &handle), STATUS_SUCCESS);
    KeLowerIrql(irql);
    assert_int_equal(violations("irql-too-high"), 1);
    assert_int_equal(FwpsInjectionHandleDestroy0(handle), STATUS_SUCCESS);
    assert_int_equal(FwpsInjectionHandleDestroy0(handle), STATUS_INVALID_HANDLE);
    assert_int_equal(violations("handle-invalid"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_indicated),
        TEST(test_permit),
        TEST(test_block),
        TEST(test_block_other_order),
        TEST(test_inject_before_completion),
        TEST(test_destroy_drops_what_waits),
        TEST(test_other_blocks_injected),
        TEST(test_two_hold),
        TEST(test_endpoint_closed),
        TEST(test_blocked_and_injected),
        TEST(test_filters_alone),
        TEST(test_flow),
        TEST(test_misuse),
        TEST(test_retreat_left),
        TEST(test_lost),
        TEST(test_failures),
        TEST(test_reference),
        TEST(test_irql),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
