/* SPDX-License-Identifier: MIT */
/*
 * flow.c - flows and FwpsFlowAssociateContext0, RemoveContext0, Abort0.
 *
 * A context keeps its callout registered (slot->flow_contexts), so flowDeleteFn is always still there.
 *
 * Pages: FwpsFlowAssociateContext0, FwpsFlowRemoveContext0, FwpsFlowAbort0,
 * FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 (fwpsk.h); Associating Context with a Data Flow.
 */
#include "wfp/flow.h"
#include "nt/foreign.h"
#include "wfp/answer.h"
#include "wfp/endpoint.h"
#include "wfp/history.h"
#include "wfp/memory.h"

#include <nt/nt.h>

struct wfp_flow_context {
    struct wfp_flow_context *next;
    struct wfp_callout_slot *slot;
    UINT32 callout_id;
    UINT16 layer_id;
    UINT64 value;
};

static struct wfp_table flows;

void wfp_flow_init(void)
{
    wfp_table_init(&flows);
}

static struct wfp_authorization *flow_of(struct wfp_node *node)
{
    return node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_authorization, flow);
}

void wfp_flow_begin(struct wfp_authorization *authorization)
{
    wfp_table_insert(&flows, &authorization->flow);
}

struct wfp_authorization *wfp_flow_find(UINT64 id)
{
    struct wfp_shard *shard = wfp_table_lock(&flows, id);
    struct wfp_authorization *flow = flow_of(wfp_shard_find(shard, id));

    if (flow != NULL)
        wfp_authorization_hold(flow);
    wfp_table_unlock(shard);
    return flow;
}

static void call_delete(const struct wfp_flow_context *context)
{
    struct wfp_callout_slot *slot = context->slot;
    PDRIVER_OBJECT before = nt_enter_driver(slot->driver);
    unsigned locks = nt_spin_locks_held();
    KIRQL irql = KeGetCurrentIrql();

    NT_CALL(slot->run.flowDeleteFn, context->layer_id, context->callout_id, context->value);
    nt_enter_driver(before);
    if (NT_VERIFYING)
        wfp_return_check("flowDeleteFn", irql, locks);
}

/* routine: what the driver called, or NULL. */
static void delete_context(struct wfp_flow_context *context, UINT64 flow, const char *routine)
{
    if (NT_VERIFYING && routine != NULL && nt_spin_locks_held() != 0) {
        nt_about_connection(flow);
        nt_violate("classify-under-lock", routine,
                   "a spin lock is held; flowDeleteFn runs on this stack and may want it");
    }
    if (NT_VERIFYING)
        nt_note(flow, "flowDeleteFn of callout 0x%x", context->callout_id);
    call_delete(context);
    atomic_fetch_sub(&context->slot->flow_contexts, 1);
    wfp_free(context);
}

static BOOLEAN end_flow(UINT64 id, const char *routine)
{
    struct wfp_shard *shard = wfp_table_lock(&flows, id);
    struct wfp_authorization *flow = flow_of(wfp_shard_find(shard, id));
    struct wfp_flow_context *contexts = NULL;

    if (flow != NULL) {
        wfp_shard_remove(shard, &flow->flow);
        contexts = flow->contexts;
        flow->contexts = NULL;
    }
    wfp_table_unlock(shard);
    if (flow == NULL)
        return FALSE;
    while (contexts != NULL) {
        struct wfp_flow_context *next = contexts->next;

        delete_context(contexts, id, routine);
        contexts = next;
    }
    WFP_NOTE(flow, "flow ended");
    wfp_endpoint_leave(flow);
    wfp_authorization_put(flow);
    return TRUE;
}

BOOLEAN wfp_flow_end(UINT64 id)
{
    return end_flow(id, NULL);
}

UINT64 wfp_flow_context(const struct wfp_request *request, struct wfp_callout_slot *slot)
{
    UINT64 id = request->authorization->flow.key;
    UINT16 layer_id = wfp_layers[request->layer].id;
    struct wfp_shard *shard;
    UINT64 value = 0;

    if (!request->has_flow || atomic_load_explicit(&slot->flow_contexts, memory_order_acquire) == 0)
        return 0;
    shard = wfp_table_lock(&flows, id);
    for (struct wfp_flow_context *context = request->authorization->contexts; context != NULL; context = context->next)
        if (context->slot == slot && context->layer_id == layer_id)
            value = context->value;
    wfp_table_unlock(shard);
    return value;
}

/* A flow handle out of metadata whose bit was not set? */
static void check_handle(UINT64 flow, const char *routine)
{
    if (NT_VERIFYING && flow == WFP_NO_METADATA_UINT64)
        nt_violate("metadata-without-bit", routine,
                   "flowHandle is used, but the classify had no FWPS_METADATA_FIELD_FLOW_HANDLE");
}

static NTSTATUS link_context(UINT64 id, struct wfp_flow_context *added)
{
    struct wfp_shard *shard = wfp_table_lock(&flows, id);
    struct wfp_authorization *flow = flow_of(wfp_shard_find(shard, id));
    NTSTATUS status = flow == NULL ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;

    for (struct wfp_flow_context *context = flow == NULL ? NULL : flow->contexts; context != NULL;
         context = context->next)
        if (context->slot == added->slot && context->layer_id == added->layer_id)
            status = STATUS_OBJECT_NAME_EXISTS;
    if (status == STATUS_SUCCESS) {
        atomic_fetch_add(&added->slot->flow_contexts, 1);
        added->next = flow->contexts;
        flow->contexts = added;
    }
    wfp_table_unlock(shard);
    return status;
}

