/* SPDX-License-Identifier: MIT */
/*
 * rule_snapshot.c - see rule_snapshot.h.
 */
#include "driver/rule_snapshot.h"

#include "core/rule_writer.h"
#include "driver/rule_store.h"
#include "driver/rules.h"

_Use_decl_annotations_
struct rules_snapshot *rules_snapshot_get(void)
{
    struct rules_snapshot *snapshot;
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    snapshot = driver_state.rules.snapshot;
    if (snapshot != NULL)
        snapshot->references++;
    KeReleaseSpinLock(&driver_rule_lock, irql);
    return snapshot;
}

_Use_decl_annotations_
void rules_snapshot_put(struct rules_snapshot *snapshot)
{
    BOOLEAN last;
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    last = --snapshot->references == 0;
    KeReleaseSpinLock(&driver_rule_lock, irql);
    if (!last)
        return;
    ExFreePoolWithTag(snapshot->image, DRIVER_POOL_TAG);
    ExFreePoolWithTag(snapshot, DRIVER_POOL_TAG);
}

_Use_decl_annotations_
void rules_snapshot_set(struct rules_snapshot *snapshot)
{
    struct rules_snapshot *old;
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    old = driver_state.rules.snapshot;
    driver_state.rules.snapshot = snapshot;
    KeReleaseSpinLock(&driver_rule_lock, irql);
    if (old != NULL)
        rules_snapshot_put(old);
}

/* Those from one number to another that have not ended. Returns how many. */
static uint32_t pick_entries(struct rule_picking *picking, uint32_t source, const struct rule_list *list, uint32_t from,
                             uint32_t to)
{
    uint32_t before = picking->count;

    for (uint32_t i = from; i < to; i++) {
        if (!list->entries[i].ended)
            rule_pick(picking, source, list->entries[i].rule);
    }
    return picking->count - before;
}

/* In first match order. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static struct gatehouse_rules_image *image_in_force(struct rules_snapshot *snapshot)
{
    const struct rule_list *file = driver_file_rules(), *added = driver_added_rules();
    struct rule_picking picking;

    if (!rule_picking_begin(&picking, &driver_state.paged, file, added))
        return NULL;
    snapshot->added_rules = pick_entries(&picking, 1, added, 0, added->tail);
    snapshot->file_rules = pick_entries(&picking, 0, file, 0, file->tail);
    snapshot->added_rules += pick_entries(&picking, 1, added, added->tail, added->count);
    snapshot->file_rules += pick_entries(&picking, 0, file, file->tail, file->count);
    return rule_picking_end(&picking, UINT32_MAX);
}

/* With all images at hand. NULL: no memory. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static struct rules_snapshot *snapshot_new(void)
{
    struct rules_snapshot *snapshot = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*snapshot), DRIVER_POOL_TAG);

    if (snapshot == NULL)
        return NULL;
    snapshot->references = 2; /* the state's and the caller's */
    snapshot->generation = driver_state.rules.generation;
    snapshot->image = image_in_force(snapshot);
    if (snapshot->image != NULL)
        return snapshot;
    ExFreePoolWithTag(snapshot, DRIVER_POOL_TAG);
    return NULL;
}

_Use_decl_annotations_
NTSTATUS rules_snapshot_make(struct rules_snapshot **made)
{
    NTSTATUS status = STATUS_SUCCESS;

    rules_gate_take();
    *made = rules_snapshot_get();
    if (*made == NULL) {
        status = rule_store_fetch(RULE_STORE_FILE, driver_file_rules());
        if (NT_SUCCESS(status)) {
            *made = snapshot_new();
            status = *made == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
        }
        rules_put_away(driver_file_rules());
        if (*made != NULL)
            rules_snapshot_set(*made);
    }
    rules_gate_leave();
    return status;
}

/* The state's, if this client read it and it is large. NULL: none. */
static struct rules_snapshot *take_read(const struct client *client)
{
    struct rules_snapshot *snapshot;
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    snapshot = driver_state.rules.snapshot;
    if (snapshot != NULL && snapshot->reader == client && snapshot->image->size > DRIVER_RULES_AT_HAND)
        driver_state.rules.snapshot = NULL;
    else
        snapshot = NULL;
    KeReleaseSpinLock(&driver_rule_lock, irql);
    return snapshot;
}

_Use_decl_annotations_
void rules_snapshot_leave(const struct client *client)
{
    struct rules_snapshot *snapshot = take_read(client);

    if (snapshot != NULL)
        rules_snapshot_put(snapshot);
}

_Use_decl_annotations_
void rules_snapshot_read(struct rules_snapshot *snapshot, const struct client *client, BOOLEAN last)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    snapshot->reader = client;
    KeReleaseSpinLock(&driver_rule_lock, irql);
    if (last)
        rules_snapshot_leave(client);
}
