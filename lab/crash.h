/* SPDX-License-Identifier: MIT */
/*
 * crash.h - faults and hangs of a driver become reports.
 *
 * SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT are caught on a stack of their own, and a run that takes longer
 * than a real-time limit by SIGALRM. The handler makes a violation (access-fault, no-progress, or what nt/ and wfp/
 * know of the address), and then leaves the run by a jump: the machine is as it was, and nothing of it is used any
 * more.
 */
#ifndef LAB_CRASH_H
#define LAB_CRASH_H

#include <stdbool.h>

enum crash { CRASH_NONE, CRASH_FAULT, CRASH_HANG };

/* Calls body(context). Seconds: 0 for no limit. What ended it if it did not return. Not reentrant. */
enum crash crash_guard(void (*body)(void *context), void *context, unsigned seconds);

#endif
