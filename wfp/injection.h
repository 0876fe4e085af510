/* SPDX-License-Identifier: MIT */
/*
 * injection.h - injection handles, and clones on their way back into the receive path.
 *
 * A clone that is injected while the classify that showed its packet, or the operation which that pended, is not over
 * waits for its end. Lock: one, over the handles' closing and the waiting lists; nobody is called under it.
 */
#ifndef WFP_INJECTION_H
#define WFP_INJECTION_H

#include "wfp/net_buffer.h"

void wfp_injection_init(void);

/* The classify that showed this list is over: what waited for it is injected now, on this stack. */
void wfp_injection_over(struct wfp_net_buffer *shown);

/* The list is shown (again): what is injected of it waits. */
void wfp_injection_shown(struct wfp_net_buffer *shown);

/* FALSE: the clone is in the engine's hands. */
BOOLEAN wfp_injection_give_up(struct wfp_net_buffer *clone);

struct wfp_table *wfp_injection_table(void);

/* Reports left-injection-handle for each of the driver's handles, and destroys them. NULL: of everybody. */
void wfp_injection_abandon(PDRIVER_OBJECT driver, const char *routine);
void wfp_injection_forget(void); /* see wfp_forget */

#endif
