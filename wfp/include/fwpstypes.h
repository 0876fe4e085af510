/* SPDX-License-Identifier: MIT */
/*
 * fwpstypes.h - run-time filter types: what classifyFn and notifyFn are given.
 *
 * Layouts of 64-bit Windows, asserted at the end. Sources: the structure pages of fwpstypes.h
 * (Windows API reference) and two public copies of the header.
 *
 * FWPS_FILTER0..3 differ only in the type of providerContext; this platform has no provider
 * contexts, so the member is always NULL.
 */
#ifndef FWPSTYPES_H
#define FWPSTYPES_H

#include <fwptypes.h>

typedef struct FWPS_FILTER_CONDITION0_ {
    UINT16 fieldId;
    UINT16 reserved;
    FWP_MATCH_TYPE matchType;
    FWP_CONDITION_VALUE0 conditionValue;
} FWPS_FILTER_CONDITION0;

typedef struct FWPS_ACTION0_ {
    FWP_ACTION_TYPE type;
    UINT32 calloutId;
} FWPS_ACTION0;

#define FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT                  0x0001
#define FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED      0x0002
#define FWPS_FILTER_FLAG_OR_CONDITIONS                       0x0004
#define FWPS_FILTER_FLAG_HAS_SECURITY_REALM_PROVIDER_CONTEXT 0x0008
#define FWPS_FILTER_FLAG_SILENT_MODE                         0x0010
#define FWPS_FILTER_FLAG_IPSEC_NO_ACQUIRE_INITIATE           0x0020

typedef struct FWPM_PROVIDER_CONTEXT0_ FWPM_PROVIDER_CONTEXT0;
typedef struct FWPM_PROVIDER_CONTEXT1_ FWPM_PROVIDER_CONTEXT1;
typedef struct FWPM_PROVIDER_CONTEXT2_ FWPM_PROVIDER_CONTEXT2;
typedef struct FWPM_PROVIDER_CONTEXT3_ FWPM_PROVIDER_CONTEXT3;

typedef struct FWPS_FILTER0_ {
    UINT64 filterId;
    FWP_VALUE0 weight;
    UINT16 subLayerWeight;
    UINT16 flags;
    UINT32 numFilterConditions;
    FWPS_FILTER_CONDITION0 *filterCondition;
    FWPS_ACTION0 action;
    UINT64 context; /* the callout's own; it sets it in notifyFn */
    FWPM_PROVIDER_CONTEXT0 *providerContext;
} FWPS_FILTER0;

typedef struct FWPS_FILTER1_ {
    UINT64 filterId;
    FWP_VALUE0 weight;
    UINT16 subLayerWeight;
    UINT16 flags;
    UINT32 numFilterConditions;
    FWPS_FILTER_CONDITION0 *filterCondition;
    FWPS_ACTION0 action;
    UINT64 context;
    FWPM_PROVIDER_CONTEXT1 *providerContext;
} FWPS_FILTER1;

typedef struct FWPS_FILTER2_ {
    UINT64 filterId;
    FWP_VALUE0 weight;
    UINT16 subLayerWeight;
    UINT16 flags;
    UINT32 numFilterConditions;
    FWPS_FILTER_CONDITION0 *filterCondition;
    FWPS_ACTION0 action;
    UINT64 context;
    FWPM_PROVIDER_CONTEXT2 *providerContext;
} FWPS_FILTER2;

typedef struct FWPS_FILTER3_ {
    UINT64 filterId;
    FWP_VALUE0 weight;
    UINT16 subLayerWeight;
    UINT16 flags;
    UINT32 numFilterConditions;
    FWPS_FILTER_CONDITION0 *filterCondition;
    FWPS_ACTION0 action;
    UINT64 context;
    FWPM_PROVIDER_CONTEXT3 *providerContext;
} FWPS_FILTER3;

typedef struct FWPS_INCOMING_VALUE0_ {
    FWP_VALUE0 value;
} FWPS_INCOMING_VALUE0;

typedef struct FWPS_INCOMING_VALUES0_ {
    UINT16 layerId;
    UINT32 valueCount;
    FWPS_INCOMING_VALUE0 *incomingValue;
} FWPS_INCOMING_VALUES0;

