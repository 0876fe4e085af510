/* SPDX-License-Identifier: MIT */
/*
 * verify.h - how a lab makes the engine behave as Windows rarely does, and what it asks of it. Drivers never see this.
 *
 * The engine checks a driver against the pages all the time; what costs something, and what is a warning or a note
 * only, it checks while the verifier is on (nt/verify/verify.h). wfp_reset sets all of this back.
 *
 * Set options while nothing is classified. PASSIVE_LEVEL.
 */
#ifndef WFP_VERIFY_H
#define WFP_VERIFY_H

#include "wfp/ale.h"

/* When notifyFn hears that a filter was deleted. */
enum wfp_deletion_notice {
    WFP_NOTICE_AT_ONCE, /* with the commit */
    WFP_NOTICE_LATER,   /* with wfp_notices_give */
    WFP_NOTICE_NEVER
};

struct wfp_verify_options {
    BOOLEAN alternate_irql; /* every other classify runs at PASSIVE_LEVEL, the first at wfp_set_classify_irql's level */
    enum wfp_deletion_notice deletions;
    BOOLEAN no_completion_handle;  /* AUTH_CONNECT comes without that metadata bit: nothing can be pended */
    BOOLEAN endpoint_dead_is_fine; /* operation-endpoint-dead is not reported */
    UINT64 oldest;                 /* operation-too-old: held longer than this, 100 ns of nt_now(). 0: never */
};

/* NULL: none of it. */
void wfp_set_verify_options(const struct wfp_verify_options *options);

/* Gives the notices that waited; a callout unregistered since then gets none. The gate is not held: notifyFn may call
 * management routines. */
void wfp_notices_give(void);

/* Reports operation-too-old for each held operation that became so since it was looked at last. */
void wfp_check_ages(void);

/*
 * Classifies each flow again at the layer where it was authorized, oldest first, with this reason
 * (FWP_CONDITION_REAUTHORIZE_REASON_*); a block ends the flow. each hears the decisions; NULL: nobody.
 */
typedef void wfp_reauthorized(void *context, UINT64 flow, const struct wfp_decision *decision);
void wfp_ale_reauthorize_all(UINT32 reason, wfp_reauthorized *each, void *context);

#endif
