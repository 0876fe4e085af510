/* SPDX-License-Identifier: MIT */
/*
 * pend.h - operations that a callout pended and has not completed.
 */
#ifndef WFP_PEND_H
#define WFP_PEND_H

#include "wfp/authorization.h"

void wfp_pend_init(void);

size_t wfp_pend_count(void);

/* Reports each as "wfp-left", then ends it with a block. */
void wfp_pend_reset(void);
void wfp_pend_forget(void); /* see wfp_forget */

#endif
