/* SPDX-License-Identifier: MIT */
/*
 * lazy.h - takes memory from a driver some of it at a time, so that live connections do not pay a system call for each.
 *
 * What a classify had and what was freed is overwritten at once. It becomes inaccessible when LAZY_WAITING of its kind
 * wait, or when the host is about to sleep and the last time is LAZY_MS ago. A read before that finds what it was
 * overwritten with; a write to a freed block is found then. Off, both become inaccessible at once: nothing is missed,
 * and runs are the same each time.
 */
#ifndef NT_VERIFY_LAZY_H
#define NT_VERIFY_LAZY_H

#include <stdbool.h>

#define LAZY_WAITING 32u
#define LAZY_MS      10u

extern bool nt_verify_lazy;

/* Before the first driver is loaded. */
void nt_verify_lazily(bool lazily);

/* The host is about to sleep: its thread, PASSIVE_LEVEL. At the end, whatever waits: all. */
void nt_verify_idle(bool all);

/* Of what waits: nt/verify/trap_page.c, nt/ex/special_pool.c. */
void nt_trap_settle(void);
void nt_special_settle(void);

#endif
