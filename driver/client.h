/* SPDX-License-Identifier: MIT */
/*
 * client.h - one open handle: its role, what it has in hand, its waiting reads.
 *
 * A client lives from IRP_MJ_CREATE to IRP_MJ_CLOSE in the file object's FsContext. It leaves on
 * CLEANUP or, on hosts that send none, on CLOSE; leaving twice is harmless. Its IRPs end by
 * cancelling, leaving or being answered, each independently.
 */
#ifndef DRIVER_CLIENT_H
#define DRIVER_CLIENT_H

#include "driver/driver.h"
#include "driver/irp_queue.h"

enum client_role { CLIENT_NEW = 0, CLIENT_SEED, CLIENT_DECIDER, CLIENT_OBSERVER };

struct client {
    uint64_t process_id;
    _Guarded_by_(driver_pend_lock) LIST_ENTRY link;
    _Guarded_by_(driver_pend_lock) enum client_role role; /* a role is taken once and kept */
    _Guarded_by_(driver_pend_lock) BOOLEAN gone;
    _Guarded_by_(driver_pend_lock) uint32_t references; /* of changes, and one until it is freed */
    _Guarded_by_(driver_pend_lock) struct pend_owner hand;
    _Guarded_by_(driver_pend_lock) struct irp_queue request_reads;

    _Guarded_by_(driver_event_lock) LIST_ENTRY observer;
    _Guarded_by_(driver_event_lock) BOOLEAN observing;
    _Guarded_by_(driver_event_lock) struct event_cursor cursor;
    _Guarded_by_(driver_event_lock) struct irp_queue event_reads;
};

/* NULL: no memory, or the driver is stopping (*status). */
_IRQL_requires_(PASSIVE_LEVEL)
struct client *client_new(uint64_t process_id, NTSTATUS *status);

/* Gives back what it has in hand, completes its reads with STATUS_CANCELLED; a decider's place is free. */
_IRQL_requires_(PASSIVE_LEVEL)
void client_leave(struct client *client);

/* Leaves if it has not, and is freed with the last reference. */
_IRQL_requires_(PASSIVE_LEVEL)
void client_free(struct client *client);

/* A change keeps its client's memory. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void client_get(struct client *client);
_IRQL_requires_max_(DISPATCH_LEVEL)
void client_put(struct client *client);

/* HELLO. 0 or GATEHOUSE_E_*, or STATUS_INSUFFICIENT_RESOURCES. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS client_hello(struct client *client, const struct gatehouse_hello *hello);

/* pend_lock held. The seed's client decides implicitly. STATUS_DEVICE_BUSY: somebody else does. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
NTSTATUS client_become_seed_locked(struct client *client);

/* pend_lock held. Which connections the present decider is offered: PEND_*, 0 without one. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
uint32_t client_decider_versions_locked(void);

/* The role, read under the lock. */
_IRQL_requires_max_(DISPATCH_LEVEL)
enum client_role client_role_of(struct client *client);

/* For unload: every client leaves; then what no CLOSE will free any more (on Windows none: an open handle keeps a
 * driver loaded). */
_IRQL_requires_(PASSIVE_LEVEL)
void client_leave_all(void);
_IRQL_requires_(PASSIVE_LEVEL)
void client_free_all(void);

#endif
