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
#include "wfp/answer.h"
#include "wfp/flow.h"
#include "wfp/history.h"
#include "wfp/looked.h"
#include "wfp/policy.h"
#include "wfp/verify_private.h"

#include <nt/nt.h>

#include <string.h>

struct walk {
    const struct wfp_request *request;
    struct wfp_indication *indication;
    struct wfp_frame frame;
    FWP_ACTION_TYPE action; /* NONE, PERMIT or BLOCK */
    UINT32 rights;
    struct wfp_verdict *verdict;
    UINT64 soft_block; /* the filter whose callout blocked without clearing the right; 0: none */
    KIRQL level;       /* of classifyFn */
    BOOLEAN raised;
    KIRQL irql; /* before raising */
};

static _Thread_local struct wfp_frame *current;
static _Atomic(UINT8) classify_irql = DISPATCH_LEVEL;
static _Atomic(UINT32) alternations;

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
    atomic_store(&alternations, 0);
}

static KIRQL next_level(void)
{
    KIRQL level = atomic_load_explicit(&classify_irql, memory_order_relaxed);

    if (wfp_verify_options.alternate_irql && (atomic_fetch_add(&alternations, 1) & 1) != 0)
        level = level == DISPATCH_LEVEL ? PASSIVE_LEVEL : DISPATCH_LEVEL;
    return level;
}

/* An answer counts: it replaces the earlier one. */
static void take(struct walk *walk, const struct wfp_filter *filter, FWP_ACTION_TYPE action, BOOLEAN hard,
                 BOOLEAN absorb)
{
    if (walk->soft_block != 0 && action == FWP_ACTION_PERMIT) {
        nt_about_connection(walk->request->authorization->flow.key);
        nt_violate("soft-block", "classifyFn",
                   "the callout of filter %llu blocked and left ACTION_WRITE set; filter %llu, later, permits",
                   (unsigned long long)walk->soft_block, (unsigned long long)wfp_filter_id(filter));
    }
    walk->soft_block = 0;
    walk->action = action;
    walk->rights = hard ? 0 : FWPS_RIGHT_ACTION_WRITE;
    walk->verdict->absorb = absorb;
    walk->verdict->filter_id = wfp_filter_id(filter);
}

