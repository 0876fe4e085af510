/* SPDX-License-Identifier: MIT */
/*
 * rules.c - see rules.h.
 */
#include "driver/rules.h"

#include "driver/registration.h"
#include "driver/revision.h"
#include "driver/rule_callout.h"
#include "driver/rule_filters.h"
#include "driver/rule_lifetimes.h"
#include "driver/rule_snapshot.h"
#include "driver/rule_store.h"
#include "gatehouse/objects.h"

#define TICKS_PER_MS 10000u
#define RETRY_TICKS  10000000u /* a filter that could not be deleted: again in a second */

static const struct rule_bases file_bases = {GATEHOUSE_WEIGHT_FILE_HEAD, GATEHOUSE_WEIGHT_FILE_TAIL};
static const struct rule_bases added_bases = {GATEHOUSE_WEIGHT_ADDED, GATEHOUSE_WEIGHT_ANSWERS};

_Use_decl_annotations_
void rules_gate_take(void)
{
    KeWaitForSingleObject(&driver_rules_gate, Executive, KernelMode, FALSE, NULL);
    _Analysis_assume_lock_acquired_(driver_rules_gate);
}

_Use_decl_annotations_
void rules_gate_leave(void)
{
    KeSetEvent(&driver_rules_gate, IO_NO_INCREMENT, FALSE);
    _Analysis_assume_lock_released_(driver_rules_gate);
    rule_lifetimes_look();
}

static uint64_t system_time(void)
{
    LARGE_INTEGER now;

    KeQuerySystemTime(&now);
    return (uint64_t)now.QuadPart;
}

_Use_decl_annotations_
uint32_t rules_answers(void)
{
    return (uint32_t)InterlockedCompareExchange(&driver_state.rules.answers, 0, 0);
}

_Use_decl_annotations_
void rules_put_away(struct rule_list *list)
{
    if (list->image != NULL && list->stored && list->image->size > DRIVER_RULES_AT_HAND)
        rule_list_put_away(list);
}

/* Something else is in force now. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static void changed(void)
{
    const struct rule_list *added = driver_added_rules();
    LONG answers = 0;

    for (uint32_t i = added->tail; i < added->count; i++)
        answers += !added->entries[i].ended;
    InterlockedExchange(&driver_state.rules.answers, answers);
    driver_state.rules.generation++;
    rules_snapshot_set(NULL);
}

/* Transaction open. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS delete_old(const struct rule_list *list)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < list->count && NT_SUCCESS(status); i++) {
        if (!list->entries[i].stays)
            status = rule_filters_delete(&list->entries[i]);
    }
    return status;
}

/* Transaction open. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_new(struct rule_list *list)
{
    struct rule_filters filters;
    NTSTATUS status = rule_filters_begin(&filters, list);

    for (uint32_t i = 0; i < list->count && NT_SUCCESS(status); i++) {
        if (!list->entries[i].stays && !list->entries[i].ended)
            status = rule_filters_add(&filters, &list->entries[i]);
    }
    rule_filters_end(&filters);
    return status;
}

static BOOLEAN has_accept(const struct rule_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if ((list->entries[i].filters & RULE_FILTERS_ACCEPT) != 0)
            return TRUE;
    }
    return FALSE;
}

/* Transaction open. Old filters out, new ones in. 0 or why not. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static uint32_t exchange(struct rules_change *change)
{
    NTSTATUS status = STATUS_SUCCESS;
    BOOLEAN accept;

    if (change->new_file)
        status = delete_old(driver_file_rules());
    if (change->new_added && NT_SUCCESS(status))
        status = delete_old(driver_added_rules());
    if (change->new_file && NT_SUCCESS(status))
        status = add_new(&change->file);
    if (change->new_added && NT_SUCCESS(status))
        status = add_new(&change->added);
    accept = has_accept(change->new_file ? &change->file : driver_file_rules()) ||
             has_accept(change->new_added ? &change->added : driver_added_rules());
    if (NT_SUCCESS(status))
        status = registration_pass_loopback_in(accept);
    if (!NT_SUCCESS(status)) {
        DRIVER_TRACE("the engine refused rules: %08x\n", (unsigned)status);
        return GATEHOUSE_E_RULES_ENGINE;
    }
    if (change->addition == NULL || change->addition->last == NULL)
        return 0;
    return change->addition->last(change->addition->context);
}

_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static uint32_t transact(struct rules_change *change)
{
    uint32_t refusal;

    if (!NT_SUCCESS(FwpmTransactionBegin0(driver_state.engine, 0)))
        return GATEHOUSE_E_RULES_ENGINE;
    refusal = exchange(change);
    if (refusal == 0 && change->new_file)
        rules_put_away(&change->file); /* before the engine needs memory for its index */
    if (refusal == 0 && !NT_SUCCESS(FwpmTransactionCommit0(driver_state.engine)))
        refusal = GATEHOUSE_E_RULES_ENGINE;
    if (refusal != 0)
        (void)FwpmTransactionAbort0(driver_state.engine);
    registration_loopback_in_done(refusal == 0);
    return refusal;
}

