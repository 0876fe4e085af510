/* SPDX-License-Identifier: MIT */
/*
 * lock_order.h - which spin locks are held, and in which order locks are taken.
 *
 * Called by ke/spin_lock.c while the verifier is on. Each time a lock is taken under another, the pair becomes an edge
 * of a graph; an edge that closes a ring is violation "lock-order", whether or not anybody waited for anybody. Two
 * locks are taken as one class only when they are one address. Locks have small numbers, in order of their first use
 * in a run. What does not fit the tables (1024 locks, 4096 edges) is not looked at.
 *
 * Any thread, IRQL >= DISPATCH_LEVEL. The table's lock is a leaf; violations are raised without it.
 * Pages: Driver Verifier, "Deadlock Detection"; "Preventing Errors and Deadlocks While Using Spin Locks"; wdm.h
 * KeAcquireInStackQueuedSpinLock.
 */
#ifndef NT_VERIFY_LOCK_ORDER_H
#define NT_VERIFY_LOCK_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before the caller waits for it. "lock-order". */
void nt_lock_wanted(const void *lock, const char *routine);

/* handle: the queue handle, NULL: taken plainly. "lock-kind": the handle holds another lock. */
void nt_lock_taken(const void *lock, const void *handle, const char *routine);

/* "lock-kind": it was taken with another queue handle. */
void nt_lock_given(const void *lock, const void *handle, const char *routine);

/* This memory is given back. "lock-freed", once for each lock in it that is held; what is known of the others goes. */
void nt_locks_freed(const void *start, size_t size, const char *routine);

/* For the next nt_violate of this thread: where the lock was taken that it took last and still holds. */
void nt_about_held_lock(void);

/* A new run: no lock is known. Nobody holds one. */
void nt_lock_order_reset(void);

#endif
