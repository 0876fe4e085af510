/* SPDX-License-Identifier: MIT */
/*
 * history.h - what the engine notes of a connection while the verifier is on, and its words for it.
 *
 * A connection is known by its authorization's id: the number of its operation and of its flow. Any IRQL.
 */
#ifndef WFP_HISTORY_H
#define WFP_HISTORY_H

#include "nt/verify/verify.h"
#include "wfp/authorization.h"

#define WFP_NOTE(authorization, ...)                                                                                   \
    do {                                                                                                               \
        if (NT_VERIFYING)                                                                                              \
            nt_note((authorization)->flow.key, __VA_ARGS__);                                                           \
    } while (0)

const char *wfp_action_name(FWP_ACTION_TYPE action);
const char *wfp_reason_name(UINT32 reason); /* of a reauthorization; the first of several */

const char *wfp_protocol_name(UINT8 protocol);

#endif
