/* SPDX-License-Identifier: MIT */
/*
 * fwptypes.h - the value, match and action types that both sides of the Windows Filtering Platform share.
 *
 * Spelled and laid out as on 64-bit Windows; the sizes are asserted at the end. Numbers were checked
 * against the enumeration pages of fwptypes.h (Windows API reference) and mingw-w64's fwptypes.h.
 * Newer than that second source and known from the pages and one public list only:
 * FWP_MATCH_PREFIX and FWP_MATCH_NOT_PREFIX, FWP_BITMAP_* types, reauthorize reasons EDP and later.
 *
 * STATUS_FWP_* are in <ntstatus.h>, as in the WDK. FWP_E_* (the same numbers as HRESULT) are here.
 */
#ifndef FWPTYPES_H
#define FWPTYPES_H

#include <ntddk.h>
#include <windef.h>

typedef PVOID PSECURITY_DESCRIPTOR;

/* Security identifiers and what a FWP_TOKEN_ACCESS_INFORMATION_TYPE blob holds (ntifs.h in the WDK). */
#ifndef SID_REVISION
#define SID_REVISION            1
#define SID_MAX_SUB_AUTHORITIES 15
#define SID_HASH_SIZE           32

typedef struct _SID_IDENTIFIER_AUTHORITY {
    UCHAR Value[6];
} SID_IDENTIFIER_AUTHORITY;

typedef struct _SID {
    UCHAR Revision;
    UCHAR SubAuthorityCount;
    SID_IDENTIFIER_AUTHORITY IdentifierAuthority;
    ULONG SubAuthority[1];
} SID;

typedef struct _SID_AND_ATTRIBUTES {
    SID *Sid;
    ULONG Attributes;
} SID_AND_ATTRIBUTES, *PSID_AND_ATTRIBUTES;

typedef struct _SID_AND_ATTRIBUTES_HASH {
    ULONG SidCount;
    SID_AND_ATTRIBUTES *SidAttr;
    ULONG_PTR Hash[SID_HASH_SIZE];
} SID_AND_ATTRIBUTES_HASH;

/* Windows has more members after these; test the blob's size before reading on. */
typedef struct _TOKEN_ACCESS_INFORMATION {
    SID_AND_ATTRIBUTES_HASH *SidHash;
    SID_AND_ATTRIBUTES_HASH *RestrictedSidHash;
} TOKEN_ACCESS_INFORMATION;

_Static_assert(sizeof(SID) == 12 && sizeof(SID_AND_ATTRIBUTES) == 16, "SID");
_Static_assert(sizeof(SID_AND_ATTRIBUTES_HASH) == 272, "SID_AND_ATTRIBUTES_HASH");
#endif

#define FWP_BYTE_ARRAY6_SIZE 6
#define FWP_V6_ADDR_SIZE     16

/* The access right that a FWP_SECURITY_DESCRIPTOR_TYPE condition asks for. */
#define FWP_ACTRL_MATCH_FILTER 0x00000001

#define FWP_ACTION_FLAG_TERMINATING     0x00001000
#define FWP_ACTION_FLAG_NON_TERMINATING 0x00002000
#define FWP_ACTION_FLAG_CALLOUT         0x00004000

#define FWP_ACTION_BLOCK               (0x00000001 | FWP_ACTION_FLAG_TERMINATING)
#define FWP_ACTION_PERMIT              (0x00000002 | FWP_ACTION_FLAG_TERMINATING)
#define FWP_ACTION_CALLOUT_TERMINATING (0x00000003 | FWP_ACTION_FLAG_CALLOUT | FWP_ACTION_FLAG_TERMINATING)
#define FWP_ACTION_CALLOUT_INSPECTION  (0x00000004 | FWP_ACTION_FLAG_CALLOUT | FWP_ACTION_FLAG_NON_TERMINATING)
#define FWP_ACTION_CALLOUT_UNKNOWN     (0x00000005 | FWP_ACTION_FLAG_CALLOUT)
#define FWP_ACTION_CONTINUE            (0x00000006 | FWP_ACTION_FLAG_NON_TERMINATING)
#define FWP_ACTION_NONE                0x00000007
#define FWP_ACTION_NONE_NO_MATCH       0x00000008
typedef UINT32 FWP_ACTION_TYPE;

