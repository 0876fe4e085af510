/* SPDX-License-Identifier: MIT */
/*
 * injection.c - see injection.h.
 *
 * Choices where the pages are silent: an injected clone is classified on the injecting thread, before
 * FwpsInjectTransportReceiveAsync0 returns, so that a run is the same each time. A clone that is injected before its
 * operation is completed waits (Windows may drop it). completionFn runs at the IRQL of whoever injects or completes. A
 * second clone of a packet that was decided already goes nowhere, as a duplicate would.
 *
 * Pages: FwpsInjectionHandleCreate0, FwpsInjectionHandleDestroy0, FwpsInjectTransportReceiveAsync0,
 * FwpsQueryPacketInjectionState0, FWPS_INJECT_COMPLETE0 (fwpsk.h); Packet Injection Functions (windows-driver-docs).
 */
#include "wfp/injection.h"
#include "nt/foreign.h"
#include "nt/verify/scheduler.h"
#include "wfp/history.h"
#include "wfp/memory.h"

#include <nt/nt.h>

#include <pthread.h>

#define FAMILY_INET  2
#define FAMILY_INET6 23
#define TYPES                                                                                                          \
    (FWPS_INJECTION_TYPE_STREAM | FWPS_INJECTION_TYPE_TRANSPORT | FWPS_INJECTION_TYPE_NETWORK |                        \
     FWPS_INJECTION_TYPE_FORWARD | FWPS_INJECTION_TYPE_L2 | FWPS_INJECTION_TYPE_VSWITCH_TRANSPORT)
#define DESTROY_WAITS 10000 /* of 1 ms */

struct injection {
    struct wfp_node node; /* key: the handle */
    PDRIVER_OBJECT driver;
    ADDRESS_FAMILY family; /* 0: any */
    UINT32 types;
    _Atomic(UINT32) under_way; /* and 1 for the table */
};

static struct wfp_table injections;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void wfp_injection_init(void)
{
    wfp_table_init(&injections);
}

struct wfp_table *wfp_injection_table(void)
{
    return &injections;
}

static struct injection *injection_of(struct wfp_node *node)
{
    return node == NULL ? NULL : CONTAINING_RECORD(node, struct injection, node);
}

/* --- Handles -------------------------------------------------------------------------------------- */

NTSTATUS NTAPI FwpsInjectionHandleCreate0(ADDRESS_FAMILY addressFamily, UINT32 flags, HANDLE *injectionHandle)
{
    struct injection *made;

    nt_require_irql("FwpsInjectionHandleCreate0", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (injectionHandle == NULL)
        return STATUS_FWP_NULL_POINTER;
    if ((flags & ~(UINT32)TYPES) != 0 ||
        (addressFamily != 0 && addressFamily != FAMILY_INET && addressFamily != FAMILY_INET6))
        return STATUS_INVALID_PARAMETER;
    made = nt_fails("FwpsInjectionHandleCreate0") ? NULL : wfp_alloc(sizeof(*made));
    if (made == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    made->node.key = wfp_next_id();
    made->driver = wfp_driver_now();
    made->family = addressFamily;
    made->types = flags;
    atomic_init(&made->under_way, 1);
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)made);
    *injectionHandle = (HANDLE)(uintptr_t)made->node.key;
    wfp_table_insert(&injections, &made->node);
    return STATUS_SUCCESS;
}

static void leave(struct injection *injection)
{
    if (atomic_fetch_sub_explicit(&injection->under_way, 1, memory_order_acq_rel) == 1)
        wfp_free(injection);
}

/* Under way from now on; NULL: no such handle. */
static struct injection *enter(HANDLE handle)
{
    UINT64 key = (UINT64)(uintptr_t)handle;
    struct wfp_shard *shard = wfp_table_lock(&injections, key);
    struct injection *found = injection_of(wfp_shard_find(shard, key));

    if (found != NULL)
        atomic_fetch_add_explicit(&found->under_way, 1, memory_order_relaxed);
    wfp_table_unlock(shard);
    return found;
}

static void run(struct wfp_net_buffer *clone, BOOLEAN drop);

/* With the lock. */
static void unlink_waiting(struct wfp_net_buffer *clone)
{
    struct wfp_net_buffer **link = &clone->parent->waiting;

    while (*link != NULL && *link != clone)
        link = &(*link)->waiting_next;
    if (*link == clone)
        *link = clone->waiting_next;
}

struct search {
    UINT64 key;
    struct wfp_net_buffer *found; /* referenced */
};

static void find_waiting(struct wfp_node *node, void *context)
{
    struct wfp_net_buffer *buffer = CONTAINING_RECORD(node, struct wfp_net_buffer, node);
    struct search *search = context;

    if (search->found != NULL || buffer->injection != search->key || !buffer->is_waiting)
        return;
    wfp_net_buffer_hold(buffer);
    search->found = buffer;
}

