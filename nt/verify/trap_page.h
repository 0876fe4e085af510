/* SPDX-License-Identifier: MIT */
/*
 * trap_page.h - memory that a driver may use for one call only, and that faults whenever it is used afterwards.
 *
 * A group of pages is accessible from nt_trap_open to nt_trap_close. Groups are taken from a ring, so that a group
 * stays inaccessible until as many others as the ring holds came after it. Beside them are addresses that never were
 * accessible: nt_trap_address, for pointers that mean nothing.
 *
 * nt_trap_explain tells a fault handler what lay there. Any thread, any IRQL. Memory is kept until the process ends.
 */
#ifndef NT_VERIFY_TRAP_PAGE_H
#define NT_VERIFY_TRAP_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At least size bytes, of any content, on whole pages. label lives for ever and says what it is; connection 0: none.
 * NULL: too large, or the ring is full of open groups. */
void *nt_trap_open(size_t size, const char *label, uint64_t connection);
void nt_trap_close(void *group);

/* Closes every group: who had opened them was abandoned. */
void nt_trap_reset(void);

/* An address that faults, the same for the same label, which lives for ever. At most 32 labels; the rest share one. */
void *nt_trap_address(const char *label);

struct nt_trap {
    const char *label;
    uint64_t connection;
    const void *group; /* of a closed group: its start, the key of NT_BEGAN_CLASSIFY; NULL: from nt_trap_address */
    size_t offset;     /* of the address in the group */
};

/* false: the address is in none, or in an open one. For a fault handler: takes no lock, allocates nothing. */
bool nt_trap_explain(const void *address, struct nt_trap *trap);

#endif
