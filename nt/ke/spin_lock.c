/* SPDX-License-Identifier: MIT */
/*
 * spin_lock.c - spin locks that know their owner.
 *
 * The eight bytes of a KSPIN_LOCK are a short lock (leaf.h) and the owner: thread number, and whether the lock is used
 * plainly or queued. A waiter spins shortly, then naps: a holder here, unlike on NT, can lose its processor. Held locks
 * are counted per thread.
 * Rules: lock-recursion, lock-foreign-release, lock-not-held, lock-kind; with the verifier on, lock-order (verify/).
 * Pages: wdm.h KeAcquireSpinLock, KeAcquireInStackQueuedSpinLock ("Introduction to Spin Locks",
 * "Queued Spin Locks"); Driver Verifier, "Deadlock Detection".
 */
#include "nt/internal.h"
#include "nt/leaf.h"
#include "nt/verify/lock_order.h"
#include "nt/verify/verify.h"

#define OWNER_PLAIN  0x40000000u
#define OWNER_QUEUED 0x80000000u
#define OWNER_NUMBER 0x3fffffffu

struct lock {
    uint32_t state;
    uint32_t owner;
};
_Static_assert(sizeof(struct lock) == sizeof(KSPIN_LOCK), "a spin lock is eight bytes");

static struct lock *lock_of(PKSPIN_LOCK spin_lock)
{
    return (struct lock *)(void *)spin_lock;
}

unsigned nt_spin_locks_held(void)
{
    return nt_self.spin_locks;
}

static bool is_free(const void *state)
{
    return *(const uint32_t *)state == 0;
}

static void wait_in_turn(struct lock *lock, const char *routine)
{
    struct nt_wait wait = {.routine = routine,
                           .ready = is_free,
                           .context = &lock->state,
                           .due = NT_NEVER,
                           .has_to_end = true,
                           .holder = &lock->owner};
    while (!nt_schedule_until(&wait))
        ;
    lock->state = 1;
}

static void remember_recursion(const void *address)
{
    if (NT_VERIFYING && nt_self.recursions < RTL_NUMBER_OF(nt_self.recursed))
        nt_self.recursed[nt_self.recursions++] = address;
}

static bool forget_recursion(const void *address)
{
    if (nt_self.recursions == 0 || nt_self.recursed[nt_self.recursions - 1] != address)
        return false;
    nt_self.recursions--;
    return true;
}

/* false: the rule it would break was reported, and the lock is as it was. */
static bool may_acquire(struct lock *lock, uint32_t kind, const char *routine, const void *address)
{
    uint32_t owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);
    if ((owner & OWNER_NUMBER) == nt_thread_number()) {
        nt_about(NT_BEGAN_LOCK, (uintptr_t)address);
        nt_violate("lock-recursion", routine, "spin lock %p is held by this thread already", address);
        remember_recursion(address);
        return false;
    }
    if ((owner & (OWNER_PLAIN | OWNER_QUEUED) & ~kind) != 0)
        nt_violate("lock-kind", routine, "spin lock %p is used both plainly and queued", address);
    return true;
}

/* handle: of a queued one. */
static void acquire(PKSPIN_LOCK spin_lock, uint32_t kind, PKLOCK_QUEUE_HANDLE handle, const char *routine)
{
    struct lock *lock = lock_of(spin_lock);
    if (!may_acquire(lock, kind, routine, spin_lock))
        return;
    if (NT_VERIFYING) {
        nt_check_resident(spin_lock, "the spin lock", routine);
        nt_lock_wanted(spin_lock, routine);
    }
    if (!nt_short_try(&lock->state)) {
        if (nt_scheduling)
            wait_in_turn(lock, routine);
        else
            nt_short_wait(&lock->state);
    }
    __atomic_store_n(&lock->owner, kind | nt_self.number, __ATOMIC_RELAXED);
    nt_self.spin_locks++;
    if (NT_VERIFYING)
        nt_lock_taken(spin_lock, handle, routine);
}

static void give(struct lock *lock, uint32_t owner)
{
    __atomic_store_n(&lock->owner, owner & ~OWNER_NUMBER, __ATOMIC_RELAXED);
    if (nt_self.spin_locks != 0) /* a lock that was freed counts no more */
        nt_self.spin_locks--;
    __atomic_store_n(&lock->state, 0, __ATOMIC_RELEASE);
}

static void release(PKSPIN_LOCK spin_lock, uint32_t kind, PKLOCK_QUEUE_HANDLE handle, const char *routine)
{
    struct lock *lock = lock_of(spin_lock);
    uint32_t owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);
    if (forget_recursion(spin_lock))
        return;
    if ((owner & OWNER_NUMBER) == 0) {
        nt_violate("lock-not-held", routine, "spin lock %p is not held", (void *)spin_lock);
        return;
    }
    if ((owner & OWNER_NUMBER) != nt_thread_number()) {
        nt_about(NT_BEGAN_LOCK, (uintptr_t)spin_lock);
        nt_violate("lock-foreign-release", routine, "spin lock %p is held by thread %u, not by this one",
                   (void *)spin_lock, owner & OWNER_NUMBER);
        return;
    }
    if ((owner & kind) == 0)
        nt_violate("lock-kind", routine, "spin lock %p is used both plainly and queued", (void *)spin_lock);
    if (NT_VERIFYING)
        nt_lock_given(spin_lock, handle, routine);
    give(lock, owner);
    NT_POINT(routine); /* what follows is not under the lock any more */
}

