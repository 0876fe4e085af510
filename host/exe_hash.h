/* SPDX-License-Identifier: MIT */
/*
 * exe_hash.h - the SHA-256 of the executable that connects, as the SID that ALE_PACKAGE_ID shows of it
 * (gatehouse/rules.h).
 *
 * The file is opened while the connection is held, through /proc/PID/exe or else by its path, and taken only if it is
 * the one that the kernel saw at connect(): device, inode and generation. A program that runs cannot be written to, so
 * what is read is what runs. Reading it takes as long as it takes, on a thread of its own; the connection's packet
 * waits in the queue meanwhile, and comes again afterwards. What was found is kept, bounded, by device, inode,
 * generation, time of last change and size.
 *
 * Files that may keep their reader waiting for ever (network and FUSE file systems), and those of more than 1 GiB, have
 * no hash: no rule for one matches them.
 *
 * One thread calls this, but for the worker's own part.
 */
#ifndef HOST_EXE_HASH_H
#define HOST_EXE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "host/gate.h"

/* S-1-15-2-a-b-c-d-e-f-g-h, as in memory. */
struct exe_sid {
    uint8_t revision, count, authority[6];
    uint32_t part[9];
};

#define EXE_HASH_WAITING_MAX 1024u /* packets that wait for a hash, of all programs */
#define EXE_HASH_FILE_MAX    128u  /* of them for one file */

struct exe_hash;

/* wake(context) is called, on the worker's thread, when exe_hash_ready has something. NULL: out of memory. */
struct exe_hash *exe_hash_new(void (*wake)(void *context), void *context);

/* Ends the worker, within the reading of a piece. */
void exe_hash_free(struct exe_hash *hashes);

enum exe_hash_result {
    EXE_HASH_KNOWN, /* *sid is it, until the next call */
    EXE_HASH_NONE,  /* there is none */
    EXE_HASH_WAITS, /* packet is kept for cookie, until one of the two below gives it back */
    EXE_HASH_FULL   /* too many wait already */
};
enum exe_hash_result exe_hash_find(struct exe_hash *hashes, const struct gate_owner *owner, uint64_t cookie,
                                   uint32_t packet, const struct exe_sid **sid);

/* Takes out up to limit packets that need not wait any more. How many. */
size_t exe_hash_ready(struct exe_hash *hashes, uint32_t *packets, size_t limit);

/* Takes out up to limit packets of a socket, ready or not. How many. */
size_t exe_hash_forget(struct exe_hash *hashes, uint64_t cookie, uint32_t *packets, size_t limit);

#endif
