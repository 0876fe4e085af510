/* SPDX-License-Identifier: MIT */
/*
 * net_buffer.c - see net_buffer.h: lists, clones, and where their data begins.
 *
 * Pages: FwpsAllocateCloneNetBufferList0, FwpsFreeCloneNetBufferList0, FwpsReferenceNetBufferList0,
 * FwpsDereferenceNetBufferList0 (fwpsk.h); NdisRetreatNetBufferDataStart, NdisAdvanceNetBufferDataStart (ndis.h); Data
 * Offset Positions, Packet Indication Format (windows-driver-docs).
 */
#include "wfp/net_buffer.h"
#include "nt/foreign.h"
#include "wfp/classify.h"
#include "wfp/history.h"
#include "wfp/injection.h"
#include "wfp/memory.h"

#include <nt/nt.h>

static struct wfp_table buffers;

void wfp_net_buffer_init(void)
{
    wfp_table_init(&buffers);
}

struct wfp_table *wfp_net_buffer_table(void)
{
    return &buffers;
}

size_t wfp_net_buffer_count(void)
{
    return wfp_table_count(&buffers);
}

static UINT64 key_of(const NET_BUFFER_LIST *list)
{
    return (UINT64)(uintptr_t)list;
}

static struct wfp_net_buffer *make(UINT32 data_offset, UINT32 size)
{
    struct wfp_net_buffer *made = wfp_alloc(sizeof(*made));

    if (made == NULL)
        return NULL;
    atomic_init(&made->refs, 1);
    made->list.FirstNetBuffer = &made->buffer;
    made->buffer.DataOffset = data_offset;
    made->buffer.DataLength = size;
    made->node.key = key_of(&made->list);
    made->root = made;
    return made;
}

struct wfp_net_buffer *wfp_net_buffer_make(struct wfp_authorization *authorization, const struct wfp_packet *packet)
{
    UINT32 headers = packet->ip_header_size + packet->transport_header_size;
    struct wfp_net_buffer *made = make(headers, packet->size > headers ? packet->size - headers : 0);

    if (made == NULL)
        return NULL;
    made->headers = headers;
    made->ip_header_size = packet->ip_header_size;
    atomic_init(&made->holders, 1);
    made->undecided = authorization;
    wfp_table_insert(&buffers, &made->node);
    return made;
}

static struct wfp_net_buffer *buffer_of(struct wfp_node *node)
{
    return node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_net_buffer, node);
}

struct wfp_net_buffer *wfp_net_buffer_find(const NET_BUFFER_LIST *list)
{
    struct wfp_shard *shard = wfp_table_lock(&buffers, key_of(list));
    struct wfp_net_buffer *found = buffer_of(wfp_shard_find(shard, key_of(list)));

    if (found != NULL)
        wfp_net_buffer_hold(found);
    wfp_table_unlock(shard);
    return found;
}

void wfp_net_buffer_hold(struct wfp_net_buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
}

/* Under the shard's lock: whoever finds it there takes a reference before it is counted down to none. */
void wfp_net_buffer_put(struct wfp_net_buffer *buffer)
{
    while (buffer != NULL) {
        struct wfp_net_buffer *parent = buffer->parent;
        struct wfp_shard *shard = wfp_table_lock(&buffers, buffer->node.key);
        BOOLEAN last = atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) == 1;

        if (last)
            wfp_shard_remove(shard, &buffer->node);
        wfp_table_unlock(shard);
        if (!last)
            break;
        wfp_free(buffer);
        buffer = parent;
    }
}

struct wfp_authorization *wfp_net_buffer_undecided(struct wfp_net_buffer *root)
{
    struct wfp_shard *shard = wfp_table_lock(&buffers, root->node.key);
    struct wfp_authorization *authorization = root->undecided;

    if (authorization != NULL)
        wfp_authorization_hold(authorization);
    wfp_table_unlock(shard);
    return authorization;
}

struct wfp_authorization *wfp_net_buffer_decide(struct wfp_net_buffer *root)
{
    struct wfp_shard *shard = wfp_table_lock(&buffers, root->node.key);
    struct wfp_authorization *authorization = root->undecided;

    root->undecided = NULL;
    wfp_table_unlock(shard);
    return authorization;
}

struct wfp_authorization *wfp_net_buffer_release(struct wfp_net_buffer *root)
{
    if (atomic_fetch_sub_explicit(&root->holders, 1, memory_order_acq_rel) != 1)
        return NULL;
    return wfp_net_buffer_decide(root);
}

void wfp_net_buffer_drop(struct wfp_net_buffer *root)
{
    struct wfp_authorization *authorization = wfp_net_buffer_release(root);

    if (authorization != NULL)
        wfp_authorization_lost(authorization);
}

