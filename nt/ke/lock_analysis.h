/* SPDX-License-Identifier: MIT */
/*
 * lock_analysis.h - what NT's routines ask of IRQL and locks, for clang's thread safety analysis.
 *
 * tools/check-locks puts it in front of each source file of a driver, with NT_LOCK_ANALYSIS defined (sal_locks.h);
 * no build includes it. A routine whose row in irql_table.h ends at PASSIVE_LEVEL or APC_LEVEL may be called only by
 * what says that it runs there; those that take and release locks are described one by one below. KeWaitForSingleObject
 * counts as waiting, for the analysis cannot see a timeout of 0; KeReadState... asks without waiting.
 *
 * When you add a routine that takes or releases a lock or changes the IRQL, or whose row does not say it all: here.
 */
#ifndef NT_KE_LOCK_ANALYSIS_H
#define NT_KE_LOCK_ANALYSIS_H

#ifdef NT_LOCK_ANALYSIS

#include "nt/ke/irql_table.h"
#include <fltkernel.h>
#include <ntddk.h>
#include <wdmsec.h>

#define NT_HIGHEST_0 NT_RUNS_AT_PASSIVE
#define NT_HIGHEST_1 NT_RUNS_AT_PASSIVE
#define NT_HIGHEST_2
#define NT_HIGHEST_15
#define NT_ROW(name, lowest, highest, page) extern __typeof__(name) name NT_HIGHEST_##highest;
NT_ROUTINES(NT_ROW)
NT_FLT_ROUTINES(NT_ROW)
#undef NT_ROW

#define NT_TAKES(...)         NT_ANALYSIS(acquire_capability(__VA_ARGS__))
#define NT_GIVES(...)         NT_ANALYSIS(release_capability(__VA_ARGS__))
#define NT_TAKES_ALREADY(...) NT_RUNS_AT_DISPATCH NT_TAKES(__VA_ARGS__)
#define NT_GIVES_ONLY(...)    NT_RUNS_AT_DISPATCH NT_GIVES(__VA_ARGS__)

KIRQL KfRaiseIrql(KIRQL NewIrql) NT_TAKES(AT_DISPATCH_LEVEL);
KIRQL KeRaiseIrqlToDpcLevel(VOID) NT_TAKES(AT_DISPATCH_LEVEL);
VOID KfLowerIrql(KIRQL NewIrql) NT_GIVES(AT_DISPATCH_LEVEL);

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock) NT_TAKES(*SpinLock, AT_DISPATCH_LEVEL);
VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql) NT_GIVES(*SpinLock, AT_DISPATCH_LEVEL);
VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock) NT_TAKES_ALREADY(*SpinLock);
VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock) NT_GIVES_ONLY(*SpinLock);
BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock) NT_RUNS_AT_DISPATCH
    NT_ANALYSIS(try_acquire_capability(TRUE, *SpinLock));
VOID KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
    NT_TAKES(*LockHandle, AT_DISPATCH_LEVEL);
VOID KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE LockHandle) NT_GIVES(*LockHandle, AT_DISPATCH_LEVEL);
VOID KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
    NT_TAKES_ALREADY(*LockHandle);
VOID KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE LockHandle) NT_GIVES_ONLY(*LockHandle);

VOID IoAcquireCancelSpinLock(PKIRQL Irql) NT_TAKES(_Global_cancel_spin_lock_, AT_DISPATCH_LEVEL);
VOID IoReleaseCancelSpinLock(KIRQL Irql) NT_GIVES(_Global_cancel_spin_lock_, AT_DISPATCH_LEVEL);

VOID ExAcquireFastMutex(PFAST_MUTEX FastMutex) NT_TAKES(*FastMutex);
VOID ExReleaseFastMutex(PFAST_MUTEX FastMutex) NT_GIVES(*FastMutex);

NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON WaitReason, KPROCESSOR_MODE WaitMode, BOOLEAN Alertable,
                               PLARGE_INTEGER Timeout) NT_RUNS_AT_PASSIVE;

/* A queue's or a driver's own routines run inside. */
VOID IofCompleteRequest(PIRP Irp, CCHAR PriorityBoost) _Requires_no_locks_held_;

#endif
#endif
