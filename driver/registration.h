/* SPDX-License-Identifier: MIT */
/*
 * registration.h - Gatehouse's objects in the filter engine.
 *
 * Callouts are registered with the kernel first; management callouts and their filters are added in
 * one transaction of one dynamic session: if anything ends that session, all of it is gone at once,
 * and no filter of ours stays behind to block the machine. Provider and sublayer are shared with
 * `gatehouse install` and `gatehouse filter add` and belong to no session; the last user removes them.
 *
 * Sublayer weight: below FWPM_SUBLAYER_UNIVERSAL's 0x8000 (page Types of Callouts: a callout at an
 * ALE or transport layer wants a lighter sublayer than the universal one). Filters in it, heaviest
 * first: answers for a destination, answers for a program, the callout filter; the whole list, with
 * those that `gatehouse install` adds to the same sublayer, is in gatehouse/objects.h.
 */
#ifndef DRIVER_REGISTRATION_H
#define DRIVER_REGISTRATION_H

#include "driver/driver.h"

/* All or nothing. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS registration_start(void);

/* Deletes the objects in the reverse order, closes the session, unregisters the callouts with bounded retries. Harmless
 * when start did not run. STATUS_DEVICE_BUSY: a callout could not be unregistered. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS registration_stop(void);

/* Inside the caller's transaction: a filter for one program and, unless to is NULL, one destination. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS registration_add_answer(uint8_t ip_version, const struct program *program, const struct destination *to,
                                 BOOLEAN permit, uint64_t *filter_id);

#endif
