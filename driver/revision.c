/* SPDX-License-Identifier: MIT */
/*
 * revision.c - see revision.h. One work item at a time; what it keeps between two runs is its own.
 */
#include "driver/revision.h"

#include "core/rule_fit.h"
#include "driver/callout.h"
#include "driver/holds.h"
#include "driver/names.h"
#include "driver/rule_store.h"
#include "driver/rules.h"

#define PAUSE_TICKS 10000u /* 1 ms between two runs */
#define SLOTS_A_RUN 2048u  /* looked at for one that is undecided */
#define RULES_A_RUN 16384u /* read, but for the last connection */
#define WANTED_ALL  1
#define WANTED_LATE 2

/* Which names its program has for the address, asked for when a rule first wants to know. */
struct naming {
    const struct revision_case *held;
    struct destination to;
    BOOLEAN hashed;
    struct name_program program;
};

static IO_WORKITEM_ROUTINE revision_work;

/* The work item keeps the rundown entered, so unload waits for it. */
static void queue(void)
{
    if (!rundown_enter(&driver_state.rundown))
        return;
    if (InterlockedExchange(&driver_state.revision.queued, 1) == 0)
        IoQueueWorkItem(driver_state.revision.work, revision_work, DelayedWorkQueue, NULL);
    else
        rundown_leave(&driver_state.rundown);
}

/* --- One connection --------------------------------------------------------------------------- */

static bool is_known_as(void *context, const struct gatehouse_rule *rule, const void *pattern, size_t size)
{
    struct naming *naming = context;
    const struct program *program = naming->held->program;

    if (holds_noted_rule(naming->held->connection.endpoint, &naming->to) == rule->id)
        return true;
    if (!naming->hashed)
        naming->program =
            name_program_of(program == NULL ? NULL : program->path, program == NULL ? 0 : program->path_size);
    naming->hashed = TRUE;
    return names_match(&naming->program, &naming->to, pattern, size) != FALSE;
}

_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static void judge(struct revision_case *held)
{
    const struct rule_list *added = driver_added_rules(), *file = driver_file_rules();
    UINT16 layer = held->connection.layer;
    struct naming naming;
    struct rule_subject subject = {&held->connection,
                                   held->program == NULL ? NULL : held->program->path,
                                   held->program == NULL ? 0 : held->program->path_size,
                                   layer != FWPS_LAYER_ALE_AUTH_CONNECT_V4 && layer != FWPS_LAYER_ALE_AUTH_CONNECT_V6,
                                   is_known_as,
                                   &naming};
    struct rule_reading reading;

    naming.held = held;
    naming.to = connection_destination(&held->connection);
    naming.hashed = FALSE;
    rule_reading_begin(&reading);
    rule_reading_go_on(&reading, added, 0, added->tail, &subject);
    rule_reading_go_on(&reading, file, 0, file->tail, &subject);
    rule_reading_go_on(&reading, added, added->tail, added->count, &subject);
    rule_reading_go_on(&reading, file, file->tail, file->count, &subject);
    held->action = rule_reading_end(&reading, &subject);
    held->rule = reading.rule == NULL ? 0 : reading.rule->id;
    held->by =
        reading.rule != NULL && reading.rule->place == GATEHOUSE_PLACE_ASK ? GATEHOUSE_BY_ANSWER : GATEHOUSE_BY_RULE;
}

/* --- A batch ---------------------------------------------------------------------------------- */

