/* SPDX-License-Identifier: MIT */
/*
 * driver.h - the one state of the driver, and the order of its locks.
 *
 * There is one instance: the filter engine's callbacks carry no context of ours. Everything in it
 * is zero before DriverEntry and after unload.
 *
 * Locks, outermost first. A thread that holds one takes only those below it.
 *
 *   driver_rules_gate     event used as a mutex, PASSIVE_LEVEL; around Fwpm transactions and the rules
 *   driver_pend_lock      pends, completing, policy, decider, draining, clients, each client's request reads,
 *                         changes, the load of rules
 *   driver_verdict_lock   verdicts
 *   driver_event_lock     ring, observers, each client's event reads
 *   driver_rule_lock      the rules that classifyFn looks up, the snapshot of rules
 *   driver_name_lock      the names that programs looked addresses up under
 *
 * Comments say gate, pend_lock and so on. The locks stand outside the state so that annotations can name them; `make
 * lint` checks this order, what each guards, what runs at which IRQL and what no lock is held over (tools/check-locks).
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

#include "core/event_ring.h"
#include "core/locked.h"
#include "core/name_table.h"
#include "core/pend_table.h"
#include "core/rule_list.h"
#include "core/rule_table.h"
#include "core/verdict_table.h"
#include "driver/rundown.h"
#include "gatehouse/protocol.h"
#include "gatehouse/status.h"

#define DRIVER_POOL_TAG 'etaG'

#define DRIVER_LIVE_RULES_MAX (2u * (GATEHOUSE_RULES_MAX + GATEHOUSE_ADDED_RULES_MAX)) /* old and new ones */
#define DRIVER_VERDICTS_MAX   65536u
#define DRIVER_NAMES_MAX      32768u
#define DRIVER_EVENT_BYTES    (512u * 1024u)
#define DRIVER_READS_MAX      16u  /* reads of one kind that may wait on one handle */
#define DRIVER_BATCH          64u  /* entries claimed under one hold of pend_lock */
#define DRIVER_FOLDER_MAX     260u /* characters */
#define DRIVER_CALLOUTS       16u

struct client;
struct rules_snapshot;

extern KEVENT driver_rules_gate; /* synchronization event: set = free */
extern KSPIN_LOCK driver_pend_lock;
extern CORE_LOCK_AFTER(driver_pend_lock) KSPIN_LOCK driver_verdict_lock;
extern CORE_LOCK_AFTER(driver_verdict_lock) KSPIN_LOCK driver_event_lock;
extern CORE_LOCK_AFTER(driver_event_lock) KSPIN_LOCK driver_rule_lock;
extern CORE_LOCK_AFTER(driver_rule_lock) KSPIN_LOCK driver_name_lock;

/* Only grow; changed by DRIVER_COUNT. In struct gatehouse_status's words. */
struct driver_counters {
    volatile LONG64 classified, pended, permitted_by_decider, blocked_by_decider, permitted_by_answer,
        blocked_by_answer, expired, cancelled, refused_full, refused_memory, refused_no_decider, cannot_pend,
        reauthorized, requeued, rejected_input, events_lost;
};

#define DRIVER_RULES_AT_HAND (256u * 1024u) /* of an image of rules: up to here it stays in memory */

/* rules.h */
struct driver_rules {
    struct rule_list file;  /* driver_file_rules() */
    struct rule_list added; /* driver_added_rules() */
    _Guarded_by_(driver_rules_gate) uint64_t generation;
    volatile LONG answers;   /* for status: how many are in force */
    struct rule_table table; /* driver_rule_table() */
    _Guarded_by_(driver_rule_lock) struct rules_snapshot *snapshot;
    volatile LONG due; /* rule_lifetimes.h */
    volatile LONG work_queued;
    BOOLEAN notified; /* of processes */
    PIO_WORKITEM work;
    KTIMER timer;
    KDPC dpc;
};

/* revision.h */
struct revision_case {
    uint64_t id;
    uint64_t rule;           /* which decides; 0: none */
    struct program *program; /* a reference; NULL: none */
    struct connection connection;
    enum gatehouse_rule_action action;
    enum gatehouse_decided_by by; /* a rule that is an answer counts as that, whoever comes upon it first */
};
struct driver_revision {
    volatile LONG wanted, queued;
    volatile LONG64 late_until; /* 0: never; else boot time + REVISION_LATE: until then some may be late */
    PIO_WORKITEM work;
    KTIMER timer;
    KDPC dpc;
    /* The work item's alone. */
    BOOLEAN under_way, late;
    uint32_t place;
    uint64_t since; /* what was held before that is not looked at */
    struct revision_case cases[DRIVER_BATCH];
};

