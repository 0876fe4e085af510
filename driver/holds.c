/* SPDX-License-Identifier: MIT */
/*
 * holds.c - see holds.h.
 */
#include "driver/holds.h"

#include "driver/accept.h"
#include "driver/callout.h"
#include "driver/client.h"
#include "driver/events.h"
#include "driver/names.h"
#include "driver/requests.h"
#include "driver/revision.h"

#define TICKS_PER_MS 10000u

static enum hold_result result_of(enum gatehouse_verdict verdict)
{
    return verdict == GATEHOUSE_VERDICT_PERMIT ? HOLD_PERMIT : HOLD_BLOCK;
}

_Requires_no_locks_held_
static void remove_flow_context(const struct verdict_flow *flow)
{
    if (flow->flow != 0)
        (void)FwpsFlowRemoveContext0(flow->flow, flow->layer, callout_flow_id(flow->layer));
}

/* pend_lock may be held. *evicted: the caller removes that context once no lock is held. */
static void verdict_store(uint64_t endpoint, const struct destination *to, struct verdict_flow *evicted)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_verdict_lock, &irql);
    (void)verdict_table_put(driver_verdicts(), endpoint, to, GATEHOUSE_VERDICT_PERMIT, evicted);
    KeReleaseSpinLock(&driver_verdict_lock, irql);
}

/* pend_lock held: no reauthorization finds neither the entry nor this. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static void verdict_block_locked(uint64_t endpoint, const struct destination *to)
{
    KeAcquireSpinLockAtDpcLevel(&driver_verdict_lock);
    verdict_table_block(driver_verdicts(), endpoint, to);
    KeReleaseSpinLockFromDpcLevel(&driver_verdict_lock);
}

static void request_of(const struct pend_entry *entry, struct wire_request *request)
{
    request->id = entry->slot.id;
    request->connection = &entry->connection;
    request->path = entry->program == NULL ? NULL : entry->program->path;
    request->path_size = entry->program == NULL ? 0 : entry->program->path_size;
    request->name = entry->name == NULL ? NULL : entry->name->path;
    request->name_size = entry->name == NULL ? 0 : entry->name->path_size;
}

/* A connection that was never held: counts, tells, remembers a permit for its flow. */
_Requires_no_locks_held_
static enum hold_result decide_at_once(struct hold_arrival *arrival, enum gatehouse_verdict verdict,
                                       enum gatehouse_decided_by by)
{
    struct destination to = connection_destination(&arrival->connection);
    struct wire_request request = {
        0, &arrival->connection, arrival->path, (uint16_t)arrival->path_size, arrival->name_size, arrival->name};
    struct verdict_flow evicted = {0, 0};

    if (verdict == GATEHOUSE_VERDICT_PERMIT && arrival->connection.endpoint != 0) {
        verdict_store(arrival->connection.endpoint, &to, &evicted);
        remove_flow_context(&evicted);
    }
    events_record(GATEHOUSE_EVENT_DECIDED, verdict, by, &request);
    events_deliver();
    DRIVER_TRACE("decided at once: verdict=%u by=%u pid=%llu\n", (unsigned)verdict, (unsigned)by,
                 (unsigned long long)arrival->connection.process_id);
    return result_of(verdict);
}