/* Bits of the FLAGS field. */
#define FWP_CONDITION_FLAG_IS_LOOPBACK                  0x00000001
#define FWP_CONDITION_FLAG_IS_IPSEC_SECURED             0x00000002
#define FWP_CONDITION_FLAG_IS_REAUTHORIZE               0x00000004
#define FWP_CONDITION_FLAG_IS_WILDCARD_BIND             0x00000008
#define FWP_CONDITION_FLAG_IS_RAW_ENDPOINT              0x00000010
#define FWP_CONDITION_FLAG_IS_FRAGMENT                  0x00000020
#define FWP_CONDITION_FLAG_IS_FRAGMENT_GROUP            0x00000040
#define FWP_CONDITION_FLAG_IS_IPSEC_NATT_RECLASSIFY     0x00000080
#define FWP_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY        0x00000100
#define FWP_CONDITION_FLAG_IS_IMPLICIT_BIND             0x00000200
#define FWP_CONDITION_FLAG_IS_REASSEMBLED               0x00000400
#define FWP_CONDITION_FLAG_IS_NAME_APP_SPECIFIED        0x00004000
#define FWP_CONDITION_FLAG_IS_PROMISCUOUS               0x00008000
#define FWP_CONDITION_FLAG_IS_AUTH_FW                   0x00010000
#define FWP_CONDITION_FLAG_IS_RECLASSIFY                0x00020000
#define FWP_CONDITION_FLAG_IS_OUTBOUND_PASS_THRU        0x00040000
#define FWP_CONDITION_FLAG_IS_INBOUND_PASS_THRU         0x00080000
#define FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED     0x00100000
#define FWP_CONDITION_FLAG_IS_PROXY_CONNECTION          0x00200000
#define FWP_CONDITION_FLAG_IS_APPCONTAINER_LOOPBACK     0x00400000
#define FWP_CONDITION_FLAG_IS_NON_APPCONTAINER_LOOPBACK 0x00800000
#define FWP_CONDITION_FLAG_IS_HONORING_POLICY_AUTHORIZE 0x02000000

/* Values of the REAUTHORIZE_REASON field. */
#define FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE                  0x00000001
#define FWP_CONDITION_REAUTHORIZE_REASON_NEW_ARRIVAL_INTERFACE          0x00000002
#define FWP_CONDITION_REAUTHORIZE_REASON_NEW_NEXTHOP_INTERFACE          0x00000004
#define FWP_CONDITION_REAUTHORIZE_REASON_PROFILE_CROSSING               0x00000008
#define FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION            0x00000010
#define FWP_CONDITION_REAUTHORIZE_REASON_IPSEC_PROPERTIES_CHANGED       0x00000020
#define FWP_CONDITION_REAUTHORIZE_REASON_MID_STREAM_INSPECTION          0x00000040
#define FWP_CONDITION_REAUTHORIZE_REASON_SOCKET_PROPERTY_CHANGED        0x00000080
#define FWP_CONDITION_REAUTHORIZE_REASON_NEW_INBOUND_MCAST_BCAST_PACKET 0x00000100
#define FWP_CONDITION_REAUTHORIZE_REASON_EDP_POLICY_CHANGED             0x00000200
#define FWP_CONDITION_REAUTHORIZE_REASON_PROXY_HANDLE_CHANGED           0x00004000
#define FWP_CONDITION_REAUTHORIZE_REASON_CHECK_OFFLOAD                  0x00010000

#define FWP_FILTER_ENUM_FLAG_BEST_TERMINATING_MATCH 0x00000001
#define FWP_FILTER_ENUM_FLAG_SORTED                 0x00000002
#define FWP_FILTER_ENUM_FLAG_BOOTTIME_ONLY          0x00000004
#define FWP_FILTER_ENUM_FLAG_INCLUDE_BOOTTIME       0x00000008
#define FWP_FILTER_ENUM_FLAG_INCLUDE_DISABLED       0x00000010

#define FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW         0x00000001
#define FWP_CALLOUT_FLAG_ALLOW_OFFLOAD               0x00000002
#define FWP_CALLOUT_FLAG_ENABLE_COMMIT_ADD_NOTIFY    0x00000004
#define FWP_CALLOUT_FLAG_ALLOW_MID_STREAM_INSPECTION 0x00000008
#define FWP_CALLOUT_FLAG_ALLOW_RECLASSIFY            0x00000010
#define FWP_CALLOUT_FLAG_RESERVED1                   0x00000020
#define FWP_CALLOUT_FLAG_ALLOW_RSC                   0x00000040
#define FWP_CALLOUT_FLAG_ALLOW_L2_BATCH_CLASSIFY     0x00000080
#define FWP_CALLOUT_FLAG_ALLOW_USO                   0x00000100
#define FWP_CALLOUT_FLAG_ALLOW_URO                   0x00000200

