/* SPDX-License-Identifier: MIT */
/*
 * fiber.h - stacks of one's own on one real thread, and changing between them.
 *
 * Stacks come from mmap with a guard page below, and are kept and used again. ASan and TSan are told of each change.
 * Nothing here knows who runs when (scheduler.c). One real thread only.
 */
#ifndef NT_VERIFY_FIBER_H
#define NT_VERIFY_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#define NT_FIBER_STACK (512u * 1024u)

struct nt_fiber {
    void *place; /* where it goes on, while it does not run; see nt_machine_switch */
    void *base;  /* lowest byte of its stack */
    size_t size;
    void *fake_stack; /* ASan's */
    void *shadow;     /* TSan's */
    unsigned uses;
    void (*entry)(void *argument);
    void *argument;
};

/* The real thread's own stack becomes a fiber, so that others can change back to it. */
void nt_fiber_adopt(struct nt_fiber *fiber);

/* A fiber that calls entry when it is first changed to; entry never returns (nt_fiber_leave). Keeps the stack that a
 * zeroed or earlier *fiber has. false: no memory. */
bool nt_fiber_make(struct nt_fiber *fiber, void (*entry)(void *argument), void *argument);

void nt_fiber_switch(struct nt_fiber *from, struct nt_fiber *to);

/* The same for the last time: from may be made again by whoever runs then. */
_Noreturn void nt_fiber_leave(struct nt_fiber *from, struct nt_fiber *to);

/* Return addresses of a fiber that does not run, the innermost first; how many. By frame pointers. */
size_t nt_fiber_trace(const struct nt_fiber *fiber, const void **frames, size_t room);

/* One file a processor: fiber_x86_64.c, else fiber_ucontext.c. */
void nt_machine_switch(void **save, void *load);
void *nt_machine_prepare(void *base, size_t size, void (*start)(void));
/* Frame pointer and return address of a saved place; false: unknown here. */
bool nt_machine_frame(const void *place, const void **frame, const void **address);

#endif
