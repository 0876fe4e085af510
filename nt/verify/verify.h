/* SPDX-License-Identifier: MIT */
/*
 * verify.h - what nt/, wfp/ and pe/ tell the verifier while they run a driver.
 *
 * Off, it costs one read of nt_verify_on at each place. On, each place that begins something (a lock taken, a block
 * allocated, an operation pended) leaves the calling stack under its key, so that a report can show where it began
 * beside where it broke; and the engine notes what happens to each connection. A rule that is broken goes
 * through nt_violate (nt/nt.h) as ever; nt_about and nt_about_connection, called just before it on the same
 * thread, say which beginning and which connection the report is to show.
 *
 * When you add a rule: its row in rules.h, its nt_violate, a planted driver in tests/lab/planted/.
 * Any thread, any IRQL. Nothing here calls a driver.
 */
#ifndef NT_VERIFY_VERIFY_H
#define NT_VERIFY_VERIFY_H

#include <nt/nt.h>

#define NT_STACK_MAX 24u

/* Return addresses, the innermost first. */
struct nt_stack {
    uint32_t count;
    const void *frames[NT_STACK_MAX];
};

/* Switched before the first driver is loaded, and after the last is gone. */
extern bool nt_verify_on;
#define NT_VERIFYING __builtin_expect(nt_verify_on, 0)

/* What begins somewhere and has to end. The key is the object's address, or the operation's number. */
enum nt_beginning {
    NT_BEGAN_NOTHING,
    NT_BEGAN_LOCK,      /* address of the spin lock: who holds it */
    NT_BEGAN_BLOCK,     /* a pool block: where it was allocated */
    NT_FREED_BLOCK,     /* ... and where it was freed */
    NT_BEGAN_IRP,       /* where it was marked pending, or sent */
    NT_COMPLETED_IRP,   /* where it was completed */
    NT_BEGAN_OPERATION, /* FwpsPendOperation0, by completion context */
    NT_COMPLETED_OPERATION,
    NT_BEGAN_OBJECT,   /* device, link, timer, work item, thread, callout, filter ...: where it was made */
    NT_BEGAN_CLASSIFY, /* the classify whose values are used after it returned */
    NT_BEGAN_WAIT,     /* where another fiber waits, by its number */
    NT_ABOUT_ROUTINE,  /* in reports only: nt_about_routine */
    NT_BEGINNINGS
};

/* No-ops while the verifier is off. Macros, so that no frame of theirs is in a stack. */
void nt_begin_verified(enum nt_beginning what, uint64_t key);
void nt_end_verified(enum nt_beginning what, uint64_t key);
#define nt_begin(what, key) (NT_VERIFYING ? nt_begin_verified(what, key) : (void)0)
#define nt_end(what, key)   (NT_VERIFYING ? nt_end_verified(what, key) : (void)0)
bool nt_find_beginning(enum nt_beginning what, uint64_t key, struct nt_stack *stack);

/* For this thread's next nt_violate. */
void nt_about(enum nt_beginning what, uint64_t key);
void nt_about_connection(uint64_t operation);

/* A routine of the driver that has just returned: violations until the next call are about it, so that a report can
 * name it although it is on the stack no more. NULL: no more. */
void nt_about_routine_verified(const void *routine);
#define nt_about_routine(routine) (NT_VERIFYING ? nt_about_routine_verified(routine) : (void)0)

/* One line of a connection's history ("pended by callout 0x101"); 0: of the machine. Kept in a bounded ring. */
void nt_note(uint64_t operation, const char *format, ...) __attribute__((format(printf, 2, 3)));

void nt_stack_take(struct nt_stack *stack);

#endif