/* The load of rules: rule_requests.c. */
struct driver_load {
    struct client *client; /* NULL: none, or dropped while busy */
    void *image;
    uint32_t size, filled;
    BOOLEAN boot;
    BOOLEAN busy;
};

struct driver_state {
    PDEVICE_OBJECT device;
    struct core_memory memory;
    struct core_memory paged; /* for PASSIVE_LEVEL */
    struct rundown rundown;   /* dispatch, a leaving client, DPC and work item are inside */
    uint64_t loaded_at;
    uint32_t capacity;
    BOOLEAN hold_loopback;
    WCHAR folder[DRIVER_FOLDER_MAX + 1]; /* rule_store.h; empty: none */
    WCHAR volatile_folder[DRIVER_FOLDER_MAX + 1];
    struct driver_counters counters;

    struct pend_table pends; /* driver_pends() */
    /* Entries that are decided and counted, and not yet released. */
    _Guarded_by_(driver_pend_lock) uint32_t completing;
    _Guarded_by_(driver_pend_lock) struct gatehouse_policy policy;
    _Guarded_by_(driver_pend_lock) struct client *decider;
    _Guarded_by_(driver_pend_lock) LIST_ENTRY clients;
    _Guarded_by_(driver_pend_lock) BOOLEAN draining;
    _Guarded_by_(driver_pend_lock) LIST_ENTRY changes;
    _Guarded_by_(driver_pend_lock) struct driver_load load;
    KTIMER deadline_timers[2]; /* at most one is set: deadline_turn; see holds_deadline_dpc */
    KDPC deadline_dpcs[2];
    _Guarded_by_(driver_pend_lock) ULONG deadline_turn;
    _Guarded_by_(driver_pend_lock) uint64_t deadline_armed; /* DEADLINE_NEVER: not armed */

    struct verdict_table verdicts;                             /* driver_verdicts() */
    _Guarded_by_(driver_verdict_lock) BOOLEAN verdicts_closed; /* no new flow contexts */

    struct event_ring ring; /* driver_ring() */
    _Guarded_by_(driver_event_lock) LIST_ENTRY observers;
    volatile LONG observer_count;

    struct name_table names; /* driver_names() */

    struct driver_rules rules;
    struct driver_revision revision;
    UINT64 loopback_in[2];     /* filters of registration_pass_loopback_in; 0: not there */
    UINT64 loopback_in_new[2]; /* the same in the open transaction */
    HANDLE injection;          /* accept.h */
    HANDLE engine;
    HANDLE shared_engine; /* for provider and sublayer, which are no objects of the other's: registration.c */
    UINT32 callout_ids[DRIVER_CALLOUTS];
};

extern struct driver_state driver_state;

/* The tables, each for who holds its lock. */
_Requires_lock_held_(driver_pend_lock)
CORE_LOCKED_BY(driver_pend_lock)
static inline struct pend_table *driver_pends(void)
{
    return &driver_state.pends;
}

_Requires_lock_held_(driver_verdict_lock)
CORE_LOCKED_BY(driver_verdict_lock)
static inline struct verdict_table *driver_verdicts(void)
{
    return &driver_state.verdicts;
}

_Requires_lock_held_(driver_event_lock)
CORE_LOCKED_BY(driver_event_lock)
static inline struct event_ring *driver_ring(void)
{
    return &driver_state.ring;
}

_Requires_lock_held_(driver_rules_gate)
CORE_LOCKED_BY(driver_rules_gate)
static inline struct rule_list *driver_file_rules(void)
{
    return &driver_state.rules.file;
}

_Requires_lock_held_(driver_rules_gate)
CORE_LOCKED_BY(driver_rules_gate)
static inline struct rule_list *driver_added_rules(void)
{
    return &driver_state.rules.added;
}

_Requires_lock_held_(driver_rule_lock)
CORE_LOCKED_BY(driver_rule_lock)
static inline struct rule_table *driver_rule_table(void)
{
    return &driver_state.rules.table;
}

_Requires_lock_held_(driver_name_lock)
CORE_LOCKED_BY(driver_name_lock)
static inline struct name_table *driver_names(void)
{
    return &driver_state.names;
}

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