static BOOLEAN decide_plainly(struct walk *walk, const struct wfp_filter *filter, FWP_ACTION_TYPE action)
{
    if ((walk->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        take(walk, filter, action,
             action == FWP_ACTION_BLOCK || (filter->run_flags & FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0, FALSE);
    return TRUE;
}

static void call(const struct walk *walk, struct wfp_callout_slot *slot, const FWPS_FILTER3 *filter,
                 UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    const FWPS_INCOMING_VALUES0 *fixed = &walk->indication->fixed;
    const FWPS_INCOMING_METADATA_VALUES0 *metadata = &walk->indication->metadata;

    FWPS_CALLOUT_CLASSIFY_FN0 classify0 = (FWPS_CALLOUT_CLASSIFY_FN0)(void (*)(void))slot->run.classifyFn;

    if (slot->version == 0)
        NT_CALL(classify0, fixed, metadata, walk->request->layer_data, (const FWPS_FILTER0 *)(const void *)filter,
                flow_context, out);
    else
        NT_CALL(slot->run.classifyFn, fixed, metadata, walk->request->layer_data, NULL, filter, flow_context, out);
}

/* While the verifier is on: the same with the driver named, on memory that is gone afterwards, and noted. */
static void call_verified(const struct walk *walk, struct wfp_callout_slot *slot, const struct wfp_filter *filter,
                          UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    struct wfp_trapped *trapped =
        walk->indication->trapped ? CONTAINING_RECORD(walk->indication, struct wfp_trapped, indication) : NULL;
    const struct wfp_authorization *authorization = walk->request->authorization;
    PDRIVER_OBJECT before = nt_enter_driver(slot->driver);

    WFP_NOTE(authorization, "callout 0x%x of filter %llu is asked at IRQL %u%s", slot->id,
             (unsigned long long)wfp_filter_id(filter), walk->level,
             walk->frame.had_right ? "" : ", without the right");
    if (trapped != NULL) {
        trapped->out = *out;
        trapped->filter = filter->call->run;
        call(walk, slot, &trapped->filter, flow_context, &trapped->out);
        *out = trapped->out;
    } else {
        call(walk, slot, &filter->call->run, flow_context, out);
    }
    nt_enter_driver(before);
    WFP_NOTE(authorization, "callout 0x%x answers %s%s%s", slot->id, wfp_action_name(out->actionType),
             (out->flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) != 0 ? ", ABSORB" : "",
             (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0 ? "" : ", ACTION_WRITE cleared");
}

static void raise_irql(struct walk *walk)
{
    if (KeGetCurrentIrql() >= walk->level)
        return;
    KeRaiseIrql(walk->level, &walk->irql);
    walk->raised = TRUE;
}

/* What the callout's answer depends on, as the host promised (wfp_callout_looks), or who knows what. */
static void look_by_callout(struct walk *walk, const struct wfp_callout_slot *slot, const FWPS_CLASSIFY_OUT0 *out,
                            BOOLEAN pended)
{
    UINT64 looks = atomic_load_explicit(&slot->looks, memory_order_relaxed);
    BOOLEAN answered = out->actionType == FWP_ACTION_PERMIT || out->actionType == FWP_ACTION_BLOCK;

    if (pended || (looks & WFP_LOOKS_PROMISED) == 0 || (answered && (looks & WFP_LOOKS_ANSWERS) == 0))
        walk->verdict->looked.all = TRUE;
    else
        wfp_look_whole(&walk->verdict->looked, walk->request->layer, looks & ~(WFP_LOOKS_PROMISED | WFP_LOOKS_ANSWERS));
}

/* TRUE: the sublayer is decided. */
static BOOLEAN ask_callout(struct walk *walk, const struct wfp_filter *filter)
{
    struct wfp_callout_slot *slot = filter->call->slot;
    BOOLEAN had_right = (walk->rights & FWPS_RIGHT_ACTION_WRITE) != 0;
    FWPS_CLASSIFY_OUT0 out = {.actionType = had_right ? FWP_ACTION_NONE : walk->action, .rights = walk->rights};
    UINT32 pends = walk->frame.pends;
    UINT64 flow_context;

    flow_context = wfp_flow_context(walk->request, slot);
    if ((slot->run.flags & FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW) != 0 && flow_context == 0) {
        walk->verdict->looked.all = TRUE;
        wfp_slot_leave(slot);
        return FALSE;
    }
    raise_irql(walk);
    walk->frame.slot = slot;
    walk->frame.slot_pends = pends;
    walk->frame.had_right = had_right;
    walk->frame.refused = WFP_NOT_REFUSED;
    struct wfp_question question = {.frame = &walk->frame,
                                    .action = walk->action,
                                    .had_right = had_right,
                                    .irql = KeGetCurrentIrql(),
                                    .locks = nt_spin_locks_held()};
    if (NT_VERIFYING)
        call_verified(walk, slot, filter, flow_context, &out);
    else
        call(walk, slot, &filter->call->run, flow_context, &out);
    nt_about_routine((const void *)(uintptr_t)slot->run.classifyFn);
    wfp_answer_check(&question, &out);
    nt_about_routine(NULL);
    walk->frame.slot = NULL;
    look_by_callout(walk, slot, &out, walk->frame.pends != pends);
    wfp_slot_leave(slot);
    if (filter->action == FWP_ACTION_CALLOUT_INSPECTION && walk->frame.pends == pends)
        return FALSE;
    if (out.actionType != FWP_ACTION_PERMIT && out.actionType != FWP_ACTION_BLOCK)
        return FALSE;
    if (!had_right && out.actionType == walk->action)
        return FALSE;
    take(walk, filter, out.actionType, !had_right || (out.rights & FWPS_RIGHT_ACTION_WRITE) == 0,
         out.actionType == FWP_ACTION_BLOCK && (out.flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) != 0);
    if (NT_VERIFYING && walk->rights != 0 && out.actionType == FWP_ACTION_BLOCK)
        walk->soft_block = wfp_filter_id(filter);
    return TRUE;
}

/* A callout that is not registered: its driver is gone, or has not registered it yet. */
static void miss_callout(const struct walk *walk, struct wfp_filter *filter)
{
    BOOLEAN gone = atomic_exchange(&filter->call->slot->gone, false);

    if (!gone && ((filter->run_flags & FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0 ||
                  filter->action == FWP_ACTION_CALLOUT_INSPECTION || atomic_exchange(&filter->missed, true)))
        return;
    nt_about(NT_BEGAN_OBJECT, (uintptr_t)&filter->object);
    nt_about_connection(walk->request->authorization->flow.key);
    if (gone)
        nt_violate("code-after-unload", "classifyFn",
                   "callout 0x%x was left registered by a driver that is unloaded, and a classify meets it",
                   filter->call->slot->id);
    else
        nt_violate("filter-without-callout", "classifyFn",
                   "filter %llu names callout 0x%x, which is not registered: it blocks what it matches",
                   (unsigned long long)wfp_filter_id(filter), filter->call->slot->id);
}

/* TRUE: the sublayer is decided. */
static BOOLEAN ask(struct walk *walk, struct wfp_filter *filter)
{
    FWP_ACTION_TYPE type = filter->action;

    if (NT_VERIFYING)
        atomic_fetch_add_explicit(&filter->hits, 1, memory_order_relaxed);
    if (type == FWP_ACTION_CONTINUE)
        return FALSE;
    if ((type & FWP_ACTION_FLAG_CALLOUT) == 0)
        return decide_plainly(walk, filter, type);
    walk->verdict->by_callout = TRUE;
    if (wfp_slot_enter(filter->call->slot))
        return ask_callout(walk, filter);
    walk->verdict->looked.all = TRUE; /* it may be registered at any time */
    if (NT_VERIFYING)
        miss_callout(walk, filter);
    if (type == FWP_ACTION_CALLOUT_INSPECTION)
        return FALSE;
    return decide_plainly(walk, filter,
                          (filter->run_flags & FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0
                              ? FWP_ACTION_PERMIT
                              : FWP_ACTION_BLOCK);
}

/* The source that goes on: that which may have the next filter. count: none has any. */
static unsigned first_source(const struct wfp_source *sources, unsigned count)
{
    const struct wfp_filter *first = NULL;
    unsigned best = count;

    if (count == 1)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        const struct wfp_filter *bound = wfp_source_bound(&sources[i]);

        if (bound != NULL && (first == NULL || wfp_filter_compare(bound, first) < 0)) {
            first = bound;
            best = i;
        }
    }
    return best;
}

/* The filters of one sublayer, from all levels that have some. */
static void walk_sublayer(struct walk *walk, struct wfp_query *query, struct wfp_source *sources, unsigned count)
{
    struct wfp_filter *found = NULL;
    unsigned at;

    while ((at = first_source(sources, count)) < count) {
        if (!wfp_source_step(&sources[at], query, &found) || (found != NULL && ask(walk, found)))
            return;
    }
}

/* Whether the run stands before the other in arbitration order, or is of the same sublayer (0). */
static int compare_runs(const struct wfp_run *a, const struct wfp_run *b)
{
    if (a->sublayer_weight != b->sublayer_weight)
        return a->sublayer_weight > b->sublayer_weight ? -1 : 1;
    return a->sublayer_id < b->sublayer_id ? -1 : a->sublayer_id > b->sublayer_id;
}

static const struct wfp_run *next_run(const struct wfp_policy *policy, const UINT32 *at)
{
    const struct wfp_run *next = NULL;

    for (unsigned i = 0; i < policy->level_count; i++) {
        const struct wfp_segment *segment = policy->levels[i].segment;

        if (at[i] < segment->run_count && (next == NULL || compare_runs(&segment->runs[at[i]], next) < 0))
            next = &segment->runs[at[i]];
    }
    return next;
}

/* Without the right only a callout's veto counts: sublayers of plain filters are left out. */
static BOOLEAN counts(const struct walk *walk, const struct wfp_source *sources, unsigned count)
{
    BOOLEAN has_callouts = FALSE;

    for (unsigned i = 0; i < count; i++)
        has_callouts = has_callouts || sources[i].run->has_callouts;
    return has_callouts || (walk->rights & FWPS_RIGHT_ACTION_WRITE) != 0 || NT_VERIFYING;
}

static void walk_policy(struct walk *walk, const struct wfp_policy *policy)
{
    struct wfp_query query = {
        .values = walk->indication->values, .looked = &walk->verdict->looked, .layer = walk->request->layer};
    struct wfp_source sources[WFP_LEVELS];
    UINT32 at[WFP_LEVELS] = {0};
    const struct wfp_run *run;

    while ((run = next_run(policy, at)) != NULL) {
        unsigned count = 0;

        for (unsigned i = 0; i < policy->level_count; i++) {
            const struct wfp_segment *segment = policy->levels[i].segment;

            if (at[i] < segment->run_count && compare_runs(&segment->runs[at[i]], run) == 0)
                wfp_source_begin(&sources[count++], &policy->levels[i], &segment->runs[at[i]++]);
        }
        if (counts(walk, sources, count))
            walk_sublayer(walk, &query, sources, count);
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

static void note_request(const struct wfp_request *request)
{
    if (request->reason != 0)
        WFP_NOTE(request->authorization, "classified at %s again: %s", wfp_layers[request->layer].name,
                 wfp_reason_name(request->reason));
    else
        WFP_NOTE(request->authorization, "classified at %s", wfp_layers[request->layer].name);
}

void wfp_classify(const struct wfp_request *request, struct wfp_verdict *verdict)
{
    struct wfp_live_layer *live = &wfp_live_layers[request->layer];
    struct wfp_indication spare;
    struct wfp_policy *policy;
    struct walk walk = {.request = request,
                        .frame.layer = request->layer,
                        .frame.reason = request->reason,
                        .action = FWP_ACTION_NONE,
                        .rights = FWPS_RIGHT_ACTION_WRITE,
                        .verdict = verdict};

    memset(verdict, 0, sizeof(*verdict));
    /* Before the policy (see wfp_policy_swap): a swap in between only costs one reauthorization too many. */
    verdict->generation = atomic_load_explicit(&live->generation, memory_order_acquire);
    policy = wfp_policy_acquire(live);
    if (policy == NULL) {
        wfp_policy_release(live, policy);
        return; /* nothing was looked at */
    }
    verdict->generation = policy->generation;
    walk.indication = wfp_indication_begin(&spare, request);
    if (walk.indication == NULL) {
        wfp_policy_release(live, policy);
        verdict->block = verdict->looked.all = TRUE;
        return;
    }
    if (NT_VERIFYING)
        note_request(request);
    walk.level = next_level();
    enter(&walk);
    walk_policy(&walk, policy);
    leave(&walk);
    wfp_indication_end(walk.indication);
    wfp_policy_release(live, policy);
    verdict->block = walk.action == FWP_ACTION_BLOCK;
    verdict->pends = walk.frame.pends;
    if (walk.raised)
        KeLowerIrql(walk.irql);
}
