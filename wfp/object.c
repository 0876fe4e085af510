/* SPDX-License-Identifier: MIT */
/*
 * object.c - keys, references and lifetimes of management objects. Callers hold the gate.
 *
 * Page: Object Management (win32 desktop-src/FWP): dynamic, static, persistent and built-in lifetimes;
 * an object may not name one that can go away before it does.
 */
#include "wfp/object.h"
#include "wfp/filter.h"
#include "wfp/filter_name.h"
#include "wfp/memory.h"
#include "wfp/session.h"
#include "wfp/sublayer.h"

#include <nt/nt.h>

#include <stdatomic.h>
#include <string.h>

static _Atomic(size_t) charged; /* written with the gate held, and where retired filters are freed */
static struct wfp_table tables[WFP_KIND_COUNT];

void wfp_object_init_tables(void)
{
    for (int kind = 0; kind < WFP_KIND_COUNT; kind++)
        wfp_table_init(&tables[kind]);
}

struct wfp_table *wfp_object_table(enum wfp_kind kind)
{
    return &tables[kind];
}

static UINT64 hash_key(const GUID *key)
{
    UINT64 halves[2];

    memcpy(halves, key, sizeof(halves));
    return halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15ull);
}

struct wfp_object *wfp_object_find(enum wfp_kind kind, const GUID *key)
{
    UINT64 hash = hash_key(key);
    struct wfp_shard *shard = wfp_table_lock(&tables[kind], hash);
    struct wfp_node *node = wfp_shard_find(shard, hash);

    while (node != NULL && !IsEqualGUID(&CONTAINING_RECORD(node, struct wfp_object, node)->key, key))
        node = wfp_node_next(node);
    wfp_table_unlock(shard);
    return node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_object, node);
}

NTSTATUS wfp_object_setup(struct wfp_object *object, const struct wfp_object_setup *setup)
{
    struct wfp_session *session = setup->session;
    struct wfp_object *provider;

    if (setup->display->name == NULL || setup->display->name[0] == 0)
        return STATUS_FWP_NULL_DISPLAY_NAME;
    if (session->dynamic && setup->persistent)
        return STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS;
    object->kind = (UINT8)setup->kind;
    object->driver = nt_current_driver();
    object->session = session->dynamic ? session : NULL;
    object->persistent = setup->persistent;
    if (setup->key == NULL || wfp_guid_is_zero(setup->key))
        wfp_guid_make(&object->key);
    else
        object->key = *setup->key;
    object->node.key = hash_key(&object->key);
    if (wfp_object_find(setup->kind, &object->key) != NULL)
        return STATUS_FWP_ALREADY_EXISTS;
    if (setup->provider_key == NULL)
        return STATUS_SUCCESS;
    provider = wfp_object_find(WFP_PROVIDER, setup->provider_key);
    if (provider == NULL)
        return STATUS_FWP_PROVIDER_NOT_FOUND;
    NTSTATUS status = wfp_object_refer(object, provider);
    if (NT_SUCCESS(status))
        object->provider = provider;
    return status;
}

static const wchar_t *display_name(const struct wfp_object *object)
{
    switch (object->kind) {
    case WFP_FILTER:
        return CONTAINING_RECORD(object, const struct wfp_filter, object)->name->text;
    case WFP_CALLOUT:
        return CONTAINING_RECORD(object, const struct wfp_callout, object)->template->displayData.name;
    case WFP_SUBLAYER:
        return CONTAINING_RECORD(object, const struct wfp_sublayer, object)->template->displayData.name;
    default:
        return wfp_provider_name(object);
    }
}

const char *wfp_object_name(const struct wfp_object *object, char *text, size_t size)
{
    const wchar_t *name = display_name(object);
    size_t at = 0;

    for (; at + 1 < size && name[at] != 0; at++)
        text[at] = name[at] >= ' ' && name[at] < 0x7f ? (char)name[at] : '?';
    text[at] = 0;
    return text;
}

NTSTATUS wfp_object_charge(struct wfp_object *object, const struct wfp_session *session, size_t bytes)
{
    if (!session->gives_way)
        return STATUS_SUCCESS;
    if (atomic_load_explicit(&charged, memory_order_relaxed) + bytes > WFP_CLIENTS_BYTES)
        return STATUS_QUOTA_EXCEEDED;
    atomic_fetch_add_explicit(&charged, bytes, memory_order_relaxed);
    object->charged = (UINT32)bytes;
    return STATUS_SUCCESS;
}

void wfp_object_uncharge(struct wfp_object *object)
{
    atomic_fetch_sub_explicit(&charged, object->charged, memory_order_relaxed);
    object->charged = 0;
}

void wfp_object_unset(struct wfp_object *object)
{
    if (object->provider != NULL)
        object->provider->refs--;
    object->provider = NULL;
}

NTSTATUS wfp_object_refer(const struct wfp_object *user, struct wfp_object *used)
{
    if (!used->builtin) {
        if (used->session != NULL && used->session != user->session)
            return user->session == NULL ? STATUS_FWP_LIFETIME_MISMATCH : STATUS_FWP_WRONG_SESSION;
        if (user->persistent && !used->persistent)
            return STATUS_FWP_LIFETIME_MISMATCH;
    }
    used->refs++;
    return STATUS_SUCCESS;
}

NTSTATUS wfp_object_deletable(const struct wfp_object *object, const struct wfp_session *session)
{
    if (object->builtin)
        return STATUS_FWP_BUILTIN_OBJECT;
    if (object->session != NULL && object->session != session)
        return STATUS_FWP_WRONG_SESSION;
    return object->refs != 0 ? STATUS_FWP_IN_USE : STATUS_SUCCESS;
}

BOOLEAN wfp_guid_is_zero(const GUID *key)
{
    static const GUID zero;

    return IsEqualGUID(key, &zero);
}

void wfp_guid_make(GUID *key)
{
    /* Unique in this engine is all that is asked; ids never repeat. */
    UINT64 halves[2] = {wfp_next_id() * 0x9e3779b97f4a7c15ull, wfp_next_id() * 0xc2b2ae3d27d4eb4full};

    memcpy(key, halves, sizeof(*key));
    key->Data3 = (UINT16)((key->Data3 & 0x0fff) | 0x4000);
    key->Data4[0] = (UINT8)((key->Data4[0] & 0x3f) | 0x80);
}

void wfp_object_forget(void)
{
    for (int kind = 0; kind < WFP_KIND_COUNT; kind++)
        wfp_table_forget(&tables[kind]);
    atomic_store(&charged, 0);
}
