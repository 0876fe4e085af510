/* SPDX-License-Identifier: MIT */
/*
 * in_use.h - whether memory that is given back is still in use by the kernel.
 *
 * Called while the verifier is on, for each pool block that is freed and each device extension that goes. What is found
 * is violation "pool-freed-in-use" ("lock-freed" for a spin lock that is held). Timers, DPCs and awaited objects are
 * taken out of the kernel's lists, so that nobody meets them there later.
 * Pages: Driver Verifier, "Pool Tracking" and bug check 0xC7; wdm.h KeCancelTimer, KeInitializeDpc, KeInitializeEvent;
 * "Cancel-Safe IRP Queues".
 *
 * When nt/ keeps a new kind of driver's memory in a list, it gets a row in in_use.c.
 */
#ifndef NT_VERIFY_IN_USE_H
#define NT_VERIFY_IN_USE_H

#include <stddef.h>

/* Any thread, IRQL <= DISPATCH_LEVEL. routine is what gives the memory back. */
void nt_memory_freed(const void *start, size_t size, const char *routine);

/* Each gives one such object of the range, or NULL: there is none. The first three take it out of its list. */
const void *nt_timer_take_within(const void *start, size_t size);   /* ke/timer.c: set */
const void *nt_dpc_take_within(const void *start, size_t size);     /* ke/dpc.c: queued */
const void *nt_awaited_take_within(const void *start, size_t size); /* ke/dispatcher.c: somebody waits for it */
const void *nt_work_context_within(const void *start, size_t size); /* io/work_item.c: context of a queued one */
const void *nt_irp_queue_within(const void *start, size_t size);    /* io/irp.c: a pended IRP is in that queue */

#endif
