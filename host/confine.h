/* SPDX-License-Identifier: MIT */
/*
 * confine.h - what gatehoused and its aide may do from a moment on, and nothing else: capabilities and system calls.
 *
 * docs/threat-model.md says why each is needed. A system call that is not on the list fails with EPERM; none is made in
 * any test (tests/system/privilege_test.py runs them under a filter that kills).
 *
 * When gatehoused starts to use a system call or a right after its start, add it in confine.c.
 */
#ifndef HOST_CONFINE_H
#define HOST_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * All threads of this process, and those to come. Started gates, bound sockets and open files stay. deadly: a system
 * call that is not allowed ends the process (SIGSYS) instead of failing. 0, or -errno with one sentence; then the
 * process may be confined in part.
 */
int confine(bool deadly, char *error, size_t size);

/* The aide starts iptables and mounts; it keeps the rights for these. What cannot be given up is kept. */
void confine_aide(void);

#endif
