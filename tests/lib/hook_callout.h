/* SPDX-License-Identifier: MIT */
/*
 * hook_callout.h - a callout whose classifyFn, notifyFn and flowDeleteFn are functions of the test.
 *
 * For tests of what a driver must not do: each says in a few lines what its driver does. At most HOOK_MAX at once.
 */
#ifndef HOOK_CALLOUT_H
#define HOOK_CALLOUT_H

#include "tests/lib/engine_fixture.h"

#define HOOK_MAX 4

struct hook;

struct hook_call {
    struct hook *hook;
    const FWPS_INCOMING_VALUES0 *values;
    const FWPS_INCOMING_METADATA_VALUES0 *metadata;
    const FWPS_FILTER3 *filter;
    UINT64 flow_context;
    FWPS_CLASSIFY_OUT0 *out;
    BOOLEAN reauthorize; /* at AUTH_CONNECT and AUTH_RECV_ACCEPT */
    void *layer_data;
};

struct hook {
    GUID key;
    UINT32 id;
    void (*classify)(const struct hook_call *call);
    NTSTATUS (*notify)(struct hook *hook, FWPS_CALLOUT_NOTIFY_TYPE type, const FWPS_FILTER3 *filter);
    void (*flow_deleted)(struct hook *hook, UINT64 context);
    unsigned classified, deleted;
    HANDLE context; /* of hook_pend */
};

/* Registers hook with the engine, and adds its callout and one terminating filter at layer (NULL: AUTH_CONNECT_V4). */
void hook_start(struct hook *hook, const GUID *layer, const GUID *sublayer);
void hook_stop(struct hook *hook);
NTSTATUS hook_register(struct hook *hook);
void hook_forget_all(void);

/* What classify may be, or call. */
void hook_pend(const struct hook_call *call);         /* pends and answers as the pages say; reauthorized: permits */
NTSTATUS hook_try_pend(const struct hook_call *call); /* pends, and writes no answer */
void hook_answer_pended(const struct hook_call *call);
void hook_permit(const struct hook_call *call);
void hook_block(const struct hook_call *call); /* and clears the right */

#endif
