/* SPDX-License-Identifier: MIT */
/*
 * looked_interim.h - until the index says what a decision looked at: all that any filter of the layer looks at.
 */
#ifndef WFP_LOOKED_INTERIM_H
#define WFP_LOOKED_INTERIM_H

#include "wfp/classify.h"
#include "wfp/policy.h"

void wfp_looked_interim(const struct wfp_policy *policy, const struct wfp_request *request,
                        struct wfp_verdict *verdict);

#endif