/* The handle forgets its lock, so that a second release is seen. */
static void release_queued(PKLOCK_QUEUE_HANDLE handle, const char *routine)
{
    PKSPIN_LOCK spin_lock = handle->LockQueue.Lock;
    if (spin_lock == NULL) {
        nt_violate("lock-not-held", routine, "no spin lock is held with this lock queue handle");
        return;
    }
    release(spin_lock, OWNER_QUEUED, handle, routine);
    handle->LockQueue.Lock = NULL;
}

static void lower_after_release(KIRQL irql, const char *routine)
{
    if (irql > nt_self.irql) {
        nt_violate("irql-lower-raises", routine, "restores IRQL %u, above the current %u", irql, nt_self.irql);
    } else if (irql < DISPATCH_LEVEL && nt_self.spin_locks != 0) {
        nt_about_held_lock();
        nt_violate("irql-lowered-under-lock", routine, "lowers to %u while the thread holds %u more spin locks", irql,
                   nt_self.spin_locks);
    }
    nt_lower_irql(irql);
}

VOID KeInitializeSpinLock(PKSPIN_LOCK SpinLock)
{
    __atomic_store_n(SpinLock, 0, __ATOMIC_RELEASE);
}

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
    NT_ENTER(KeAcquireSpinLockRaiseToDpc);
    KIRQL old = nt_self.irql;
    nt_self.irql = DISPATCH_LEVEL;
    acquire(SpinLock, OWNER_PLAIN, NULL, "KeAcquireSpinLock");
    return old;
}

VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql)
{
    NT_ENTER(KeReleaseSpinLock);
    release(SpinLock, OWNER_PLAIN, NULL, "KeReleaseSpinLock");
    lower_after_release(NewIrql, "KeReleaseSpinLock");
}

VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    NT_ENTER(KeAcquireSpinLockAtDpcLevel);
    acquire(SpinLock, OWNER_PLAIN, NULL, "KeAcquireSpinLockAtDpcLevel");
}

VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock)
{
    NT_ENTER(KeReleaseSpinLockFromDpcLevel);
    release(SpinLock, OWNER_PLAIN, NULL, "KeReleaseSpinLockFromDpcLevel");
}

BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    NT_ENTER(KeTryToAcquireSpinLockAtDpcLevel);
    struct lock *lock = lock_of(SpinLock);
    if (!nt_short_try(&lock->state))
        return FALSE;
    __atomic_store_n(&lock->owner, OWNER_PLAIN | nt_thread_number(), __ATOMIC_RELAXED);
    nt_self.spin_locks++;
    if (NT_VERIFYING)
        nt_lock_taken(SpinLock, NULL, "KeTryToAcquireSpinLockAtDpcLevel");
    return TRUE;
}

VOID KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    NT_ENTER(KeAcquireInStackQueuedSpinLock);
    LockHandle->LockQueue.Next = NULL;
    LockHandle->LockQueue.Lock = SpinLock;
    LockHandle->OldIrql = nt_self.irql;
    nt_self.irql = DISPATCH_LEVEL;
    acquire(SpinLock, OWNER_QUEUED, LockHandle, "KeAcquireInStackQueuedSpinLock");
}

VOID KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE LockHandle)
{
    NT_ENTER(KeReleaseInStackQueuedSpinLock);
    release_queued(LockHandle, "KeReleaseInStackQueuedSpinLock");
    lower_after_release(LockHandle->OldIrql, "KeReleaseInStackQueuedSpinLock");
}

VOID KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    NT_ENTER(KeAcquireInStackQueuedSpinLockAtDpcLevel);
    LockHandle->LockQueue.Next = NULL;
    LockHandle->LockQueue.Lock = SpinLock;
    acquire(SpinLock, OWNER_QUEUED, LockHandle, "KeAcquireInStackQueuedSpinLockAtDpcLevel");
}

VOID KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE LockHandle)
{
    NT_ENTER(KeReleaseInStackQueuedSpinLockFromDpcLevel);
    release_queued(LockHandle, "KeReleaseInStackQueuedSpinLockFromDpcLevel");
}

void nt_put_right(KIRQL irql, unsigned locks)
{
    struct nt_verify_self *self = &nt_self.verify;

    if (!NT_VERIFYING)
        return;
    while (nt_self.spin_locks > locks && self->held != 0) {
        PKSPIN_LOCK spin_lock = (PKSPIN_LOCK)(uintptr_t)self->locks[self->held - 1];
        struct lock *lock = lock_of(spin_lock);
        nt_lock_given(spin_lock, NULL, "nt_put_right");
        give(lock, __atomic_load_n(&lock->owner, __ATOMIC_RELAXED));
    }
    nt_self.recursions = 0;
    if (nt_self.irql != irql && nt_self.spin_locks <= locks)
        nt_lower_irql(irql);
}
