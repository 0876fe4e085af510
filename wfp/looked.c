/* SPDX-License-Identifier: MIT */
/*
 * looked.c - which field is what, and fields looked at as a whole. See looked.h.
 */
#include "wfp/looked.h"
#include "wfp/number.h"

UINT8 wfp_roles[WFP_LAYER_COUNT][WFP_MAX_FIELDS];

static enum wfp_role role_of(const GUID *key)
{
    static const struct {
        const GUID *key;
        enum wfp_role role;
    } rows[] = {
        {&FWPM_CONDITION_ALE_APP_ID, WFP_ROLE_APP},
        {&FWPM_CONDITION_IP_PROTOCOL, WFP_ROLE_PROTOCOL},
        {&FWPM_CONDITION_IP_REMOTE_PORT, WFP_ROLE_REMOTE_PORT},
        {&FWPM_CONDITION_IP_REMOTE_ADDRESS, WFP_ROLE_REMOTE_ADDRESS},
        {&FWPM_CONDITION_IP_LOCAL_ADDRESS, WFP_ROLE_LOCAL_ADDRESS},
        {&FWPM_CONDITION_IP_LOCAL_PORT, WFP_ROLE_LOCAL_PORT},
        {&FWPM_CONDITION_FLAGS, WFP_ROLE_FLAGS},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (IsEqualGUID(rows[i].key, key))
            return rows[i].role;
    return WFP_ROLE_OTHER;
}

void wfp_looked_init(void)
{
    for (unsigned layer = 0; layer < WFP_LAYER_COUNT; layer++)
        for (unsigned field = 0; field < wfp_layers[layer].field_count; field++)
            wfp_roles[layer][field] = (UINT8)role_of(wfp_layers[layer].fields[field].key);
}

void wfp_look_whole(struct wfp_looked *looked, unsigned layer, UINT64 fields)
{
    for (unsigned field = 0; field < wfp_layers[layer].field_count; field++)
        if ((fields & 1ull << field) != 0)
            wfp_look(looked, wfp_roles[layer], field, wfp_field_width(wfp_layers[layer].fields[field].type));
}

/* More than that are not kept: then who knows what such a callout looks at. */
#define MOST_PROMISES 64u

static struct {
    GUID key;
    UINT64 looks;
} promises[MOST_PROMISES];
static unsigned promise_count;

static unsigned find_promise(const GUID *key)
{
    unsigned at = 0;

    while (at < promise_count && !IsEqualGUID(&promises[at].key, key))
        at++;
    return at;
}

UINT64 wfp_promise_of(const GUID *key)
{
    unsigned at = find_promise(key);

    return at == promise_count ? 0 : promises[at].looks;
}

void wfp_promise_keep(const GUID *key, UINT64 looks)
{
    unsigned at = find_promise(key);

    if (at == MOST_PROMISES)
        return;
    promises[at].key = *key;
    promises[at].looks = looks;
    if (at == promise_count)
        promise_count++;
}

void wfp_promises_forget(void)
{
    promise_count = 0;
}
