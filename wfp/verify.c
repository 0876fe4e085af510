/* SPDX-License-Identifier: MIT */
/*
 * verify.c - the options, and the rule that a hook of nt/ asks about; see verify.h.
 */
#include "wfp/verify.h"
#include "wfp/history.h"
#include "wfp/classify.h"
#include "wfp/leftover.h"
#include "wfp/verify_private.h"

#include <nt/nt.h>

#include <string.h>

struct wfp_verify_options wfp_verify_options;

void wfp_set_verify_options(const struct wfp_verify_options *options)
{
    if (options != NULL)
        wfp_verify_options = *options;
    else
        memset(&wfp_verify_options, 0, sizeof(wfp_verify_options));
}

/* Pending lowers no IRQL: what waits for an answer has to run somewhere else. */
static bool explain_irql(const char *routine, KIRQL highest)
{
    const struct wfp_frame *frame = wfp_frame_current();

    if (frame == NULL || frame->slot == NULL || frame->pends == frame->slot_pends)
        return false;
    nt_about(NT_BEGAN_OPERATION, frame->context);
    nt_about_connection(frame->authorization->flow.key);
    nt_violate("pend-keeps-irql", routine,
               "called at IRQL %u in the classifyFn that pended; it may be called at %u at most, and "
               "FwpsPendOperation0 does not lower the IRQL",
               KeGetCurrentIrql(), highest);
    return true;
}

void wfp_verify_init(void)
{
    nt_set_irql_hook(explain_irql);
    nt_set_driver_gone(wfp_driver_gone);
}
