/* SPDX-License-Identifier: MIT */
/*
 * history.c - words for notes and states. Pure.
 */
#include "wfp/history.h"

#include <stdio.h>

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

const char *wfp_peer_text(const struct wfp_ale_connect *facts, char text[WFP_PEER_TEXT])
{
    const UINT8 *at = facts->remote_address;

    if (facts->ip_version != 6)
        snprintf(text, WFP_PEER_TEXT, "%u.%u.%u.%u:%u", at[0], at[1], at[2], at[3], facts->remote_port);
    else
        snprintf(text, WFP_PEER_TEXT, "[%x:%x:%x:%x:%x:%x:%x:%x]:%u", at[0] << 8 | at[1], at[2] << 8 | at[3],
                 at[4] << 8 | at[5], at[6] << 8 | at[7], at[8] << 8 | at[9], at[10] << 8 | at[11],
                 at[12] << 8 | at[13], at[14] << 8 | at[15], facts->remote_port);
    return text;
}
