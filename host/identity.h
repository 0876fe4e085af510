/* SPDX-License-Identifier: MIT */
/*
 * identity.h - who connects, from what the kernel saw to what WFP demands.
 *
 * The program becomes the ALE_APP_ID: its path as UTF-16 with a NUL (core/path_text.h gives every
 * byte a place). A program from another mount namespace is written "mnt:[N]/its/path" there, and one
 * whose path did not fit "cut:/...": neither begins with "/", so no rule for a path of this machine matches it.
 * The user becomes the TOKEN_ACCESS_INFORMATION of field ALE_USER_ID, whose SIDs are S-1-22-1-UID, S-1-22-2-GID (the
 * convention for Unix users and groups), one for each further group, and those of its control group (cgroup_names.h);
 * and the process's start a Windows time.
 */
#ifndef HOST_IDENTITY_H
#define HOST_IDENTITY_H

#include <ntddk.h>
#include <fwpsk.h>

#include "host/cgroup_names.h"
#include "host/gate.h"

#define IDENTITY_PATH_MAX 4352u /* UTF-16 units: a path of 4,096 bytes and a prefix */

#define IDENTITY_SOURCE_MAX 256u

/* Large; the caller keeps one, zeroed before its first use, and fills it anew for each packet. The blobs point into it.
 */
struct identity {
    struct cgroup_names *cgroups; /* the caller's; NULL: none are told */
    struct process_ends *ends;    /* the caller's: watches each process that is told of; NULL: none */
    FWP_BYTE_BLOB app_id;         /* size 0: not known */
    FWP_BYTE_BLOB user;           /* size 0: not known */
    UINT64 process_start;         /* 100 ns since 1601 UTC */
    TOKEN_ACCESS_INFORMATION token;
    SID_AND_ATTRIBUTES_HASH sid_hash;
    SID_AND_ATTRIBUTES sids[2 + GATE_FURTHER_MAX + CGROUP_SIDS_MAX];
    ULONG user_sid[4], group_sid[4]; /* revision 1, two subauthorities: 16 bytes */
    ULONG further_sids[GATE_FURTHER_MAX][4];
    UINT16 path[IDENTITY_PATH_MAX];
    /* What path was made of, if that was short: the next connection is mostly the same program's. size 0: it was not.
     */
    struct {
        uint32_t flags, mount_namespace;
        UINT32 app_id_size;
        size_t size;
        char text[IDENTITY_SOURCE_MAX];
    } source;
};

void identity_fill(struct identity *identity, const struct gate_owner *owner);

/* What rules can look at of who connects, but for what became of its file. 0: not known. */
struct identity_mark {
    uint64_t program, groups, cgroup;
    uint32_t uid, gid;
};

struct identity_mark identity_mark_of(const struct gate_owner *owner);
/* For all that is known: is it somebody else for whom other rules can count? */
bool identity_is_other(const struct identity_mark *mark, const struct gate_owner *owner);

#endif
