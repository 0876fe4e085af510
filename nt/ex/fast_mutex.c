/* SPDX-License-Identifier: MIT */
/*
 * fast_mutex.c - fast mutexes: not recursive, held at APC_LEVEL.
 *
 * Pages: wdm.h ExAcquireFastMutex, ExReleaseFastMutex; "Fast Mutexes and Guarded Mutexes".
 */
#include "nt/internal.h"

VOID ExInitializeFastMutex(PFAST_MUTEX FastMutex)
{
    NT_ENTER(ExInitializeFastMutex);
    memset(FastMutex, 0, sizeof *FastMutex);
    KeInitializeEvent(&FastMutex->Event, SynchronizationEvent, TRUE);
}

VOID ExAcquireFastMutex(PFAST_MUTEX FastMutex)
{
    NT_ENTER(ExAcquireFastMutex);
    PVOID self = (PVOID)(ULONG_PTR)nt_thread_number();
    if (__atomic_load_n(&FastMutex->Owner, __ATOMIC_RELAXED) == self) {
        nt_violate("lock-recursion", "ExAcquireFastMutex", "the fast mutex is held by this thread already");
        return;
    }
    nt_self.waits_in = "ExAcquireFastMutex";
    nt_self.waits_for = (uint32_t)(ULONG_PTR)FastMutex->Owner;
    (void)KeWaitForSingleObject(&FastMutex->Event, Executive, KernelMode, FALSE, NULL);
    nt_self.waits_in = NULL;
    nt_self.waits_for = 0;
    __atomic_store_n(&FastMutex->Owner, self, __ATOMIC_RELAXED);
    FastMutex->OldIrql = nt_self.irql;
    nt_self.irql = APC_LEVEL;
}

VOID ExReleaseFastMutex(PFAST_MUTEX FastMutex)
{
    NT_ENTER(ExReleaseFastMutex);
    if (__atomic_load_n(&FastMutex->Owner, __ATOMIC_RELAXED) != (PVOID)(ULONG_PTR)nt_thread_number()) {
        nt_violate("lock-foreign-release", "ExReleaseFastMutex", "the fast mutex is not held by this thread");
        return;
    }
    KIRQL irql = (KIRQL)FastMutex->OldIrql;
    __atomic_store_n(&FastMutex->Owner, NULL, __ATOMIC_RELAXED);
    (void)KeSetEvent(&FastMutex->Event, IO_NO_INCREMENT, FALSE);
    nt_lower_irql(irql);
}
