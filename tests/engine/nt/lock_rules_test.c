/* SPDX-License-Identifier: MIT */
/*
 * lock_rules_test.c - what the verifier says about spin locks: order, memory, queue handles; and about waiting.
 */
#include "tests/engine/nt/rules.h"

#include "nt/verify/lock_order.h"

#define TAG 'kcoL'

static KSPIN_LOCK a, b, c;

static int setup(void **state)
{
    nt_lock_order_reset();
    KeInitializeSpinLock(&a);
    KeInitializeSpinLock(&b);
    KeInitializeSpinLock(&c);
    return rules_setup(state);
}

static void take_both(PKSPIN_LOCK first, PKSPIN_LOCK second)
{
    KIRQL irql;
    KeAcquireSpinLock(first, &irql);
    KeAcquireSpinLockAtDpcLevel(second);
    KeReleaseSpinLockFromDpcLevel(second);
    KeReleaseSpinLock(first, irql);
}

/* "Preventing Errors and Deadlocks While Using Spin Locks"; Driver Verifier, Deadlock Detection. */
static void locks_have_one_order(void **state)
{
    (void)state;
    take_both(&a, &b);
    take_both(&a, &b);
    violations_none();
    take_both(&b, &a);
    broken("lock-order", NT_BEGAN_OBJECT);
    take_both(&b, &a); /* said once */
    violations_none();
}

static void an_order_holds_over_three_locks(void **state)
{
    (void)state;
    take_both(&a, &b);
    take_both(&b, &c);
    take_both(&a, &c);
    violations_none();
    take_both(&c, &a);
    broken("lock-order", NT_BEGAN_OBJECT);
}

/* A lock that is only tried cannot make a ring, as nobody waits for it. */
static void trying_is_no_order(void **state)
{
    KIRQL irql;
    (void)state;
    take_both(&a, &b);
    KeAcquireSpinLock(&b, &irql);
    assert_true(KeTryToAcquireSpinLockAtDpcLevel(&a));
    KeReleaseSpinLockFromDpcLevel(&a);
    KeReleaseSpinLock(&b, irql);
    violations_none();
}

/* Another lock at the address of one that was freed has no order yet. */
static void a_freed_lock_is_forgotten(void **state)
{
    KSPIN_LOCK *pair = ExAllocatePool2(POOL_FLAG_NON_PAGED, 2 * sizeof *pair, TAG);
    (void)state;
    take_both(&pair[0], &a);
    take_both(&a, &pair[1]);
    nt_locks_freed(pair, 2 * sizeof *pair, "test");
    take_both(&pair[1], &pair[0]);
    take_both(&a, &pair[0]);
    violations_none();
    ExFreePoolWithTag(pair, TAG);
}

/* What the table cannot hold is not looked at; what it can is, however many came and went before. */
static void many_locks_come_and_go(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        KSPIN_LOCK *pair = ExAllocatePool2(POOL_FLAG_NON_PAGED, 2 * sizeof *pair, TAG);
        take_both(&pair[0], &pair[1]);
        take_both(&a, &pair[1]);
        ExFreePoolWithTag(pair, TAG);
    }
    violations_none();
    take_both(&a, &b);
    take_both(&b, &a);
    broken("lock-order", NT_BEGAN_OBJECT);
}

/* "Providing Storage for Spin Locks and Protected Data". */
static void a_held_lock_is_not_freed(void **state)
{
    KSPIN_LOCK *lock = ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, TAG);
    KIRQL irql;
    (void)state;
    KeAcquireSpinLock(&lock[3], &irql);
    KeReleaseSpinLock(&lock[3], irql);
    ExFreePoolWithTag(lock, TAG);
    violations_none();
    lock = ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, TAG);
    KeAcquireSpinLock(&lock[3], &irql);
    nt_locks_freed(lock, 24, "test");
    violations_none();
    nt_locks_freed(lock, 25, "test");
    broken("lock-freed", NT_BEGAN_LOCK);
    KeReleaseSpinLock(&lock[3], irql);
    ExFreePoolWithTag(lock, TAG);
}

/* wdm.h KeAcquireInStackQueuedSpinLock: one handle for one acquisition, released with it. */
static void a_queue_handle_is_for_one_lock(void **state)
{
    KLOCK_QUEUE_HANDLE first, second;
    (void)state;
    KeAcquireInStackQueuedSpinLock(&a, &first);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&b, &second);
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&second);
    KeReleaseInStackQueuedSpinLock(&first);
    violations_none();
    KeReleaseInStackQueuedSpinLock(&first); /* again */
    assert_string_equal(violations_seen.rule, "lock-not-held");
    violations_record();
    KeAcquireInStackQueuedSpinLock(&a, &first);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&b, &first);
    violations_expect("lock-kind", 1u);
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&first);
    second.LockQueue.Lock = &a;
    second.OldIrql = PASSIVE_LEVEL;
    KeReleaseInStackQueuedSpinLock(&second);
    broken("lock-kind", NT_BEGAN_LOCK);
}

/* wdm.h KeWaitForSingleObject: what keeps the thread at DISPATCH_LEVEL is shown. */
static void waiting_under_a_lock_shows_the_lock(void **state)
{
    KEVENT event;
    KIRQL irql;
    (void)state;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeAcquireSpinLock(&a, &irql);
    (void)KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    broken("wait-at-dispatch", NT_BEGAN_LOCK);
    KeReleaseSpinLock(&a, irql);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, rules_teardown)
    const struct CMUnitTest tests[] = {
        TEST(locks_have_one_order),
        TEST(an_order_holds_over_three_locks),
        TEST(trying_is_no_order),
        TEST(a_freed_lock_is_forgotten),
        TEST(many_locks_come_and_go),
        TEST(a_held_lock_is_not_freed),
        TEST(a_queue_handle_is_for_one_lock),
        TEST(waiting_under_a_lock_shows_the_lock),
    };
    return cmocka_run_group_tests_name("nt lock rules", tests, NULL, NULL);
}
