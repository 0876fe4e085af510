/* SPDX-License-Identifier: MIT */
/*
 * classify.c - arbitration. Pages: Filter Arbitration (win32 desktop-src/FWP), FWPS_CALLOUT_CLASSIFY_FN1,
 * FWPS_CLASSIFY_OUT0, Types of Callouts.
 *
 * Sublayers are visited from the highest weight to the lowest, every one, even after a block. Inside a
 * sublayer the matching filters are asked in order until one permits or blocks. While the
 * ACTION_WRITE right is there, a later sublayer's answer replaces the earlier one; without it only a
 * callout's veto (BLOCK over PERMIT) counts. By default a filter's permit is soft and its block hard,
 * and a callout says itself which it means by clearing the right.
 *
 * Choices where the pages are silent: on entry actionType is NONE while the right is there; a callout
 * that leaves it so, or says CONTINUE, lets the sublayer's next filter speak; what an inspection
 * callout writes is ignored.
 */
#include "wfp/classify.h"
#include "nt/foreign.h"
#include "wfp/condition.h"
#include "wfp/flow.h"
#include "wfp/policy.h"

#include <nt/nt.h>

#include <string.h>

struct walk {
    const struct wfp_request *request;
    const struct wfp_indication *indication;
    struct wfp_frame frame;
    FWP_ACTION_TYPE action; /* NONE, PERMIT or BLOCK */
    UINT32 rights;
    struct wfp_verdict *verdict;
    BOOLEAN raised;
    KIRQL irql; /* before raising */
};

static _Thread_local struct wfp_frame *current;
static _Atomic(UINT8) classify_irql = DISPATCH_LEVEL;

struct wfp_frame *wfp_frame_current(void)
{
    return current;
}

/* For the scheduler, which keeps it for each fiber. */
void **wfp_frame_place(void)
{
    return (void **)&current;
}

void wfp_set_classify_irql(KIRQL irql)
{
    atomic_store(&classify_irql, irql);
}

/* An answer counts: it replaces the earlier one. */
static void take(struct walk *walk, const struct wfp_filter *filter, FWP_ACTION_TYPE action, BOOLEAN hard,
                 BOOLEAN absorb)
{
    walk->action = action;
    walk->rights = hard ? 0 : FWPS_RIGHT_ACTION_WRITE;
    walk->verdict->absorb = absorb;
    walk->verdict->filter_id = filter->run.filterId;
}

