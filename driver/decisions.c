/* SPDX-License-Identifier: MIT */
/*
 * decisions.c - see decisions.h.
 */
#include "driver/decisions.h"

#include "core/wire_decode.h"
#include "driver/answers.h"
#include "driver/changes.h"
#include "driver/holds.h"
#include "driver/requests.h"

uint32_t decisions_refusal(enum pend_result result)
{
    switch (result) {
    case PEND_OK:
        return 0;
    case PEND_DECIDED:
        return GATEHOUSE_E_ALREADY_DECIDED;
    case PEND_NOT_YOURS:
        return GATEHOUSE_E_NOT_YOURS;
    default:
        return GATEHOUSE_E_UNKNOWN_ID;
    }
}

_Use_decl_annotations_
uint32_t decisions_claim_locked(struct client *client, uint64_t id, enum gatehouse_verdict verdict,
                                struct list_link *claimed)
{
    struct pend_entry *entry;
    enum pend_result result = pend_table_find(driver_pends(), id, &client->hand, &entry);

    if (result == PEND_OK)
        (void)pend_table_claim(driver_pends(), entry, verdict, GATEHOUSE_BY_DECIDER, claimed);
    return decisions_refusal(result);
}

_Requires_no_locks_held_
static uint32_t decide(struct client *client, uint64_t id, enum gatehouse_verdict verdict)
{
    struct list_link claimed;
    uint32_t refusal;
    KIRQL irql;

    list_init(&claimed);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    refusal = decisions_claim_locked(client, id, verdict, &claimed);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    DRIVER_TRACE("decision submitted: id=%llu verdict=%u refusal=%08x\n", (unsigned long long)id, (unsigned)verdict,
                 (unsigned)refusal);
    holds_complete(&claimed);
    return refusal;
}

/* Returns how many were refused. The status of decision i takes the place of input that was read already:
 * 4 * (i + 1) <= 8 + 24 * i. */
_IRQL_requires_(PASSIVE_LEVEL)
static uint32_t submit(struct client *client, void *buffer, uint32_t count)
{
    uint32_t *statuses = buffer;
    uint32_t refused = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct gatehouse_decision decision;
        uint32_t refusal = wire_decode_decision(buffer, i, &decision);

        if (refusal == 0 && decision.scope == GATEHOUSE_SCOPE_CONNECTION)
            refusal = decide(client, decision.id, (enum gatehouse_verdict)decision.verdict);
        else if (refusal == 0)
            refusal = answers_decide(client, &decision);
        if (refusal != 0) {
            DRIVER_COUNT(rejected_input);
            refused++;
        }
        statuses[i] = refusal;
    }
    return refused;
}

/* --- Decisions to remember: on a thread, for they wait for disk and engine --------------------- */

struct submission {
    uint64_t count;
    uint8_t buffer[1]; /* the input, then the statuses */
};

static BOOLEAN any_scope(const void *input, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct gatehouse_decision decision;

        if (wire_decode_decision(input, i, &decision) == 0 && decision.scope != GATEHOUSE_SCOPE_CONNECTION)
            return TRUE;
    }
    return FALSE;
}

_IRQL_requires_(PASSIVE_LEVEL)
static void run_submit(struct change *change)
{
    struct submission *submission = change->data;
    uint32_t count = (uint32_t)submission->count;

    (void)submit(change->client, submission->buffer, count);
    change->output = submission->buffer;
    change->information = count * sizeof(uint32_t);
}

/* The requests behind the statuses. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS get_after(struct change *change, PIRP irp, struct dispatch_io *io)
{
    return requests_get_after(change->client, irp, io, (ULONG)change->information);
}

_IRQL_requires_(PASSIVE_LEVEL)
static void run_submit_and_get(struct change *change)
{
    struct submission *submission = change->data;
    uint32_t count = (uint32_t)submission->count;

    if (submit(change->client, submission->buffer, count) == 0)
        change->then = get_after;
    if (count % 2 != 0)
        ((uint32_t *)(void *)submission->buffer)[count] = 0;
    change->output = submission->buffer;
    change->information = GATEHOUSE_STATUSES_SIZE(count);
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS submit_on_thread(struct client *client, PIRP irp, struct dispatch_io *io, uint32_t count,
                                 change_routine *run)
{
    SIZE_T size = FIELD_OFFSET(struct submission, buffer) + (SIZE_T)io->input_size;
    struct submission *submission = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, DRIVER_POOL_TAG);

    if (submission == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    submission->count = count;
    RtlCopyMemory(submission->buffer, io->buffer, io->input_size);
    return change_start(client, irp, io, run, submission, NULL);
}

NTSTATUS decisions_submit(struct client *client, PIRP irp, struct dispatch_io *io)
{
    uint32_t count;
    uint32_t refusal = wire_decode_decisions(io->buffer, io->input_size, &count);

    if (refusal != 0)
        return (NTSTATUS)refusal;
    if (io->output_size < count * sizeof(uint32_t))
        return (NTSTATUS)GATEHOUSE_E_SHORT_OUTPUT;
    if (any_scope(io->buffer, count))
        return submit_on_thread(client, irp, io, count, run_submit);
    (void)submit(client, io->buffer, count);
    io->information = count * sizeof(uint32_t);
    return STATUS_SUCCESS;
}

NTSTATUS decisions_submit_and_get(struct client *client, PIRP irp, struct dispatch_io *io)
{
    uint32_t count, size;
    uint32_t refusal = wire_decode_decisions(io->buffer, io->input_size, &count);

    if (refusal != 0)
        return (NTSTATUS)refusal;
    size = GATEHOUSE_STATUSES_SIZE(count);
    if (io->output_size < size + sizeof(struct gatehouse_request))
        return (NTSTATUS)GATEHOUSE_E_SHORT_OUTPUT;
    if (any_scope(io->buffer, count))
        return submit_on_thread(client, irp, io, count, run_submit_and_get);
    refusal = submit(client, io->buffer, count);
    if (count % 2 != 0)
        ((uint32_t *)io->buffer)[count] = 0;
    io->information = size;
    return refusal != 0 ? STATUS_SUCCESS : requests_get_after(client, irp, io, size);
}

static NTSTATUS seed_status(uint32_t refusal)
{
    if (refusal == 0)
        return STATUS_SUCCESS;
    return refusal == GATEHOUSE_E_NOT_YOURS ? STATUS_ACCESS_DENIED : STATUS_NOT_FOUND;
}

/* Information is the article's; without an output buffer it has to be 0, for it counts bytes of that buffer. */
NTSTATUS decisions_submit_seed(struct client *client, PIRP irp, struct dispatch_io *io)
{
    USER_CLASSIFY_DECISION decision;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(irp);
    if (!wire_decode_seed_decision(io->buffer, io->input_size, &decision))
        return STATUS_INVALID_PARAMETER;
    if (io->output_size != 0 && io->output_size < sizeof(decision))
        return STATUS_BUFFER_TOO_SMALL;
    status = seed_status(
        decide(client, decision.RequestId, decision.Block != 0 ? GATEHOUSE_VERDICT_BLOCK : GATEHOUSE_VERDICT_PERMIT));
    if (NT_SUCCESS(status) && io->output_size != 0)
        io->information = sizeof(decision);
    return status;
}