PDRIVER_OBJECT wfp_driver_now(void)
{
    const struct wfp_frame *frame = wfp_frame_current();

    return frame != NULL && frame->slot != NULL ? frame->slot->driver : nt_current_driver();
}

static void misuse(const char *routine, const char *detail)
{
    nt_violate("net-buffer-misuse", routine, "%s", detail);
}

void wfp_net_buffer_check(struct wfp_net_buffer *buffer)
{
    UINT32 offset = buffer->headers;

    if (buffer->parent != NULL || buffer->buffer.DataOffset == offset)
        return;
    misuse("classifyFn", "the data start of the packet was retreated and not advanced again");
    buffer->buffer.DataLength -= offset - buffer->buffer.DataOffset;
    buffer->buffer.DataOffset = offset;
}

/* --- Clones --------------------------------------------------------------------------------------- */

NTSTATUS NTAPI FwpsAllocateCloneNetBufferList0(NET_BUFFER_LIST *originalNetBufferList,
                                               NDIS_HANDLE netBufferListPoolHandle, NDIS_HANDLE netBufferPoolHandle,
                                               ULONG allocateCloneFlags, NET_BUFFER_LIST **netBufferList)
{
    struct wfp_net_buffer *original, *clone;

    (void)netBufferListPoolHandle;
    (void)netBufferPoolHandle;
    nt_require_irql("FwpsAllocateCloneNetBufferList0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    if (allocateCloneFlags != 0 || netBufferList == NULL)
        return STATUS_INVALID_PARAMETER;
    original = wfp_net_buffer_find(originalNetBufferList);
    if (original == NULL) {
        misuse("FwpsAllocateCloneNetBufferList0",
               "that is no net buffer list that lives: a packet goes with its classify unless it is referenced");
        return STATUS_INVALID_PARAMETER;
    }
    clone = nt_fails("FwpsAllocateCloneNetBufferList0")
                ? NULL
                : make(original->buffer.DataOffset, original->buffer.DataLength);
    if (clone == NULL) {
        wfp_net_buffer_put(original);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    clone->parent = original; /* with the reference of find */
    clone->root = original->root;
    clone->headers = original->headers;
    clone->ip_header_size = original->ip_header_size;
    clone->driver = wfp_driver_now();
    clone->has_holder = TRUE;
    clone->list.ParentNetBufferList = &original->list;
    atomic_fetch_add_explicit(&clone->root->holders, 1, memory_order_relaxed);
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)clone);
    wfp_table_insert(&buffers, &clone->node);
    *netBufferList = &clone->list;
    return STATUS_SUCCESS;
}

void NTAPI FwpsFreeCloneNetBufferList0(NET_BUFFER_LIST *netBufferList, ULONG freeCloneFlags)
{
    struct wfp_net_buffer *clone;

    (void)freeCloneFlags;
    nt_require_irql("FwpsFreeCloneNetBufferList0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    clone = wfp_net_buffer_find(netBufferList);
    if (clone == NULL || clone->parent == NULL) {
        misuse("FwpsFreeCloneNetBufferList0", clone == NULL ? "that clone was freed already, or never was one"
                                                            : "that is no clone but the packet itself");
        wfp_net_buffer_put(clone);
        return;
    }
    if (!wfp_injection_give_up(clone)) {
        misuse("FwpsFreeCloneNetBufferList0", "the clone is being injected: it is free when completionFn was called");
        wfp_net_buffer_put(clone);
        return;
    }
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)clone);
    struct wfp_net_buffer *root = clone->root;
    BOOLEAN held = clone->has_holder;

    wfp_net_buffer_hold(root);
    wfp_net_buffer_put(clone); /* of find */
    wfp_net_buffer_put(clone);
    if (held)
        wfp_net_buffer_drop(root);
    wfp_net_buffer_put(root);
}

