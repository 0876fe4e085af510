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
 * ALE or transport layer wants a lighter sublayer than the universal one). The filters in it, heaviest first: those of
 * rules and answers (rule_filters.h) above the callout filter; the whole list is in gatehouse/objects.h.
 */
#ifndef DRIVER_REGISTRATION_H
#define DRIVER_REGISTRATION_H

#include "driver/callout.h"

/* All or nothing. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS registration_start(void);

/* Deletes the objects in the reverse order, closes the session, unregisters the callouts with bounded retries. Harmless
 * when start did not run. STATUS_DEVICE_BUSY: a callout could not be unregistered. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS registration_stop(void);

/* A filter of ours without action and conditions. weight stays the caller's until the filter is added. */
void registration_filter_init(FWPM_FILTER0 *filter, const GUID *layer, const wchar_t *name, UINT64 *weight);

/* The callout for rules at a layer (enum gatehouse_rule_layer). kind: CALLOUT_RULE, CALLOUT_LOG, or CALLOUT_NAME for an
 * outgoing layer. */
const GUID *registration_rule_callout(enum callout_index kind, uint32_t layer);

/*
 * Loopback passes inwards too while a rule has filters there; without any, nothing is, for filters cost. In the
 * caller's transaction, and behind it whether it was committed.
 */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS registration_pass_loopback_in(BOOLEAN pass);
_IRQL_requires_(PASSIVE_LEVEL)
void registration_loopback_in_done(BOOLEAN committed);

#endif