typedef enum FWPS_DISCARD_MODULE0_ {
    FWPS_DISCARD_MODULE_NETWORK = 0,
    FWPS_DISCARD_MODULE_TRANSPORT = 1,
    FWPS_DISCARD_MODULE_GENERAL = 2,
    FWPS_DISCARD_MODULE_MAX = 3
} FWPS_DISCARD_MODULE0;

typedef struct FWPS_DISCARD_METADATA0_ {
    FWPS_DISCARD_MODULE0 discardModule;
    UINT32 discardReason;
    UINT64 filterId;
} FWPS_DISCARD_METADATA0;

typedef struct FWPS_INBOUND_FRAGMENT_METADATA0_ {
    UINT32 fragmentIdentification;
    UINT16 fragmentOffset;
    ULONG fragmentLength;
} FWPS_INBOUND_FRAGMENT_METADATA0;

#define FWPS_RIGHT_ACTION_WRITE 0x00000001

#define FWPS_CLASSIFY_OUT_FLAG_ABSORB                  0x00000001
#define FWPS_CLASSIFY_OUT_FLAG_BUFFER_LIMIT_REACHED    0x00000002
#define FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA            0x00000004
#define FWPS_CLASSIFY_OUT_FLAG_ALE_FAST_CACHE_CHECK    0x00000008
#define FWPS_CLASSIFY_OUT_FLAG_ALE_FAST_CACHE_POSSIBLE 0x00000010

/*
 * On entry actionType is FWP_ACTION_NONE when rights has ACTION_WRITE, and else the action reached so
 * far (PERMIT: the callout may veto it with BLOCK). outContext, filterId and reserved are the engine's.
 */
typedef struct FWPS_CLASSIFY_OUT0_ {
    FWP_ACTION_TYPE actionType;
    UINT64 outContext;
    UINT64 filterId;
    UINT32 rights;
    UINT32 flags;
    UINT32 reserved;
} FWPS_CLASSIFY_OUT0;

typedef enum FWPS_CALLOUT_NOTIFY_TYPE_ {
    FWPS_CALLOUT_NOTIFY_ADD_FILTER = 0,
    FWPS_CALLOUT_NOTIFY_DELETE_FILTER = 1,
    FWPS_CALLOUT_NOTIFY_ADD_FILTER_POST_COMMIT = 2,
    FWPS_CALLOUT_NOTIFY_TYPE_MAX = 3
} FWPS_CALLOUT_NOTIFY_TYPE;

_Static_assert(sizeof(FWPS_FILTER_CONDITION0) == 24, "FWPS_FILTER_CONDITION0");
_Static_assert(sizeof(FWPS_FILTER0) == 64 && offsetof(FWPS_FILTER0, filterCondition) == 32 &&
                   offsetof(FWPS_FILTER0, action) == 40 && offsetof(FWPS_FILTER0, context) == 48,
               "FWPS_FILTER0");
_Static_assert(sizeof(FWPS_FILTER3) == sizeof(FWPS_FILTER0) && sizeof(FWPS_FILTER2) == sizeof(FWPS_FILTER0) &&
                   sizeof(FWPS_FILTER1) == sizeof(FWPS_FILTER0),
               "FWPS_FILTER1..3");
_Static_assert(sizeof(FWPS_INCOMING_VALUES0) == 16 && offsetof(FWPS_INCOMING_VALUES0, incomingValue) == 8,
               "FWPS_INCOMING_VALUES0");
_Static_assert(sizeof(FWPS_DISCARD_METADATA0) == 16, "FWPS_DISCARD_METADATA0");
_Static_assert(sizeof(FWPS_INBOUND_FRAGMENT_METADATA0) == 12, "FWPS_INBOUND_FRAGMENT_METADATA0");
_Static_assert(sizeof(FWPS_CLASSIFY_OUT0) == 40 && offsetof(FWPS_CLASSIFY_OUT0, rights) == 24 &&
                   offsetof(FWPS_CLASSIFY_OUT0, flags) == 28,
               "FWPS_CLASSIFY_OUT0");

#endif
