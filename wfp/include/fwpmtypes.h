/* SPDX-License-Identifier: MIT */
/*
 * fwpmtypes.h - management objects: sessions, providers, sublayers, callouts and filters.
 *
 * Layouts of 64-bit Windows, asserted at the end. Sources: the structure pages of fwpmtypes.h
 * (Windows API reference) and mingw-w64's fwpmtypes.h; flag values from three public lists.
 */
#ifndef FWPMTYPES_H
#define FWPMTYPES_H

#include <fwptypes.h>

typedef struct FWPM_DISPLAY_DATA0_ {
    wchar_t *name; /* must not be NULL */
    wchar_t *description;
} FWPM_DISPLAY_DATA0;

typedef struct FWPM_ACTION0_ {
    FWP_ACTION_TYPE type;
    union {
        GUID filterType;
        GUID calloutKey;
    };
} FWPM_ACTION0;

#define FWPM_SESSION_FLAG_DYNAMIC  0x00000001
#define FWPM_SESSION_FLAG_RESERVED 0x10000000

typedef struct FWPM_SESSION0_ {
    GUID sessionKey;
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    UINT32 txnWaitTimeoutInMSec; /* 0: the engine's default, 15 s */
    DWORD processId;
    SID *sid;
    wchar_t *username;
    BOOL kernelMode;
} FWPM_SESSION0;

#define FWPM_TXN_READ_ONLY 0x00000001

#define FWPM_PROVIDER_FLAG_PERSISTENT 0x00000001
#define FWPM_PROVIDER_FLAG_DISABLED   0x00000010

typedef struct FWPM_PROVIDER0_ {
    GUID providerKey;
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    FWP_BYTE_BLOB providerData;
    wchar_t *serviceName;
} FWPM_PROVIDER0;

#define FWPM_SUBLAYER_FLAG_PERSISTENT 0x00000001

typedef struct FWPM_SUBLAYER0_ {
    GUID subLayerKey;
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    GUID *providerKey;
    FWP_BYTE_BLOB providerData;
    UINT16 weight;
} FWPM_SUBLAYER0;

#define FWPM_CALLOUT_FLAG_PERSISTENT            0x00010000
#define FWPM_CALLOUT_FLAG_USES_PROVIDER_CONTEXT 0x00020000
#define FWPM_CALLOUT_FLAG_REGISTERED            0x00040000

typedef struct FWPM_CALLOUT0_ {
    GUID calloutKey;
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    GUID *providerKey;
    FWP_BYTE_BLOB providerData;
    GUID applicableLayer;
    UINT32 calloutId;
} FWPM_CALLOUT0;

typedef struct FWPM_FILTER_CONDITION0_ {
    GUID fieldKey;
    FWP_MATCH_TYPE matchType;
    FWP_CONDITION_VALUE0 conditionValue;
} FWPM_FILTER_CONDITION0;

#define FWPM_FILTER_FLAG_NONE                                0x00000000
#define FWPM_FILTER_FLAG_PERSISTENT                          0x00000001
#define FWPM_FILTER_FLAG_BOOTTIME                            0x00000002
#define FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT                0x00000004
#define FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT                  0x00000008
#define FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED      0x00000010
#define FWPM_FILTER_FLAG_DISABLED                            0x00000020
#define FWPM_FILTER_FLAG_INDEXED                             0x00000040
#define FWPM_FILTER_FLAG_HAS_SECURITY_REALM_PROVIDER_CONTEXT 0x00000080
#define FWPM_FILTER_FLAG_SYSTEMOS_ONLY                       0x00000100
#define FWPM_FILTER_FLAG_GAMEOS_ONLY                         0x00000200
#define FWPM_FILTER_FLAG_SILENT_MODE                         0x00000400
#define FWPM_FILTER_FLAG_IPSEC_NO_ACQUIRE_INITIATE           0x00000800

#define FWPM_AUTO_WEIGHT_BITS 60
#define FWPM_AUTO_WEIGHT_MAX  (0xffffffffffffffffull >> 4)

typedef struct FWPM_FILTER0_ {
    GUID filterKey; /* zero: the engine makes one */
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    GUID *providerKey;
    FWP_BYTE_BLOB providerData;
    GUID layerKey;
    GUID subLayerKey;  /* zero: FWPM_SUBLAYER_UNIVERSAL */
    FWP_VALUE0 weight; /* FWP_UINT64, FWP_EMPTY, or FWP_UINT8 from 0 to 15 */
    UINT32 numFilterConditions;
    FWPM_FILTER_CONDITION0 *filterCondition;
    FWPM_ACTION0 action;
    union {
        UINT64 rawContext;
        GUID providerContextKey;
    };
    GUID *reserved;
    UINT64 filterId;            /* out */
    FWP_VALUE0 effectiveWeight; /* out */
} FWPM_FILTER0;

typedef struct FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0_ FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0;

typedef struct FWPM_FILTER_ENUM_TEMPLATE0_ {
    GUID *providerKey;
    GUID layerKey;
    FWP_FILTER_ENUM_TYPE enumType;
    UINT32 flags;
    FWPM_PROVIDER_CONTEXT_ENUM_TEMPLATE0 *providerContextTemplate;
    UINT32 numFilterConditions;
    FWPM_FILTER_CONDITION0 *filterCondition;
    UINT32 actionMask; /* 0xFFFFFFFF: any action */
    GUID *calloutKey;
} FWPM_FILTER_ENUM_TEMPLATE0;

_Static_assert(sizeof(FWPM_DISPLAY_DATA0) == 16, "FWPM_DISPLAY_DATA0");
_Static_assert(sizeof(FWPM_ACTION0) == 20, "FWPM_ACTION0");
_Static_assert(sizeof(FWPM_SESSION0) == 72 && offsetof(FWPM_SESSION0, flags) == 32 &&
                   offsetof(FWPM_SESSION0, sid) == 48,
               "FWPM_SESSION0");
_Static_assert(sizeof(FWPM_PROVIDER0) == 64 && offsetof(FWPM_PROVIDER0, serviceName) == 56, "FWPM_PROVIDER0");
_Static_assert(sizeof(FWPM_SUBLAYER0) == 72 && offsetof(FWPM_SUBLAYER0, weight) == 64, "FWPM_SUBLAYER0");
_Static_assert(sizeof(FWPM_CALLOUT0) == 88 && offsetof(FWPM_CALLOUT0, applicableLayer) == 64, "FWPM_CALLOUT0");
_Static_assert(sizeof(FWPM_FILTER_CONDITION0) == 40, "FWPM_FILTER_CONDITION0");
_Static_assert(sizeof(FWPM_FILTER0) == 200 && offsetof(FWPM_FILTER0, layerKey) == 64 &&
                   offsetof(FWPM_FILTER0, weight) == 96 && offsetof(FWPM_FILTER0, action) == 128 &&
                   offsetof(FWPM_FILTER0, filterId) == 176,
               "FWPM_FILTER0");
_Static_assert(sizeof(FWPM_FILTER_ENUM_TEMPLATE0) == 72, "FWPM_FILTER_ENUM_TEMPLATE0");

#endif
