/* SPDX-License-Identifier: MIT */
/*
 * history.c - words for notes and states. Pure.
 */
#include "wfp/history.h"

const char *wfp_action_name(FWP_ACTION_TYPE action)
{
    switch (action) {
    case FWP_ACTION_BLOCK:
        return "BLOCK";
    case FWP_ACTION_PERMIT:
        return "PERMIT";
    case FWP_ACTION_CALLOUT_TERMINATING:
        return "CALLOUT_TERMINATING";
    case FWP_ACTION_CALLOUT_INSPECTION:
        return "CALLOUT_INSPECTION";
    case FWP_ACTION_CALLOUT_UNKNOWN:
        return "CALLOUT_UNKNOWN";
    case FWP_ACTION_CONTINUE:
        return "CONTINUE";
    case FWP_ACTION_NONE:
        return "NONE";
    case FWP_ACTION_NONE_NO_MATCH:
        return "NONE_NO_MATCH";
    default:
        return "no known action";
    }
}

const char *wfp_reason_name(UINT32 reason)
{
    static const struct {
        UINT32 bit;
        const char *name;
    } names[] = {
        {FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE, "POLICY_CHANGE"},
        {FWP_CONDITION_REAUTHORIZE_REASON_NEW_ARRIVAL_INTERFACE, "NEW_ARRIVAL_INTERFACE"},
        {FWP_CONDITION_REAUTHORIZE_REASON_NEW_NEXTHOP_INTERFACE, "NEW_NEXTHOP_INTERFACE"},
        {FWP_CONDITION_REAUTHORIZE_REASON_PROFILE_CROSSING, "PROFILE_CROSSING"},
        {FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION, "CLASSIFY_COMPLETION"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if ((reason & names[i].bit) != 0)
            return names[i].name;
    return "another reason";
}

const char *wfp_protocol_name(UINT8 protocol)
{
    return protocol == 6 ? "TCP" : protocol == 17 ? "UDP" : protocol == 1 || protocol == 58 ? "ICMP" : "IP";
}
