/* SPDX-License-Identifier: MIT */
/*
 * sal_locks.h - the IRQL and lock annotations as attributes of clang's thread safety analysis.
 *
 * sal.h includes it where NT_LOCK_ANALYSIS is defined: in `make lint` (tools/check-locks), never in a build.
 *
 * Two capabilities stand for the IRQL. AT_PASSIVE_LEVEL is held by a function that says it runs at PASSIVE_LEVEL
 * (or APC_LEVEL); nothing else gives it, so a function that says nothing may not call what waits: it could be
 * called from classifyFn. AT_DISPATCH_LEVEL is held from taking a spin lock, or raising, until it is undone, and by
 * a function that says _IRQL_requires_(DISPATCH_LEVEL); here that means that its caller holds a lock. A
 * routine that must not be called so excludes it. One capability could not do: releasing a lock brings the IRQL
 * of before back, not PASSIVE_LEVEL.
 *
 * In C the analysis sees file scope names only, and parameters only behind the declarator. So the lock in front of a
 * function or a member is a global one; wdm's own locking routines are in nt/ke/lock_analysis.h.
 */
#ifndef SAL_LOCKS_H
#define SAL_LOCKS_H

#ifdef NT_LOCK_ANALYSIS

#define NT_ANALYSIS(...) __attribute__((__VA_ARGS__))

struct NT_ANALYSIS(capability("IRQL")) nt_irql_capability {
    int unused;
};
struct NT_ANALYSIS(capability("spin lock")) nt_cancel_lock {
    int unused;
};
extern struct nt_irql_capability AT_PASSIVE_LEVEL, AT_DISPATCH_LEVEL;
extern struct nt_cancel_lock _Global_cancel_spin_lock_;

#define NT_RUNS_AT_PASSIVE  NT_ANALYSIS(requires_capability(AT_PASSIVE_LEVEL), locks_excluded(AT_DISPATCH_LEVEL))
#define NT_RUNS_AT_DISPATCH NT_ANALYSIS(requires_capability(AT_DISPATCH_LEVEL))

/* IRQL, by the name as it is written. */
#define NT_IRQL_PASSIVE_LEVEL      NT_RUNS_AT_PASSIVE
#define NT_IRQL_APC_LEVEL          NT_RUNS_AT_PASSIVE
#define NT_IRQL_DISPATCH_LEVEL     NT_RUNS_AT_DISPATCH
#define NT_IRQL_HIGH_LEVEL         NT_RUNS_AT_DISPATCH
#define NT_IRQL_MAX_PASSIVE_LEVEL  NT_RUNS_AT_PASSIVE
#define NT_IRQL_MAX_APC_LEVEL      NT_RUNS_AT_PASSIVE
#define NT_IRQL_MAX_DISPATCH_LEVEL /* says nothing of what the caller holds */
#define NT_IRQL_MAX_HIGH_LEVEL
#define _IRQL_requires_(irql)            NT_IRQL_##irql
#define _IRQL_requires_max_(irql)        NT_IRQL_MAX_##irql
#define _IRQL_always_function_max_(irql) NT_IRQL_MAX_##irql
#define __drv_requiresIRQL(irql)         NT_IRQL_##irql
#define __drv_maxIRQL(irql)              NT_IRQL_MAX_##irql
#define __drv_sameIRQL
#define _IRQL_requires_min_(irql)
#define _IRQL_requires_same_
#define _IRQL_raises_(irql)
#define _IRQL_saves_
#define _IRQL_restores_
#define _IRQL_saves_global_(kind, target)
#define _IRQL_restores_global_(kind, target)
#define _IRQL_always_function_min_(irql)
#define _IRQL_uses_cancel_
#define _IRQL_is_cancel_
#define _IRQL_requires_max_defined_

