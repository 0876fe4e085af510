/* SPDX-License-Identifier: MIT */
/*
 * answers.c - see answers.h. Everything about the table and the filters happens with the gate taken,
 * at PASSIVE_LEVEL; program references are counted under pend_lock.
 */
#include "driver/answers.h"

#include "driver/decisions.h"
#include "driver/holds.h"
#include "driver/registration.h"

#define TICKS_PER_MS 10000u
#define RETRY_TICKS  10000000u /* a filter that could not be deleted: again in a second */
#define EXPIRE_BATCH 64u

_IRQL_requires_(PASSIVE_LEVEL)
_Acquires_lock_(driver_answers_gate)
static void gate_take(void)
{
    KeWaitForSingleObject(&driver_answers_gate, Executive, KernelMode, FALSE, NULL);
    _Analysis_assume_lock_acquired_(driver_answers_gate);
}

_Releases_lock_(driver_answers_gate)
static void gate_leave(void)
{
    KeSetEvent(&driver_answers_gate, IO_NO_INCREMENT, FALSE);
    _Analysis_assume_lock_released_(driver_answers_gate);
}

_Use_decl_annotations_
uint32_t answers_count(void)
{
    return (uint32_t)InterlockedCompareExchange(&driver_state.answers.count, 0, 0);
}

_Requires_lock_held_(driver_answers_gate)
static void count_changed(void)
{
    InterlockedExchange(&driver_state.answers.count, (LONG)answer_table_count(driver_answers()));
}

static void program_put(struct program *program)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    program_table_put(&driver_pends()->programs, program);
    KeReleaseSpinLock(&driver_pend_lock, irql);
}

/* Gate taken. Arms the timer for the answer that ends first, not before earliest. */
_Requires_lock_held_(driver_answers_gate)
static void arm(uint64_t earliest)
{
    struct answer *next = answer_table_next(driver_answers());
    uint64_t when;

    if (next == NULL) {
        (void)KeCancelTimer(&driver_state.answers.timer);
        return;
    }
    when = next->ends > earliest ? next->ends : earliest;
    (void)KeSetTimer(&driver_state.answers.timer, driver_due_time(when), &driver_state.answers.dpc);
}

/* Gate taken, a transaction open. A filter that is gone already is no failure. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_answers_gate)
static NTSTATUS delete_filters_in_transaction(const struct answer *answer)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < ANSWER_FILTERS && NT_SUCCESS(status); i++) {
        if (answer->filters[i] != 0)
            status = FwpmFilterDeleteById0(driver_state.engine, answer->filters[i]);
        if (status == STATUS_FWP_FILTER_NOT_FOUND)
            status = STATUS_SUCCESS;
    }
    return status;
}

/* Gate taken, no transaction open. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_answers_gate)
static NTSTATUS delete_filters(const struct answer *answer)
{
    NTSTATUS status = FwpmTransactionBegin0(driver_state.engine, 0);

    if (!NT_SUCCESS(status))
        return status;
    status = delete_filters_in_transaction(answer);
    if (NT_SUCCESS(status))
        status = FwpmTransactionCommit0(driver_state.engine);
    if (!NT_SUCCESS(status))
        (void)FwpmTransactionAbort0(driver_state.engine);
    return status;
}

/* Gate taken. */
_Requires_lock_held_(driver_answers_gate)
static void forget(struct answer *answer)
{
    struct program *program = answer->program;

    answer_table_remove(driver_answers(), answer);
    count_changed();
    program_put(program);
}