NTSTATUS NTAPI FwpsFlowAssociateContext0(UINT64 flowId, UINT16 layerId, UINT32 calloutId, UINT64 flowContext)
{
    struct wfp_flow_context *context;
    struct wfp_callout_slot *slot;
    NTSTATUS status;

    nt_require_irql("FwpsFlowAssociateContext0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    check_handle(flowId, "FwpsFlowAssociateContext0");
    if (nt_fails("FwpsFlowAssociateContext0"))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (flowContext == 0 || wfp_layer_by_id(layerId) == WFP_LAYER_COUNT)
        return STATUS_INVALID_PARAMETER;
    slot = wfp_slot_enter_by_id(calloutId);
    if (slot == NULL)
        return STATUS_INVALID_PARAMETER;
    context = slot->run.flowDeleteFn == NULL ? NULL : wfp_alloc(sizeof(*context));
    if (context == NULL) {
        status = slot->run.flowDeleteFn == NULL ? STATUS_INVALID_PARAMETER : STATUS_INSUFFICIENT_RESOURCES;
    } else {
        *context = (struct wfp_flow_context){NULL, slot, calloutId, layerId, flowContext};
        status = link_context(flowId, context);
        if (status != STATUS_SUCCESS)
            wfp_free(context);
        else if (NT_VERIFYING)
            nt_note(flowId, "callout 0x%x associated a context", calloutId);
    }
    wfp_slot_leave(slot);
    return status;
}

NTSTATUS NTAPI FwpsFlowRemoveContext0(UINT64 flowId, UINT16 layerId, UINT32 calloutId)
{
    struct wfp_flow_context *found = NULL;
    struct wfp_authorization *flow;
    struct wfp_shard *shard;

    nt_require_irql("FwpsFlowRemoveContext0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    check_handle(flowId, "FwpsFlowRemoveContext0");
    shard = wfp_table_lock(&flows, flowId);
    flow = flow_of(wfp_shard_find(shard, flowId));
    for (struct wfp_flow_context **link = flow == NULL ? NULL : &flow->contexts; link != NULL && *link != NULL;
         link = &(*link)->next) {
        if ((*link)->callout_id == calloutId && (*link)->layer_id == layerId) {
            found = *link;
            *link = found->next;
            break;
        }
    }
    wfp_table_unlock(shard);
    if (found == NULL)
        return STATUS_UNSUCCESSFUL;
    delete_context(found, flowId, "FwpsFlowRemoveContext0");
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpsFlowAbort0(UINT64 flowId)
{
    nt_require_irql("FwpsFlowAbort0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    check_handle(flowId, "FwpsFlowAbort0");
    return end_flow(flowId, "FwpsFlowAbort0") ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

size_t wfp_flow_count(void)
{
    return wfp_table_count(&flows);
}

struct wfp_table *wfp_flow_table(void)
{
    return &flows;
}

size_t wfp_flow_context_count(struct wfp_authorization *flow)
{
    size_t count = 0;

    for (const struct wfp_flow_context *context = flow->contexts; context != NULL; context = context->next)
        count++;
    return count;
}

/* With the flow's shard held. */
static struct wfp_flow_context *take_contexts(struct wfp_authorization *flow, UINT32 callout_id,
                                              struct wfp_flow_context *taken)
{
    struct wfp_flow_context **link = &flow->contexts;

    while (*link != NULL) {
        struct wfp_flow_context *context = *link;

        if (context->callout_id != callout_id) {
            link = &context->next;
            continue;
        }
        *link = context->next;
        context->next = taken;
        taken = context;
    }
    return taken;
}

struct abandoned {
    UINT32 callout_id;
    struct wfp_flow_context *contexts;
};

static void abandon(struct wfp_node *node, void *context)
{
    struct abandoned *abandoned = context;

    abandoned->contexts = take_contexts(flow_of(node), abandoned->callout_id, abandoned->contexts);
}

void wfp_flow_abandon(UINT32 callout_id)
{
    struct abandoned abandoned = {callout_id, NULL};
    unsigned count = 0;

    wfp_table_each(&flows, abandon, &abandoned);
    while (abandoned.contexts != NULL) {
        struct wfp_flow_context *context = abandoned.contexts;

        abandoned.contexts = context->next;
        atomic_fetch_sub(&context->slot->flow_contexts, 1);
        wfp_free(context);
        count++;
    }
    if (count != 0)
        nt_violate("left-flow-context", "DriverUnload",
                   "callout 0x%x keeps a context with %u flows; remove each before unloading", callout_id, count);
}

static void reset_flow(UINT64 key)
{
    (void)wfp_flow_end(key);
}

void wfp_flow_reset(void)
{
    wfp_table_end_all(&flows, reset_flow);
    wfp_table_trim(&flows);
}

void wfp_flow_forget(void)
{
    wfp_table_forget(&flows);
}
