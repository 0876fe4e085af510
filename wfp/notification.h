/* SPDX-License-Identifier: MIT */
/*
 * notification.h - telling a callout's notifyFn about its filters. PASSIVE_LEVEL, mostly with the gate held.
 */
#ifndef WFP_NOTIFICATION_H
#define WFP_NOTIFICATION_H

#include "wfp/filter.h"

/* STATUS_SUCCESS when the filter has no registered callout, or the driver's answer to ADD_FILTER. */
NTSTATUS wfp_notify(struct wfp_filter *filter, FWPS_CALLOUT_NOTIFY_TYPE type);

/* Forgets the notices that wait (wfp/verify.h). */
void wfp_notices_reset(void);
void wfp_notices_forget(void); /* see wfp_forget */

#endif
