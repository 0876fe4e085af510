/* SPDX-License-Identifier: MIT */
/*
 * session.c - FwpmEngineOpen0 and Close0, and the gate.
 *
 * Pages: Session Management, Transaction Management (win32 desktop-src/FWP); FWPM_SESSION0. The page
 * leaves the default timeout open; 15 s is what Windows is known to use, and this engine has no
 * endless waits, so kernel sessions get the same.
 */
#include "wfp/session.h"
#include "nt/verify/verify.h"
#include "wfp/ale.h"
#include "wfp/memory.h"
#include "nt/leaf.h"
#include "nt/verify/scheduler.h"
#include "wfp/transaction.h"

#include <nt/nt.h>

#include <errno.h>
#include <time.h>

#define DEFAULT_TIMEOUT_MS 15000
#define MAX_SESSIONS       4096
#define GIVING_WAY_MS      1 /* its owner's thread is the host's, which must not stand still; it calls again */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved;
static struct wfp_session *owner; /* of the explicit transaction */
static BOOLEAN busy;              /* somebody is inside */
static pthread_t inside;          /* who, if busy */
static uint32_t inside_fiber;     /* and which of its fibers */
static struct wfp_table sessions;

void wfp_session_init(void)
{
    pthread_condattr_t monotonic;

    wfp_table_init(&sessions);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&gate_moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static struct timespec deadline_in(UINT32 ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* With the mutex held; counts the caller as a user of the session. */
static struct wfp_session *find_session(HANDLE engine)
{
    UINT64 key = (UINT64)(uintptr_t)engine;
    struct wfp_shard *shard = wfp_table_lock(&sessions, key);
    struct wfp_node *node = wfp_shard_find(shard, key);

    wfp_table_unlock(shard);
    if (node == NULL)
        return NULL;
    CONTAINING_RECORD(node, struct wfp_session, node)->users++;
    return CONTAINING_RECORD(node, struct wfp_session, node);
}

/* With the mutex held: whether session must wait. */
static BOOLEAN must_wait(const struct wfp_session *session)
{
    return busy || (owner != NULL && owner != session && (!owner->gives_way || session->gives_way));
}

static BOOLEAN is_inside(void)
{
    return busy && pthread_equal(inside, pthread_self()) && inside_fiber == nt_schedule_fiber();
}

struct turn {
    const struct wfp_session *session; /* NULL: until nobody uses the one that leaves */
    const UINT32 *users;
};

static bool turn_came(const void *context)
{
    const struct turn *turn = context;

    return turn->session != NULL ? !must_wait(turn->session) : *turn->users == 0;
}

/* With the gate's lock held: until the turn came, or until deadline, or until somebody moved. FALSE: the time is over.
 */
static BOOLEAN wait_for_turn(const char *routine, const struct turn *turn, const struct timespec *deadline, UINT32 ms)
{
    if (nt_scheduled()) {
        struct nt_wait wait = {.routine = routine,
                               .ready = turn_came,
                               .context = turn,
                               .due = ms == 0 ? NT_NEVER : ms * 10000ull,
                               .patient = true,
                               .has_to_end = true,
                               .holder = &inside_fiber};

        nt_leaf_unlock(&gate);
        bool came = nt_schedule_until(&wait);
        nt_leaf_lock(&gate);
        return came;
    }
    if (deadline == NULL)
        return pthread_cond_wait(&gate_moved, &gate) == 0;
    return pthread_cond_timedwait(&gate_moved, &gate, deadline) != ETIMEDOUT || turn_came(turn);
}

NTSTATUS wfp_gate_enter(const char *routine, HANDLE engine, struct wfp_session **result)
{
    struct wfp_session *session;
    BOOLEAN abort = FALSE;
    struct timespec deadline;
    NTSTATUS status = STATUS_SUCCESS;

    nt_require_irql(routine, PASSIVE_LEVEL, PASSIVE_LEVEL);
    nt_leaf_lock(&gate);
    if (is_inside()) {
        nt_leaf_unlock(&gate);
        nt_violate("management-in-notify", routine, "called from notifyFn, which runs inside another management call");
        return STATUS_FWP_TXN_IN_PROGRESS;
    }
    session = find_session(engine);
    if (session == NULL) {
        nt_leaf_unlock(&gate);
        return STATUS_INVALID_HANDLE;
    }
    deadline = deadline_in(session->timeout_ms);
    while (NT_SUCCESS(status) && must_wait(session))
        if (!wait_for_turn(routine, &(struct turn){.session = session}, &deadline, session->timeout_ms))
            status = STATUS_FWP_TIMEOUT;
    if (NT_SUCCESS(status)) {
        busy = TRUE;
        inside = pthread_self();
        inside_fiber = nt_schedule_fiber();
        *result = session;
        if (owner != NULL && owner != session) {
            owner->aborted = abort = TRUE;
            owner = NULL;
        }
    } else {
        session->users--;
        pthread_cond_broadcast(&gate_moved);
    }
    nt_leaf_unlock(&gate);
    if (abort)
        wfp_transaction_abort();
    return status;
}

void wfp_gate_leave(struct wfp_session *session)
{
    nt_leaf_lock(&gate);
    busy = FALSE;
    session->users--;
    pthread_cond_broadcast(&gate_moved);
    nt_leaf_unlock(&gate);
}

BOOLEAN wfp_gate_owned(const struct wfp_session *session)
{
    return owner == session;
}

void wfp_gate_own(struct wfp_session *session)
{
    nt_leaf_lock(&gate);
    owner = session;
    nt_leaf_unlock(&gate);
}

void wfp_session_give_way(HANDLE engine)
{
    nt_leaf_lock(&gate);
    struct wfp_session *session = find_session(engine);
    if (session != NULL) {
        session->gives_way = TRUE;
        session->timeout_ms = GIVING_WAY_MS;
        session->users--;
    }
    pthread_cond_broadcast(&gate_moved);
    nt_leaf_unlock(&gate);
}

BOOLEAN wfp_session_in_transaction(HANDLE engine)
{
    nt_leaf_lock(&gate);
    struct wfp_session *session = find_session(engine);
    BOOLEAN open = session != NULL && owner == session;
    if (session != NULL)
        session->users--;
    pthread_cond_broadcast(&gate_moved);
    nt_leaf_unlock(&gate);
    return open;
}

NTSTATUS NTAPI FwpmEngineOpen0(const wchar_t *serverName, UINT32 authnService, void *authIdentity,
                               const FWPM_SESSION0 *session, HANDLE *engineHandle)
{
    UINT32 flags = session == NULL ? 0 : session->flags;
    struct wfp_session *opened;

    nt_require_irql("FwpmEngineOpen0", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (engineHandle == NULL)
        return STATUS_FWP_NULL_POINTER;
    if (serverName != NULL || authIdentity != NULL ||
        (authnService != RPC_C_AUTHN_WINNT && authnService != RPC_C_AUTHN_DEFAULT))
        return STATUS_INVALID_PARAMETER;
    if ((flags & ~(UINT32)(FWPM_SESSION_FLAG_DYNAMIC | FWPM_SESSION_FLAG_RESERVED)) != 0)
        return STATUS_FWP_INVALID_FLAGS;
    if (wfp_table_count(&sessions) >= MAX_SESSIONS || nt_fails("FwpmEngineOpen0"))
        return wfp_excuse(STATUS_INSUFFICIENT_RESOURCES);
    opened = wfp_alloc(sizeof(*opened));
    if (opened == NULL)
        return wfp_excuse(STATUS_INSUFFICIENT_RESOURCES);
    opened->node.key = wfp_next_id();
    opened->driver = nt_current_driver();
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)opened);
    opened->dynamic = (flags & FWPM_SESSION_FLAG_DYNAMIC) != 0;
    opened->timeout_ms = session == NULL ? 0 : session->txnWaitTimeoutInMSec;
    if (opened->timeout_ms == 0)
        opened->timeout_ms = DEFAULT_TIMEOUT_MS;
    InitializeListHead(&opened->objects);
    wfp_table_insert(&sessions, &opened->node);
    *engineHandle = (HANDLE)(uintptr_t)opened->node.key;
    return STATUS_SUCCESS;
}

/* Filters first, then what they name: every delete finds its object unreferenced. */
static void delete_objects(struct wfp_session *session)
{
    static const enum wfp_kind order[] = {WFP_FILTER, WFP_CALLOUT, WFP_SUBLAYER, WFP_PROVIDER};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        LIST_ENTRY *next;

        for (LIST_ENTRY *link = session->objects.Flink; link != &session->objects; link = next) {
            struct wfp_object *object = CONTAINING_RECORD(link, struct wfp_object, session_link);

            next = link->Flink;
            if (object->kind == order[i])
                wfp_transaction_remove(object);
        }
    }
}

