/* SPDX-License-Identifier: MIT */
/*
 * rundown.c - rundown protection: use counts that a waiter can close.
 *
 * Count is twice the number of uses; once somebody waits, or has waited, bit 0 is set and the rest
 * points to that waiter's count and event (0: run down).
 * Pages: wdm.h ExAcquireRundownProtection, ExWaitForRundownProtectionRelease; "Run-Down Protection".
 */
#include "nt/internal.h"

struct rundown_wait {
    LONG64 uses;
    KEVENT event;
};

#define RUN_DOWN ((ULONG_PTR)1)

VOID ExInitializeRundownProtection(PEX_RUNDOWN_REF RunRef)
{
    NT_ENTER(ExInitializeRundownProtection);
    __atomic_store_n(&RunRef->Count, 0, __ATOMIC_RELEASE);
}

VOID ExReInitializeRundownProtection(PEX_RUNDOWN_REF RunRef)
{
    NT_ENTER(ExReInitializeRundownProtection);
    if (__atomic_load_n(&RunRef->Count, __ATOMIC_ACQUIRE) != RUN_DOWN)
        nt_violate("rundown-state", "ExReInitializeRundownProtection", "%p is not run down", (void *)RunRef);
    __atomic_store_n(&RunRef->Count, 0, __ATOMIC_RELEASE);
}

BOOLEAN ExAcquireRundownProtection(PEX_RUNDOWN_REF RunRef)
{
    NT_ENTER(ExAcquireRundownProtection);
    ULONG_PTR count = __atomic_load_n(&RunRef->Count, __ATOMIC_RELAXED);
    do {
        if ((count & RUN_DOWN) != 0)
            return FALSE;
    } while (!__atomic_compare_exchange_n(&RunRef->Count, &count, count + 2, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return TRUE;
}

VOID ExReleaseRundownProtection(PEX_RUNDOWN_REF RunRef)
{
    NT_ENTER(ExReleaseRundownProtection);
    ULONG_PTR count = __atomic_load_n(&RunRef->Count, __ATOMIC_ACQUIRE);
    do {
        if (count == 0 || count == RUN_DOWN) {
            nt_violate("rundown-not-held", "ExReleaseRundownProtection", "%p is not held by anybody", (void *)RunRef);
            return;
        }
        if ((count & RUN_DOWN) != 0) {
            struct rundown_wait *wait = (struct rundown_wait *)(count & ~RUN_DOWN);
            if (InterlockedDecrement64(&wait->uses) == 0)
                (void)KeSetEvent(&wait->event, IO_NO_INCREMENT, FALSE);
            return;
        }
    } while (!__atomic_compare_exchange_n(&RunRef->Count, &count, count - 2, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
}

VOID ExWaitForRundownProtectionRelease(PEX_RUNDOWN_REF RunRef)
{
    NT_ENTER(ExWaitForRundownProtectionRelease);
    struct rundown_wait wait;
    KeInitializeEvent(&wait.event, NotificationEvent, FALSE);
    ULONG_PTR count = __atomic_load_n(&RunRef->Count, __ATOMIC_ACQUIRE);
    ULONG_PTR closed;
    do {
        if ((count & RUN_DOWN) != 0) {
            if (count != RUN_DOWN)
                nt_violate("rundown-state", "ExWaitForRundownProtectionRelease", "%p is waited for already",
                           (void *)RunRef);
            return;
        }
        wait.uses = (LONG64)(count / 2);
        closed = count == 0 ? RUN_DOWN : (ULONG_PTR)&wait | RUN_DOWN;
    } while (!__atomic_compare_exchange_n(&RunRef->Count, &count, closed, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    if (closed != RUN_DOWN) {
        nt_self.waits_in = "ExWaitForRundownProtectionRelease";
        (void)KeWaitForSingleObject(&wait.event, Executive, KernelMode, FALSE, NULL);
        nt_self.waits_in = NULL;
        __atomic_store_n(&RunRef->Count, RUN_DOWN, __ATOMIC_RELEASE);
    }
}

VOID ExRundownCompleted(PEX_RUNDOWN_REF RunRef)
{
    NT_ENTER(ExRundownCompleted);
    __atomic_store_n(&RunRef->Count, RUN_DOWN, __ATOMIC_RELEASE);
}
