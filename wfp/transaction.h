/* SPDX-License-Identifier: MIT */
/*
 * transaction.h - all or nothing: the list of objects touched, undone on abort, published on commit.
 *
 * Callers hold the gate. add puts an object into the tables, remove takes it out; both can no longer
 * fail and are remembered. Commit builds new policies for the layers whose filters changed (the only
 * step that can fail), swaps them in, and frees what was deleted once no classify can see it.
 * Abort undoes the list, latest first.
 */
#ifndef WFP_TRANSACTION_H
#define WFP_TRANSACTION_H

#include "wfp/layer.h"
#include "wfp/object.h"
#include "wfp/session.h"

/* Generations of the layers a commit changed; 0: unchanged. */
struct wfp_changes {
    UINT64 generation[WFP_LAYER_COUNT];
};

void wfp_transaction_add(struct wfp_object *object);
void wfp_transaction_remove(struct wfp_object *object);

/* certain: memory for a smaller policy is found even if the pool says no (closing a session must not fail). */
NTSTATUS wfp_transaction_commit(BOOLEAN certain, struct wfp_changes *changes);
void wfp_transaction_abort(void);
void wfp_transaction_forget(void); /* see wfp_forget */

/* One management change: enter the gate, change, commit on success unless a transaction is open, leave, tell. */
typedef NTSTATUS wfp_change(struct wfp_session *session, void *context);
NTSTATUS wfp_transaction_run(const char *routine, HANDLE engine, wfp_change *change, void *context);

/*
 * The answer to a call that a driver may need to delete something, given back. If it is for want of resources or of
 * time, the driver is not to blame for what it leaves.
 */
NTSTATUS wfp_excuse(NTSTATUS status);
BOOLEAN wfp_is_excused(PDRIVER_OBJECT driver);
void wfp_transaction_reset(void);

/* The same without changing anything (get, enumerate). */
NTSTATUS wfp_transaction_read(const char *routine, HANDLE engine, wfp_change *read, void *context);

/* Tells wfp_set_policy_changed's listener. PASSIVE_LEVEL, gate not held. */
void wfp_changes_tell(const struct wfp_changes *changes);

#endif
