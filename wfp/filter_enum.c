/* SPDX-License-Identifier: MIT */
/*
 * filter_enum.c - FwpmFilterCreateEnumHandle0, FwpmFilterEnum0, FwpmFilterDestroyEnumHandle0, FwpmFreeMemory0.
 *
 * A handle remembers the ids that matched when it was made; a filter deleted since is skipped.
 * Entries come in one block, the array of pointers first, so that one FwpmFreeMemory0 frees them.
 */
#include "wfp/filter.h"
#include "wfp/filter_copy.h"
#include "wfp/layer.h"
#include "wfp/memory.h"
#include "wfp/transaction.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 65536 /* of one FwpmFilterEnum0 */

struct enumeration {
    struct wfp_node node; /* key: the handle */
    size_t count, next;
    UINT64 ids[];
};

static struct wfp_table enumerations;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    wfp_table_init(&enumerations);
}

struct create {
    const FWPM_FILTER_ENUM_TEMPLATE0 *template;
    struct enumeration *made;
    size_t count, capacity;
};

static BOOLEAN wanted(const FWPM_FILTER_ENUM_TEMPLATE0 *template, const struct wfp_filter *filter)
{
    if (template == NULL)
        return TRUE;
    if (!wfp_guid_is_zero(&template->layerKey) && !IsEqualGUID(&template->layerKey, wfp_layers[filter->layer].key))
        return FALSE;
    if (template->providerKey != NULL &&
        (filter->object.provider == NULL || !IsEqualGUID(template->providerKey, &filter->object.provider->key)))
        return FALSE;
    if (template->calloutKey != NULL &&
        (filter->call == NULL || !IsEqualGUID(template->calloutKey, &filter->call->callout->key)))
        return FALSE;
    return (template->actionMask & filter->action) != 0;
}

/* First counts, then (made) collects. */
static void visit(struct wfp_node *node, void *context)
{
    struct create *create = context;
    struct wfp_filter *filter =
        CONTAINING_RECORD(CONTAINING_RECORD(node, struct wfp_object, node), struct wfp_filter, object);

    if (!wanted(create->template, filter))
        return;
    if (create->made != NULL && create->count < create->capacity)
        create->made->ids[create->count] = wfp_filter_id(filter);
    create->count++;
}

static int compare(const void *a, const void *b)
{
    UINT64 x = *(const UINT64 *)a, y = *(const UINT64 *)b;

    return (x > y) - (x < y);
}

