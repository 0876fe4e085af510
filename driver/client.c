/* SPDX-License-Identifier: MIT */
/*
 * client.c - see client.h.
 */
#include "driver/client.h"

#include "driver/changes.h"
#include "driver/events.h"
#include "driver/holds.h"
#include "driver/requests.h"
#include "driver/rule_requests.h"

_Use_decl_annotations_
struct client *client_new(uint64_t process_id, NTSTATUS *status)
{
    struct client *client = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*client), DRIVER_POOL_TAG);
    BOOLEAN stopping;
    KIRQL irql;

    *status = STATUS_INSUFFICIENT_RESOURCES;
    if (client == NULL)
        return NULL;
    client->process_id = process_id;
    pend_owner_init(&client->hand);
    irp_queue_init(&client->request_reads, &driver_pend_lock);
    irp_queue_init(&client->event_reads, &driver_event_lock);
    InitializeListHead(&client->observer);

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    client->references = 1;
    stopping = driver_state.draining;
    if (!stopping)
        InsertTailList(&driver_state.clients, &client->link);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    if (stopping) {
        ExFreePoolWithTag(client, DRIVER_POOL_TAG);
        *status = STATUS_DEVICE_NOT_READY;
        return NULL;
    }
    *status = STATUS_SUCCESS;
    return client;
}

/* In batches, so that a decider with a million in hand does not stop every connection while it goes. */
static void give_back_all(struct client *client)
{
    uint32_t moved;

    do {
        KIRQL irql;

        KeAcquireSpinLock(&driver_pend_lock, &irql);
        moved = pend_table_give_back(driver_pends(), &client->hand, DRIVER_BATCH);
        KeReleaseSpinLock(&driver_pend_lock, irql);
        InterlockedExchangeAdd64(&driver_state.counters.requeued, moved);
    } while (moved == DRIVER_BATCH);
}

_Use_decl_annotations_
void client_leave(struct client *client)
{
    BOOLEAN decided;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    client->gone = TRUE;
    decided = driver_state.decider == client;
    if (decided)
        driver_state.decider = NULL;
    KeReleaseSpinLock(&driver_pend_lock, irql);

    irp_queue_drain(&client->request_reads, STATUS_CANCELLED);
    changes_leave(client);
    rule_requests_leave(client);
    events_leave(client);
    if (decided) {
        give_back_all(client);
        requests_pump();
        holds_apply_no_decider();
    }
}

_Use_decl_annotations_
void client_free(struct client *client)
{
    KIRQL irql;

    client_leave(client);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    RemoveEntryList(&client->link);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    client_put(client);
}

_Use_decl_annotations_
void client_get(struct client *client)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    client->references++;
    KeReleaseSpinLock(&driver_pend_lock, irql);
}

_Use_decl_annotations_
void client_put(struct client *client)
{
    BOOLEAN last;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    last = --client->references == 0;
    KeReleaseSpinLock(&driver_pend_lock, irql);
    if (last)
        ExFreePoolWithTag(client, DRIVER_POOL_TAG);
}

_Use_decl_annotations_
NTSTATUS client_hello(struct client *client, const struct gatehouse_hello *hello)
{
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    if (hello->role == GATEHOUSE_ROLE_OBSERVER) {
        status = events_prepare();
        if (!NT_SUCCESS(status))
            return status;
    }
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (client->gone || driver_state.draining) {
        status = (NTSTATUS)GATEHOUSE_E_STOPPING;
    } else if (client->role != CLIENT_NEW) {
        status = (NTSTATUS)GATEHOUSE_E_HELLO_TWICE;
    } else if (hello->role == GATEHOUSE_ROLE_OBSERVER) {
        client->role = CLIENT_OBSERVER;
        events_join_locked(client);
    } else if (driver_state.decider != NULL) {
        status = (NTSTATUS)GATEHOUSE_E_DECIDER_PRESENT;
    } else {
        client->role = CLIENT_DECIDER;
        driver_state.decider = client;
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return status;
}

NTSTATUS client_become_seed_locked(struct client *client)
{
    if (client->role == CLIENT_SEED)
        return STATUS_SUCCESS;
    if (client->role != CLIENT_NEW)
        return STATUS_INVALID_DEVICE_STATE;
    if (driver_state.decider != NULL)
        return STATUS_DEVICE_BUSY;
    client->role = CLIENT_SEED;
    driver_state.decider = client;
    return STATUS_SUCCESS;
}

uint32_t client_decider_versions_locked(void)
{
    if (driver_state.decider == NULL)
        return 0;
    return driver_state.decider->role == CLIENT_SEED ? PEND_IPV4 : PEND_ANY;
}

_Use_decl_annotations_
enum client_role client_role_of(struct client *client)
{
    enum client_role role;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    role = client->role;
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return role;
}

static struct client *any_client(BOOLEAN staying_only)
{
    struct client *found = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    for (PLIST_ENTRY link = driver_state.clients.Flink; link != &driver_state.clients && found == NULL;
         link = link->Flink) {
        struct client *client = CONTAINING_RECORD(link, struct client, link);
        if (!staying_only || !client->gone)
            found = client;
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return found;
}

_Use_decl_annotations_
void client_leave_all(void)
{
    for (struct client *client = any_client(TRUE); client != NULL; client = any_client(TRUE))
        client_leave(client);
}

_Use_decl_annotations_
void client_free_all(void)
{
    for (struct client *client = any_client(FALSE); client != NULL; client = any_client(FALSE))
        client_free(client);
}
