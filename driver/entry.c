/* SPDX-License-Identifier: MIT */
/*
 * entry.c - DriverEntry and DriverUnload: the driver's parts, in order, and the same order backwards.
 *
 * Unload (page Unloading a Callout Driver):
 *   1. under pend_lock: draining, nothing is pended from now on
 *   2. everything held is completed as blocked, everybody inside has left, and what they parked is completed too
 *   3. filters, callouts, sublayer, provider go; callouts are unregistered, with bounded retries
 *   4. waiting reads end with STATUS_CANCELLED
 *   5. timers, DPCs, the work item; links, device; memory
 */
#include "driver/driver.h"

#include "driver/accept.h"
#include "driver/changes.h"
#include "driver/client.h"
#include "driver/device.h"
#include "driver/dispatch.h"
#include "driver/events.h"
#include "driver/holds.h"
#include "driver/registration.h"
#include "driver/rules.h"
#include "driver/settings.h"

struct driver_state driver_state;
KEVENT driver_rules_gate;
/* Each in a cache line of its own: many processors want them at once. */
DECLSPEC_CACHEALIGN KSPIN_LOCK driver_pend_lock;
DECLSPEC_CACHEALIGN KSPIN_LOCK driver_verdict_lock;
DECLSPEC_CACHEALIGN KSPIN_LOCK driver_event_lock;
DECLSPEC_CACHEALIGN KSPIN_LOCK driver_rule_lock;
DECLSPEC_CACHEALIGN KSPIN_LOCK driver_name_lock;

_Function_class_(DRIVER_INITIALIZE)
DRIVER_INITIALIZE DriverEntry;
_Function_class_(DRIVER_UNLOAD)
static DRIVER_UNLOAD driver_unload;

static void *pool_allocate(void *context, size_t size)
{
    UNREFERENCED_PARAMETER(context);
    return ExAllocatePool2(POOL_FLAG_NON_PAGED, size, DRIVER_POOL_TAG);
}

static void *paged_allocate(void *context, size_t size)
{
    UNREFERENCED_PARAMETER(context);
    return ExAllocatePool2(POOL_FLAG_PAGED, size, DRIVER_POOL_TAG);
}

static void pool_release(void *context, void *p, size_t size)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(size);
    ExFreePoolWithTag(p, DRIVER_POOL_TAG);
}

/* Hash seeds: not known to whoever chooses ports and addresses. */
static uint64_t secret_number(void)
{
    LARGE_INTEGER counter = KeQueryPerformanceCounter(NULL);

    return hash_add(hash_add((uint64_t)counter.QuadPart, driver_now()), (uint64_t)(ULONG_PTR)driver_state.device);
}

_IRQL_requires_(PASSIVE_LEVEL)
static void state_init(void)
{
    RtlZeroMemory(&driver_state, sizeof(driver_state));
    driver_state.memory.allocate = pool_allocate;
    driver_state.memory.release = pool_release;
    driver_state.paged.allocate = paged_allocate;
    driver_state.paged.release = pool_release;
    driver_state.loaded_at = driver_now();
    _Analysis_assume_lock_acquired_(driver_pend_lock); /* nobody else is there yet */
    driver_state.deadline_armed = DEADLINE_NEVER;
    _Analysis_assume_lock_released_(driver_pend_lock);
    rundown_init(&driver_state.rundown);
    KeInitializeSpinLock(&driver_pend_lock);
    KeInitializeSpinLock(&driver_verdict_lock);
    KeInitializeSpinLock(&driver_event_lock);
    KeInitializeSpinLock(&driver_rule_lock);
    KeInitializeSpinLock(&driver_name_lock);
    InitializeListHead(&driver_state.clients);
    InitializeListHead(&driver_state.observers);
    InitializeListHead(&driver_state.changes);
    for (ULONG i = 0; i < RTL_NUMBER_OF(driver_state.deadline_timers); i++) {
        KeInitializeTimer(&driver_state.deadline_timers[i]);
        KeInitializeDpc(&driver_state.deadline_dpcs[i], holds_deadline_dpc, NULL);
    }
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS tables_init(void)
{
    uint64_t seed = secret_number();

    if (!pend_table_init(&driver_state.pends, &driver_state.memory, driver_state.capacity, seed) ||
        !verdict_table_init(&driver_state.verdicts, &driver_state.memory, DRIVER_VERDICTS_MAX, seed + 16u) ||
        !name_table_init(&driver_state.names, &driver_state.memory, DRIVER_NAMES_MAX, seed + 32u))
        return STATUS_INSUFFICIENT_RESOURCES;
    return rules_init();
}

/* Also undoes a DriverEntry that failed half-way: each step is harmless where its part never started. */
_IRQL_requires_(PASSIVE_LEVEL)
static void stop_everything(void)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    driver_state.draining = TRUE;
    KeReleaseSpinLock(&driver_pend_lock, irql);
    holds_drain();
    rundown_close(&driver_state.rundown);
    holds_drain(); /* what a leaving client gave back */

    changes_cleanup();
    (void)registration_stop();
    accept_stop();
    client_leave_all();
    rules_cleanup();

    for (ULONG i = 0; i < RTL_NUMBER_OF(driver_state.deadline_timers); i++)
        (void)KeCancelTimer(&driver_state.deadline_timers[i]);
    KeFlushQueuedDpcs();
    device_delete();
    client_free_all();
    events_cleanup();
    name_table_cleanup(&driver_state.names);
    verdict_table_cleanup(&driver_state.verdicts);
    pend_table_cleanup(&driver_state.pends);
}

static VOID driver_unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    stop_everything();
    DRIVER_TRACE("unloaded\n");
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    NTSTATUS status;

    state_init();
    status = settings_read(registry_path, &driver_state.policy, &driver_state.capacity, &driver_state.hold_loopback);
    if (!NT_SUCCESS(status))
        return status;
    driver->DriverUnload = driver_unload;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_create;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch_cleanup;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;

    status = device_create(driver);
    if (NT_SUCCESS(status))
        status = tables_init();
    if (NT_SUCCESS(status))
        status = accept_start();
    if (NT_SUCCESS(status))
        status = registration_start();
    if (NT_SUCCESS(status))
        status = rules_start();
    if (!NT_SUCCESS(status)) {
        DRIVER_TRACE("could not start: %08x\n", (unsigned)status);
        stop_everything();
        return status;
    }
    driver_state.device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    DRIVER_TRACE("started, capacity %u\n", (unsigned)driver_state.capacity);
    return STATUS_SUCCESS;
}
