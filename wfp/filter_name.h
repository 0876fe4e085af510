/* SPDX-License-Identifier: MIT */
/*
 * filter_name.h - display names of filters. Whoever adds many gives all of them one name: it is kept once.
 *
 * Only the latest name is compared. With the gate held, but for put: any thread, IRQL <= DISPATCH_LEVEL.
 */
#ifndef WFP_FILTER_NAME_H
#define WFP_FILTER_NAME_H

#include "wfp/memory.h"

#include <stdatomic.h>

struct wfp_filter_name {
    _Atomic(UINT32) refs;
    wchar_t text[];
};

/* With one more reference; NULL: no memory. */
struct wfp_filter_name *wfp_filter_name_get(const wchar_t *text);
void wfp_filter_name_put(struct wfp_filter_name *name);

/* The latest is let go; forget: without freeing it (see wfp_forget). */
void wfp_filter_name_reset(void);
void wfp_filter_name_forget(void);

#endif