/* pend_lock held. Does policy forbid holding this one? Then the verdict and its reason. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static BOOLEAN decided_by_policy_locked(uint8_t ip_version, enum gatehouse_verdict *verdict,
                                        enum gatehouse_decided_by *by)
{
    uint32_t version = ip_version == 6 ? PEND_IPV6 : PEND_IPV4;

    *verdict = GATEHOUSE_VERDICT_BLOCK;
    *by = GATEHOUSE_BY_UNLOAD;
    if (driver_state.draining)
        return TRUE;
    if ((client_decider_versions_locked() & version) != 0 ||
        driver_state.policy.no_decider == GATEHOUSE_NO_DECIDER_HOLD)
        return FALSE;
    *by = GATEHOUSE_BY_NO_DECIDER;
    if (driver_state.policy.no_decider == GATEHOUSE_NO_DECIDER_PERMIT)
        *verdict = GATEHOUSE_VERDICT_PERMIT;
    return TRUE;
}

/* Takes a slot, so that nothing is left to fail once the operation is pended. NULL: *verdict and *by decide. */
static struct pend_entry *reserve(struct hold_arrival *arrival, enum gatehouse_verdict *verdict,
                                  enum gatehouse_decided_by *by)
{
    struct pend_entry *entry = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (decided_by_policy_locked(arrival->connection.ip_version, verdict, by)) {
        if (*by == GATEHOUSE_BY_NO_DECIDER)
            DRIVER_COUNT(refused_no_decider);
    } else {
        enum pend_result result = pend_table_reserve(driver_pends(), arrival->path, arrival->path_size, &entry);
        *verdict = (enum gatehouse_verdict)driver_state.policy.undecided;
        *by = GATEHOUSE_BY_FULL;
        if (result == PEND_FULL)
            DRIVER_COUNT(refused_full);
        else if (result != PEND_OK)
            DRIVER_COUNT(refused_memory);
        else
            pend_table_watch(driver_pends(), entry, arrival->connection.endpoint);
        if (entry != NULL && arrival->name_size != 0)
            pend_table_set_name(driver_pends(), entry, arrival->name, arrival->name_size);
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return entry;
}

static void abandon(struct pend_entry *entry, enum gatehouse_verdict *verdict, enum gatehouse_decided_by *by)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    pend_table_abandon(driver_pends(), entry);
    *verdict = (enum gatehouse_verdict)driver_state.policy.undecided;
    *by = GATEHOUSE_BY_CANNOT_PEND;
    KeReleaseSpinLock(&driver_pend_lock, irql);
}

/* pend_lock held. Did the application go, or does policy forbid to hold it now? */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static BOOLEAN decided_before_parked_locked(const struct pend_entry *entry, enum gatehouse_verdict *verdict,
                                            enum gatehouse_decided_by *by)
{
    if (!entry->endpoint_gone)
        return decided_by_policy_locked(entry->connection.ip_version, verdict, by);
    *verdict = GATEHOUSE_VERDICT_BLOCK;
    *by = GATEHOUSE_BY_CANCEL;
    return TRUE;
}

/* The operation is pended: makes it visible. Whatever changed since reserve() is decided here, at once. */
_Requires_no_locks_held_
static void park(struct pend_entry *entry, const struct connection *connection)
{
    struct list_link claimed;
    struct wire_request request;
    enum gatehouse_verdict verdict;
    enum gatehouse_decided_by by;
    uint64_t held_at;
    PIRP ready = NULL;
    KIRQL irql;

    list_init(&claimed);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    DRIVER_COUNT(pended);
    held_at = driver_now();
    entry->connection = *connection;
    entry->connection.held_at = held_at;
    entry->connection.deadline = held_at + (uint64_t)driver_state.policy.deadline_ms * TICKS_PER_MS;
    request_of(entry, &request);
    events_record(GATEHOUSE_EVENT_HELD, GATEHOUSE_VERDICT_NONE, GATEHOUSE_BY_NONE, &request);
    if (decided_before_parked_locked(entry, &verdict, &by)) {
        pend_table_park_claimed(driver_pends(), entry, verdict, by, &claimed);
    } else {
        pend_table_park(driver_pends(), entry);
        holds_arm_deadline_locked();
        ready = requests_match_locked();
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);

    if (ready != NULL)
        requests_complete(ready);
    events_deliver();
    holds_complete(&claimed);
    revision_parked(held_at);
}

_Use_decl_annotations_
enum hold_result holds_pend(struct hold_arrival *arrival)
{
    enum gatehouse_verdict verdict;
    enum gatehouse_decided_by by;
    struct pend_entry *entry;
    HANDLE completion;

    names_of_arrival(arrival);
    entry = reserve(arrival, &verdict, &by);
    if (entry == NULL)
        return decide_at_once(arrival, verdict, by);
    if (!NT_SUCCESS(FwpsPendOperation0(arrival->completion_handle, &completion))) {
        DRIVER_COUNT(cannot_pend);
        abandon(entry, &verdict, &by);
        return decide_at_once(arrival, verdict, by);
    }
    entry->completion = completion;
    entry->packet = arrival->packet;
    park(entry, &arrival->connection);
    return HOLD_PENDED;
}

static enum gatehouse_verdict undecided_verdict(void)
{
    enum gatehouse_verdict verdict;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    verdict = (enum gatehouse_verdict)driver_state.policy.undecided;
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return verdict;
}

