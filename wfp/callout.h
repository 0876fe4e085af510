/* SPDX-License-Identifier: MIT */
/*
 * callout.h - callouts: what a driver registered (FwpsCalloutRegister) and what was added to the engine
 * (FwpmCalloutAdd).
 *
 * Both meet in a slot, one per calloutKey, with one run-time id. A slot lives while it is registered,
 * added, or named by a filter that some classify may still see. Registration and rundown are one
 * atomic word, so that classify enters and leaves a callout without a lock and unregistering fails
 * (STATUS_DEVICE_BUSY) while somebody is inside.
 */
#ifndef WFP_CALLOUT_H
#define WFP_CALLOUT_H

#include "wfp/object.h"

#include <fwpsk.h>

#include <stdatomic.h>
#include <stdbool.h>

struct wfp_callout_slot {
    struct wfp_node by_id;
    struct wfp_node by_key; /* hash */
    GUID key;
    UINT32 id;
    UINT32 refs;            /* under the slots' lock */
    _Atomic(UINT64) inside; /* WFP_REGISTERED | callers inside */
    _Atomic(UINT64) flow_contexts;
    _Atomic(UINT64) looks; /* wfp_callout_looks: fields, and the bits below */
    UINT32 version;        /* 0..3: which classifyFn type */
    PDRIVER_OBJECT driver; /* who registered it; NULL: no driver of nt/ */
    atomic_bool gone;      /* its driver was unloaded and left it registered */
    FWPS_CALLOUT3 run;
};

#define WFP_REGISTERED (1ull << 63)

/* Above the fields (WFP_MAX_FIELDS). */
#define WFP_LOOKS_PROMISED (1ull << 63)
#define WFP_LOOKS_ANSWERS  (1ull << 62)

void wfp_callout_init(void);

/* The key's slot with one more reference, made if need be; NULL: no memory. */
struct wfp_callout_slot *wfp_slot_get(const GUID *key);
void wfp_slot_put(struct wfp_callout_slot *slot);

/* TRUE: registered, and stays so until leave. */
BOOLEAN wfp_slot_enter(struct wfp_callout_slot *slot);
void wfp_slot_leave(struct wfp_callout_slot *slot);

/* The registered slot with this id, entered; NULL: none. */
struct wfp_callout_slot *wfp_slot_enter_by_id(UINT32 id);

/* FwpmCalloutAdd0's object. */
struct wfp_callout {
    struct wfp_object object;
    struct wfp_node by_id; /* key: slot id */
    struct wfp_callout_slot *slot;
    unsigned layer;
    FWPM_CALLOUT0 *template;
};

void wfp_callout_link(struct wfp_callout *callout);
void wfp_callout_unlink(struct wfp_callout *callout);
void wfp_callout_free(struct wfp_callout *callout);

size_t wfp_registered_count(void);

/* The slots, by id. */
struct wfp_table *wfp_slot_table(void);

/* The driver is gone: reports left-registration, and nobody calls it any more. */
void wfp_slot_abandon(UINT32 id);

/* Reports left-registration for what is still registered, and forgets it. For wfp_reset. */
void wfp_callout_reset(void);
void wfp_callout_forget(void); /* see wfp_forget */

#endif
