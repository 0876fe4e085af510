/* SPDX-License-Identifier: MIT */
/*
 * object.h - what providers, sublayers, callouts and filters have in common: a key, a lifetime, references.
 *
 * All of it is written by whoever holds the gate (gate.h) and by nobody else. An object that another
 * one names has a reference from it and cannot be deleted (STATUS_FWP_IN_USE).
 *
 * A transaction lists the objects it touched (transaction.h). An object that was deleted is out of the
 * table at once, for the transaction's own session; its memory lives until the commit, so that an
 * abort can put it back.
 */
#ifndef WFP_OBJECT_H
#define WFP_OBJECT_H

#include "wfp/table.h"

#include <fwpmk.h>

struct wfp_session;

enum wfp_kind { WFP_PROVIDER, WFP_SUBLAYER, WFP_CALLOUT, WFP_FILTER, WFP_KIND_COUNT };

struct wfp_object {
    struct wfp_node node; /* in the table of its kind */
    GUID key;
    UINT8 kind; /* enum wfp_kind */
    BOOLEAN builtin;
    BOOLEAN persistent;
    BOOLEAN added;          /* by the open transaction */
    BOOLEAN deleted;        /* by the open transaction */
    BOOLEAN used_by_others; /* leftover.c: somebody else's object names it */
    UINT32 refs;
    UINT32 charged;              /* bytes that count against WFP_CLIENTS_BYTES; until it is freed */
    PDRIVER_OBJECT driver;       /* who made it; NULL: no driver, or one that is gone */
    struct wfp_session *session; /* dynamic: goes with it. NULL: stays */
    struct wfp_object *provider; /* NULL or a reference */
    struct wfp_object *older;    /* next in the transaction's list, latest first */
    LIST_ENTRY session_link;     /* of dynamic objects */
};

/*
 * What the sessions of user-mode clients (wfp_session_give_way) may keep in all, deleted objects of an open transaction
 * among it: STATUS_QUOTA_EXCEEDED. The engine's own side, the driver, has no part in it.
 */
#define WFP_CLIENTS_BYTES ((size_t)64 << 20)

/* Of an object that is complete but in no table. STATUS_QUOTA_EXCEEDED: nothing was charged. */
NTSTATUS wfp_object_charge(struct wfp_object *object, const struct wfp_session *session, size_t bytes);
/* Before it is freed. Any IRQL <= DISPATCH_LEVEL. */
void wfp_object_uncharge(struct wfp_object *object);

/* The display name in ASCII, shortened; gives text back. */
const char *wfp_object_name(const struct wfp_object *object, char *text, size_t size);

const wchar_t *wfp_provider_name(const struct wfp_object *provider); /* provider.c */

void wfp_object_init_tables(void);
struct wfp_table *wfp_object_table(enum wfp_kind kind);
void wfp_object_forget(void); /* see wfp_forget */

/* NULL: none. */
struct wfp_object *wfp_object_find(enum wfp_kind kind, const GUID *key);

/*
 * Fills object and checks what all kinds check: display name, known flags, lifetime, duplicate key, provider.
 * On success the provider is referenced; nothing is in a table yet.
 */
struct wfp_object_setup {
    enum wfp_kind kind;
    struct wfp_session *session; /* the caller's */
    const GUID *key;
    const FWPM_DISPLAY_DATA0 *display;
    const GUID *provider_key;
    BOOLEAN persistent;
};
NTSTATUS wfp_object_setup(struct wfp_object *object, const struct wfp_object_setup *setup);
void wfp_object_unset(struct wfp_object *object);

/* Takes a reference from user to used: STATUS_FWP_LIFETIME_MISMATCH or STATUS_FWP_WRONG_SESSION if used may go first.
 */
NTSTATUS wfp_object_refer(const struct wfp_object *user, struct wfp_object *used);

/* May session delete it now: STATUS_FWP_BUILTIN_OBJECT, STATUS_FWP_IN_USE, STATUS_FWP_WRONG_SESSION. */
NTSTATUS wfp_object_deletable(const struct wfp_object *object, const struct wfp_session *session);

BOOLEAN wfp_guid_is_zero(const GUID *key);
/* A random (version 4) key. */
void wfp_guid_make(GUID *key);

#endif
