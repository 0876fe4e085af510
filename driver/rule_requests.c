/* SPDX-License-Identifier: MIT */
/*
 * rule_requests.c - see rule_requests.h.
 *
 * The load's memory is used without a lock by the one whose PUT set busy; whoever drops the load meanwhile leaves it to
 * him.
 */
#include "driver/rule_requests.h"

#include "driver/changes.h"
#include "driver/rule_edits.h"
#include "driver/rule_snapshot.h"

/* --- The load -------------------------------------------------------------------------------- */

/* pend_lock held. What to free, or NULL. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static void *drop_load_locked(void)
{
    void *image = driver_state.load.busy ? NULL : driver_state.load.image;

    driver_state.load.client = NULL;
    if (!driver_state.load.busy)
        driver_state.load.image = NULL;
    return image;
}

static void free_pool(void *p)
{
    if (p != NULL)
        ExFreePoolWithTag(p, DRIVER_POOL_TAG);
}

_Use_decl_annotations_
void rule_requests_leave(const struct client *client)
{
    void *image = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (driver_state.load.client == client)
        image = drop_load_locked();
    KeReleaseSpinLock(&driver_pend_lock, irql);
    free_pool(image);
    rules_snapshot_leave(client);
}

static NTSTATUS check_begin(const struct gatehouse_rules_begin *in)
{
    if (in->version != GATEHOUSE_PROTOCOL_VERSION)
        return (NTSTATUS)GATEHOUSE_E_BAD_VERSION;
    if (in->reserved != 0 || (in->flags & ~GATEHOUSE_RULES_BOOT) != 0)
        return (NTSTATUS)GATEHOUSE_E_RESERVED;
    if (in->size < sizeof(struct gatehouse_rules_image) || in->size > GATEHOUSE_IMAGE_MAX_SIZE || in->size % 8 != 0)
        return (NTSTATUS)GATEHOUSE_E_BAD_RULES;
    return STATUS_SUCCESS;
}

NTSTATUS rule_requests_begin(struct client *client, PIRP irp, struct dispatch_io *io)
{
    struct gatehouse_rules_begin in;
    NTSTATUS status;
    void *image, *old = NULL;
    KIRQL irql;

    UNREFERENCED_PARAMETER(irp);
    RtlCopyMemory(&in, io->buffer, sizeof(in));
    status = check_begin(&in);
    if (!NT_SUCCESS(status))
        return status;
    image = ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_UNINITIALIZED, in.size, DRIVER_POOL_TAG);
    if (image == NULL)
        return (NTSTATUS)GATEHOUSE_E_RULES_FULL;
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (client->gone || driver_state.draining) {
        status = (NTSTATUS)GATEHOUSE_E_STOPPING;
    } else if (driver_state.load.image != NULL && (driver_state.load.client != client || driver_state.load.busy)) {
        status = (NTSTATUS)GATEHOUSE_E_LOAD_BUSY;
    } else {
        old = driver_state.load.image;
        driver_state.load.client = client;
        driver_state.load.image = image;
        driver_state.load.size = in.size;
        driver_state.load.filled = 0;
        driver_state.load.boot = (in.flags & GATEHOUSE_RULES_BOOT) != 0;
        image = NULL;
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    free_pool(old);
    free_pool(image);
    return status;
}

/* Where size more bytes go, and the load is busy; NULL: *status says why not. */
static uint8_t *begin_put(const struct client *client, ULONG size, NTSTATUS *status)
{
    uint8_t *place = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (driver_state.load.client != client) {
        *status = (NTSTATUS)GATEHOUSE_E_NO_LOAD;
    } else if (driver_state.load.busy) {
        *status = (NTSTATUS)GATEHOUSE_E_LOAD_BUSY;
    } else if (size > driver_state.load.size - driver_state.load.filled) {
        *status = (NTSTATUS)GATEHOUSE_E_LONG_INPUT;
    } else {
        driver_state.load.busy = TRUE;
        place = (uint8_t *)driver_state.load.image + driver_state.load.filled;
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return place;
}

NTSTATUS rule_requests_put(struct client *client, PIRP irp, struct dispatch_io *io)
{
    NTSTATUS status = STATUS_SUCCESS;
    uint8_t *place = begin_put(client, io->input_size, &status);
    void *orphan = NULL;
    KIRQL irql;

    UNREFERENCED_PARAMETER(irp);
    if (place == NULL)
        return status;
    RtlCopyMemory(place, io->buffer, io->input_size);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    driver_state.load.busy = FALSE;
    driver_state.load.filled += io->input_size;
    if (driver_state.load.client == NULL)
        orphan = drop_load_locked();
    KeReleaseSpinLock(&driver_pend_lock, irql);
    free_pool(orphan);
    return STATUS_SUCCESS;
}

/* --- Changes --------------------------------------------------------------------------------- */

struct rules_operation {
    uint32_t size; /* COMMIT, ADD: of the change's image */
    BOOLEAN boot;
    uint64_t id;                    /* REMOVE */
    struct gatehouse_rules_get get; /* GET */
    uint32_t room;
    uint8_t output[1];
};

/* room: of output. NULL: no memory. */
static struct rules_operation *operation_new(uint32_t room)
{
    return ExAllocatePool2(POOL_FLAG_NON_PAGED, FIELD_OFFSET(struct rules_operation, output) + room, DRIVER_POOL_TAG);
}

static NTSTATUS status_of(uint32_t refusal)
{
    return refusal == 0 ? STATUS_SUCCESS : (NTSTATUS)refusal;
}

_IRQL_requires_(PASSIVE_LEVEL)
static void run_commit(struct change *change)
{
    struct rules_operation *operation = change->data;

    change->status = status_of(rules_load(change_take_image(change), operation->size, operation->boot));
}

/* The whole image leaves the load; NULL: *status says why not. */
static struct gatehouse_rules_image *take_load(const struct client *client, struct rules_operation *operation,
                                               NTSTATUS *status)
{
    struct gatehouse_rules_image *image = NULL;
    void *part = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (driver_state.load.client != client) {
        *status = (NTSTATUS)GATEHOUSE_E_NO_LOAD;
    } else if (driver_state.load.busy) {
        *status = (NTSTATUS)GATEHOUSE_E_LOAD_BUSY;
    } else if (driver_state.load.filled != driver_state.load.size) {
        *status = (NTSTATUS)GATEHOUSE_E_SHORT_INPUT;
        part = drop_load_locked();
    } else {
        operation->size = driver_state.load.size;
        operation->boot = driver_state.load.boot;
        image = drop_load_locked();
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    free_pool(part);
    return image;
}

NTSTATUS rule_requests_commit(struct client *client, PIRP irp, struct dispatch_io *io)
{
    struct rules_operation *operation = operation_new(0);
    NTSTATUS status = STATUS_SUCCESS;
    void *image;

    if (operation == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    image = take_load(client, operation, &status);
    if (image == NULL) {
        free_pool(operation);
        return status;
    }
    return change_start(client, irp, io, run_commit, operation, image);
}

_IRQL_requires_(PASSIVE_LEVEL)
static void run_add(struct change *change)
{
    struct rules_operation *operation = change->data;
    struct rules_addition addition = {FALSE, NULL, NULL};

    change->status = status_of(rules_add(change_take_image(change), operation->size, &addition));
}

NTSTATUS rule_requests_add(struct client *client, PIRP irp, struct dispatch_io *io)
{
    struct rules_operation *operation = operation_new(0);
    void *image;

    if (operation == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    image = ExAllocatePool2(POOL_FLAG_PAGED, io->input_size, DRIVER_POOL_TAG);
    if (image == NULL) {
        free_pool(operation);
        return (NTSTATUS)GATEHOUSE_E_RULES_FULL;
    }
    RtlCopyMemory(image, io->buffer, io->input_size);
    operation->size = io->input_size;
    return change_start(client, irp, io, run_add, operation, image);
}

_IRQL_requires_(PASSIVE_LEVEL)
static void run_remove(struct change *change)
{
    struct rules_operation *operation = change->data;

    change->status = status_of(rules_remove(operation->id));
}

NTSTATUS rule_requests_remove(struct client *client, PIRP irp, struct dispatch_io *io)
{
    struct rules_operation *operation = operation_new(0);

    if (operation == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlCopyMemory(&operation->id, io->buffer, sizeof(operation->id));
    return change_start(client, irp, io, run_remove, operation, NULL);
}

/* --- GET ------------------------------------------------------------------------------------- */

/* Of another generation than asked for: the head alone. Returns the bytes. Gives the snapshot back. */
_IRQL_requires_(PASSIVE_LEVEL)
static ULONG put_piece(struct rules_snapshot *snapshot, const struct client *client,
                       const struct gatehouse_rules_get *get, uint8_t *out, ULONG room)
{
    struct gatehouse_rules_piece piece = {snapshot->generation, snapshot->image->size, 0, snapshot->file_rules,
                                          snapshot->added_rules};

    if ((get->generation == 0 || get->generation == piece.generation) && get->offset < piece.total) {
        piece.size = piece.total - (uint32_t)get->offset;
        if (piece.size > room - sizeof(piece))
            piece.size = room - (ULONG)sizeof(piece);
        RtlCopyMemory(out + sizeof(piece), (const uint8_t *)snapshot->image + get->offset, piece.size);
    }
    RtlCopyMemory(out, &piece, sizeof(piece));
    rules_snapshot_read(snapshot, client, piece.size != 0 && get->offset + piece.size == piece.total);
    rules_snapshot_put(snapshot);
    return (ULONG)sizeof(piece) + piece.size;
}

_IRQL_requires_(PASSIVE_LEVEL)
static void run_get(struct change *change)
{
    struct rules_operation *operation = change->data;
    struct rules_snapshot *snapshot;

    change->status = rules_snapshot_make(&snapshot);
    if (change->status == STATUS_INSUFFICIENT_RESOURCES)
        change->status = (NTSTATUS)GATEHOUSE_E_RULES_FULL;
    if (snapshot == NULL)
        return;
    change->information = put_piece(snapshot, change->client, &operation->get, operation->output, operation->room);
    change->output = operation->output;
}

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_requests_get(struct client *client, PIRP irp, struct dispatch_io *io)
{
    ULONG most = (ULONG)sizeof(struct gatehouse_rules_piece) + GATEHOUSE_RULES_PUT_MAX;
    struct rules_snapshot *snapshot = rules_snapshot_get();
    struct rules_operation *operation;
    struct gatehouse_rules_get get;

    RtlCopyMemory(&get, io->buffer, sizeof(get));
    if (io->output_size < most)
        most = io->output_size;
    if (snapshot != NULL) {
        io->information = put_piece(snapshot, client, &get, io->buffer, most);
        return STATUS_SUCCESS;
    }
    operation = operation_new(most);
    if (operation == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    operation->get = get;
    operation->room = most;
    return change_start(client, irp, io, run_get, operation, NULL);
}
