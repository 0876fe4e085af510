/* SPDX-License-Identifier: MIT */
/*
 * schedule_bench.c - what the scheduler costs: a change of fibers, a point, and whole runs of a small driver.
 *
 *   schedule_bench [RUNS]
 *
 * A run: load, open the engine, register a callout, add it and a filter, two connects at once, both held and completed
 * by a system thread, unload. It prints the time of a change and of a point, for each strategy runs a second and points
 * a run, how long all schedules with few preemptions take, and at last runs with the verifier on, as the lab makes
 * them.
 */
#include <initguid.h>

#include "nt/verify/report.h"
#include "nt/verify/scheduler.h"
#include "nt/verify/verify.h"
#include "wfp/ale.h"

#include <fwpmk.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

DEFINE_GUID(CALLOUT_KEY, 0x5f6e7d8c, 0x1122, 0x3344, 1, 2, 3, 4, 5, 6, 7, 8);

#define TAG 'hcnB'

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "schedule_bench: %s\n", what);
    exit(1);
}

/* --- The driver --------------------------------------------------------------------------------------- */

struct held {
    LIST_ENTRY link;
    HANDLE context;
};

static PDEVICE_OBJECT device;
static HANDLE engine;
static UINT32 callout_id;
static UINT64 filter_id;
static KSPIN_LOCK lock;
static LIST_ENTRY held;
static KEVENT work;
static LONG stopping;
static PVOID thread;

static void classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                     void *layer_data, const void *classify_context, const FWPS_FILTER1 *filter, UINT64 flow_context,
                     FWPS_CLASSIFY_OUT0 *out)
{
    (void)layer_data, (void)classify_context, (void)filter, (void)flow_context;
    if ((values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32 &
         FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0) {
        out->actionType = FWP_ACTION_PERMIT;
        return;
    }
    struct held *entry = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *entry, TAG);
    require(entry != NULL && NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &entry->context)), "pend");
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
    KIRQL irql;
    KeAcquireSpinLock(&lock, &irql);
    InsertTailList(&held, &entry->link);
    KeReleaseSpinLock(&lock, irql);
    (void)KeSetEvent(&work, IO_NO_INCREMENT, FALSE);
}

static NTSTATUS notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER1 *filter)
{
    (void)type, (void)key, (void)filter;
    return STATUS_SUCCESS;
}

static struct held *take(void)
{
    struct held *entry = NULL;
    KIRQL irql;
    KeAcquireSpinLock(&lock, &irql);
    if (!IsListEmpty(&held))
        entry = CONTAINING_RECORD(RemoveHeadList(&held), struct held, link);
    KeReleaseSpinLock(&lock, irql);
    return entry;
}

static VOID complete_all(PVOID unused)
{
    struct held *entry;
    (void)unused;
    while (InterlockedCompareExchange(&stopping, 0, 0) == 0) {
        (void)KeWaitForSingleObject(&work, Executive, KernelMode, FALSE, NULL);
        while ((entry = take()) != NULL) {
            FwpsCompleteOperation0(entry->context, NULL);
            ExFreePoolWithTag(entry, TAG);
        }
    }
    (void)PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID unload(PDRIVER_OBJECT driver)
{
    (void)driver;
    (void)InterlockedExchange(&stopping, 1);
    (void)KeSetEvent(&work, IO_NO_INCREMENT, FALSE);
    (void)KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    (void)ObDereferenceObject(thread);
    require(NT_SUCCESS(FwpmFilterDeleteById0(engine, filter_id)), "filter");
    require(NT_SUCCESS(FwpmCalloutDeleteById0(engine, callout_id)), "callout");
    (void)FwpmEngineClose0(engine);
    require(NT_SUCCESS(FwpsCalloutUnregisterById0(callout_id)), "unregister");
    IoDeleteDevice(device);
}

static void manage(void)
{
    wchar_t name[] = L"bench";
    FWPM_CALLOUT0 callout = {
        .calloutKey = CALLOUT_KEY, .displayData.name = name, .applicableLayer = FWPM_LAYER_ALE_AUTH_CONNECT_V4};
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .action = {.type = FWP_ACTION_CALLOUT_TERMINATING, .calloutKey = CALLOUT_KEY}};
    require(NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine)), "engine");
    require(NT_SUCCESS(FwpmTransactionBegin0(engine, 0)), "begin");
    require(NT_SUCCESS(FwpmCalloutAdd0(engine, &callout, NULL, NULL)), "add callout");
    require(NT_SUCCESS(FwpmFilterAdd0(engine, &filter, NULL, &filter_id)), "add filter");
    require(NT_SUCCESS(FwpmTransactionCommit0(engine)), "commit");
}

static NTSTATUS enter(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    FWPS_CALLOUT1 callout = {.calloutKey = CALLOUT_KEY, .classifyFn = classify, .notifyFn = notify};
    HANDLE handle;
    (void)path;
    driver->DriverUnload = unload;
    stopping = 0;
    InitializeListHead(&held);
    KeInitializeSpinLock(&lock);
    KeInitializeEvent(&work, SynchronizationEvent, FALSE);
    require(NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_NETWORK, 0, FALSE, &device)), "device");
    require(NT_SUCCESS(FwpsCalloutRegister1(device, &callout, &callout_id)), "register");
    manage();
    require(NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, complete_all, NULL)),
            "thread");
    require(NT_SUCCESS(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL)),
            "thread object");
    return ZwClose(handle);
}

