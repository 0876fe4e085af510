/* SPDX-License-Identifier: MIT */
/*
 * classify.h - one classify of a layer: sublayers, filters, callouts, arbitration.
 *
 * Takes no lock. Callouts run at wfp_set_classify_irql's level. The frame tells FwpsPendOperation0
 * which classify it is called from.
 */
#ifndef WFP_CLASSIFY_H
#define WFP_CLASSIFY_H

#include "wfp/callout.h"
#include "wfp/indication.h"

struct wfp_frame {
    struct wfp_frame *outer;
    struct wfp_authorization *authorization;
    HANDLE completion_handle; /* NULL: this layer has none */
    BOOLEAN reauthorize;
    UINT32 pends; /* successful FwpsPendOperation0 so far */
    unsigned layer;
    UINT32 reason; /* of the reauthorization; 0: it is none */
    /* Of the callout whose classifyFn runs now. */
    const struct wfp_callout_slot *slot; /* NULL: none */
    UINT32 slot_pends;                   /* pends, when it was called */
    UINT64 context;                      /* completion context of the last pend */
    BOOLEAN had_right;                   /* ACTION_WRITE on entry */
    enum {
        WFP_NOT_REFUSED,
        WFP_REFUSED,
        WFP_REFUSED_AND_TOLD
    } refused; /* FwpsPendOperation0: STATUS_FWP_CANNOT_PEND */
};

/* Of this thread; NULL: it is in no classify. */
struct wfp_frame *wfp_frame_current(void);

void **wfp_frame_place(void); /* where this thread has it: nt_schedule_keep */

struct wfp_verdict {
    BOOLEAN block;
    BOOLEAN absorb;
    BOOLEAN by_callout; /* a callout filter matched, whatever it then said */
    UINT64 filter_id;   /* 0: none decided */
    UINT64 generation;  /* of the policy used */
    UINT32 pends;
    struct wfp_looked looked;
};

/* Out of memory: blocked, filter_id 0. IRQL <= DISPATCH_LEVEL. */
void wfp_classify(const struct wfp_request *request, struct wfp_verdict *verdict);

#endif
