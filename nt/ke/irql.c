/* SPDX-License-Identifier: MIT */
/*
 * irql.c - the calling thread's IRQL.
 *
 * Pages: wdm.h KeRaiseIrql ("If the new IRQL is less than the current IRQL, a bug check occurs"),
 * KeLowerIrql (only to restore), ntddk.h KeRaiseIrqlToDpcLevel; "Automatic Checks" of Driver Verifier.
 */
#define _GNU_SOURCE
#include "nt/internal.h"

#include <sched.h>

KIRQL KeGetCurrentIrql(VOID)
{
    return nt_self.irql;
}

KIRQL KfRaiseIrql(KIRQL NewIrql)
{
    KIRQL old = nt_self.irql;
    if (NewIrql < old)
        nt_violate("irql-raise-lowers", "KeRaiseIrql", "asked to raise from %u to %u", old, NewIrql);
    if (NewIrql > HIGH_LEVEL)
        nt_violate("irql-invalid", "KeRaiseIrql", "IRQL %u does not exist", NewIrql);
    nt_self.irql = NewIrql;
    return old;
}

void nt_lower_irql(KIRQL irql)
{
    nt_self.irql = irql;
    if (irql < DISPATCH_LEVEL && nt_self.processor != NULL)
        nt_dpc_drain();
}

VOID KfLowerIrql(KIRQL NewIrql)
{
    if (NewIrql > nt_self.irql)
        nt_violate("irql-lower-raises", "KeLowerIrql", "asked to lower from %u to %u", nt_self.irql, NewIrql);
    if (NewIrql < DISPATCH_LEVEL && nt_self.spin_locks != 0)
        nt_violate("irql-lowered-under-lock", "KeLowerIrql", "lowers to %u while the thread holds %u spin locks",
                   NewIrql, nt_self.spin_locks);
    nt_lower_irql(NewIrql);
}

KIRQL KeRaiseIrqlToDpcLevel(VOID)
{
    NT_ENTER(KeRaiseIrqlToDpcLevel);
    return KfRaiseIrql(DISPATCH_LEVEL);
}

ULONG KeGetCurrentProcessorNumberEx(PVOID ProcNumber)
{
    NT_ENTER(KeGetCurrentProcessorNumberEx);
    int number = nt_scheduling ? 0 : sched_getcpu();
    UNREFERENCED_PARAMETER(ProcNumber);
    return number < 0 ? 0 : (ULONG)number;
}

/* Nothing here delivers normal kernel APCs, so there is nothing to hold off. */
VOID KeEnterCriticalRegion(VOID)
{
    NT_ENTER(KeEnterCriticalRegion);
}

VOID KeLeaveCriticalRegion(VOID)
{
    NT_ENTER(KeLeaveCriticalRegion);
}
