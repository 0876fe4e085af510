/* SPDX-License-Identifier: MIT */
/*
 * identity.c - builds ALE_APP_ID and the user's token in the caller's memory, without allocation.
 */
#include "host/identity.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/path_text.h"
#include "host/process_ends.h"

/* From 1601-01-01 to 1970-01-01, 100 ns. */
#define WINDOWS_EPOCH UINT64_C(116444736000000000)

/* A process has one start time for as long as gatehoused runs, whatever is done to the wall clock meanwhile. */
static UINT64 boot_time(void)
{
    static UINT64 boot;
    struct timespec wall, up;

    if (!boot) {
        clock_gettime(CLOCK_REALTIME, &wall);
        clock_gettime(CLOCK_BOOTTIME, &up);
        INT64 wall_ticks = (INT64)wall.tv_sec * 10000000 + wall.tv_nsec / 100;
        INT64 up_ticks = (INT64)up.tv_sec * 10000000 + up.tv_nsec / 100;
        boot = WINDOWS_EPOCH + (UINT64)(wall_ticks - up_ticks);
    }
    return boot;
}

#define SOURCE_FLAGS (GATE_OWNER_OTHER_MOUNTS | GATE_OWNER_PATH_CUT)

static bool identity_has_path(const struct identity *identity, const struct gate_owner *owner)
{
    return identity->source.size == owner->path_size && identity->source.flags == (owner->flags & SOURCE_FLAGS) &&
           identity->source.mount_namespace == owner->mount_namespace &&
           !memcmp(identity->source.text, owner->path, owner->path_size);
}

static void identity_keep_source(struct identity *identity, const struct gate_owner *owner)
{
    if (owner->path_size > sizeof(identity->source.text))
        return;
    identity->source.size = owner->path_size;
    identity->source.flags = owner->flags & SOURCE_FLAGS;
    identity->source.mount_namespace = owner->mount_namespace;
    identity->source.app_id_size = identity->app_id.size;
    memcpy(identity->source.text, owner->path, owner->path_size);
}

static void identity_fill_path(struct identity *identity, const struct gate_owner *owner)
{
    char prefix[32] = "";
    size_t prefix_size = 0, size = 0;

    identity->app_id = (FWP_BYTE_BLOB){0};
    if (!(owner->flags & GATE_OWNER_KNOWN) || !owner->path_size)
        return;
    if (identity_has_path(identity, owner)) {
        identity->app_id.data = (UINT8 *)identity->path;
        identity->app_id.size = identity->source.app_id_size;
        return;
    }
    identity->source.size = 0;
    if (owner->flags & GATE_OWNER_OTHER_MOUNTS)
        prefix_size = (size_t)snprintf(prefix, sizeof(prefix), "mnt:[%u]", owner->mount_namespace);
    else if (owner->flags & GATE_OWNER_PATH_CUT)
        prefix_size = (size_t)snprintf(prefix, sizeof(prefix), "cut:");
    for (size_t i = 0; i < prefix_size; i++)
        identity->path[i] = (UINT16)prefix[i];

    size_t room = sizeof(identity->path) - (prefix_size + 1) * sizeof(UINT16);
    if (!path_text_from_bytes((const uint8_t *)owner->path, owner->path_size, (uint8_t *)(identity->path + prefix_size),
                              room, &size))
        return;
    identity->path[prefix_size + size / sizeof(UINT16)] = 0;
    identity->app_id.data = (UINT8 *)identity->path;
    identity->app_id.size = (UINT32)((prefix_size + 1) * sizeof(UINT16) + size);
    identity_keep_source(identity, owner);
}

/* Authority 22. kind: 1 a user, 2 a group. */
static PSID make_sid(ULONG sid[4], ULONG kind, ULONG number)
{
    static const UINT8 head[8] = {1, 2, 0, 0, 0, 0, 0, 22}; /* revision 1, two subauthorities, authority 22 */

    memcpy(sid, head, sizeof(head));
    sid[2] = kind;
    sid[3] = number;
    return (PSID)sid;
}

static void add_sid(struct identity *identity, PSID sid)
{
    identity->sids[identity->sid_hash.SidCount++] = (SID_AND_ATTRIBUTES){.Sid = sid};
}

static void identity_fill_user(struct identity *identity, const struct gate_owner *owner)
{
    const struct cgroup_sid *groups = NULL;
    size_t count;

    identity->user = (FWP_BYTE_BLOB){0};
    if (!(owner->flags & GATE_OWNER_KNOWN))
        return;
    memset(&identity->token, 0, sizeof(identity->token));
    memset(&identity->sid_hash, 0, sizeof(identity->sid_hash));
    add_sid(identity, make_sid(identity->user_sid, 1, owner->uid));
    add_sid(identity, make_sid(identity->group_sid, 2, owner->gid));
    for (unsigned i = 0; i < owner->further_count; i++)
        if (owner->further[i] != owner->gid)
            add_sid(identity, make_sid(identity->further_sids[i], 2, owner->further[i]));
    count = identity->cgroups ? cgroup_names_find(identity->cgroups, owner->cgroup, &groups) : 0;
    for (size_t i = 0; i < count; i++)
        add_sid(identity, (PSID)(uintptr_t)&groups[i]);
    identity->sid_hash.SidAttr = identity->sids;
    identity->token.SidHash = &identity->sid_hash;
    identity->user.data = (UINT8 *)&identity->token;
    identity->user.size = sizeof(identity->token);
}

void identity_fill(struct identity *identity, const struct gate_owner *owner)
{
    identity_fill_path(identity, owner);
    identity_fill_user(identity, owner);
    identity->process_start = owner->flags & GATE_OWNER_KNOWN ? boot_time() + owner->start_boottime_ns / 100 : 0;
    if (owner->flags & GATE_OWNER_KNOWN)
        process_ends_watch(identity->ends, owner->pid, identity->process_start);
}

struct identity_mark identity_mark_of(const struct gate_owner *owner)
{
    return (struct identity_mark){owner->program[0], owner->groups, owner->cgroup, owner->uid, owner->gid};
}

bool identity_is_other(const struct identity_mark *mark, const struct gate_owner *owner)
{
    if (!(owner->flags & GATE_OWNER_KNOWN))
        return false;
    return mark->uid != owner->uid || mark->gid != owner->gid || mark->cgroup != owner->cgroup ||
           (owner->program[0] && mark->program != owner->program[0]) ||
           (owner->groups && mark->groups && mark->groups != owner->groups);
}