/* Their filters are not there (any more). */
static void retire(const struct rule_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (!list->entries[i].stays && list->entries[i].number != 0)
            rule_callout_retire(list->entries[i].number);
    }
}

/* now: the list that takes old's place. */
_IRQL_requires_(PASSIVE_LEVEL)
static void replace(struct rule_list *old, struct rule_list *now)
{
    struct rule_list gone = *old;

    *old = *now;
    rule_list_unfollow(old);
    retire(&gone);
    rule_list_cleanup(&gone);
}

/* The new list comes to nothing. */
_IRQL_requires_(PASSIVE_LEVEL)
static void discard(struct rule_list *old, struct rule_list *now)
{
    rule_list_unfollow(old);
    retire(now);
    rule_list_cleanup(now);
}

/* Both of the change's images, or with undo the old ones. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static NTSTATUS store(struct rules_change *change, BOOLEAN undo)
{
    NTSTATUS status = STATUS_SUCCESS;
    BOOLEAN added = undo ? change->touched_added : change->new_added;
    BOOLEAN file = undo ? change->touched_file : change->new_file;

    if (change->kept)
        return status;
    if (added)
        status =
            rule_store_write(RULE_STORE_ADDED, undo ? driver_added_rules() : &change->added, &change->touched_added);
    if (file && (undo || NT_SUCCESS(status))) {
        NTSTATUS second =
            rule_store_write(RULE_STORE_FILE, undo ? driver_file_rules() : &change->file, &change->touched_file);
        status = NT_SUCCESS(status) ? second : status;
    }
    return status;
}

_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static uint32_t store_and_transact(struct rules_change *change)
{
    uint32_t refusal = NT_SUCCESS(store(change, FALSE)) ? 0 : GATEHOUSE_E_RULES_STORE;

    if (refusal == 0 && !change->kept)
        change->file.stored = rule_store_holds(&change->file);
    if (refusal == 0)
        refusal = transact(change);
    if (refusal != 0 && !NT_SUCCESS(store(change, TRUE))) {
        DRIVER_TRACE("the old rules are in force, but could not be stored again: the new ones may stand in the file\n");
        driver_file_rules()->stored = FALSE;
    }
    return refusal;
}

_Use_decl_annotations_
void rules_discard(struct rules_change *change)
{
    if (change->new_file)
        discard(driver_file_rules(), &change->file);
    if (change->new_added)
        discard(driver_added_rules(), &change->added);
}

_Use_decl_annotations_
uint32_t rules_apply(struct rules_change *change)
{
    uint32_t refusal;

    rule_callout_sweep();
    refusal = store_and_transact(change);
    if (refusal != 0) {
        rules_discard(change);
        rules_put_away(driver_file_rules());
        return refusal;
    }
    if (change->new_file)
        replace(driver_file_rules(), &change->file);
    if (change->new_added)
        replace(driver_added_rules(), &change->added);
    changed();
    if (!change->kept || driver_file_rules()->count + driver_added_rules()->count != 0)
        revision_begin(change->addition == NULL || !change->addition->is_answer);
    rule_lifetimes_arm(rules_expire());
    return 0;
}

/* Rules that were not there before: when they were added, and when they end. */
static void give_ends(struct rule_list *list)
{
    uint64_t now = system_time();

    for (uint32_t i = 0; i < list->count; i++) {
        struct gatehouse_rule *rule = list->entries[i].rule;

        if (rule->added == 0)
            rule->added = now;
        if (rule->until == GATEHOUSE_UNTIL_TIME && rule->ends == 0)
            rule->ends = rule->lifetime_ms > (UINT64_MAX - now) / TICKS_PER_MS ? UINT64_MAX
                                                                               : now + rule->lifetime_ms * TICKS_PER_MS;
        list->entries[i].ends = rule->ends;
    }
    if (list->image != NULL)
        list->image->check = rule_image_sum(list->image, list->image->size);
}

