/* SPDX-License-Identifier: MIT */
/*
 * adopt.h - live connections that the feed has not seen: the kernel's verdict cache permitted them, or a gatehoused
 * before this one. After a change of policy they are authorized again, as the feed's own are.
 *
 * One whose decision nobody kept (a decider's, from before a crash) and that no rule decides goes on.
 */
#ifndef HOST_ADOPT_H
#define HOST_ADOPT_H

#include "host/gate.h"
#include "host/identity.h"

struct adopt {
    struct gate *gate;
    struct identity *identity;
    bool (*is_known)(void *context, const struct gate_flow *flow); /* the feed has it */
    /* ALE_PACKAGE_ID. False: not known yet; adopt_start comes when it is. */
    bool (*package)(void *context, const struct gate_live *live, const FWP_BYTE_BLOB **package);
    void *context;
    bool under_way;
};

/* From the start again, also when it was under way. */
void adopt_start(struct adopt *adopt);

/* A piece; false: all are done. */
bool adopt_step(struct adopt *adopt);

#endif
