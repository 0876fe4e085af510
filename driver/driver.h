/* SPDX-License-Identifier: MIT */
/*
 * driver.h - the one state of the driver, and the order of its locks.
 *
 * There is one instance: the filter engine's callbacks carry no context of ours. Everything in it
 * is zero before DriverEntry and after unload.
 *
 * Locks, outermost first. A thread that holds one takes only those below it.
 *
 *   answers.gate     event used as a mutex, PASSIVE_LEVEL; around Fwpm transactions and the answers
 *   pend_lock        pends, completing, policy, decider, draining, clients, each client's request reads
 *   verdict_lock     verdicts
 *   event_lock       ring, observers, each client's event reads
 *
 * None is held over FwpsCompleteOperation0 (it runs our classifyFn on the same stack),
 * FwpsPendOperation0, FwpsFlow*Context0 (flowDeleteFn), IoCompleteRequest or any Fwpm routine; the
 * gate alone is held over Fwpm routines, which call our notifyFn only.
 *
 * A held connection belongs, once claimed, to the thread that claimed it (holds.h).
 */
#ifndef DRIVER_DRIVER_H
#define DRIVER_DRIVER_H

#include <ntddk.h>
#include <fwpsk.h>
#include <fwpmk.h>

#include "core/answer_table.h"
#include "core/event_ring.h"
#include "core/pend_table.h"
#include "core/verdict_table.h"
#include "driver/rundown.h"
#include "gatehouse/protocol.h"
#include "gatehouse/status.h"

#define DRIVER_POOL_TAG 'etaG'

#define DRIVER_ANSWERS_MAX  4096u
#define DRIVER_VERDICTS_MAX 65536u
#define DRIVER_EVENT_BYTES  (512u * 1024u)
#define DRIVER_READS_MAX    16u /* reads of one kind that may wait on one handle */
#define DRIVER_BATCH        64u /* entries claimed under one hold of pend_lock */
#define DRIVER_CALLOUTS     6u

struct client;

/* Only grow; changed by DRIVER_COUNT. In struct gatehouse_status's words. */
struct driver_counters {
    volatile LONG64 classified, pended, permitted_by_decider, blocked_by_decider, permitted_by_answer,
        blocked_by_answer, expired, cancelled, refused_full, refused_memory, refused_no_decider, cannot_pend,
        reauthorized, requeued, rejected_input, events_lost;
};

/* Remembered answers: answers.h. */
struct driver_answers {
    KEVENT gate; /* synchronization event: set = free */
    struct answer_table table;
    KTIMER timer;
    KDPC dpc;
    PIO_WORKITEM work;
    volatile LONG work_queued;
    volatile LONG count; /* for status: what table holds */
};

struct driver_state {
    PDEVICE_OBJECT device;
    struct core_memory memory;
    struct rundown rundown; /* dispatch, DPC and work item are inside */
    uint64_t loaded_at;
    uint32_t capacity;
    BOOLEAN hold_loopback;
    struct driver_counters counters;

    KSPIN_LOCK pend_lock;
    struct pend_table pends;
    uint32_t completing; /* entries that are decided and counted, and not yet released */
    struct gatehouse_policy policy;
    struct client *decider;
    LIST_ENTRY clients;
    BOOLEAN draining;
    KTIMER deadline_timers[2]; /* at most one is set: deadline_turn; see holds_deadline_dpc */
    KDPC deadline_dpcs[2];
    ULONG deadline_turn;
    uint64_t deadline_armed; /* DEADLINE_NEVER: not armed */

    KSPIN_LOCK verdict_lock;
    struct verdict_table verdicts;
    BOOLEAN verdicts_closed; /* no new flow contexts */

    KSPIN_LOCK event_lock;
    struct event_ring ring;
    LIST_ENTRY observers;
    volatile LONG observer_count;

    struct driver_answers answers;
    HANDLE engine;
    HANDLE shared_engine; /* for provider and sublayer, which are no objects of the other's: registration.c */
    UINT32 callout_ids[DRIVER_CALLOUTS];
};

extern struct driver_state driver_state;

#define DRIVER_COUNT(counter) ((void)InterlockedIncrement64(&driver_state.counters.counter))
#define DRIVER_TRACE(...)     ((void)DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "gatehouse: " __VA_ARGS__))

/* 100 ns since boot, counting suspend. Any IRQL. */
static inline uint64_t driver_now(void)
{
    return KeQueryInterruptTime();
}

/* The absolute due time, for KeSetTimer, of a boot time: absolute timers count suspend, relative ones do not. */
static inline LARGE_INTEGER driver_due_time(uint64_t boot_time)
{
    LARGE_INTEGER due;
    uint64_t now = driver_now();

    KeQuerySystemTime(&due);
    if (boot_time > now)
        due.QuadPart += (LONGLONG)(boot_time - now);
    return due;
}

#endif