_Use_decl_annotations_
void rules_follow_file(struct rules_change *change)
{
    change->new_file = TRUE;
    rule_list_follow(&change->file, driver_file_rules(), &file_bases);
    give_ends(&change->file);
}

_Use_decl_annotations_
void rules_follow_added(struct rules_change *change, uint64_t fresh)
{
    struct rule_entry *entry, *before;

    change->new_added = TRUE;
    rule_list_follow(&change->added, driver_added_rules(), &added_bases);
    entry = fresh == 0 ? NULL : rule_list_find(&change->added, fresh);
    before = entry == NULL || !entry->stays ? NULL : rule_list_find(driver_added_rules(), fresh);
    if (before != NULL && entry->until == GATEHOUSE_UNTIL_TIME) { /* its filters have the old end */
        before->stays = entry->stays = false;
        entry->filters = 0;
        entry->number = 0;
    }
    if (entry != NULL) {
        entry->rule->added = 0;
        entry->rule->ends = entry->ends = 0;
        entry->ended = false;
    }
    give_ends(&change->added);
}

/* --- Ends ------------------------------------------------------------------------------------ */

static BOOLEAN is_due(const struct rule_entry *entry, uint64_t now)
{
    if (entry->ended)
        return FALSE;
    if (entry->until == GATEHOUSE_UNTIL_TIME)
        return entry->ends <= now;
    return entry->until == GATEHOUSE_UNTIL_EXIT && entry->number != 0 && rule_callout_is_over(entry->number);
}

/* Transaction open. Marks what ends with it. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS delete_due(struct rule_list *list, uint64_t now, uint32_t *count)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < list->count && NT_SUCCESS(status); i++) {
        struct rule_entry *entry = &list->entries[i];

        entry->stays = !is_due(entry, now);
        if (!entry->stays) {
            status = rule_filters_delete(entry);
            (*count)++;
        }
    }
    return status;
}

/* Returns whether the list's image is to be stored again: a rule ended that the clock does not end. */
static BOOLEAN end_due(struct rule_list *list, uint64_t now, BOOLEAN done)
{
    BOOLEAN exited = FALSE;

    for (uint32_t i = 0; i < list->count; i++) {
        struct rule_entry *entry = &list->entries[i];

        if (done && !entry->stays) {
            if (entry->until == GATEHOUSE_UNTIL_EXIT) {
                entry->ends = now;
                if (entry->rule != NULL)
                    entry->rule->ends = now; /* so that the kept file says it */
                exited = TRUE;
            }
            DRIVER_TRACE("a rule ended: %016llx\n", (unsigned long long)entry->id);
            rule_callout_retire(entry->number);
            entry->ended = true;
            entry->filters = 0;
            entry->number = 0;
        }
        entry->stays = false;
    }
    if (!exited || list->image == NULL)
        return FALSE;
    list->image->check = rule_image_sum(list->image, list->image->size);
    list->stored = FALSE;
    return TRUE;
}

static BOOLEAN any_due(const struct rule_list *list, uint64_t now)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (is_due(&list->entries[i], now))
            return TRUE;
    }
    return FALSE;
}

static BOOLEAN any_exited(const struct rule_list *list, uint64_t now)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->entries[i].until == GATEHOUSE_UNTIL_EXIT && is_due(&list->entries[i], now))
            return TRUE;
    }
    return FALSE;
}

/* 0: none. */
static uint64_t next_end(const struct rule_list *list, uint64_t found)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct rule_entry *entry = &list->entries[i];

        if (!entry->ended && entry->until == GATEHOUSE_UNTIL_TIME && (found == 0 || entry->ends < found))
            found = entry->ends;
    }
    return found;
}

