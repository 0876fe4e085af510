/* SPDX-License-Identifier: MIT */
/*
 * verify_private.h - verify.h's options for the engine's own files.
 */
#ifndef WFP_VERIFY_PRIVATE_H
#define WFP_VERIFY_PRIVATE_H

#include "wfp/verify.h"

extern struct wfp_verify_options wfp_verify_options; /* read without a lock */

void wfp_verify_init(void);

#endif
