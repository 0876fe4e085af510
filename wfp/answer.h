/* SPDX-License-Identifier: MIT */
/*
 * answer.h - did classifyFn keep the rules: what it may write, and what it has to write after it pended.
 *
 * Pages: FWPS_CLASSIFY_OUT0, FWPS_CALLOUT_CLASSIFY_FN1, FwpsPendOperation0, Types of Callouts.
 */
#ifndef WFP_ANSWER_H
#define WFP_ANSWER_H

#include "wfp/classify.h"

/* How it was before the call. */
struct wfp_question {
    const struct wfp_frame *frame;
    FWP_ACTION_TYPE action;
    BOOLEAN had_right;
    KIRQL irql;
    unsigned locks;
};

/* Reports what broke a rule and puts it right, so that the walk goes on with an answer that keeps them. */
void wfp_answer_check(const struct wfp_question *question, FWPS_CLASSIFY_OUT0 *out);

/* A driver's routine returned: with the IRQL and spin locks it was called with? */
void wfp_return_check(const char *routine, KIRQL irql, unsigned locks);

#endif