static NTSTATUS create_enumeration(struct wfp_session *session, void *context)
{
    struct create *create = context;
    struct wfp_table *filters = wfp_object_table(WFP_FILTER);

    (void)session;
    wfp_table_each(filters, visit, create);
    create->made = wfp_alloc(sizeof(*create->made) + create->count * sizeof(UINT64));
    if (create->made == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    create->capacity = create->count;
    create->count = 0;
    wfp_table_each(filters, visit, create);
    create->made->count = create->count;
    qsort(create->made->ids, create->count, sizeof(UINT64), compare);
    create->made->node.key = wfp_next_id();
    wfp_table_insert(&enumerations, &create->made->node);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmFilterCreateEnumHandle0(HANDLE engineHandle, const FWPM_FILTER_ENUM_TEMPLATE0 *enumTemplate,
                                           HANDLE *enumHandle)
{
    struct create create = {.template = enumTemplate};
    NTSTATUS status;

    if (enumHandle == NULL)
        return STATUS_FWP_NULL_POINTER;
    pthread_once(&once, init);
    status = wfp_transaction_read("FwpmFilterCreateEnumHandle0", engineHandle, create_enumeration, &create);
    if (NT_SUCCESS(status))
        *enumHandle = (HANDLE)(uintptr_t)create.made->node.key;
    return status;
}

struct entries {
    HANDLE handle;
    UINT32 asked, got;
    FWPM_FILTER0 **list;
};

/* Copies from at on, as many as asked; returns where the next call goes on. */
static size_t copy_entries(struct wfp_arena *arena, const struct enumeration *enumeration, struct entries *entries)
{
    FWPM_FILTER0 **list = wfp_arena_take(arena, (entries->asked + 1) * sizeof(*list));
    size_t at = enumeration->next;

    entries->got = 0;
    while (entries->got < entries->asked && at < enumeration->count) {
        struct wfp_filter *filter = wfp_filter_find(enumeration->ids[at++]);
        FWPM_FILTER0 *copy;

        if (filter == NULL)
            continue;
        copy = wfp_filter_copy_into(arena, filter);
        if (list != NULL)
            list[entries->got] = copy;
        entries->got++;
    }
    entries->list = list;
    return at;
}

static NTSTATUS enumerate(struct wfp_session *session, void *context)
{
    struct entries *entries = context;
    UINT64 key = (UINT64)(uintptr_t)entries->handle;
    struct wfp_shard *shard = wfp_table_lock(&enumerations, key);
    struct wfp_node *node = wfp_shard_find(shard, key);
    struct enumeration *enumeration = node == NULL ? NULL : CONTAINING_RECORD(node, struct enumeration, node);
    struct wfp_arena arena = {0};

    (void)session;
    wfp_table_unlock(shard);
    if (enumeration == NULL)
        return STATUS_FWP_INVALID_ENUMERATOR;
    copy_entries(&arena, enumeration, entries);
    arena.base = wfp_alloc(arena.used);
    if (arena.base == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    arena.used = 0;
    enumeration->next = copy_entries(&arena, enumeration, entries);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmFilterEnum0(HANDLE engineHandle, HANDLE enumHandle, UINT32 numEntriesRequested,
                               FWPM_FILTER0 ***entries, UINT32 *numEntriesReturned)
{
    struct entries found = {.handle = enumHandle};
    NTSTATUS status;

    if (entries == NULL || numEntriesReturned == NULL)
        return STATUS_FWP_NULL_POINTER;
    pthread_once(&once, init);
    found.asked = numEntriesRequested < MAX_ENTRIES ? numEntriesRequested : MAX_ENTRIES;
    status = wfp_transaction_read("FwpmFilterEnum0", engineHandle, enumerate, &found);
    if (NT_SUCCESS(status)) {
        *entries = found.list;
        *numEntriesReturned = found.got;
    }
    return status;
}

/* Also while the session's transaction is aborted: who ends it frees what it had. */
NTSTATUS NTAPI FwpmFilterDestroyEnumHandle0(HANDLE engineHandle, HANDLE enumHandle)
{
    struct wfp_session *session;
    struct wfp_node *node;
    NTSTATUS status;

    pthread_once(&once, init);
    status = wfp_gate_enter("FwpmFilterDestroyEnumHandle0", engineHandle, &session);
    if (!NT_SUCCESS(status))
        return status;
    node = wfp_table_take(&enumerations, (UINT64)(uintptr_t)enumHandle);
    wfp_gate_leave(session);
    if (node == NULL)
        return STATUS_FWP_INVALID_ENUMERATOR;
    wfp_free(CONTAINING_RECORD(node, struct enumeration, node));
    return STATUS_SUCCESS;
}

void NTAPI FwpmFreeMemory0(void **p)
{
    if (p != NULL) {
        wfp_free(*p);
        *p = NULL;
    }
}

void wfp_filter_enum_reset(void)
{
    struct wfp_node *next;

    pthread_once(&once, init);
    for (struct wfp_node *node = wfp_table_drain(&enumerations); node != NULL; node = next) {
        next = node->next;
        wfp_free(CONTAINING_RECORD(node, struct enumeration, node));
    }
    wfp_table_trim(&enumerations);
}

void wfp_filter_enum_forget(void)
{
    pthread_once(&once, init);
    wfp_table_forget(&enumerations);
}
