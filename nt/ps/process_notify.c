/* SPDX-License-Identifier: MIT */
/*
 * process_notify.c - the routines that drivers registered for processes that begin and end.
 *
 * The host says what happened (nt_process_created, nt_process_ended); the routines run on its thread. A slot counts the
 * calls that are under way, and who takes a routine out waits for them: after that its driver may be unloaded.
 * Rules: left-process-notify; deadlock, for a routine that takes itself out and so waits for itself.
 * Pages: ntddk.h PsSetCreateProcessNotifyRoutine, PsSetCreateProcessNotifyRoutineEx, PCREATE_PROCESS_NOTIFY_ROUTINE.
 */
#include "nt/foreign.h"
#include "nt/internal.h"
#include "nt/verify/verify.h"

#define ROUTINES_MAX 64 /* its page */

struct slot {
    PCREATE_PROCESS_NOTIFY_ROUTINE routine; /* one of both; both NULL: it is free */
    PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine_ex;
    PDRIVER_OBJECT driver;
    uint32_t calls;
    bool removing;
    KEVENT *idle; /* of who waits for the calls */
};

struct happening {
    uint64_t process_id, start, parent_id;
    bool created;
};

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot slots[ROUTINES_MAX];

/* Under the lock; NULL: it is not registered. */
static struct slot *find(PCREATE_PROCESS_NOTIFY_ROUTINE routine, PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine_ex)
{
    for (size_t index = 0; index < ROUTINES_MAX; index++)
        if (slots[index].routine == routine && slots[index].routine_ex == routine_ex)
            return &slots[index];
    return NULL;
}

static NTSTATUS add(PCREATE_PROCESS_NOTIFY_ROUTINE routine, PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine_ex)
{
    struct slot *slot = NULL;
    pthread_mutex_lock(&slots_lock);
    if (find(routine, routine_ex) == NULL)
        slot = find(NULL, NULL);
    if (slot != NULL)
        *slot = (struct slot){.routine = routine, .routine_ex = routine_ex, .driver = nt_self.driver};
    pthread_mutex_unlock(&slots_lock);
    if (slot == NULL)
        return STATUS_INVALID_PARAMETER;
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)slot);
    return STATUS_SUCCESS;
}

static NTSTATUS take_out(PCREATE_PROCESS_NOTIFY_ROUTINE routine, PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine_ex)
{
    KEVENT idle;
    bool waits = false;
    KeInitializeEvent(&idle, NotificationEvent, FALSE);
    pthread_mutex_lock(&slots_lock);
    struct slot *slot = find(routine, routine_ex);
    if (slot != NULL && slot->removing)
        slot = NULL;
    if (slot != NULL) {
        waits = slot->calls != 0;
        slot->removing = true;
        slot->idle = &idle;
    }
    pthread_mutex_unlock(&slots_lock);
    if (slot == NULL)
        return STATUS_PROCEDURE_NOT_FOUND;
    if (waits)
        (void)KeWaitForSingleObject(&idle, Executive, KernelMode, FALSE, NULL);
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)slot);
    pthread_mutex_lock(&slots_lock);
    *slot = (struct slot){.routine = NULL};
    pthread_mutex_unlock(&slots_lock);
    return STATUS_SUCCESS;
}

static NTSTATUS set(const char *name, PCREATE_PROCESS_NOTIFY_ROUTINE routine,
                    PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine_ex, BOOLEAN remove)
{
    if (routine == NULL && routine_ex == NULL)
        return STATUS_INVALID_PARAMETER;
    if (nt_self.in_process_notify) {
        nt_violate("deadlock", name, "called in a process-notify routine, whose end it may have to wait for");
        return STATUS_INVALID_PARAMETER;
    }
    if (remove)
        return take_out(routine, routine_ex);
    return nt_fails(name) ? STATUS_INVALID_PARAMETER : add(routine, routine_ex);
}

NTSTATUS PsSetCreateProcessNotifyRoutine(PCREATE_PROCESS_NOTIFY_ROUTINE NotifyRoutine, BOOLEAN Remove)
{
    NT_ENTER(PsSetCreateProcessNotifyRoutine);
    return set("PsSetCreateProcessNotifyRoutine", NotifyRoutine, NULL, Remove);
}

NTSTATUS PsSetCreateProcessNotifyRoutineEx(PCREATE_PROCESS_NOTIFY_ROUTINE_EX NotifyRoutine, BOOLEAN Remove)
{
    NT_ENTER(PsSetCreateProcessNotifyRoutineEx);
    return set("PsSetCreateProcessNotifyRoutineEx", NULL, NotifyRoutine, Remove);
}