_Use_decl_annotations_
enum hold_result holds_cannot_pend(struct hold_arrival *arrival)
{
    DRIVER_COUNT(cannot_pend);
    names_of_arrival(arrival);
    return decide_at_once(arrival, undecided_verdict(), GATEHOUSE_BY_CANNOT_PEND);
}

/* The verdict of the entry being completed, kept for the flow if it permits; NONE: there is no such entry. */
static enum gatehouse_verdict completion_verdict(uint64_t endpoint, const struct destination *to)
{
    enum gatehouse_verdict verdict = GATEHOUSE_VERDICT_NONE;
    struct verdict_flow evicted = {0, 0};
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    struct pend_entry *entry = pend_table_reauthorize(driver_pends(), endpoint, to, &verdict);
    if (entry != NULL && verdict == GATEHOUSE_VERDICT_PERMIT && !entry->endpoint_gone)
        verdict_store(endpoint, to, &evicted);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    remove_flow_context(&evicted);
    return verdict;
}

static enum gatehouse_verdict flow_verdict(uint64_t endpoint, const struct destination *to)
{
    enum gatehouse_verdict verdict;
    KIRQL irql;

    KeAcquireSpinLock(&driver_verdict_lock, &irql);
    verdict = verdict_table_get(driver_verdicts(), endpoint, to);
    KeReleaseSpinLock(&driver_verdict_lock, irql);
    return verdict;
}

_Use_decl_annotations_
enum hold_result holds_reauthorize(struct hold_arrival *arrival, BOOLEAN completion)
{
    struct destination to = connection_destination(&arrival->connection);
    uint64_t endpoint = arrival->connection.endpoint;
    enum gatehouse_verdict verdict = GATEHOUSE_VERDICT_NONE;

    if (completion && endpoint != 0)
        verdict = completion_verdict(endpoint, &to);
    if (verdict == GATEHOUSE_VERDICT_NONE && endpoint != 0) {
        verdict = flow_verdict(endpoint, &to);
        if (verdict != GATEHOUSE_VERDICT_NONE && !completion)
            DRIVER_COUNT(reauthorized);
    }
    DRIVER_TRACE("reauthorization: endpoint=%llu completion=%u verdict=%u\n", (unsigned long long)endpoint,
                 (unsigned)completion, (unsigned)verdict);
    if (verdict != GATEHOUSE_VERDICT_NONE)
        return result_of(verdict);
    if (completion)
        return HOLD_BLOCK;
    return holds_cannot_pend(arrival);
}

/* Whoever evicted the verdict meanwhile found no context to remove; then it is removed here: it would keep the callout
 * registered for as long as the flow lives. */
_Requires_no_locks_held_
static void associate(uint64_t context, uint64_t flow, uint16_t layer, uint32_t callout_id)
{
    BOOLEAN associated = NT_SUCCESS(FwpsFlowAssociateContext0(flow, layer, callout_id, context));
    BOOLEAN known;
    KIRQL irql;

    KeAcquireSpinLock(&driver_verdict_lock, &irql);
    known = verdict_table_has(driver_verdicts(), context);
    if (!associated)
        verdict_table_clear_flow(driver_verdicts(), context);
    KeReleaseSpinLock(&driver_verdict_lock, irql);
    if (associated && !known)
        (void)FwpsFlowRemoveContext0(flow, layer, callout_id);
}

_Use_decl_annotations_
void holds_flow_established(uint64_t endpoint, const struct destination *to, uint64_t flow, uint16_t layer,
                            uint32_t callout_id)
{
    struct verdict_flow evicted = {0, 0};
    uint64_t context = 0;
    KIRQL irql;

    KeAcquireSpinLock(&driver_verdict_lock, &irql);
    if (!driver_state.verdicts_closed &&
        verdict_table_put(driver_verdicts(), endpoint, to, GATEHOUSE_VERDICT_PERMIT, &evicted))
        context = verdict_table_set_flow(driver_verdicts(), endpoint, to, flow, layer);
    KeReleaseSpinLock(&driver_verdict_lock, irql);

    remove_flow_context(&evicted);
    if (context != 0)
        associate(context, flow, layer, callout_id);
}

_Use_decl_annotations_
void holds_flow_deleted(uint64_t context)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_verdict_lock, &irql);
    verdict_table_flow_deleted(driver_verdicts(), context);
    KeReleaseSpinLock(&driver_verdict_lock, irql);
}