/* Drops what waits to be injected with this handle. */
static void drop_waiting(UINT64 key)
{
    for (;;) {
        struct search search = {.key = key};
        BOOLEAN mine;

        wfp_table_each(wfp_net_buffer_table(), find_waiting, &search);
        if (search.found == NULL)
            break;
        pthread_mutex_lock(&lock);
        mine = search.found->is_waiting;
        if (mine) {
            unlink_waiting(search.found);
            search.found->is_waiting = FALSE;
        }
        pthread_mutex_unlock(&lock);
        if (mine)
            run(search.found, TRUE);
        wfp_net_buffer_put(search.found);
    }
}

NTSTATUS NTAPI FwpsInjectionHandleDestroy0(HANDLE injectionHandle)
{
    struct injection *injection;

    nt_require_irql("FwpsInjectionHandleDestroy0", PASSIVE_LEVEL, PASSIVE_LEVEL);
    struct wfp_node *node = wfp_table_take(&injections, (UINT64)(uintptr_t)injectionHandle);
    injection = injection_of(node);
    if (injection == NULL) {
        nt_violate("handle-invalid", "FwpsInjectionHandleDestroy0", "%p is no injection handle", injectionHandle);
        return STATUS_INVALID_HANDLE;
    }
    drop_waiting(injection->node.key);
    for (int i = 0; i < DESTROY_WAITS && atomic_load(&injection->under_way) != 1; i++) {
        LARGE_INTEGER wait = {.QuadPart = -10000};

        (void)KeDelayExecutionThread(KernelMode, FALSE, &wait);
    }
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)injection);
    leave(injection);
    return STATUS_SUCCESS;
}

/* --- Injection ------------------------------------------------------------------------------------ */

/* The clone is injected, and under way with its handle: classifies it (or drops it), and gives it back. */
static void run(struct wfp_net_buffer *clone, BOOLEAN drop)
{
    FWPS_INJECT_COMPLETE0 completed = clone->completed;
    void *context = clone->completed_context;
    struct injection *injection = clone->under_way;
    BOOLEAN held = clone->has_holder;

    clone->has_holder = FALSE;
    if (drop || !wfp_authorization_again(clone, held)) {
        clone->list.Status = STATUS_DATA_NOT_ACCEPTED;
        if (held)
            wfp_net_buffer_drop(clone->root);
    } else {
        clone->list.Status = NDIS_STATUS_SUCCESS;
    }
    pthread_mutex_lock(&lock);
    clone->is_injected = FALSE;
    pthread_mutex_unlock(&lock);
    PDRIVER_OBJECT before = nt_enter_driver(injection->driver);
    NT_CALL(completed, context, &clone->list, KeGetCurrentIrql() == DISPATCH_LEVEL);
    nt_enter_driver(before);
    leave(injection);
}

void wfp_injection_shown(struct wfp_net_buffer *shown)
{
    pthread_mutex_lock(&lock);
    shown->is_over = FALSE;
    pthread_mutex_unlock(&lock);
}

void wfp_injection_over(struct wfp_net_buffer *shown)
{
    struct wfp_net_buffer *waiting;

    pthread_mutex_lock(&lock);
    shown->is_over = TRUE;
    waiting = shown->waiting;
    shown->waiting = NULL;
    for (struct wfp_net_buffer *clone = waiting; clone != NULL; clone = clone->waiting_next)
        clone->is_waiting = FALSE;
    pthread_mutex_unlock(&lock);
    while (waiting != NULL) {
        struct wfp_net_buffer *next = waiting->waiting_next;

        run(waiting, FALSE);
        waiting = next;
    }
}

BOOLEAN wfp_injection_give_up(struct wfp_net_buffer *clone)
{
    BOOLEAN may;

    pthread_mutex_lock(&lock);
    may = !clone->is_injected;
    clone->is_injected = TRUE; /* nobody else frees or injects it */
    pthread_mutex_unlock(&lock);
    return may;
}

/* What is wrong with injecting this list; NULL: nothing. */
static const char *refusal(const struct wfp_net_buffer *clone)
{
    if (clone == NULL)
        return "that is no net buffer list that lives";
    if (clone->parent == NULL)
        return "that is the packet itself: inject a clone of it";
    if (clone->buffer.DataOffset != 0)
        return "its data does not begin with the IP header: retreat the packet by ipHeaderSize and "
               "transportHeaderSize before it is cloned, and advance it afterwards";
    return NULL;
}

static BOOLEAN begin(struct wfp_net_buffer *clone, struct injection *injection, HANDLE context,
                     FWPS_INJECT_COMPLETE0 completed, HANDLE completed_context, BOOLEAN *waits)
{
    BOOLEAN may;

    pthread_mutex_lock(&lock);
    may = !clone->is_injected;
    if (may) {
        clone->is_injected = TRUE;
        clone->injection = injection->node.key;
        clone->injection_context = context;
        clone->under_way = injection;
        clone->completed = completed;
        clone->completed_context = completed_context;
        *waits = !clone->parent->is_over;
        clone->is_waiting = *waits;
    }
    if (may && *waits) {
        struct wfp_net_buffer **link = &clone->parent->waiting;

        while (*link != NULL)
            link = &(*link)->waiting_next;
        clone->waiting_next = NULL;
        *link = clone;
    }
    pthread_mutex_unlock(&lock);
    return may;
}

