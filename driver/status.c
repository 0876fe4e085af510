/* SPDX-License-Identifier: MIT */
/*
 * status.c - see status.h. Each number is exact. Those of held connections are of one moment: pended is the sum of the
 * ways to end and held (without the ones never held that refused_no_decider counts too). Others may be of moments
 * apart.
 */
#include "driver/status.h"

#include "driver/rules.h"

static uint64_t read_counter(volatile LONG64 *counter)
{
    return (uint64_t)InterlockedCompareExchange64(counter, 0, 0);
}

static void fill_counters(struct gatehouse_status *out)
{
    struct driver_counters *from = &driver_state.counters;

    out->classified = read_counter(&from->classified);
    out->pended = read_counter(&from->pended);
    out->permitted_by_decider = read_counter(&from->permitted_by_decider);
    out->blocked_by_decider = read_counter(&from->blocked_by_decider);
    out->permitted_by_answer = read_counter(&from->permitted_by_answer);
    out->blocked_by_answer = read_counter(&from->blocked_by_answer);
    out->expired = read_counter(&from->expired);
    out->cancelled = read_counter(&from->cancelled);
    out->refused_full = read_counter(&from->refused_full);
    out->refused_memory = read_counter(&from->refused_memory);
    out->refused_no_decider = read_counter(&from->refused_no_decider);
    out->cannot_pend = read_counter(&from->cannot_pend);
    out->reauthorized = read_counter(&from->reauthorized);
    out->requeued = read_counter(&from->requeued);
    out->rejected_input = read_counter(&from->rejected_input);
    out->events_lost = read_counter(&from->events_lost);
}

static void fill_tables(struct gatehouse_status *out)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    out->policy = driver_state.policy;
    out->decider_pid = driver_state.decider == NULL ? 0 : driver_state.decider->process_id;
    out->held = pend_table_held(driver_pends()) - driver_pends()->fresh - driver_state.completing;
    out->queued = driver_pends()->queued;
    out->offered = driver_pends()->offered;
    KeAcquireSpinLockAtDpcLevel(&driver_verdict_lock);
    out->verdicts = verdict_table_count(driver_verdicts());
    KeReleaseSpinLockFromDpcLevel(&driver_verdict_lock);
    fill_counters(out);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    out->observers = (uint32_t)InterlockedCompareExchange(&driver_state.observer_count, 0, 0);
    out->answers = rules_answers();
}

NTSTATUS status_get(struct client *client, PIRP irp, struct dispatch_io *io)
{
    struct gatehouse_status out;

    UNREFERENCED_PARAMETER(client);
    UNREFERENCED_PARAMETER(irp);
    RtlZeroMemory(&out, sizeof(out));
    out.version = GATEHOUSE_PROTOCOL_VERSION;
    out.size = sizeof(out);
    out.now = driver_now();
    out.loaded_at = driver_state.loaded_at;
    out.capacity = driver_state.capacity;
    fill_tables(&out);
    RtlCopyMemory(io->buffer, &out, sizeof(out));
    io->information = sizeof(out);
    return STATUS_SUCCESS;
}