typedef enum FWP_DIRECTION_ {
    FWP_DIRECTION_OUTBOUND = 0,
    FWP_DIRECTION_INBOUND = 1,
    FWP_DIRECTION_MAX = 2
} FWP_DIRECTION;

typedef enum FWP_IP_VERSION_ {
    FWP_IP_VERSION_V4 = 0,
    FWP_IP_VERSION_V6 = 1,
    FWP_IP_VERSION_NONE = 2,
    FWP_IP_VERSION_MAX = 3
} FWP_IP_VERSION;

typedef enum FWP_DATA_TYPE_ {
    FWP_EMPTY = 0,
    FWP_UINT8 = 1,
    FWP_UINT16 = 2,
    FWP_UINT32 = 3,
    FWP_UINT64 = 4,
    FWP_INT8 = 5,
    FWP_INT16 = 6,
    FWP_INT32 = 7,
    FWP_INT64 = 8,
    FWP_FLOAT = 9,
    FWP_DOUBLE = 10,
    FWP_BYTE_ARRAY16_TYPE = 11,
    FWP_BYTE_BLOB_TYPE = 12,
    FWP_SID = 13,
    FWP_SECURITY_DESCRIPTOR_TYPE = 14,
    FWP_TOKEN_INFORMATION_TYPE = 15,
    FWP_TOKEN_ACCESS_INFORMATION_TYPE = 16,
    FWP_UNICODE_STRING_TYPE = 17,
    FWP_BYTE_ARRAY6_TYPE = 18,
    FWP_SINGLE_DATA_TYPE_MAX = 0xff,
    FWP_V4_ADDR_MASK = 0x100,
    FWP_V6_ADDR_MASK = 0x101,
    FWP_RANGE_TYPE = 0x102,
    FWP_DATA_TYPE_MAX = 0x103
} FWP_DATA_TYPE;

/* PREFIX tests whether the value ENDS with the condition value, NOT_PREFIX that it does not (FWP_MATCH_TYPE page). */
typedef enum FWP_MATCH_TYPE_ {
    FWP_MATCH_EQUAL = 0,
    FWP_MATCH_GREATER = 1,
    FWP_MATCH_LESS = 2,
    FWP_MATCH_GREATER_OR_EQUAL = 3,
    FWP_MATCH_LESS_OR_EQUAL = 4,
    FWP_MATCH_RANGE = 5,
    FWP_MATCH_FLAGS_ALL_SET = 6,
    FWP_MATCH_FLAGS_ANY_SET = 7,
    FWP_MATCH_FLAGS_NONE_SET = 8,
    FWP_MATCH_EQUAL_CASE_INSENSITIVE = 9,
    FWP_MATCH_NOT_EQUAL = 10,
    FWP_MATCH_PREFIX = 11,
    FWP_MATCH_NOT_PREFIX = 12,
    FWP_MATCH_TYPE_MAX = 13
} FWP_MATCH_TYPE;

typedef enum FWP_FILTER_ENUM_TYPE_ {
    FWP_FILTER_ENUM_FULLY_CONTAINED = 0,
    FWP_FILTER_ENUM_OVERLAPPING = 1,
    FWP_FILTER_ENUM_TYPE_MAX = 2
} FWP_FILTER_ENUM_TYPE;

typedef struct FWP_BYTE_ARRAY6_ {
    UINT8 byteArray6[6];
} FWP_BYTE_ARRAY6;

typedef struct FWP_BYTE_ARRAY16_ {
    UINT8 byteArray16[16];
} FWP_BYTE_ARRAY16;

typedef struct FWP_BYTE_BLOB_ {
    UINT32 size;
    UINT8 *data;
} FWP_BYTE_BLOB;

typedef struct FWP_TOKEN_INFORMATION_ {
    ULONG sidCount;
    PSID_AND_ATTRIBUTES sids;
    ULONG restrictedSidCount;
    PSID_AND_ATTRIBUTES restrictedSids;
} FWP_TOKEN_INFORMATION;

/* IPv4 addresses and ports are in host byte order. */
typedef struct FWP_V4_ADDR_AND_MASK_ {
    UINT32 addr;
    UINT32 mask;
} FWP_V4_ADDR_AND_MASK;

typedef struct FWP_V6_ADDR_AND_MASK_ {
    UINT8 addr[FWP_V6_ADDR_SIZE];
    UINT8 prefixLength;
} FWP_V6_ADDR_AND_MASK;