/* Gate taken. Deletes what has ended; returns when to look again at the earliest. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_answers_gate)
static uint64_t expire(void)
{
    uint64_t now = driver_now();

    for (uint32_t i = 0; i < EXPIRE_BATCH; i++) {
        struct answer *answer = answer_table_next(driver_answers());
        if (answer == NULL || answer->ends > now)
            return 0;
        if (!NT_SUCCESS(delete_filters(answer)))
            return now + RETRY_TICKS;
        DRIVER_TRACE("answer ended: filter=%llu\n", (unsigned long long)answer->filters[0]);
        forget(answer);
    }
    return 0;
}

_Function_class_(IO_WORKITEM_ROUTINE)
static VOID answers_work(PDEVICE_OBJECT device, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(context);
    InterlockedExchange(&driver_state.answers.work_queued, 0);
    gate_take();
    arm(expire());
    gate_leave();
    rundown_leave(&driver_state.rundown);
}

/* The work item keeps the rundown entered, so unload waits for it. */
static VOID answers_dpc(struct _KDPC *dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    if (!rundown_enter(&driver_state.rundown))
        return;
    if (InterlockedExchange(&driver_state.answers.work_queued, 1) == 0)
        IoQueueWorkItem(driver_state.answers.work, answers_work, DelayedWorkQueue, NULL);
    else
        rundown_leave(&driver_state.rundown);
}

_Use_decl_annotations_
NTSTATUS answers_init(void)
{
    struct driver_answers *answers = &driver_state.answers;

    KeInitializeEvent(&driver_answers_gate, SynchronizationEvent, TRUE);
    KeInitializeTimer(&answers->timer);
    KeInitializeDpc(&answers->dpc, answers_dpc, NULL);
    if (!answer_table_init(&answers->table, &driver_state.memory, DRIVER_ANSWERS_MAX))
        return STATUS_INSUFFICIENT_RESOURCES;
    answers->work = IoAllocateWorkItem(driver_state.device);
    return answers->work == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

_Use_decl_annotations_
void answers_cleanup(void)
{
    struct driver_answers *answers = &driver_state.answers;

    if (answers->table.slots.chunks == NULL)
        return;
    (void)KeCancelTimer(&answers->timer);
    KeFlushQueuedDpcs();
    _Analysis_assume_lock_acquired_(driver_answers_gate); /* nobody else is left */
    for (struct answer *answer = answer_table_any(driver_answers()); answer != NULL;
         answer = answer_table_any(driver_answers()))
        forget(answer);
    _Analysis_assume_lock_released_(driver_answers_gate);
    answer_table_cleanup(&answers->table);
    if (answers->work != NULL)
        IoFreeWorkItem(answers->work);
    answers->work = NULL;
}

/* What an answer is about. */
struct subject {
    struct program *program; /* one reference */
    struct destination to;
    BOOLEAN anywhere;
};

static const struct destination *subject_destination(const struct subject *subject)
{
    return subject->anywhere ? NULL : &subject->to;
}

/* 0: *subject is set. */
static uint32_t subject_of(struct client *client, const struct gatehouse_decision *decision, struct subject *subject)
{
    struct pend_entry *entry = NULL;
    uint32_t refusal;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    refusal = decisions_refusal(pend_table_find(driver_pends(), decision->id, &client->hand, &entry));
    if (refusal == 0 && entry->program == NULL)
        refusal = GATEHOUSE_E_BAD_SCOPE;
    if (refusal == 0) {
        program_reference(entry->program);
        subject->program = entry->program;
        subject->to = connection_destination(&entry->connection);
        subject->anywhere = decision->scope == GATEHOUSE_SCOPE_PROGRAM;
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return refusal;
}

/* Gate taken, transaction open. Adds the filters for the subject; ids into filters. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_answers_gate)
static NTSTATUS add_filters(const struct subject *subject, enum gatehouse_verdict verdict, uint64_t *filters)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < ANSWER_FILTERS && NT_SUCCESS(status); i++) {
        filters[i] = 0;
        if (subject->anywhere || (subject->to.ip_version == 6) == (i == 1))
            status = registration_add_answer(i == 1 ? 6 : 4, subject->program, subject_destination(subject),
                                             verdict == GATEHOUSE_VERDICT_PERMIT, &filters[i]);
    }
    return status;
}

/* Gate taken. The answer's place in the table: the old one for the same subject, or a fresh one with a reference. */
_Requires_lock_held_(driver_answers_gate)
static struct answer *place_for(const struct subject *subject, BOOLEAN *fresh)
{
    struct answer *answer = answer_table_find(driver_answers(), subject->program, subject_destination(subject));
    KIRQL irql;

    *fresh = answer == NULL;
    if (answer != NULL)
        return answer;
    answer = answer_table_add(driver_answers(), subject->program, subject_destination(subject));
    if (answer != NULL) {
        KeAcquireSpinLock(&driver_pend_lock, &irql);
        program_reference(subject->program);
        KeReleaseSpinLock(&driver_pend_lock, irql);
    }
    return answer;
}

/* Gate taken. Filters and claim in one transaction; claimed gets the request if it was won. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_answers_gate)
static uint32_t remember(struct client *client, const struct gatehouse_decision *decision,
                         const struct subject *subject, struct answer *answer, struct list_link *claimed)
{
    enum gatehouse_verdict verdict = (enum gatehouse_verdict)decision->verdict;
    uint64_t filters[ANSWER_FILTERS] = {0, 0};
    uint32_t refusal = GATEHOUSE_E_ANSWERS_FULL;
    NTSTATUS status = FwpmTransactionBegin0(driver_state.engine, 0);
    KIRQL irql;

    if (!NT_SUCCESS(status))
        return refusal;
    status = delete_filters_in_transaction(answer);
    if (NT_SUCCESS(status))
        status = add_filters(subject, verdict, filters);
    if (NT_SUCCESS(status)) {
        KeAcquireSpinLock(&driver_pend_lock, &irql);
        refusal = decisions_claim_locked(client, decision->id, verdict, claimed);
        KeReleaseSpinLock(&driver_pend_lock, irql);
    }
    if (!NT_SUCCESS(status) || refusal != 0) {
        (void)FwpmTransactionAbort0(driver_state.engine);
        return refusal;
    }
    if (!NT_SUCCESS(FwpmTransactionCommit0(driver_state.engine))) {
        (void)FwpmTransactionAbort0(driver_state.engine); /* the request stays decided; nothing is remembered */
        return GATEHOUSE_E_ANSWERS_FULL;
    }
    RtlCopyMemory(answer->filters, filters, sizeof(filters));
    answer->verdict = (uint8_t)verdict;
    answer->ends = decision->lifetime_ms == GATEHOUSE_LIFETIME_FOREVER
                       ? ANSWER_NEVER
                       : driver_now() + (uint64_t)decision->lifetime_ms * TICKS_PER_MS;
    return 0;
}