/* --- Runs ---------------------------------------------------------------------------------------------- */

static uint32_t done[2];

static void told(void *context, const struct wfp_decision *decision)
{
    *(uint32_t *)context = 1;
    require(decision->outcome == WFP_PERMIT, "a held connection was not permitted");
}

static void connect_one(void *context)
{
    size_t index = (size_t)((uint32_t *)context - done);
    struct wfp_ale_connect connect = {.ip_version = 4,
                                      .protocol = 6,
                                      .local_port = 40000,
                                      .remote_port = 443,
                                      .local_address = {10, 0, 0, 1},
                                      .remote_address = {192, 0, 2, 1},
                                      .endpoint = 100 + index};
    struct wfp_decision decision;
    wfp_ale_connect(&connect, told, context, &decision);
    require(decision.outcome == WFP_PENDED, "a connection was not held");
    require(nt_schedule_wait(context), "a held connection was forgotten");
    wfp_ale_endpoint_closed(connect.endpoint);
}

static void scenario(void *unused)
{
    struct nt_driver *driver;
    (void)unused;
    memset(done, 0, sizeof done);
    require(NT_SUCCESS(nt_driver_load("bench", enter, NULL, 0, &driver)), "load");
    nt_schedule_spawn("connect-1", connect_one, &done[0]);
    nt_schedule_spawn("connect-2", connect_one, &done[1]);
    nt_schedule_settle();
    nt_driver_unload(driver);
    wfp_reset();
}

static void measure_runs(const char *name, enum nt_strategy strategy, unsigned runs)
{
    uint64_t points = 0;
    double start = now_s();
    for (unsigned seed = 0; seed < runs; seed++) {
        struct nt_schedule_options options = {.strategy = strategy, .seed = seed, .preemptions = 3};
        struct nt_schedule_result result;
        if (nt_verify_on)
            nt_verify_clear();
        nt_schedule(&options, scenario, NULL, &result);
        require(!result.stuck && !result.abandoned, "a run did not end well");
        nt_reset();
        points += result.points;
    }
    double seconds = now_s() - start;
    printf("%s runs %.0f points %.0f\n", name, runs / seconds, (double)points / runs);
}

/* Every schedule of the small driver with this many preemptions. */
static void measure_all(unsigned preemptions)
{
    struct nt_schedule_options options = {.strategy = NT_EXHAUSTIVE, .preemptions = preemptions};
    struct nt_schedule_result result;
    unsigned schedules = 0;
    double start = now_s();
    nt_schedule_first();
    do {
        nt_schedule(&options, scenario, NULL, &result);
        require(!result.stuck && !result.abandoned, "a run did not end well");
        nt_reset();
        schedules++;
    } while (nt_schedule_next());
    double seconds = now_s() - start;
    printf("all with %u preemptions: %u schedules in %.3f s\n", preemptions, schedules, seconds);
}

#define TURNS 2000000u

static void take_turns(void *turns)
{
    for (unsigned turn = 0; turn < *(unsigned *)turns; turn++)
        nt_schedule_point("bench");
}

static void pair(void *turns)
{
    nt_schedule_spawn("other", take_turns, turns);
    take_turns(turns);
}

static void measure_points(enum nt_strategy strategy, const char *name)
{
    unsigned turns = TURNS;
    struct nt_schedule_options options = {.strategy = strategy, .seed = 1, .max_points = UINT32_MAX};
    struct nt_schedule_result result;
    double start = now_s();
    nt_schedule(&options, pair, &turns, &result);
    double seconds = now_s() - start;
    printf("%s points %.0f per second, %.1f ns each, %zu changes\n", name, result.points / seconds,
           seconds / result.points * 1e9, result.choice_count);
}

static struct nt_fiber_pair {
    uint32_t turn;
} ping;

static void ping_pong(void *self)
{
    uint32_t mine = (uint32_t)(uintptr_t)self;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        ping.turn = mine ^ 1;
        nt_schedule_yield();
    }
}

static void both(void *unused)
{
    (void)unused;
    nt_schedule_spawn("pong", ping_pong, (void *)1);
    ping_pong((void *)0);
}

static void measure_switch(void)
{
    struct nt_schedule_options options = {.strategy = NT_RUN_ON, .max_points = UINT32_MAX};
    struct nt_schedule_result result;
    double start = now_s();
    nt_schedule(&options, both, NULL, &result);
    printf("switch %.1f ns\n", (now_s() - start) / (2.0 * TURNS) * 1e9);
}

int main(int count, char **arguments)
{
    unsigned runs = count > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : 20000;
    measure_switch();
    measure_points(NT_RUN_ON, "run-on");
    measure_points(NT_RANDOM_WALK, "random-walk");
    measure_points(NT_PRIORITIES, "priorities");
    measure_runs("run-on", NT_RUN_ON, runs);
    measure_runs("random-walk", NT_RANDOM_WALK, runs);
    measure_runs("priorities", NT_PRIORITIES, runs);
    measure_all(0);
    measure_all(1);
    measure_all(2);
    nt_verify_on = true;
    measure_runs("random-walk with the verifier", NT_RANDOM_WALK, runs);
    return 0;
}