void NTAPI FwpsReferenceNetBufferList0(NET_BUFFER_LIST *netBufferList, BOOLEAN intendToModify)
{
    struct wfp_net_buffer *buffer;

    (void)intendToModify;
    nt_require_irql("FwpsReferenceNetBufferList0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    buffer = wfp_net_buffer_find(netBufferList);
    if (buffer == NULL) {
        misuse("FwpsReferenceNetBufferList0", "that is no net buffer list that lives: reference it in classifyFn");
        return;
    }
    atomic_fetch_add(&buffer->driver_refs, 1); /* and the reference of find stays */
    atomic_fetch_add(&buffer->root->holders, 1);
    if (buffer->parent == NULL)
        buffer->driver = wfp_driver_now();
}

void NTAPI FwpsDereferenceNetBufferList0(NET_BUFFER_LIST *netBufferList, BOOLEAN dispatchLevel)
{
    struct wfp_net_buffer *buffer;
    UINT32 count;

    (void)dispatchLevel;
    nt_require_irql("FwpsDereferenceNetBufferList0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    buffer = wfp_net_buffer_find(netBufferList);
    count = buffer == NULL ? 0 : atomic_load(&buffer->driver_refs);
    while (count != 0 && !atomic_compare_exchange_weak(&buffer->driver_refs, &count, count - 1))
        ;
    if (count == 0) {
        misuse("FwpsDereferenceNetBufferList0", "it was not referenced, or dereferenced already");
        wfp_net_buffer_put(buffer);
        return;
    }
    wfp_net_buffer_put(buffer); /* of FwpsReferenceNetBufferList0 */
    wfp_net_buffer_drop(buffer->root);
    wfp_net_buffer_put(buffer);
}

/* --- Where data begins ---------------------------------------------------------------------------- */

static struct wfp_net_buffer *find_of(PNET_BUFFER buffer, const char *routine)
{
    struct wfp_net_buffer *found = wfp_net_buffer_find(&CONTAINING_RECORD(buffer, struct wfp_net_buffer, buffer)->list);

    if (found == NULL)
        misuse(routine, "that is no net buffer of a list that lives");
    return found;
}

NDIS_STATUS NTAPI NdisRetreatNetBufferDataStart(PNET_BUFFER NetBuffer, ULONG DataOffsetDelta, ULONG DataBackFill,
                                                NET_BUFFER_ALLOCATE_MDL_HANDLER AllocateMdlHandler)
{
    struct wfp_net_buffer *found;
    NDIS_STATUS status = NDIS_STATUS_RESOURCES;

    (void)DataBackFill;
    (void)AllocateMdlHandler;
    nt_require_irql("NdisRetreatNetBufferDataStart", PASSIVE_LEVEL, DISPATCH_LEVEL);
    found = find_of(NetBuffer, "NdisRetreatNetBufferDataStart");
    if (found != NULL && !nt_fails("NdisRetreatNetBufferDataStart") && DataOffsetDelta <= NetBuffer->DataOffset) {
        NetBuffer->DataOffset -= DataOffsetDelta;
        NetBuffer->DataLength += DataOffsetDelta;
        status = NDIS_STATUS_SUCCESS;
    }
    wfp_net_buffer_put(found);
    return status;
}

void NTAPI NdisAdvanceNetBufferDataStart(PNET_BUFFER NetBuffer, ULONG DataOffsetDelta, BOOLEAN FreeMdl,
                                         NET_BUFFER_FREE_MDL_HANDLER FreeMdlHandler)
{
    struct wfp_net_buffer *found;

    (void)FreeMdl;
    (void)FreeMdlHandler;
    nt_require_irql("NdisAdvanceNetBufferDataStart", PASSIVE_LEVEL, DISPATCH_LEVEL);
    found = find_of(NetBuffer, "NdisAdvanceNetBufferDataStart");
    if (found != NULL && DataOffsetDelta > NetBuffer->DataLength) {
        misuse("NdisAdvanceNetBufferDataStart", "the packet has not so many bytes");
    } else if (found != NULL) {
        NetBuffer->DataOffset += DataOffsetDelta;
        NetBuffer->DataLength -= DataOffsetDelta;
    }
    wfp_net_buffer_put(found);
}

/* --- What is left --------------------------------------------------------------------------------- */

struct left {
    PDRIVER_OBJECT driver;
    const char *routine;
    struct wfp_net_buffer *found;
};

static void find_left(struct wfp_node *node, void *context)
{
    struct wfp_net_buffer *buffer = buffer_of(node);
    struct left *left = context;
    BOOLEAN kept = buffer->parent != NULL ? TRUE : atomic_load(&buffer->driver_refs) != 0;

    if (left->found != NULL || !kept || (left->driver != NULL && buffer->driver != left->driver) ||
        (buffer->parent != NULL && buffer->is_injected))
        return;
    wfp_net_buffer_hold(buffer);
    left->found = buffer;
}

void wfp_net_buffer_abandon(PDRIVER_OBJECT driver, const char *routine)
{
    for (;;) {
        struct left left = {driver, routine, NULL};

        wfp_table_each(&buffers, find_left, &left);
        if (left.found == NULL)
            break;
        if (left.found->parent != NULL)
            nt_about(NT_BEGAN_OBJECT, (uintptr_t)left.found);
        nt_violate("left-clone", routine, "%s",
                   left.found->parent != NULL ? "a clone of a packet was not freed" : "a packet is still referenced");
        if (left.found->parent != NULL)
            FwpsFreeCloneNetBufferList0(&left.found->list, 0);
        else
            FwpsDereferenceNetBufferList0(&left.found->list, FALSE);
        wfp_net_buffer_put(left.found);
    }
}

void wfp_net_buffer_forget(void)
{
    wfp_table_forget(&buffers);
}