static BOOLEAN decide_plainly(struct walk *walk, const struct wfp_filter *filter, FWP_ACTION_TYPE action)
{
    if ((walk->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        take(walk, filter, action,
             action == FWP_ACTION_BLOCK || (filter->run.flags & FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0, FALSE);
    return TRUE;
}

/* The driver's answer must keep the rules; what breaks one is reported and put right. */
static void check_answer(const struct walk *walk, FWPS_CLASSIFY_OUT0 *out, BOOLEAN pended)
{
    BOOLEAN had_right = (walk->rights & FWPS_RIGHT_ACTION_WRITE) != 0;

    if (out->outContext != 0 || out->filterId != 0 || out->reserved != 0)
        nt_violate("classify-out-touched", "classifyFn", "outContext, filterId and reserved are the engine's");
    if (pended) {
        if (out->actionType != FWP_ACTION_BLOCK || (out->flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) == 0 ||
            (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
            nt_violate("pend-not-blocked", "classifyFn",
                       "after FwpsPendOperation0 return BLOCK with ABSORB and clear ACTION_WRITE");
        out->actionType = FWP_ACTION_BLOCK;
        out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
    }
    if ((out->flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) != 0 && out->actionType != FWP_ACTION_BLOCK)
        nt_violate("absorb-without-block", "classifyFn", "ABSORB goes with FWP_ACTION_BLOCK only");
    if (!had_right && (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        nt_violate("right-taken", "classifyFn", "ACTION_WRITE was not there and was set");
    if (!had_right && out->actionType != walk->action && out->actionType != FWP_ACTION_BLOCK) {
        nt_violate("action-without-right", "classifyFn", "without ACTION_WRITE only BLOCK over PERMIT may be written");
        out->actionType = walk->action;
    }
}

static void call(const struct walk *walk, struct wfp_callout_slot *slot, const struct wfp_filter *filter,
                 UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    const FWPS_INCOMING_VALUES0 *fixed = &walk->indication->fixed;
    const FWPS_INCOMING_METADATA_VALUES0 *metadata = &walk->indication->metadata;

    FWPS_CALLOUT_CLASSIFY_FN0 classify0 = (FWPS_CALLOUT_CLASSIFY_FN0)(void (*)(void))slot->run.classifyFn;

    if (slot->version == 0)
        NT_CALL(classify0, fixed, metadata, walk->request->layer_data, (const FWPS_FILTER0 *)(const void *)&filter->run,
                flow_context, out);
    else
        NT_CALL(slot->run.classifyFn, fixed, metadata, walk->request->layer_data, NULL, &filter->run, flow_context,
                out);
}

/* TRUE: the sublayer is decided. */
static BOOLEAN ask_callout(struct walk *walk, const struct wfp_filter *filter)
{
    struct wfp_callout_slot *slot = filter->slot;
    BOOLEAN had_right = (walk->rights & FWPS_RIGHT_ACTION_WRITE) != 0;
    FWPS_CLASSIFY_OUT0 out = {.actionType = had_right ? FWP_ACTION_NONE : walk->action, .rights = walk->rights};
    UINT32 pends = walk->frame.pends;
    UINT64 flow_context;
    KIRQL irql;

    flow_context = wfp_flow_context(walk->request, slot);
    if ((slot->run.flags & FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW) != 0 && flow_context == 0) {
        wfp_slot_leave(slot);
        return FALSE;
    }
    irql = KeGetCurrentIrql();
    if (irql < atomic_load_explicit(&classify_irql, memory_order_relaxed)) {
        KeRaiseIrql(atomic_load_explicit(&classify_irql, memory_order_relaxed), &walk->irql);
        walk->raised = TRUE;
        irql = KeGetCurrentIrql();
    }
    call(walk, slot, filter, flow_context, &out);
    if (KeGetCurrentIrql() != irql)
        nt_violate("irql-changed", "classifyFn", "entered at IRQL %u, left at %u", irql, KeGetCurrentIrql());
    check_answer(walk, &out, walk->frame.pends != pends);
    wfp_slot_leave(slot);
    if (filter->run.action.type == FWP_ACTION_CALLOUT_INSPECTION && walk->frame.pends == pends)
        return FALSE;
    if (out.actionType != FWP_ACTION_PERMIT && out.actionType != FWP_ACTION_BLOCK)
        return FALSE;
    if (!had_right && out.actionType == walk->action)
        return FALSE;
    take(walk, filter, out.actionType, !had_right || (out.rights & FWPS_RIGHT_ACTION_WRITE) == 0,
         out.actionType == FWP_ACTION_BLOCK && (out.flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) != 0);
    return TRUE;
}

/* TRUE: the sublayer is decided. */
static BOOLEAN ask(struct walk *walk, const struct wfp_filter *filter)
{
    FWP_ACTION_TYPE type = filter->run.action.type;

    if (type == FWP_ACTION_CONTINUE)
        return FALSE;
    if ((type & FWP_ACTION_FLAG_CALLOUT) == 0)
        return decide_plainly(walk, filter, type);
    walk->verdict->by_callout = TRUE;
    if (wfp_slot_enter(filter->slot))
        return ask_callout(walk, filter);
    if (type == FWP_ACTION_CALLOUT_INSPECTION)
        return FALSE;
    return decide_plainly(walk, filter,
                          (filter->run.flags & FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0
                              ? FWP_ACTION_PERMIT
                              : FWP_ACTION_BLOCK);
}

/* The next filter from at on, in the same sublayer, whose conditions are met; end: none. An index would go here. */
static UINT32 next_match(const struct wfp_policy *policy, UINT32 at, UINT32 end, const FWPS_INCOMING_VALUE0 *values)
{
    while (at < end && !wfp_conditions_match(&policy->filters[at]->run, values))
        at++;
    return at;
}

/* First place behind at's sublayer; filters of one sublayer are neighbours, so it gallops. */
static UINT32 sublayer_end(const struct wfp_policy *policy, UINT32 at)
{
    UINT64 sublayer = policy->filters[at]->sublayer_id;
    UINT32 inside = at;
    UINT32 step = 1;
    UINT32 outside = policy->count;

    while (step < policy->count - at) {
        if (policy->filters[at + step]->sublayer_id != sublayer) {
            outside = at + step;
            break;
        }
        inside = at + step;
        step *= 2;
    }
    while (outside - inside > 1) {
        UINT32 middle = inside + (outside - inside) / 2;

        if (policy->filters[middle]->sublayer_id == sublayer)
            inside = middle;
        else
            outside = middle;
    }
    return outside;
}

static void walk_policy(struct walk *walk, const struct wfp_policy *policy)
{
    UINT32 at = 0;

    while (at < policy->count) {
        UINT32 end = sublayer_end(policy, at);
        BOOLEAN decided = FALSE;

        while (!decided && (at = next_match(policy, at, end, walk->indication->values)) < end)
            decided = ask(walk, policy->filters[at++]);
        at = end;
    }
}

static void enter(struct walk *walk)
{
    const struct wfp_ale_connect *facts = &walk->request->authorization->facts;

    walk->frame.outer = current;
    walk->frame.authorization = walk->request->authorization;
    walk->frame.reauthorize = walk->request->reason != 0;
    if ((walk->indication->metadata.currentMetadataValues & FWPS_METADATA_FIELD_COMPLETION_HANDLE) != 0)
        walk->frame.completion_handle = walk->indication->metadata.completionHandle;
    current = &walk->frame;
    if (facts->has_process)
        nt_set_current_process(facts->process_id, facts->process_start);
}

/* Process contexts nest like frames; below the outermost is the host. */
static void leave(struct walk *walk)
{
    struct wfp_frame *outer = walk->frame.outer;

    current = outer;
    if (outer != NULL && outer->authorization->facts.has_process)
        nt_set_current_process(outer->authorization->facts.process_id, outer->authorization->facts.process_start);
    else if (walk->request->authorization->facts.has_process || outer != NULL)
        nt_set_current_process(0, 0);
}

void wfp_classify(const struct wfp_request *request, struct wfp_verdict *verdict)
{
    struct wfp_live_layer *live = &wfp_live_layers[request->layer];
    struct wfp_indication indication;
    struct wfp_policy *policy;
    struct walk walk = {.request = request,
                        .indication = &indication,
                        .action = FWP_ACTION_NONE,
                        .rights = FWPS_RIGHT_ACTION_WRITE,
                        .verdict = verdict};

    memset(verdict, 0, sizeof(*verdict));
    /* Before the policy (see wfp_policy_swap): a swap in between only costs one reauthorization too many. */
    verdict->generation = atomic_load_explicit(&live->generation, memory_order_acquire);
    policy = wfp_policy_acquire(live);
    if (policy == NULL) {
        wfp_policy_release(live, policy);
        return;
    }
    verdict->generation = policy->generation;
    if (!wfp_indication_build(&indication, request)) {
        wfp_policy_release(live, policy);
        verdict->block = TRUE;
        return;
    }
    enter(&walk);
    walk_policy(&walk, policy);
    leave(&walk);
    wfp_indication_poison(&indication);
    wfp_policy_release(live, policy);
    verdict->block = walk.action == FWP_ACTION_BLOCK;
    verdict->pends = walk.frame.pends;
    if (walk.raised)
        KeLowerIrql(walk.irql);
}