_Use_decl_annotations_
void holds_note_rule(uint64_t endpoint, const struct destination *to, uint64_t rule)
{
    struct verdict_flow evicted = {0, 0};
    KIRQL irql;

    KeAcquireSpinLock(&driver_verdict_lock, &irql);
    if (!driver_state.verdicts_closed)
        (void)verdict_table_note_rule(driver_verdicts(), endpoint, to, rule, &evicted);
    KeReleaseSpinLock(&driver_verdict_lock, irql);
    remove_flow_context(&evicted);
}

_Use_decl_annotations_
uint64_t holds_noted_rule(uint64_t endpoint, const struct destination *to)
{
    uint64_t rule;
    KIRQL irql;

    KeAcquireSpinLock(&driver_verdict_lock, &irql);
    rule = verdict_table_rule(driver_verdicts(), endpoint, to);
    KeReleaseSpinLock(&driver_verdict_lock, irql);
    return rule;
}

_Use_decl_annotations_
void holds_endpoint_closed(uint64_t endpoint)
{
    struct list_link claimed;
    KIRQL irql;

    list_init(&claimed);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    (void)pend_table_endpoint_closed(driver_pends(), endpoint, &claimed);
    KeAcquireSpinLockAtDpcLevel(&driver_verdict_lock);
    (void)verdict_table_endpoint_closed(driver_verdicts(), endpoint);
    KeReleaseSpinLockFromDpcLevel(&driver_verdict_lock);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    holds_complete(&claimed);
}

