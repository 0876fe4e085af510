/* SPDX-License-Identifier: MIT */
/*
 * rule_lifetimes.c - see rule_lifetimes.h.
 */
#include "driver/rule_lifetimes.h"

#include "driver/rule_callout.h"
#include "driver/rules.h"

/* FALSE: somebody else has it. */
_IRQL_requires_(PASSIVE_LEVEL)
static BOOLEAN gate_try(void)
{
    LARGE_INTEGER now;

    now.QuadPart = 0;
    return KeWaitForSingleObject(&driver_rules_gate, Executive, KernelMode, FALSE, &now) == STATUS_SUCCESS;
}

/* due is set before the gate is tried, and read after it was left: so one of the two sees it. */
_Use_decl_annotations_
void rule_lifetimes_look(void)
{
    while (InterlockedCompareExchange(&driver_state.rules.due, 0, 0) != 0 && gate_try()) {
        _Analysis_assume_lock_acquired_(driver_rules_gate);
        InterlockedExchange(&driver_state.rules.due, 0);
        rule_lifetimes_arm(rules_expire());
        KeSetEvent(&driver_rules_gate, IO_NO_INCREMENT, FALSE);
        _Analysis_assume_lock_released_(driver_rules_gate);
    }
}

_Function_class_(IO_WORKITEM_ROUTINE)
static VOID lifetimes_work(PDEVICE_OBJECT device, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(context);
    InterlockedExchange(&driver_state.rules.work_queued, 0);
    rule_lifetimes_look();
    rundown_leave(&driver_state.rundown);
}

/* The work item keeps the rundown entered, so unload waits for it. */
static void look_later(void)
{
    InterlockedExchange(&driver_state.rules.due, 1);
    if (!rundown_enter(&driver_state.rundown))
        return;
    if (InterlockedExchange(&driver_state.rules.work_queued, 1) == 0)
        IoQueueWorkItem(driver_state.rules.work, lifetimes_work, DelayedWorkQueue, NULL);
    else
        rundown_leave(&driver_state.rundown);
}

static VOID lifetimes_dpc(struct _KDPC *dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    look_later();
}

_Function_class_(CREATE_PROCESS_NOTIFY_ROUTINE)
static VOID process_notify(HANDLE parent_id, HANDLE process_id, BOOLEAN create)
{
    UNREFERENCED_PARAMETER(parent_id);
    if (!create && rule_callout_process_exited((uint64_t)(ULONG_PTR)process_id))
        look_later();
}

_Use_decl_annotations_
void rule_lifetimes_arm(uint64_t when)
{
    LARGE_INTEGER due;

    if (when == 0 || when > (uint64_t)INT64_MAX) {
        (void)KeCancelTimer(&driver_state.rules.timer);
        return;
    }
    due.QuadPart = (LONGLONG)when;
    (void)KeSetTimer(&driver_state.rules.timer, due, &driver_state.rules.dpc);
}

_Use_decl_annotations_
NTSTATUS rule_lifetimes_init(void)
{
    NTSTATUS status;

    KeInitializeTimer(&driver_state.rules.timer);
    KeInitializeDpc(&driver_state.rules.dpc, lifetimes_dpc, NULL);
    driver_state.rules.work = IoAllocateWorkItem(driver_state.device);
    if (driver_state.rules.work == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = PsSetCreateProcessNotifyRoutine(process_notify, FALSE);
    driver_state.rules.notified = NT_SUCCESS(status);
    return status;
}

_Use_decl_annotations_
void rule_lifetimes_cleanup(void)
{
    if (driver_state.rules.work == NULL)
        return;
    if (driver_state.rules.notified)
        (void)PsSetCreateProcessNotifyRoutine(process_notify, TRUE);
    driver_state.rules.notified = FALSE;
    (void)KeCancelTimer(&driver_state.rules.timer);
    KeFlushQueuedDpcs();
    IoFreeWorkItem(driver_state.rules.work);
    driver_state.rules.work = NULL;
}
