/* SPDX-License-Identifier: MIT */
/*
 * sublayer.h - sublayers: their weight and id, for filters. Callers hold the gate.
 */
#ifndef WFP_SUBLAYER_H
#define WFP_SUBLAYER_H

#include "wfp/object.h"

struct wfp_sublayer {
    struct wfp_object object;
    UINT64 id; /* orders sublayers of one weight: older first */
    UINT16 weight;
    FWPM_SUBLAYER0 *template;
};

/* NULL: none. A zero key means FWPM_SUBLAYER_UNIVERSAL, which is always there. */
struct wfp_sublayer *wfp_sublayer_find(const GUID *key);

void wfp_sublayer_init(void);

#endif