/* pend_lock held: pended is always what is held and what ended, whenever somebody looks. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static void count_decided_locked(const struct pend_entry *entry)
{
    BOOLEAN permit = entry->verdict == GATEHOUSE_VERDICT_PERMIT;

    switch (entry->by) {
    case GATEHOUSE_BY_DECIDER:
        if (permit)
            DRIVER_COUNT(permitted_by_decider);
        else
            DRIVER_COUNT(blocked_by_decider);
        break;
    case GATEHOUSE_BY_ANSWER:
    case GATEHOUSE_BY_RULE:
        if (permit)
            DRIVER_COUNT(permitted_by_answer);
        else
            DRIVER_COUNT(blocked_by_answer);
        break;
    case GATEHOUSE_BY_DEADLINE:
        DRIVER_COUNT(expired);
        break;
    case GATEHOUSE_BY_CANCEL:
        DRIVER_COUNT(cancelled);
        break;
    case GATEHOUSE_BY_NO_DECIDER:
        DRIVER_COUNT(refused_no_decider);
        break;
    default:
        break;
    }
}

_Requires_no_locks_held_
static void complete_one(struct pend_entry *entry)
{
    struct destination to = connection_destination(&entry->connection);
    struct verdict_flow evicted = {0, 0};
    struct hold_packet *packet = entry->packet;
    BOOLEAN permit = entry->verdict == GATEHOUSE_VERDICT_PERMIT;
    struct wire_request request;
    KIRQL irql;

    request_of(entry, &request);
    if (entry->by == GATEHOUSE_BY_RULE)
        events_record_rule((enum gatehouse_verdict)entry->verdict, entry->rule, &request);
    else
        events_record(GATEHOUSE_EVENT_DECIDED, (enum gatehouse_verdict)entry->verdict,
                      (enum gatehouse_decided_by)entry->by, &request);
    DRIVER_TRACE("decided: id=%llu verdict=%u by=%u\n", (unsigned long long)request.id, (unsigned)entry->verdict,
                 (unsigned)entry->by);

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    pend_table_completing(driver_pends(), entry);
    count_decided_locked(entry);
    driver_state.completing++;
    KeReleaseSpinLock(&driver_pend_lock, irql);

    FwpsCompleteOperation0(entry->completion, permit ? accept_clone(packet) : NULL);

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (!permit)
        verdict_block_locked(entry->connection.endpoint, &to);
    else if (entry->state == PEND_COMPLETING && !entry->endpoint_gone)
        verdict_store(entry->connection.endpoint, &to, &evicted);
    driver_state.completing--;
    pend_table_release(driver_pends(), entry);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    remove_flow_context(&evicted);
    accept_finish(packet, permit);
    events_deliver();
}

_Use_decl_annotations_
void holds_complete(struct list_link *claimed)
{
    for (struct pend_entry *entry = pend_claimed_take(claimed); entry != NULL; entry = pend_claimed_take(claimed))
        complete_one(entry);
}

/* Claims up to DRIVER_BATCH queued entries that nobody decides for policy's verdict. TRUE: there may be more. */
static BOOLEAN claim_no_decider(struct list_link *claimed)
{
    enum gatehouse_verdict verdict;
    enum gatehouse_decided_by by;
    uint32_t count = 0;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    while (count < DRIVER_BATCH && !driver_state.draining) {
        struct pend_entry *entry = pend_table_peek(driver_pends(), PEND_ANY & ~client_decider_versions_locked());
        if (entry == NULL || !decided_by_policy_locked(entry->connection.ip_version, &verdict, &by))
            break;
        (void)pend_table_claim(driver_pends(), entry, verdict, by, claimed);
        count++;
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return count == DRIVER_BATCH;
}

_Use_decl_annotations_
void holds_apply_no_decider(void)
{
    struct list_link claimed;
    BOOLEAN more;

    list_init(&claimed);
    do {
        more = claim_no_decider(&claimed);
        holds_complete(&claimed);
    } while (more);
}

_Use_decl_annotations_
void holds_arm_deadline_locked(void)
{
    uint64_t next = pend_table_next_deadline(driver_pends());

    if (driver_state.draining || next >= driver_state.deadline_armed)
        return;
    driver_state.deadline_armed = next;
    (void)KeSetTimer(&driver_state.deadline_timers[driver_state.deadline_turn], driver_due_time(next),
                     &driver_state.deadline_dpcs[driver_state.deadline_turn]);
}

/*
 * One batch a run, then a timer again, at once if more is due: a DPC must not take long. It is the other timer, because
 * Wine's KeSetTimer waits until the timer's own DPC has returned.
 */
VOID holds_deadline_dpc(struct _KDPC *dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct list_link claimed;
    KIRQL irql;

    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    if (!rundown_enter(&driver_state.rundown))
        return;
    list_init(&claimed);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    driver_state.deadline_turn = dpc == &driver_state.deadline_dpcs[0];
    for (uint32_t i = 0; i < DRIVER_BATCH; i++) {
        struct pend_entry *entry = pend_table_expired(driver_pends(), driver_now());
        if (entry == NULL)
            break;
        (void)pend_table_claim(driver_pends(), entry, (enum gatehouse_verdict)driver_state.policy.undecided,
                               GATEHOUSE_BY_DEADLINE, &claimed);
    }
    driver_state.deadline_armed = DEADLINE_NEVER;
    holds_arm_deadline_locked();
    KeReleaseSpinLock(&driver_pend_lock, irql);
    holds_complete(&claimed);
    rundown_leave(&driver_state.rundown);
}

/* What is in a decider's hands comes too: Windows unloads no driver whose device is open, Wine does. */
static BOOLEAN claim_any(struct list_link *claimed)
{
    uint32_t count = 0;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (driver_state.decider != NULL)
        (void)pend_table_give_back(driver_pends(), &driver_state.decider->hand, DRIVER_BATCH);
    for (; count < DRIVER_BATCH; count++) {
        struct pend_entry *entry = pend_table_peek(driver_pends(), PEND_ANY);
        if (entry == NULL)
            break;
        (void)pend_table_claim(driver_pends(), entry, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_BY_UNLOAD, claimed);
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return count == DRIVER_BATCH;
}

_Use_decl_annotations_
void holds_drain(void)
{
    struct list_link claimed;
    BOOLEAN more;

    list_init(&claimed);
    do {
        more = claim_any(&claimed);
        holds_complete(&claimed);
    } while (more);
}

_Use_decl_annotations_
void holds_remove_flow_contexts(void)
{
    for (uint32_t i = 0; i < DRIVER_VERDICTS_MAX; i++) {
        struct verdict_flow flow;
        uint64_t context = 0;
        KIRQL irql;

        KeAcquireSpinLock(&driver_verdict_lock, &irql);
        driver_state.verdicts_closed = TRUE;
        flow = verdict_table_any_flow(driver_verdicts(), &context);
        KeReleaseSpinLock(&driver_verdict_lock, irql);
        if (flow.flow == 0)
            break;
        if (FwpsFlowRemoveContext0(flow.flow, flow.layer, callout_flow_id(flow.layer)) == STATUS_UNSUCCESSFUL)
            holds_flow_deleted(context);
    }
}