NTSTATUS NTAPI FwpsInjectTransportReceiveAsync0(HANDLE injectionHandle, HANDLE injectionContext, PVOID reserved,
                                                UINT32 flags, ADDRESS_FAMILY addressFamily,
                                                COMPARTMENT_ID compartmentId, IF_INDEX interfaceIndex,
                                                IF_INDEX subInterfaceIndex, NET_BUFFER_LIST *netBufferList,
                                                FWPS_INJECT_COMPLETE0 completionFn, HANDLE completionContext)
{
    struct wfp_net_buffer *clone;
    struct injection *injection;
    const char *wrong;
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    BOOLEAN waits = FALSE;

    (void)compartmentId;
    (void)interfaceIndex;
    (void)subInterfaceIndex;
    nt_require_irql("FwpsInjectTransportReceiveAsync0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    if (NT_VERIFYING && nt_spin_locks_held() != 0)
        nt_violate("classify-under-lock", "FwpsInjectTransportReceiveAsync0",
                   "a spin lock is held; classifyFn and completionFn run on this stack and may want it");
    if (nt_fails("FwpsInjectTransportReceiveAsync0"))
        return STATUS_INSUFFICIENT_RESOURCES;
    injection = enter(injectionHandle);
    if (injection == NULL)
        return STATUS_FWP_INJECT_HANDLE_STALE;
    clone = wfp_net_buffer_find(netBufferList);
    wrong = refusal(clone);
    if (wrong == NULL && completionFn != NULL && reserved == NULL && flags == 0 &&
        (addressFamily == FAMILY_INET || addressFamily == FAMILY_INET6) &&
        (injection->family == 0 || injection->family == addressFamily) &&
        (injection->types & FWPS_INJECTION_TYPE_TRANSPORT) != 0) {
        if (begin(clone, injection, injectionContext, completionFn, completionContext, &waits))
            status = STATUS_SUCCESS;
        else
            wrong = "it is being injected already";
    }
    if (wrong != NULL)
        nt_violate("net-buffer-misuse", "FwpsInjectTransportReceiveAsync0", "%s", wrong);
    if (!NT_SUCCESS(status))
        leave(injection);
    else if (!waits)
        run(clone, FALSE);
    wfp_net_buffer_put(clone);
    NT_POINT("FwpsInjectTransportReceiveAsync0");
    return status;
}

FWPS_PACKET_INJECTION_STATE NTAPI FwpsQueryPacketInjectionState0(HANDLE injectionHandle,
                                                                 const NET_BUFFER_LIST *netBufferList,
                                                                 HANDLE *injectionContext)
{
    UINT64 self = (UINT64)(uintptr_t)injectionHandle;
    FWPS_PACKET_INJECTION_STATE state = FWPS_PACKET_NOT_INJECTED;
    struct wfp_net_buffer *shown;

    nt_require_irql("FwpsQueryPacketInjectionState0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    shown = netBufferList == NULL ? NULL : wfp_net_buffer_find(netBufferList);
    for (const struct wfp_net_buffer *list = shown; list != NULL; list = list->parent) {
        if (list->injection == 0)
            continue;
        if (list->injection == self) {
            state = state == FWPS_PACKET_NOT_INJECTED ? FWPS_PACKET_INJECTED_BY_SELF
                                                      : FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF;
            if (injectionContext != NULL)
                *injectionContext = list->injection_context;
            break;
        }
        state = FWPS_PACKET_INJECTED_BY_OTHER;
    }
    wfp_net_buffer_put(shown);
    return state;
}

/* --- What is left --------------------------------------------------------------------------------- */

struct left {
    PDRIVER_OBJECT driver;
    UINT64 key;
    uintptr_t object;
};

static void find_left(struct wfp_node *node, void *context)
{
    const struct injection *injection = injection_of(node);
    struct left *left = context;

    if (left->driver != NULL && injection->driver != left->driver)
        return;
    left->key = node->key;
    left->object = (uintptr_t)injection;
}

void wfp_injection_abandon(PDRIVER_OBJECT driver, const char *routine)
{
    for (;;) {
        struct left left = {.driver = driver};

        wfp_table_each(&injections, find_left, &left);
        if (left.key == 0)
            break;
        nt_about(NT_BEGAN_OBJECT, left.object);
        nt_violate("left-injection-handle", routine, "injection handle %llu is still there",
                   (unsigned long long)left.key);
        (void)FwpsInjectionHandleDestroy0((HANDLE)(uintptr_t)left.key);
    }
}

void wfp_injection_forget(void)
{
    wfp_table_forget(&injections);
}
