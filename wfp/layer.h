/* SPDX-License-Identifier: MIT */
/*
 * layer.h - the layers this engine has, their fields and the policy each of them runs.
 *
 * Layers and fields are constant tables. What changes is live: the policy (policy.h), swapped by a
 * commit. When you add a layer: FWPS numbers in fwpsk.h, GUIDs in fwpmk.h, a row in layer.c, and the
 * values in indication.c.
 *
 * Field types: the FWPS_FIELDS_* pages and Filtering Conditions Available at Each Filtering Layer.
 */
#ifndef WFP_LAYER_H
#define WFP_LAYER_H

#include <fwpsk.h>
#include <fwpmk.h>

#include <stdatomic.h>

struct wfp_policy;

enum wfp_layer_index {
    WFP_RESOURCE_ASSIGNMENT_V4,
    WFP_RESOURCE_ASSIGNMENT_V6,
    WFP_AUTH_LISTEN_V4,
    WFP_AUTH_LISTEN_V6,
    WFP_AUTH_RECV_ACCEPT_V4,
    WFP_AUTH_RECV_ACCEPT_V6,
    WFP_AUTH_CONNECT_V4,
    WFP_AUTH_CONNECT_V6,
    WFP_FLOW_ESTABLISHED_V4,
    WFP_FLOW_ESTABLISHED_V6,
    WFP_ENDPOINT_CLOSURE_V4,
    WFP_ENDPOINT_CLOSURE_V6,
    WFP_LAYER_COUNT
};

#define WFP_MAX_FIELDS 38 /* of any layer */

/* What a filter may compare a field with. USER is a token's SIDs against a security descriptor. */
enum wfp_field_type {
    WFP_FIELD_UINT8,
    WFP_FIELD_UINT16,
    WFP_FIELD_UINT32,
    WFP_FIELD_UINT64,
    WFP_FIELD_V4,   /* UINT32 address, host order */
    WFP_FIELD_V6,   /* BYTE_ARRAY16 */
    WFP_FIELD_BLOB, /* BYTE_BLOB */
    WFP_FIELD_USER, /* SECURITY_DESCRIPTOR */
    WFP_FIELD_SID,
    WFP_FIELD_STRING /* UNICODE_STRING */
};

struct wfp_field {
    const GUID *key;
    enum wfp_field_type type;
};

struct wfp_layer {
    const char *name; /* "ALE_AUTH_CONNECT_V4" */
    const GUID *key;
    UINT16 id; /* FWPS_LAYER_* */
    UINT16 field_count;
    const struct wfp_field *fields;
    UINT16 flags_field; /* index of the FLAGS field */
};

struct wfp_live_layer {
    _Atomic(UINT64) current;    /* policy.c: pointer and readers */
    _Atomic(UINT64) generation; /* +1 with every commit that added or deleted a filter here */
} __attribute__((aligned(64)));

extern const struct wfp_layer wfp_layers[WFP_LAYER_COUNT];
extern struct wfp_live_layer wfp_live_layers[WFP_LAYER_COUNT];

/* WFP_LAYER_COUNT: not a layer of this engine. */
unsigned wfp_layer_by_key(const GUID *key);
unsigned wfp_layer_by_id(UINT16 id);

/* Index of the field in the layer; -1: the layer has none such. */
int wfp_layer_field(const struct wfp_layer *layer, const GUID *key);

/* The same, quicker when it is that of guess (a field, or -1) again. */
int wfp_layer_field_near(const struct wfp_layer *layer, const GUID *key, int guess);

#endif
