/* SPDX-License-Identifier: MIT */
/*
 * looked.h - noting what a decision looked at (struct wfp_looked in ale.h).
 *
 * Each lookup and each comparison notes as few leading bits as prove its result. Notes only grow. Any IRQL, no lock.
 */
#ifndef WFP_LOOKED_H
#define WFP_LOOKED_H

#include "wfp/ale.h"
#include "wfp/layer.h"

/* What a field is, whichever layer it stands in. */
enum wfp_role {
    WFP_ROLE_OTHER,
    WFP_ROLE_APP,
    WFP_ROLE_PROTOCOL,
    WFP_ROLE_REMOTE_PORT,
    WFP_ROLE_REMOTE_ADDRESS,
    WFP_ROLE_LOCAL_ADDRESS,
    WFP_ROLE_LOCAL_PORT,
    WFP_ROLE_FLAGS
};

extern UINT8 wfp_roles[WFP_LAYER_COUNT][WFP_MAX_FIELDS];

/* Fills wfp_roles. Once, before all else. */
void wfp_looked_init(void);

/* bits: leading ones, of an address or a port (16 at most); others count as a whole. */
static inline void wfp_look(struct wfp_looked *looked, const UINT8 *roles, unsigned field, unsigned bits)
{
    looked->fields |= 1ull << field;
    switch (roles[field]) {
    case WFP_ROLE_REMOTE_ADDRESS:
        if (bits > looked->remote_address_bits)
            looked->remote_address_bits = (UINT8)bits;
        break;
    case WFP_ROLE_LOCAL_ADDRESS:
        if (bits > looked->local_address_bits)
            looked->local_address_bits = (UINT8)bits;
        break;
    case WFP_ROLE_REMOTE_PORT:
        looked->remote_port_mask |= (UINT16)(0xffff0000u >> (bits & 31u));
        break;
    case WFP_ROLE_LOCAL_PORT:
        looked->local_port_mask |= (UINT16)(0xffff0000u >> (bits & 31u));
        break;
    case WFP_ROLE_FLAGS:
        looked->flags_mask = ~0u;
        break;
    default:
        break;
    }
}

/* Of FLAGS, whichever field that is. */
static inline void wfp_look_flags(struct wfp_looked *looked, unsigned field, UINT32 mask)
{
    looked->fields |= 1ull << field;
    looked->flags_mask |= mask;
}

/* All of these fields, as a callout promised that it looks at no others. */
void wfp_look_whole(struct wfp_looked *looked, unsigned layer, UINT64 fields);

/*
 * What hosts promised of callouts (wfp_callout_looks): fields, with WFP_LOOKS_PROMISED and WFP_LOOKS_ANSWERS
 * (callout.h); 0: nothing. Under the slots' lock.
 */
UINT64 wfp_promise_of(const GUID *callout_key);
void wfp_promise_keep(const GUID *callout_key, UINT64 looks);
void wfp_promises_forget(void);

#endif
