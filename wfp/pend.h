/* SPDX-License-Identifier: MIT */
/*
 * pend.h - operations that a callout pended and has not completed.
 */
#ifndef WFP_PEND_H
#define WFP_PEND_H

#include "wfp/authorization.h"

void wfp_pend_init(void);

size_t wfp_pend_count(void);
struct wfp_table *wfp_pend_table(void);

/* Reports it as left-operation, then ends it with a block. Unknown contexts are ignored. */
void wfp_pend_abandon(UINT64 context, const char *routine);

/* The same for each; and forgets what was completed. */
void wfp_pend_reset(void);
void wfp_pend_forget(void); /* see wfp_forget */

#endif
