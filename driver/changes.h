/* SPDX-License-Identifier: MIT */
/*
 * changes.h - operations that take their time: each runs on a system thread of its own, its IRP waits.
 *
 * Dispatch never waits, and a change of the rules does: for another change, for the disk, for an engine that takes in
 * 100,000 filters. They run one after the other, in the order they came: a load that nobody waits for any more never
 * comes into force after a later one. The IRP may be cancelled, and its client may go: the IRP ends then, the change
 * does not. So a change has copies of its input and gets its IRP back at its end, if that is still there; and it keeps
 * its client from being freed. Each is inside the rundown, so that unload waits for all.
 */
#ifndef DRIVER_CHANGES_H
#define DRIVER_CHANGES_H

#include "driver/dispatch.h"
#include "driver/irp_queue.h"

struct change;
/* Runs at PASSIVE_LEVEL, no lock held. Sets the change's status, information and output. */
typedef void change_routine(struct change *change);

struct change {
    _Guarded_by_(driver_pend_lock) LIST_ENTRY link;
    _Guarded_by_(driver_pend_lock) struct irp_queue irp;
    struct client *client; /* a reference */
    PVOID thread;
    KEVENT turn; /* set when every earlier one is over */
    volatile LONG over;
    change_routine *run;
    void *data;  /* the routine's; from pool, freed after it */
    void *image; /* the same; or NULL */

    NTSTATUS status;
    ULONG_PTR information;
    const void *output; /* information bytes; within data */
    /* Called instead of completing the IRP, when it is still there and status is a success. NULL: complete it. */
    NTSTATUS (*then)(struct change *change, PIRP irp, struct dispatch_io *io);
};

/* For the end of a dispatch handler, whose status this returns. data and image (or NULL) are taken over in every case.
 */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS change_start(struct client *client, PIRP irp, struct dispatch_io *io, change_routine *run, void *data,
                      void *image);

/* For the routine, once: its image, the caller's from now on. */
void *change_take_image(struct change *change);

/* The IRPs of the client's changes end with STATUS_CANCELLED. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void changes_leave(const struct client *client);

/* For unload, behind the rundown: waits until every thread has ended. */
_IRQL_requires_(PASSIVE_LEVEL)
void changes_cleanup(void);

#endif
