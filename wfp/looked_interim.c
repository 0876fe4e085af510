/* SPDX-License-Identifier: MIT */
/*
 * looked_interim.c - see looked_interim.h. Goes when the index comes.
 */
#include "wfp/looked_interim.h"

void wfp_looked_interim(const struct wfp_policy *policy, const struct wfp_request *request, struct wfp_verdict *verdict)
{
    struct wfp_looked *looked = &verdict->looked;

    looked->all = verdict->by_callout;
    for (UINT32 i = 0; i < policy->count && !looked->all; i++) {
        const FWPS_FILTER3 *run = &policy->filters[i]->run;

        for (UINT32 j = 0; j < run->numFilterConditions; j++)
            looked->fields |= 1ull << run->filterCondition[j].fieldId;
    }
    if (looked->fields & 1ull << FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS)
        looked->remote_address_bits = request->authorization->facts.ip_version == 4 ? 32 : 128;
    if (looked->fields & 1ull << FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT)
        looked->remote_port_mask = 0xffff;
    if (looked->fields & 1ull << FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS)
        looked->flags_mask = ~0u;
}

__attribute__((weak)) void wfp_callout_looks(const GUID *callout_key, UINT64 fields, BOOLEAN answers)
{
    (void)callout_key, (void)fields, (void)answers;
}

__attribute__((weak)) BOOLEAN wfp_filter_key(UINT64 filter_id, GUID *key)
{
    (void)filter_id, (void)key;
    return FALSE;
}
