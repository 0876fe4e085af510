/* SPDX-License-Identifier: MIT */
/*
 * crash.h - faults and hangs of a driver become reports.
 *
 * SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT are caught on a stack of their own, and a run that takes longer
 * than a real-time limit by SIGALRM. The handler makes a violation: what the special pool or a trap page knows of the
 * address, else access-fault; no-progress for the limit. Then it leaves: a scheduled run by nt_schedule_abandon, so
 * that nt_schedule returns and crash_guard with it, another run by a jump. What is left then is told there; whoever
 * goes on calls wfp_forget and nt_reset first, and takes the risk that the driver wrote where it should not have.
 *
 * A second fault while the first is told, and one outside of crash_guard, is the lab's own: exit code 3.
 */
#ifndef LAB_CRASH_H
#define LAB_CRASH_H

#include <stdbool.h>

enum crash { CRASH_NONE, CRASH_FAULT, CRASH_HANG };

/*
 * Instead of leaving crash_guard: a fault on any thread from now on makes its violation and ends the process with this
 * code. SIGALRM is no-progress, sent by who thinks that the thread it is sent to does not come back.
 */
void crash_ends_process(int code, unsigned seconds);

/* Calls body(context). Seconds: 0 for no limit. What ended it if it did not return. Not reentrant. */
enum crash crash_guard(void (*body)(void *context), void *context, unsigned seconds);

/* What the report of a SIGALRM says of the limit when somebody else keeps it; inside of body. */
void crash_limit(unsigned seconds);

/* Ends the process, inside of body too, where exit and its like are a driver's mistake. */
_Noreturn void crash_leave(int code);

/* A fault is being told, by the caller's violation handler. */
bool crash_telling(void);

#endif
