/* SPDX-License-Identifier: MIT */
/*
 * process_ends.h - tells the driver when a process has ended that it decided a connection of.
 *
 * NT tells drivers of every process (PsSetCreateProcessNotifyRoutine). Here only those are told that the engine has
 * seen, since a driver can know no other by a connection; and only their ends. A pidfd each: nothing is polled, and a
 * process that lives costs nothing. One thread, the host's.
 */
#ifndef HOST_PROCESS_ENDS_H
#define HOST_PROCESS_ENDS_H

#include <stdint.h>

#define PROCESS_ENDS_MAX 8192u /* watched at once, if there are descriptors; of those beyond, no end is told */

struct process_ends;

/* NULL: out of memory or descriptors. */
struct process_ends *process_ends_new(void);
void process_ends_free(struct process_ends *ends);

/* Readable when there is something to tell. */
int process_ends_fd(const struct process_ends *ends);

/* From now on its end is told, once. start: 100 ns since 1601. NULL ends: nothing. */
void process_ends_watch(struct process_ends *ends, uint64_t process_id, uint64_t start);

/* Tells what has ended (nt_process_ended), a bounded number; PASSIVE_LEVEL, outside any callout. */
void process_ends_tell(struct process_ends *ends);

#endif
