/* SPDX-License-Identifier: MIT */
/*
 * plant_park.h - keeps one request of a client waiting, for planted drivers; see plant.h.
 *
 * The right way: the request is parked, made cancelable and looked at for an early cancel under one lock; who gets the
 * cancel routine back from IoSetCancelRoutine completes it.
 *
 * Any thread, IRQL <= DISPATCH_LEVEL.
 */
#ifndef PLANT_PARK_H
#define PLANT_PARK_H

#include "plant.h"

static struct plant_park {
    KSPIN_LOCK lock;
    PIRP irp; /* NULL: nobody waits */
} plant_park;

static inline NTSTATUS plant_park_start(void)
{
    KeInitializeSpinLock(&plant_park.lock);
    return STATUS_SUCCESS;
}

static inline VOID NTAPI plant_park_cancel(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&plant_park.lock, &irql);
    if (plant_park.irp == irp)
        plant_park.irp = NULL;
    KeReleaseSpinLock(&plant_park.lock, irql);
    (void)plant_complete(irp, STATUS_CANCELLED, 0);
}

/* What a dispatch routine returns. A second request is refused while one waits. */
static inline NTSTATUS plant_park_request(PIRP irp)
{
    NTSTATUS status = STATUS_PENDING;
    KIRQL irql;

    KeAcquireSpinLock(&plant_park.lock, &irql);
    if (plant_park.irp != NULL) {
        status = STATUS_DEVICE_BUSY;
    } else {
        (void)IoSetCancelRoutine(irp, plant_park_cancel);
        if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {
            status = STATUS_CANCELLED;
        } else {
            IoMarkIrpPending(irp);
            plant_park.irp = irp;
        }
    }
    KeReleaseSpinLock(&plant_park.lock, irql);
    return status == STATUS_PENDING ? status : plant_complete(irp, status, 0);
}

/* The one that waits, now the caller's to complete; NULL: nobody, or its cancel routine has it. */
static inline PIRP plant_park_take(void)
{
    PIRP irp;
    KIRQL irql;

    KeAcquireSpinLock(&plant_park.lock, &irql);
    irp = plant_park.irp;
    plant_park.irp = NULL;
    if (irp != NULL && IoSetCancelRoutine(irp, NULL) == NULL)
        irp = NULL;
    KeReleaseSpinLock(&plant_park.lock, irql);
    return irp;
}

static inline void plant_park_drain(void)
{
    PIRP irp = plant_park_take();

    if (irp != NULL)
        (void)plant_complete(irp, STATUS_CANCELLED, 0);
}

/* IRP_MJ_CLEANUP. There is one client. */
static inline NTSTATUS NTAPI plant_park_cleanup(PDEVICE_OBJECT device, PIRP irp)
{
    plant_park_drain();
    return plant_done(device, irp);
}

#endif
