/* SPDX-License-Identifier: MIT */
/*
 * cgroup_names.h - the names of a control group, as the SIDs that a token shows of them (gatehouse/rules.h).
 *
 * The kernel says the group's number at connect(); its path comes from cgroup2 itself, by that number, so no process is
 * asked and none can pretend. A group never changes its path, and a number is never given twice while the machine runs:
 * what was found once is kept, bounded, by number.
 *
 * One thread.
 */
#ifndef HOST_CGROUP_NAMES_H
#define HOST_CGROUP_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* S-1-5-80-a-b-c-d-e (unit) or S-1-5-81-a-b-c-d-e (control group), as in memory. */
struct cgroup_sid {
    uint8_t revision, count, authority[6];
    uint32_t part[6];
};

/* Of one group; more (a path of more than 40 components) are left out, the deepest first. */
#define CGROUP_SIDS_MAX 80u

struct cgroup_names;

/* NULL: out of memory, or no cgroup2. */
struct cgroup_names *cgroup_names_new(void);
void cgroup_names_free(struct cgroup_names *names);

/*
 * The SIDs of the group with this number, the groups above it and the units among these, until the next call. How many;
 * 0: the group is gone.
 */
size_t cgroup_names_find(struct cgroup_names *names, uint64_t number, const struct cgroup_sid **sids);

/* Those of a path from the root ("/system.slice/ssh.service"). How many were written. */
size_t cgroup_names_of(const char *path, struct cgroup_sid sids[CGROUP_SIDS_MAX]);

#endif
