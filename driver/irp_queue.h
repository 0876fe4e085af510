/* SPDX-License-Identifier: MIT */
/*
 * irp_queue.h - pended IRPs that may be cancelled at any moment (IoCsq is missing on some hosts).
 *
 * An IRP in the queue has one owner: whoever gets its cancel routine back from IoSetCancelRoutine.
 * Taking it out and the cancel routine both try; the loser leaves it alone. The queue's lock is a
 * spin lock of its user, who tests for work and parks the IRP under the same lock, so that no
 * wake-up is lost. IRPs are completed with no lock held.
 *
 * The queue may go away while a cancel routine is on its way: the routine then finds its IRP
 * unlinked and touches the lock only, which outlives all queues.
 */
#ifndef DRIVER_IRP_QUEUE_H
#define DRIVER_IRP_QUEUE_H

#include <ntddk.h>

struct irp_queue {
    LIST_ENTRY irps;
    ULONG count;
    PKSPIN_LOCK lock;
};

void irp_queue_init(struct irp_queue *queue, PKSPIN_LOCK lock);

/*
 * Lock held. FALSE: the IRP was cancelled before; the caller completes it with STATUS_CANCELLED after releasing the
 * lock. Either way it is marked pending and dispatch returns STATUS_PENDING.
 */
_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN irp_queue_park(struct irp_queue *queue, PIRP irp);

/* Lock held. The oldest IRP that is not being cancelled, now the caller's; NULL: none. */
_IRQL_requires_(DISPATCH_LEVEL)
PIRP irp_queue_take(struct irp_queue *queue);

/* No lock held. Completes all with this status. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void irp_queue_drain(struct irp_queue *queue, NTSTATUS status);

/* No lock held. Returns status. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
NTSTATUS irp_complete(PIRP irp, NTSTATUS status, ULONG_PTR information);

#endif