typedef struct FWP_VALUE0_ {
    FWP_DATA_TYPE type;
    union {
        UINT8 uint8;
        UINT16 uint16;
        UINT32 uint32;
        UINT64 *uint64;
        INT8 int8;
        INT16 int16;
        INT32 int32;
        INT64 *int64;
        float float32;
        double *double64;
        FWP_BYTE_ARRAY16 *byteArray16;
        FWP_BYTE_BLOB *byteBlob;
        SID *sid;
        FWP_BYTE_BLOB *sd;
        FWP_TOKEN_INFORMATION *tokenInformation;
        FWP_BYTE_BLOB *tokenAccessInformation;
        PWSTR unicodeString;
        FWP_BYTE_ARRAY6 *byteArray6;
    };
} FWP_VALUE0;

typedef struct FWP_RANGE0_ {
    FWP_VALUE0 valueLow;
    FWP_VALUE0 valueHigh;
} FWP_RANGE0;

typedef struct FWP_CONDITION_VALUE0_ {
    FWP_DATA_TYPE type;
    union {
        UINT8 uint8;
        UINT16 uint16;
        UINT32 uint32;
        UINT64 *uint64;
        INT8 int8;
        INT16 int16;
        INT32 int32;
        INT64 *int64;
        float float32;
        double *double64;
        FWP_BYTE_ARRAY16 *byteArray16;
        FWP_BYTE_BLOB *byteBlob;
        SID *sid;
        FWP_BYTE_BLOB *sd;
        FWP_TOKEN_INFORMATION *tokenInformation;
        FWP_BYTE_BLOB *tokenAccessInformation;
        PWSTR unicodeString;
        FWP_BYTE_ARRAY6 *byteArray6;
        FWP_V4_ADDR_AND_MASK *v4AddrMask;
        FWP_V6_ADDR_AND_MASK *v6AddrMask;
        FWP_RANGE0 *rangeValue;
    };
} FWP_CONDITION_VALUE0;

