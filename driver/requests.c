/* SPDX-License-Identifier: MIT */
/*
 * requests.c - see requests.h.
 */
#include "driver/requests.h"

/* How many bytes of output were there before any request. irp_queue has the other two contexts. */
static void begun_set(PIRP irp, ULONG begun)
{
    irp->Tail.Overlay.DriverContext[2] = (PVOID)(ULONG_PTR)begun;
}

static ULONG begun_of(PIRP irp)
{
    return (ULONG)(ULONG_PTR)irp->Tail.Overlay.DriverContext[2];
}

static struct wire_request request_of(const struct pend_entry *entry)
{
    struct wire_request request = {entry->slot.id, &entry->connection, NULL, 0, 0, NULL};

    if (entry->program != NULL) {
        request.path = entry->program->path;
        request.path_size = entry->program->path_size;
    }
    if (entry->name != NULL) {
        request.name = entry->name->path;
        request.name_size = entry->name->path_size;
    }
    return request;
}

/* pend_lock held; the client decides and there is something for it. Writes what fits, sets the IRP's status. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static void fill_seed(struct client *client, PIRP irp)
{
    struct pend_entry *entry = pend_table_peek(driver_pends(), PEND_IPV4);
    struct wire_request request = request_of(entry);

    wire_encode_seed_request(&request, irp->AssociatedIrp.SystemBuffer);
    pend_table_offer(driver_pends(), entry, &client->hand);
    DRIVER_TRACE("request dispatched: id=%llu pid=%llu\n", (unsigned long long)request.id,
                 (unsigned long long)entry->connection.process_id);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = sizeof(USER_CLASSIFY_REQUEST);
}

_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static void fill_batch(struct client *client, PIRP irp)
{
    ULONG room = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength;
    uint8_t *out = irp->AssociatedIrp.SystemBuffer;
    ULONG used = begun_of(irp);

    for (;;) {
        struct pend_entry *entry = pend_table_peek(driver_pends(), PEND_ANY);
        if (entry == NULL)
            break;
        struct wire_request request = request_of(entry);
        uint32_t size = wire_request_size(&request);
        if (size > room - used)
            break;
        wire_encode_request(&request, out + used);
        used += size;
        pend_table_offer(driver_pends(), entry, &client->hand);
        DRIVER_TRACE("request dispatched: id=%llu pid=%llu\n", (unsigned long long)request.id,
                     (unsigned long long)entry->connection.process_id);
    }
    if (used == 0) /* nothing fits; statuses that were there before would still be an answer */
        DRIVER_COUNT(rejected_input);
    irp->IoStatus.Status = used == 0 ? (NTSTATUS)GATEHOUSE_E_SHORT_OUTPUT : STATUS_SUCCESS;
    irp->IoStatus.Information = used;
}

_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static void fill(struct client *client, PIRP irp)
{
    if (client->role == CLIENT_SEED)
        fill_seed(client, irp);
    else
        fill_batch(client, irp);
}

_Use_decl_annotations_
PIRP requests_match_locked(void)
{
    struct client *decider = driver_state.decider;
    PIRP irp = NULL;

    if (decider != NULL && pend_table_peek(driver_pends(), client_decider_versions_locked()) != NULL) {
        irp = irp_queue_take(&decider->request_reads);
        if (irp != NULL)
            fill(decider, irp);
    }
    return irp;
}

_Use_decl_annotations_
void requests_pump(void)
{
    for (;;) {
        KIRQL irql;
        PIRP irp;

        KeAcquireSpinLock(&driver_pend_lock, &irql);
        irp = requests_match_locked();
        KeReleaseSpinLock(&driver_pend_lock, irql);
        if (irp == NULL)
            return;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    }
}

_Use_decl_annotations_
void requests_complete(PIRP irp)
{
    BOOLEAN empty = irp->IoStatus.Information <= begun_of(irp);

    IoCompleteRequest(irp, IO_NO_INCREMENT);
    if (empty)
        requests_pump();
}

/* pend_lock held; the client decides. Answers now or parks. *parked: the IRP is no longer the caller's. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static NTSTATUS serve_locked(struct client *client, PIRP irp, struct dispatch_io *io, ULONG begun)
{
    begun_set(irp, begun);
    if (client->request_reads.count == 0 && pend_table_peek(driver_pends(), client_decider_versions_locked()) != NULL) {
        fill(client, irp);
        io->information = irp->IoStatus.Information;
        io->counted = !NT_SUCCESS(irp->IoStatus.Status);
        return irp->IoStatus.Status;
    }
    if (client->request_reads.count >= DRIVER_READS_MAX && begun != 0)
        return STATUS_SUCCESS;
    if (client->request_reads.count >= DRIVER_READS_MAX)
        return client->role == CLIENT_SEED ? STATUS_DEVICE_BUSY : (NTSTATUS)GATEHOUSE_E_TOO_MANY_READS;
    io->parked = irp_queue_park(&client->request_reads, irp);
    io->marked_pending = TRUE;
    return STATUS_CANCELLED;
}

NTSTATUS requests_get_after(struct client *client, PIRP irp, struct dispatch_io *io, ULONG begun)
{
    NTSTATUS status;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (client->gone || driver_state.draining)
        status = STATUS_CANCELLED;
    else if (driver_state.decider != client)
        status = (NTSTATUS)GATEHOUSE_E_NOT_DECIDER;
    else
        status = serve_locked(client, irp, io, begun);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    if (!NT_SUCCESS(status))
        io->information = 0;
    return status;
}

NTSTATUS requests_get(struct client *client, PIRP irp, struct dispatch_io *io)
{
    return requests_get_after(client, irp, io, 0);
}

NTSTATUS requests_get_seed(struct client *client, PIRP irp, struct dispatch_io *io)
{
    NTSTATUS status;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (client->gone || driver_state.draining) {
        status = STATUS_CANCELLED;
    } else {
        status = client_become_seed_locked(client);
        if (NT_SUCCESS(status))
            status = serve_locked(client, irp, io, 0);
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return status;
}