NTSTATUS NTAPI FwpmEngineClose0(HANDLE engineHandle)
{
    struct wfp_changes changes = {0};
    struct wfp_session *session;
    NTSTATUS status = wfp_gate_enter("FwpmEngineClose0", engineHandle, &session);

    if (!NT_SUCCESS(status))
        return status;
    if (wfp_gate_owned(session)) {
        wfp_transaction_abort();
        wfp_gate_own(NULL);
    }
    delete_objects(session);
    status = wfp_transaction_commit(TRUE, &changes);
    wfp_table_remove(&sessions, &session->node);
    nt_leaf_lock(&gate);
    busy = FALSE;
    session->users--;
    pthread_cond_broadcast(&gate_moved);
    /* Others that wait with this handle give up or get in; both are over within its timeout. */
    while (session->users != 0)
        (void)wait_for_turn("FwpmEngineClose0", &(struct turn){.users = &session->users}, NULL, 0);
    nt_leaf_unlock(&gate);
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)session);
    wfp_free(session);
    wfp_changes_tell(&changes);
    return status;
}

struct wfp_table *wfp_session_table(void)
{
    return &sessions;
}

size_t wfp_session_count(void)
{
    return wfp_table_count(&sessions);
}

static void close_session(UINT64 key)
{
    FwpmEngineClose0((HANDLE)(uintptr_t)key);
}

void wfp_session_close_all(void)
{
    wfp_table_end_all(&sessions, close_session);
    wfp_table_trim(&sessions);
}

void wfp_session_forget(void)
{
    wfp_table_forget(&sessions);
    owner = NULL;
    busy = FALSE;
}
