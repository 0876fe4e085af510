/* SPDX-License-Identifier: MIT */
/*
 * events.c - see events.h.
 */
#include "driver/events.h"

static BOOLEAN nobody_observes(void)
{
    return InterlockedCompareExchange(&driver_state.observer_count, 0, 0) == 0;
}

static void record(struct wire_event *event)
{
    KIRQL irql;

    if (nobody_observes())
        return;
    event->time = driver_now();
    KeAcquireSpinLock(&driver_event_lock, &irql);
    (void)event_ring_write(driver_ring(), event);
    KeReleaseSpinLock(&driver_event_lock, irql);
}

_Use_decl_annotations_
void events_record(enum gatehouse_event_type type, enum gatehouse_verdict verdict, enum gatehouse_decided_by by,
                   const struct wire_request *request)
{
    struct wire_event event = {type, verdict, by, 0, 0, request};

    record(&event);
}

_Use_decl_annotations_
void events_record_rule(enum gatehouse_verdict verdict, uint64_t rule, const struct wire_request *request)
{
    struct wire_event event = {GATEHOUSE_EVENT_DECIDED, verdict, GATEHOUSE_BY_RULE, 0, rule, request};

    record(&event);
}

/* event_lock held; there is something for the client. Sets the IRP's status. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_event_lock)
static void fill(struct client *client, PIRP irp)
{
    ULONG room = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength;
    uint64_t lost;
    uint32_t next;
    uint32_t used = event_ring_read(driver_ring(), &client->cursor, driver_now(), irp->AssociatedIrp.SystemBuffer, room,
                                    &next, &lost);

    InterlockedExchangeAdd64(&driver_state.counters.events_lost, (LONG64)lost);
    if (used == 0)
        DRIVER_COUNT(rejected_input);
    irp->IoStatus.Status = used == 0 ? (NTSTATUS)GATEHOUSE_E_SHORT_OUTPUT : STATUS_SUCCESS;
    irp->IoStatus.Information = used;
}

/* event_lock held. A filled read of some observer, or NULL. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_event_lock)
static PIRP match_locked(void)
{
    for (PLIST_ENTRY link = driver_state.observers.Flink; link != &driver_state.observers; link = link->Flink) {
        struct client *client = CONTAINING_RECORD(link, struct client, observer);
        PIRP irp = NULL;

        if (event_ring_has(driver_ring(), &client->cursor))
            irp = irp_queue_take(&client->event_reads);
        if (irp != NULL) {
            fill(client, irp);
            return irp;
        }
    }
    return NULL;
}

_Use_decl_annotations_
void events_deliver(void)
{
    while (!nobody_observes()) {
        KIRQL irql;
        PIRP irp;

        KeAcquireSpinLock(&driver_event_lock, &irql);
        irp = match_locked();
        KeReleaseSpinLock(&driver_event_lock, irql);
        if (irp == NULL)
            return;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    }
}

_Use_decl_annotations_
NTSTATUS events_prepare(void)
{
    uint8_t *bytes = ExAllocatePool2(POOL_FLAG_NON_PAGED, DRIVER_EVENT_BYTES, DRIVER_POOL_TAG);
    KIRQL irql;

    if (bytes == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    KeAcquireSpinLock(&driver_event_lock, &irql);
    if (driver_ring()->bytes == NULL) {
        event_ring_init(driver_ring(), bytes, DRIVER_EVENT_BYTES);
        bytes = NULL;
    }
    KeReleaseSpinLock(&driver_event_lock, irql);
    if (bytes != NULL)
        ExFreePoolWithTag(bytes, DRIVER_POOL_TAG);
    return STATUS_SUCCESS;
}

_Use_decl_annotations_
void events_join_locked(struct client *client)
{
    KeAcquireSpinLockAtDpcLevel(&driver_event_lock);
    client->observing = TRUE;
    event_cursor_start(driver_ring(), &client->cursor);
    InsertTailList(&driver_state.observers, &client->observer);
    InterlockedIncrement(&driver_state.observer_count);
    KeReleaseSpinLockFromDpcLevel(&driver_event_lock);
}

_Use_decl_annotations_
void events_leave(struct client *client)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_event_lock, &irql);
    if (client->observing) {
        client->observing = FALSE;
        RemoveEntryList(&client->observer);
        InterlockedDecrement(&driver_state.observer_count);
    }
    KeReleaseSpinLock(&driver_event_lock, irql);
    irp_queue_drain(&client->event_reads, STATUS_CANCELLED);
}

_Use_decl_annotations_
void events_cleanup(void)
{
    _Analysis_assume_lock_acquired_(driver_event_lock); /* nobody else is left */
    if (driver_ring()->bytes != NULL)
        ExFreePoolWithTag(driver_ring()->bytes, DRIVER_POOL_TAG);
    driver_ring()->bytes = NULL;
    _Analysis_assume_lock_released_(driver_event_lock);
}

NTSTATUS events_read(struct client *client, PIRP irp, struct dispatch_io *io)
{
    NTSTATUS status;
    KIRQL irql;

    KeAcquireSpinLock(&driver_event_lock, &irql);
    if (!client->observing) {
        status = STATUS_CANCELLED;
    } else if (client->event_reads.count == 0 && event_ring_has(driver_ring(), &client->cursor)) {
        fill(client, irp);
        io->information = irp->IoStatus.Information;
        status = irp->IoStatus.Status;
        io->counted = !NT_SUCCESS(status);
    } else if (client->event_reads.count >= DRIVER_READS_MAX) {
        status = (NTSTATUS)GATEHOUSE_E_TOO_MANY_READS;
    } else {
        io->parked = irp_queue_park(&client->event_reads, irp);
        io->marked_pending = TRUE;
        status = STATUS_CANCELLED;
    }
    KeReleaseSpinLock(&driver_event_lock, irql);
    return status;
}