_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static BOOLEAN expire(uint64_t now)
{
    struct rule_list *file = driver_file_rules(), *added = driver_added_rules();
    uint32_t count = 0;
    NTSTATUS status = FwpmTransactionBegin0(driver_state.engine, 0);

    if (!NT_SUCCESS(status))
        return FALSE;
    if (any_exited(file, now))
        (void)rule_store_fetch(RULE_STORE_FILE, file); /* else what is stored begins once more */
    status = delete_due(file, now, &count);
    if (NT_SUCCESS(status))
        status = delete_due(added, now, &count);
    if (NT_SUCCESS(status))
        status = FwpmTransactionCommit0(driver_state.engine);
    if (!NT_SUCCESS(status))
        (void)FwpmTransactionAbort0(driver_state.engine);
    if (end_due(file, now, NT_SUCCESS(status)))
        file->stored = rule_store_write_ends(RULE_STORE_FILE, file);
    rules_put_away(file);
    if (end_due(added, now, NT_SUCCESS(status)))
        (void)rule_store_write_ends(RULE_STORE_ADDED, added);
    if (NT_SUCCESS(status) && count != 0) {
        changed();
        revision_begin(TRUE);
    }
    return NT_SUCCESS(status);
}

_Use_decl_annotations_
uint64_t rules_expire(void)
{
    uint64_t now = system_time();
    BOOLEAN due = any_due(driver_file_rules(), now) || any_due(driver_added_rules(), now);

    if (due && !expire(now))
        return now + RETRY_TICKS;
    return next_end(driver_added_rules(), next_end(driver_file_rules(), 0));
}

/* --- Start and end --------------------------------------------------------------------------- */

_Use_decl_annotations_
NTSTATUS rules_init(void)
{
    KeInitializeEvent(&driver_rules_gate, SynchronizationEvent, TRUE);
    _Analysis_assume_lock_acquired_(driver_rules_gate); /* nobody else is there yet */
    driver_state.rules.generation = 1;
    _Analysis_assume_lock_released_(driver_rules_gate);
    if (!rule_table_init(&driver_state.rules.table, &driver_state.memory, DRIVER_LIVE_RULES_MAX,
                         driver_state.loaded_at))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!NT_SUCCESS(revision_init()))
        return STATUS_INSUFFICIENT_RESOURCES;
    return rule_lifetimes_init();
}

static void end_past(struct rule_list *list)
{
    uint64_t now = system_time();

    for (uint32_t i = 0; i < list->count; i++)
        list->entries[i].ended =
            list->entries[i].until == GATEHOUSE_UNTIL_TIME ? list->entries[i].ends <= now : list->entries[i].ends != 0;
}

_Use_decl_annotations_
NTSTATUS rules_start(void)
{
    struct rules_change change;
    uint32_t refusal = 0;
    NTSTATUS status;

    RtlZeroMemory(&change, sizeof(change));
    change.kept = TRUE;
    rules_gate_take();
    status = rule_store_read(RULE_STORE_FILE, &change.file);
    rules_follow_file(&change);
    change.file.stored = change.file.image != NULL && rule_store_holds(&change.file) &&
                         change.file.image->check == change.file.head.check;
    if (NT_SUCCESS(status))
        status = rule_store_read(RULE_STORE_ADDED, &change.added);
    rules_follow_added(&change, 0);
    end_past(&change.file);
    end_past(&change.added);
    if (NT_SUCCESS(status))
        refusal = rules_apply(&change);
    else
        rules_discard(&change);
    rules_gate_leave();
    return refusal == 0 ? status : STATUS_INSUFFICIENT_RESOURCES;
}

_Use_decl_annotations_
void rules_cleanup(void)
{
    rule_lifetimes_cleanup();
    revision_cleanup();
    if (driver_state.rules.table.memory == NULL)
        return;
    _Analysis_assume_lock_acquired_(driver_rules_gate); /* nobody else is left */
    retire(driver_file_rules());
    retire(driver_added_rules());
    rule_list_cleanup(driver_file_rules());
    rule_list_cleanup(driver_added_rules());
    _Analysis_assume_lock_released_(driver_rules_gate);
    rules_snapshot_set(NULL);
    _Analysis_assume_lock_acquired_(driver_rule_lock);
    rule_table_cleanup(driver_rule_table());
    _Analysis_assume_lock_released_(driver_rule_lock);
}