/* Returns how many; each with a reference of its program. */
static uint32_t take_cases(uint32_t limit)
{
    struct driver_revision *revision = &driver_state.revision;
    uint32_t count = 0, steps = SLOTS_A_RUN;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    while (count < limit) {
        struct pend_entry *entry = pend_table_next_undecided(driver_pends(), &revision->place, &steps);
        struct revision_case *held = &revision->cases[count];

        if (entry == NULL)
            break;
        if (entry->connection.held_at < revision->since)
            continue;
        held->id = entry->slot.id;
        held->connection = entry->connection;
        held->program = entry->program;
        if (held->program != NULL)
            program_reference(held->program);
        count++;
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return count;
}

/* Whoever claimed one meanwhile has it. */
_Requires_no_locks_held_
static void decide_cases(uint32_t count)
{
    struct list_link claimed;
    KIRQL irql;

    list_init(&claimed);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    for (uint32_t i = 0; i < count; i++) {
        const struct revision_case *held = &driver_state.revision.cases[i];
        struct pend_entry *entry =
            held->action == GATEHOUSE_RULE_ASK ? NULL : pend_table_undecided(driver_pends(), held->id);

        if (entry != NULL) {
            entry->rule = held->rule;
            (void)pend_table_claim(driver_pends(), entry,
                                   held->action == GATEHOUSE_RULE_PERMIT ? GATEHOUSE_VERDICT_PERMIT
                                                                         : GATEHOUSE_VERDICT_BLOCK,
                                   held->by, &claimed);
        }
        program_table_put(&driver_pends()->programs, held->program);
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    holds_complete(&claimed);
}

/* Nobody is decided: those that were taken wait on, for an answer or their deadline. */
_Requires_no_locks_held_
static void leave_cases(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        driver_state.revision.cases[i].action = GATEHOUSE_RULE_ASK;
    decide_cases(count);
}

/*
 * Judges those that were taken. The image of many rules is put away, and comes back for as long as a look takes. FALSE:
 * it cannot be had.
 */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static BOOLEAN judge_cases(uint32_t count)
{
    BOOLEAN read = count == 0 || NT_SUCCESS(rule_store_fetch(RULE_STORE_FILE, driver_file_rules()));

    for (uint32_t i = 0; read && i < count; i++)
        judge(&driver_state.revision.cases[i]);
    if (!read || driver_state.revision.place == PEND_PLACE_END)
        rules_put_away(driver_file_rules());
    return read;
}

/* FALSE: somebody has the gate, and may have it for long. */
_IRQL_requires_(PASSIVE_LEVEL)
static BOOLEAN run_batch(void)
{
    uint32_t count, limit, rules;
    LARGE_INTEGER now;
    BOOLEAN read;

    now.QuadPart = 0;
    if (KeWaitForSingleObject(&driver_rules_gate, Executive, KernelMode, FALSE, &now) != STATUS_SUCCESS)
        return FALSE;
    _Analysis_assume_lock_acquired_(driver_rules_gate);
    rules = driver_added_rules()->count + driver_file_rules()->count;
    limit = RULES_A_RUN / (rules + 1);
    limit = limit == 0 ? 1 : limit < DRIVER_BATCH ? limit : DRIVER_BATCH;
    count = take_cases(limit);
    read = judge_cases(count);
    rules_gate_leave();
    if (read) {
        decide_cases(count);
    } else {
        leave_cases(count);
        driver_state.revision.place = PEND_PLACE_END;
    }
    return TRUE;
}

/* --- A look ----------------------------------------------------------------------------------- */

static void start(uint64_t since)
{
    driver_state.revision.since = since;
    driver_state.revision.place = 0;
    driver_state.revision.under_way = TRUE;
}

static uint64_t late_from(void)
{
    uint64_t until = (uint64_t)InterlockedCompareExchange64(&driver_state.revision.late_until, 0, 0);

    return until < 2ull * REVISION_LATE ? 0 : until - 2ull * REVISION_LATE;
}

/* Returns whether there is more to do. */
_IRQL_requires_(PASSIVE_LEVEL)
static BOOLEAN run(void)
{
    struct driver_revision *revision = &driver_state.revision;
    LONG wanted = InterlockedExchange(&revision->wanted, 0);

    if ((wanted & WANTED_ALL) != 0)
        start(0);
    else if ((wanted & WANTED_LATE) != 0)
        revision->late = TRUE;
    if (revision->late && !revision->under_way) {
        revision->late = FALSE;
        start(late_from()); /* of the change before it some may be late, too */
    }
    if (!revision->under_way)
        return FALSE;
    if (run_batch() && revision->place == PEND_PLACE_END)
        revision->under_way = FALSE;
    return revision->under_way || revision->late;
}

_Function_class_(IO_WORKITEM_ROUTINE)
static VOID revision_work(PDEVICE_OBJECT device, PVOID context)
{
    struct driver_revision *revision = &driver_state.revision;
    BOOLEAN more = run();
    LARGE_INTEGER due;

    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(context);
    InterlockedExchange(&revision->queued, 0);
    if (more) {
        due.QuadPart = -(LONGLONG)PAUSE_TICKS;
        (void)KeSetTimer(&revision->timer, due, &revision->dpc);
    } else if (InterlockedCompareExchange(&revision->wanted, 0, 0) != 0) {
        queue();
    }
    rundown_leave(&driver_state.rundown);
}

static VOID revision_dpc(struct _KDPC *dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    queue();
}

_Use_decl_annotations_
void revision_begin(BOOLEAN all)
{
    uint32_t held;
    KIRQL irql;

    InterlockedExchange64(&driver_state.revision.late_until, (LONG64)(driver_now() + REVISION_LATE));
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    held = pend_table_held(driver_pends());
    KeReleaseSpinLock(&driver_pend_lock, irql);
    if (!all || held == 0)
        return;
    InterlockedOr(&driver_state.revision.wanted, WANTED_ALL);
    queue();
}

_Use_decl_annotations_
void revision_parked(uint64_t held_at)
{
    uint64_t late_until = (uint64_t)InterlockedCompareExchange64(&driver_state.revision.late_until, 0, 0);

    if (held_at >= late_until)
        return;
    InterlockedOr(&driver_state.revision.wanted, WANTED_LATE);
    queue();
}

_Use_decl_annotations_
NTSTATUS revision_init(void)
{
    KeInitializeTimer(&driver_state.revision.timer);
    KeInitializeDpc(&driver_state.revision.dpc, revision_dpc, NULL);
    driver_state.revision.work = IoAllocateWorkItem(driver_state.device);
    return driver_state.revision.work == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

_Use_decl_annotations_
void revision_cleanup(void)
{
    if (driver_state.revision.work == NULL)
        return;
    (void)KeCancelTimer(&driver_state.revision.timer);
    KeFlushQueuedDpcs();
    IoFreeWorkItem(driver_state.revision.work);
    driver_state.revision.work = NULL;
}