/* HRESULTs that user mode sees; n is the low word of the STATUS_FWP_* of the same name. */
#define FWP_E_CALLOUT_NOT_FOUND                 ((INT32)0x80320001u)
#define FWP_E_CONDITION_NOT_FOUND               ((INT32)0x80320002u)
#define FWP_E_FILTER_NOT_FOUND                  ((INT32)0x80320003u)
#define FWP_E_LAYER_NOT_FOUND                   ((INT32)0x80320004u)
#define FWP_E_PROVIDER_NOT_FOUND                ((INT32)0x80320005u)
#define FWP_E_PROVIDER_CONTEXT_NOT_FOUND        ((INT32)0x80320006u)
#define FWP_E_SUBLAYER_NOT_FOUND                ((INT32)0x80320007u)
#define FWP_E_NOT_FOUND                         ((INT32)0x80320008u)
#define FWP_E_ALREADY_EXISTS                    ((INT32)0x80320009u)
#define FWP_E_IN_USE                            ((INT32)0x8032000Au)
#define FWP_E_DYNAMIC_SESSION_IN_PROGRESS       ((INT32)0x8032000Bu)
#define FWP_E_WRONG_SESSION                     ((INT32)0x8032000Cu)
#define FWP_E_NO_TXN_IN_PROGRESS                ((INT32)0x8032000Du)
#define FWP_E_TXN_IN_PROGRESS                   ((INT32)0x8032000Eu)
#define FWP_E_TXN_ABORTED                       ((INT32)0x8032000Fu)
#define FWP_E_SESSION_ABORTED                   ((INT32)0x80320010u)
#define FWP_E_INCOMPATIBLE_TXN                  ((INT32)0x80320011u)
#define FWP_E_TIMEOUT                           ((INT32)0x80320012u)
#define FWP_E_NET_EVENTS_DISABLED               ((INT32)0x80320013u)
#define FWP_E_INCOMPATIBLE_LAYER                ((INT32)0x80320014u)
#define FWP_E_KM_CLIENTS_ONLY                   ((INT32)0x80320015u)
#define FWP_E_LIFETIME_MISMATCH                 ((INT32)0x80320016u)
#define FWP_E_BUILTIN_OBJECT                    ((INT32)0x80320017u)
#define FWP_E_TOO_MANY_CALLOUTS                 ((INT32)0x80320018u)
#define FWP_E_NOTIFICATION_DROPPED              ((INT32)0x80320019u)
#define FWP_E_TRAFFIC_MISMATCH                  ((INT32)0x8032001Au)
#define FWP_E_INCOMPATIBLE_SA_STATE             ((INT32)0x8032001Bu)
#define FWP_E_NULL_POINTER                      ((INT32)0x8032001Cu)
#define FWP_E_INVALID_ENUMERATOR                ((INT32)0x8032001Du)
#define FWP_E_INVALID_FLAGS                     ((INT32)0x8032001Eu)
#define FWP_E_INVALID_NET_MASK                  ((INT32)0x8032001Fu)
#define FWP_E_INVALID_RANGE                     ((INT32)0x80320020u)
#define FWP_E_INVALID_INTERVAL                  ((INT32)0x80320021u)
#define FWP_E_ZERO_LENGTH_ARRAY                 ((INT32)0x80320022u)
#define FWP_E_NULL_DISPLAY_NAME                 ((INT32)0x80320023u)
#define FWP_E_INVALID_ACTION_TYPE               ((INT32)0x80320024u)
#define FWP_E_INVALID_WEIGHT                    ((INT32)0x80320025u)
#define FWP_E_MATCH_TYPE_MISMATCH               ((INT32)0x80320026u)
#define FWP_E_TYPE_MISMATCH                     ((INT32)0x80320027u)
#define FWP_E_OUT_OF_BOUNDS                     ((INT32)0x80320028u)
#define FWP_E_RESERVED                          ((INT32)0x80320029u)
#define FWP_E_DUPLICATE_CONDITION               ((INT32)0x8032002Au)
#define FWP_E_DUPLICATE_KEYMOD                  ((INT32)0x8032002Bu)
#define FWP_E_ACTION_INCOMPATIBLE_WITH_LAYER    ((INT32)0x8032002Cu)
#define FWP_E_ACTION_INCOMPATIBLE_WITH_SUBLAYER ((INT32)0x8032002Du)
#define FWP_E_CONTEXT_INCOMPATIBLE_WITH_LAYER   ((INT32)0x8032002Eu)
#define FWP_E_CONTEXT_INCOMPATIBLE_WITH_CALLOUT ((INT32)0x8032002Fu)
#define FWP_E_INCOMPATIBLE_AUTH_METHOD          ((INT32)0x80320030u)
#define FWP_E_INCOMPATIBLE_DH_GROUP             ((INT32)0x80320031u)
#define FWP_E_EM_NOT_SUPPORTED                  ((INT32)0x80320032u)
#define FWP_E_NEVER_MATCH                       ((INT32)0x80320033u)
#define FWP_E_PROVIDER_CONTEXT_MISMATCH         ((INT32)0x80320034u)
#define FWP_E_INVALID_PARAMETER                 ((INT32)0x80320035u)
#define FWP_E_TOO_MANY_SUBLAYERS                ((INT32)0x80320036u)
#define FWP_E_CALLOUT_NOTIFICATION_FAILED       ((INT32)0x80320037u)
#define FWP_E_INVALID_AUTH_TRANSFORM            ((INT32)0x80320038u)
#define FWP_E_INVALID_CIPHER_TRANSFORM          ((INT32)0x80320039u)

_Static_assert(sizeof(FWP_BYTE_BLOB) == 16 && offsetof(FWP_BYTE_BLOB, data) == 8, "FWP_BYTE_BLOB");
_Static_assert(sizeof(FWP_TOKEN_INFORMATION) == 32, "FWP_TOKEN_INFORMATION");
_Static_assert(sizeof(FWP_V4_ADDR_AND_MASK) == 8, "FWP_V4_ADDR_AND_MASK");
_Static_assert(sizeof(FWP_V6_ADDR_AND_MASK) == 17, "FWP_V6_ADDR_AND_MASK");
_Static_assert(sizeof(FWP_VALUE0) == 16 && offsetof(FWP_VALUE0, uint64) == 8, "FWP_VALUE0");
_Static_assert(sizeof(FWP_CONDITION_VALUE0) == 16, "FWP_CONDITION_VALUE0");
_Static_assert(sizeof(FWP_RANGE0) == 32, "FWP_RANGE0");
_Static_assert(FWP_ACTION_CALLOUT_TERMINATING == 0x5003 && FWP_ACTION_CALLOUT_INSPECTION == 0x6004 &&
                   FWP_ACTION_CALLOUT_UNKNOWN == 0x4005 && FWP_ACTION_CONTINUE == 0x2006,
               "FWP_ACTION_*");

#endif