/* Decides everything else that is held and covered, a batch at a time. */
_Requires_no_locks_held_
static void decide_covered(const struct subject *subject, enum gatehouse_verdict verdict)
{
    uint32_t count;

    do {
        struct list_link claimed;
        KIRQL irql;

        list_init(&claimed);
        KeAcquireSpinLock(&driver_pend_lock, &irql);
        for (count = 0; count < DRIVER_BATCH; count++) {
            struct pend_entry *entry =
                pend_table_covered(driver_pends(), subject->program, subject_destination(subject));
            if (entry == NULL)
                break;
            (void)pend_table_claim(driver_pends(), entry, verdict, GATEHOUSE_BY_ANSWER, &claimed);
        }
        KeReleaseSpinLock(&driver_pend_lock, irql);
        holds_complete(&claimed);
    } while (count == DRIVER_BATCH);
}

_Use_decl_annotations_
uint32_t answers_decide(struct client *client, const struct gatehouse_decision *decision)
{
    struct list_link claimed;
    struct subject subject;
    struct answer *answer;
    BOOLEAN fresh;
    uint32_t refusal = subject_of(client, decision, &subject);

    if (refusal != 0)
        return refusal;
    list_init(&claimed);
    gate_take();
    answer = place_for(&subject, &fresh);
    refusal = answer == NULL ? GATEHOUSE_E_ANSWERS_FULL : remember(client, decision, &subject, answer, &claimed);
    if (refusal == 0) {
        count_changed();
        arm(0);
    } else if (answer != NULL && fresh) {
        forget(answer);
    }
    gate_leave();

    DRIVER_TRACE("decision submitted: id=%llu verdict=%u scope=%u refusal=%08x\n", (unsigned long long)decision->id,
                 (unsigned)decision->verdict, (unsigned)decision->scope, (unsigned)refusal);
    holds_complete(&claimed);
    if (refusal == 0)
        decide_covered(&subject, (enum gatehouse_verdict)decision->verdict);
    program_put(subject.program);
    return refusal;
}
