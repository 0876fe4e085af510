/* SPDX-License-Identifier: MIT */
/*
 * sample_callout.h - a small callout driver that has nothing to do with Gatehouse, for tests of the engine.
 *
 * One struct sample is one callout: what it answers is set by act, what it saw is counted. It calls
 * only what fwpsk.h and fwpmk.h offer a driver.
 */
#ifndef SAMPLE_CALLOUT_H
#define SAMPLE_CALLOUT_H

#include <ntddk.h>
#include <fwpsk.h>
#include <fwpmk.h>

#include <stdatomic.h>
#include <stdbool.h>

enum sample_act {
    SAMPLE_NOTHING, /* leaves classifyOut as it is */
    SAMPLE_CONTINUE,
    SAMPLE_PERMIT_SOFT,
    SAMPLE_PERMIT_HARD,
    SAMPLE_BLOCK_SOFT,
    SAMPLE_BLOCK_HARD,
    SAMPLE_BLOCK_ABSORB,
    SAMPLE_VETO,              /* BLOCK only where the right is missing */
    SAMPLE_PERMIT_ANYWAY,     /* PERMIT without looking at the right: breaks the rules */
    SAMPLE_PEND,              /* first classify: pends; reauthorization: verdict */
    SAMPLE_PEND_FORGETFUL,    /* pends and returns PERMIT: breaks the rules */
    SAMPLE_PEND_AND_COMPLETE, /* pends and completes before it returns */
    SAMPLE_PEND_BAD_HANDLE,   /* asks to pend somebody else's handle */
    SAMPLE_PEND_ALWAYS        /* asks to pend in reauthorizations too; then verdict */
};

struct sample {
    GUID key;
    UINT32 id;
    enum sample_act act;
    FWP_ACTION_TYPE verdict; /* of reauthorizations */
    NTSTATUS refuse_add;     /* notifyFn's answer to ADD_FILTER */

    _Atomic(unsigned) classified, reauthorized, added, deleted, flows_deleted;
    _Atomic(UINT64) pended; /* the last completion context */
    NTSTATUS pend_status;

    /* The last classify. */
    UINT16 layer_id;
    UINT32 flags, reason, metadata_bits, rights_in;
    FWP_ACTION_TYPE action_in;
    UINT64 process_id, process_start, endpoint, flow, flow_context;
    FWP_DIRECTION direction;
    void *layer_data;
    KIRQL irql;
    BOOLEAN keep_context; /* FLOW_ESTABLISHED: associate a context */
};

/* Registers the callout with the engine under a new key; version 0 to 3. */
NTSTATUS sample_register(struct sample *sample, unsigned version, UINT32 flags);
NTSTATUS sample_unregister(struct sample *sample);

/* After wfp_reset, which unregisters what a test left: ids start anew, and the samples were the test's own. */
void sample_forget_all(void);

/* At most this many samples at once. */
#define SAMPLE_MAX 64

#endif