/* What the system calls a driver's routines with. */
#define NT_CLASS_DRIVER_INITIALIZE             NT_RUNS_AT_PASSIVE
#define NT_CLASS_DRIVER_UNLOAD                 NT_RUNS_AT_PASSIVE
#define NT_CLASS_DRIVER_ADD_DEVICE             NT_RUNS_AT_PASSIVE
#define NT_CLASS_DRIVER_DISPATCH               NT_RUNS_AT_PASSIVE
#define NT_CLASS_IO_WORKITEM_ROUTINE           NT_RUNS_AT_PASSIVE
#define NT_CLASS_IO_WORKITEM_ROUTINE_EX        NT_RUNS_AT_PASSIVE
#define NT_CLASS_KSTART_ROUTINE                NT_RUNS_AT_PASSIVE
#define NT_CLASS_RTL_QUERY_REGISTRY_ROUTINE    NT_RUNS_AT_PASSIVE
#define NT_CLASS_CREATE_PROCESS_NOTIFY_ROUTINE NT_RUNS_AT_PASSIVE
#define NT_CLASS_KDEFERRED_ROUTINE
#define NT_CLASS_IO_COMPLETION_ROUTINE
#define NT_CLASS_DRIVER_CANCEL NT_ANALYSIS(release_capability(_Global_cancel_spin_lock_, AT_DISPATCH_LEVEL))
#define _Function_class_(name) NT_CLASS_##name

/* Locks. */
#define _Requires_lock_held_(lock)           NT_ANALYSIS(requires_capability(lock))
#define _Requires_exclusive_lock_held_(lock) NT_ANALYSIS(requires_capability(lock))
#define _Requires_shared_lock_held_(lock)    NT_ANALYSIS(requires_shared_capability(lock))
#define _Requires_lock_not_held_(lock)       NT_ANALYSIS(locks_excluded(lock))
#define _Requires_no_locks_held_             NT_ANALYSIS(locks_excluded(AT_DISPATCH_LEVEL))
#define _Acquires_lock_(lock)                NT_ANALYSIS(acquire_capability(lock))
#define _Acquires_exclusive_lock_(lock)      NT_ANALYSIS(acquire_capability(lock))
#define _Acquires_nonreentrant_lock_(lock)   NT_ANALYSIS(acquire_capability(lock))
#define _Acquires_shared_lock_(lock)         NT_ANALYSIS(acquire_shared_capability(lock))
#define _Releases_lock_(lock)                NT_ANALYSIS(release_capability(lock))
#define _Releases_exclusive_lock_(lock)      NT_ANALYSIS(release_capability(lock))
#define _Releases_nonreentrant_lock_(lock)   NT_ANALYSIS(release_capability(lock))
#define _Releases_shared_lock_(lock)         NT_ANALYSIS(release_shared_capability(lock))
#define _Guarded_by_(lock)                   NT_ANALYSIS(guarded_by(lock))
#define _Write_guarded_by_(lock)
#define _Interlocked_
#define _Interlocked_operand_
#define _Has_lock_kind_(kind)         NT_ANALYSIS(capability(NT_KIND_##kind))
#define NT_KIND__Lock_kind_spin_lock_ "spin lock"
#define NT_KIND__Lock_kind_event_     "event"
#define NT_KIND__Lock_kind_mutex_     "mutex"
#define _Kernel_requires_resource_held_(kind)
#define _Kernel_requires_resource_not_held_(kind)
#define _Kernel_acquires_resource_(kind)
#define _Kernel_releases_resource_(kind)
#define _Kernel_clear_do_init_(answer)

/* For what the analysis cannot see: an event used as a mutex, a time when nobody else is there. */
#define NT_ASSUME(name, act, lock)                                                                                     \
    do {                                                                                                               \
        void name(void) NT_ANALYSIS(act(lock));                                                                        \
        name();                                                                                                        \
    } while (0)
#define _Analysis_assume_lock_acquired_(lock) NT_ASSUME(nt_assume_acquired, acquire_capability, lock)
#define _Analysis_assume_lock_released_(lock) NT_ASSUME(nt_assume_released, release_capability, lock)
#define _Analysis_assume_lock_held_(lock)     NT_ASSUME(nt_assume_held, assert_capability, lock)

#endif
#endif