/* --- What happened ---------------------------------------------------------------------------- */

static void call_plain(PCREATE_PROCESS_NOTIFY_ROUTINE routine, const struct happening *happening)
{
    HANDLE parent = (HANDLE)(ULONG_PTR)happening->parent_id, process = (HANDLE)(ULONG_PTR)happening->process_id;
    NT_CALL(routine, parent, process, happening->created);
    nt_callback_returned("PCREATE_PROCESS_NOTIFY_ROUTINE", (const void *)(uintptr_t)routine);
}

static void call_ex(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine, const struct happening *happening)
{
    HANDLE process_id = (HANDLE)(ULONG_PTR)happening->process_id;
    PS_CREATE_NOTIFY_INFO info = {
        .Size = sizeof info,
        .ParentProcessId = (HANDLE)(ULONG_PTR)happening->parent_id,
        .CreatingThreadId = {(HANDLE)(ULONG_PTR)happening->parent_id, (HANDLE)(ULONG_PTR)nt_thread_number()},
    };
    PPS_CREATE_NOTIFY_INFO given = happening->created ? &info : NULL;
    PEPROCESS process = nt_process_new(happening->process_id, happening->start);
    NT_CALL(routine, process, process_id, given);
    nt_callback_returned("PCREATE_PROCESS_NOTIFY_ROUTINE_EX", (const void *)(uintptr_t)routine);
    nt_object_release(process);
}

/* Calls it unless it is being taken out. */
static void call_slot(struct slot *slot, const struct happening *happening)
{
    struct slot called = {.routine = NULL};
    pthread_mutex_lock(&slots_lock);
    if (!slot->removing)
        called = *slot;
    bool used = called.routine != NULL || called.routine_ex != NULL;
    slot->calls += used;
    pthread_mutex_unlock(&slots_lock);
    if (!used)
        return;
    PDRIVER_OBJECT before = nt_enter_driver(called.driver);
    if (called.routine != NULL)
        call_plain(called.routine, happening);
    else
        call_ex(called.routine_ex, happening);
    nt_enter_driver(before);
    pthread_mutex_lock(&slots_lock);
    KEVENT *idle = --slot->calls == 0 && slot->removing ? slot->idle : NULL;
    pthread_mutex_unlock(&slots_lock);
    if (idle != NULL)
        (void)KeSetEvent(idle, IO_NO_INCREMENT, FALSE);
}

static void tell(const struct happening *happening, uint64_t context, uint64_t context_start)
{
    uint64_t process_id = nt_self.process_id, start = nt_self.process_start;
    bool inside = nt_self.in_process_notify;
    nt_set_current_process(context, context_start);
    nt_self.in_process_notify = true;
    for (size_t index = 0; index < ROUTINES_MAX; index++)
        call_slot(&slots[index], happening);
    nt_self.in_process_notify = inside;
    nt_set_current_process(process_id, start);
}

void nt_process_created(uint64_t process_id, uint64_t start, uint64_t parent_id)
{
    nt_require_irql("nt_process_created", PASSIVE_LEVEL, PASSIVE_LEVEL);
    tell(&(struct happening){process_id, start, parent_id, true}, parent_id, 0);
}

void nt_process_ended(uint64_t process_id, uint64_t start)
{
    nt_require_irql("nt_process_ended", PASSIVE_LEVEL, PASSIVE_LEVEL);
    tell(&(struct happening){process_id, start, 0, false}, process_id, start);
}

/* --- Their ends ------------------------------------------------------------------------------- */

void nt_process_notify_report(PDRIVER_OBJECT driver)
{
    for (size_t index = 0; index < ROUTINES_MAX; index++) {
        pthread_mutex_lock(&slots_lock);
        bool left = slots[index].driver == driver;
        if (left)
            slots[index] = (struct slot){.calls = slots[index].calls};
        pthread_mutex_unlock(&slots_lock);
        if (left) {
            nt_about(NT_BEGAN_OBJECT, (uintptr_t)&slots[index]);
            nt_violate("left-process-notify", "DriverUnload", "a process-notify routine is still registered");
            nt_end(NT_BEGAN_OBJECT, (uintptr_t)&slots[index]);
        }
    }
}

void nt_process_notify_reset(void)
{
    memset(slots, 0, sizeof slots);
}
