/* SPDX-License-Identifier: MIT */
/*
 * session.h - open engine handles, and the gate that lets one of them at a time change the policy.
 *
 * Classifying never passes the gate. A management routine enters it, works, and leaves. An explicit
 * transaction keeps it for its session between the calls. Waiting is bounded by the session's
 * txnWaitTimeoutInMSec (default 15 s), then STATUS_FWP_TIMEOUT.
 *
 * A session that gives way (wfp/ale.h) holds nobody up: who wants in while its transaction is open
 * aborts it. Every call of such a session then says STATUS_FWP_TXN_ABORTED until it ends the transaction.
 *
 * notifyFn runs with the gate held: a management call from inside it would never get in; it is
 * reported ("management-in-notify") and refused with STATUS_FWP_TXN_IN_PROGRESS.
 */
#ifndef WFP_SESSION_H
#define WFP_SESSION_H

#include <ntddk.h>

#include "wfp/table.h"

struct wfp_session {
    struct wfp_node node; /* key: the engine handle */
    BOOLEAN dynamic;
    BOOLEAN read_only; /* the open transaction's flag */
    BOOLEAN gives_way; /* its transaction is aborted when another session wants in (wfp_session_give_way) */
    BOOLEAN aborted;   /* that happened; until its own Commit, Abort or Close */
    UINT32 timeout_ms;
    UINT32 users;          /* callers inside or waiting at the gate */
    LIST_ENTRY objects;    /* dynamic ones */
    PDRIVER_OBJECT driver; /* who opened it; NULL: no driver */
};

void wfp_session_init(void);

/* PASSIVE_LEVEL. On success the gate is held; *session is the handle's. STATUS_INVALID_HANDLE, STATUS_FWP_TIMEOUT.
 * Whoever works in it looks at session->aborted first. */
NTSTATUS wfp_gate_enter(const char *routine, HANDLE engine, struct wfp_session **session);
void wfp_gate_leave(struct wfp_session *session);

/* With the gate held: whether session has an explicit transaction open, and giving or taking that. */
BOOLEAN wfp_gate_owned(const struct wfp_session *session);
void wfp_gate_own(struct wfp_session *session); /* NULL: nobody */

size_t wfp_session_count(void);
struct wfp_table *wfp_session_table(void);

/* Closes every session still open. For wfp_reset. */
void wfp_session_close_all(void);
void wfp_session_forget(void); /* see wfp_forget */

#endif
