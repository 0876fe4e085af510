/* SPDX-License-Identifier: MIT */
/*
 * plant_hold.h - holds one connection at a time, for planted drivers; see plant.h.
 *
 * The right way: a place is taken before FwpsPendOperation0, whoever takes the completion context out of it under the
 * lock completes it, the verdict is stored before, and no lock is held meanwhile. A second connection is permitted at
 * once. PLANT_CODE(0) permits the held one, PLANT_CODE(1) blocks it.
 *
 * Any thread, IRQL <= DISPATCH_LEVEL.
 */
#ifndef PLANT_HOLD_H
#define PLANT_HOLD_H

#include "plant.h"

static struct plant_hold {
    KSPIN_LOCK lock;
    BOOLEAN taken;  /* from before the pend until its completion has returned */
    HANDLE context; /* NULL: nobody waits, or somebody is completing it */
    UINT64 endpoint;
    FWP_ACTION_TYPE verdict; /* of endpoint */
} plant_hold;

static inline NTSTATUS plant_hold_start(void)
{
    KeInitializeSpinLock(&plant_hold.lock);
    return STATUS_SUCCESS;
}

static inline BOOLEAN plant_hold_reserve(UINT64 endpoint)
{
    BOOLEAN reserved;
    KIRQL irql;

    KeAcquireSpinLock(&plant_hold.lock, &irql);
    reserved = !plant_hold.taken;
    if (reserved) {
        plant_hold.taken = TRUE;
        plant_hold.endpoint = endpoint;
        plant_hold.verdict = FWP_ACTION_BLOCK;
    }
    KeReleaseSpinLock(&plant_hold.lock, irql);
    return reserved;
}

static inline void plant_hold_fill(HANDLE context)
{
    KIRQL irql;

    KeAcquireSpinLock(&plant_hold.lock, &irql);
    plant_hold.context = context;
    plant_hold.taken = context != NULL;
    KeReleaseSpinLock(&plant_hold.lock, irql);
}

/* FALSE: it cannot be held. TRUE: it is, and classifyFn has to absorb it. */
static inline BOOLEAN plant_hold_pend(const FWPS_INCOMING_METADATA_VALUES0 *metadata, const FWPS_CLASSIFY_OUT0 *out)
{
    HANDLE context = NULL;
    NTSTATUS status;

    if (!plant_may_pend(metadata, out) || !plant_hold_reserve(plant_endpoint(metadata)))
        return FALSE;
    status = FwpsPendOperation0(metadata->completionHandle, &context);
    plant_hold_fill(NT_SUCCESS(status) ? context : NULL);
    return NT_SUCCESS(status);
}

/* Answers a reauthorization as it was decided; what was never held is permitted. */
static inline void plant_hold_reauthorize(const FWPS_INCOMING_METADATA_VALUES0 *metadata, FWPS_CLASSIFY_OUT0 *out)
{
    FWP_ACTION_TYPE verdict = FWP_ACTION_PERMIT;
    KIRQL irql;

    KeAcquireSpinLock(&plant_hold.lock, &irql);
    if (plant_hold.endpoint == plant_endpoint(metadata))
        verdict = plant_hold.verdict;
    KeReleaseSpinLock(&plant_hold.lock, irql);
    plant_decide(out, verdict);
}

PLANT_CLASSIFY(plant_hold_classify)
{
    (void)packet, (void)context, (void)filter, (void)flow_context;
    if (plant_reauthorized(values))
        plant_hold_reauthorize(metadata, out);
    else if (plant_hold_pend(metadata, out))
        plant_absorb(out);
    else
        plant_decide(out, FWP_ACTION_PERMIT);
}

/* The completion context, which is now the caller's to complete, with its verdict stored; NULL: nobody waits. */
static inline HANDLE plant_hold_claim(FWP_ACTION_TYPE verdict)
{
    HANDLE context;
    KIRQL irql;

    KeAcquireSpinLock(&plant_hold.lock, &irql);
    context = plant_hold.context;
    plant_hold.context = NULL;
    if (context != NULL)
        plant_hold.verdict = verdict;
    KeReleaseSpinLock(&plant_hold.lock, irql);
    return context;
}

static inline NTSTATUS plant_hold_answer(FWP_ACTION_TYPE verdict)
{
    HANDLE context = plant_hold_claim(verdict);

    if (context == NULL)
        return STATUS_NOT_FOUND;
    FwpsCompleteOperation0(context, NULL);
    plant_hold_fill(NULL);
    return STATUS_SUCCESS;
}

static inline void plant_hold_drain(void)
{
    (void)plant_hold_answer(FWP_ACTION_BLOCK);
}

static inline NTSTATUS NTAPI plant_hold_control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    return plant_complete(
        irp, plant_hold_answer(plant_code(irp) == PLANT_CODE(0) ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK), 0);
}

#endif
