/* SPDX-License-Identifier: MIT */
/*
 * wire_value.c - FWP_VALUE0, FWP_CONDITION_VALUE0, and conditions. See wire.h.
 *
 * A type that is not carried, or not known, goes without content: the engine refuses it by its type, as it would refuse
 * it from its own side.
 */
#include "fwpuclnt/wire.h"

#define SID_AUTHORITIES_MAX 15u
#define SID_HEAD            8u

static void wire_sid(struct wire *wire, SID **sid)
{
    UINT8 head[SID_HEAD] = {0};

    if (!wire->reading && *sid != NULL) {
        head[0] = (*sid)->Revision;
        head[1] = (*sid)->SubAuthorityCount;
    }
    if (!wire_pointer(wire, (void **)sid, SID_HEAD + SID_AUTHORITIES_MAX * (UINT32)sizeof(UINT32)))
        return;
    wire_bytes(wire, head, 2);
    if (head[1] > SID_AUTHORITIES_MAX) {
        wire->failure = wire->reading ? WIRE_DAMAGED : WIRE_OUT_OF_BOUNDS;
        return;
    }
    (*sid)->Revision = head[0];
    (*sid)->SubAuthorityCount = head[1];
    wire_bytes(wire, &(*sid)->IdentifierAuthority, 6);
    wire_bytes(wire, (*sid)->SubAuthority, head[1] * (UINT32)sizeof(UINT32));
}

/* TRUE: the type's content was written or read. All pointers of the union lie at the same place. */
static BOOLEAN wire_pointed(struct wire *wire, FWP_VALUE0 *value)
{
    void **pointer = (void **)&value->uint64;

    switch (value->type) {
    case FWP_UINT64:
    case FWP_INT64:
    case FWP_DOUBLE:
        if (wire_pointer(wire, pointer, sizeof(UINT64)))
            wire_bytes(wire, *pointer, sizeof(UINT64));
        return TRUE;
    case FWP_BYTE_ARRAY16_TYPE:
        if (wire_pointer(wire, pointer, sizeof(FWP_BYTE_ARRAY16)))
            wire_bytes(wire, *pointer, sizeof(FWP_BYTE_ARRAY16));
        return TRUE;
    case FWP_BYTE_ARRAY6_TYPE:
        if (wire_pointer(wire, pointer, sizeof(FWP_BYTE_ARRAY6)))
            wire_bytes(wire, *pointer, sizeof(FWP_BYTE_ARRAY6));
        return TRUE;
    case FWP_BYTE_BLOB_TYPE:
    case FWP_SECURITY_DESCRIPTOR_TYPE:
    case FWP_TOKEN_ACCESS_INFORMATION_TYPE:
        if (wire_pointer(wire, pointer, sizeof(FWP_BYTE_BLOB)))
            wire_blob(wire, *pointer);
        return TRUE;
    case FWP_SID:
        wire_sid(wire, &value->sid);
        return TRUE;
    case FWP_UNICODE_STRING_TYPE:
        wire_string(wire, &value->unicodeString);
        return TRUE;
    default:
        return FALSE;
    }
}

void wire_value(struct wire *wire, FWP_VALUE0 *value)
{
    if (wire->reading)
        value->uint64 = NULL;
    wire_u32(wire, (UINT32 *)&value->type);
    if (wire->failure != WIRE_FINE || wire_pointed(wire, value))
        return;
    switch (value->type) {
    case FWP_UINT8:
    case FWP_INT8:
        wire_u8(wire, &value->uint8);
        break;
    case FWP_UINT16:
    case FWP_INT16:
        wire_u16(wire, &value->uint16);
        break;
    case FWP_UINT32:
    case FWP_INT32:
    case FWP_FLOAT:
        wire_u32(wire, &value->uint32);
        break;
    default:
        break;
    }
}

static void wire_range(struct wire *wire, FWP_RANGE0 *range)
{
    wire_value(wire, &range->valueLow);
    wire_value(wire, &range->valueHigh);
}

/* The types that only a condition has are followed by their content; the others are a value. */
static void wire_condition_value(struct wire *wire, FWP_CONDITION_VALUE0 *value)
{
    wire_value(wire, (FWP_VALUE0 *)value);
    switch ((UINT32)value->type) {
    case FWP_V4_ADDR_MASK:
        if (wire_pointer(wire, (void **)&value->v4AddrMask, sizeof(*value->v4AddrMask))) {
            wire_u32(wire, &value->v4AddrMask->addr);
            wire_u32(wire, &value->v4AddrMask->mask);
        }
        break;
    case FWP_V6_ADDR_MASK:
        if (wire_pointer(wire, (void **)&value->v6AddrMask, sizeof(*value->v6AddrMask))) {
            wire_bytes(wire, value->v6AddrMask->addr, FWP_V6_ADDR_SIZE);
            wire_u8(wire, &value->v6AddrMask->prefixLength);
        }
        break;
    case FWP_RANGE_TYPE:
        if (wire_pointer(wire, (void **)&value->rangeValue, sizeof(*value->rangeValue)))
            wire_range(wire, value->rangeValue);
        break;
    default:
        break;
    }
}

void wire_conditions(struct wire *wire, UINT32 *count, FWPM_FILTER_CONDITION0 **conditions)
{
    wire_u32(wire, count);
    if (wire->failure != WIRE_FINE)
        return;
    if (*count > WIRE_CONDITIONS_MAX)
        wire->failure = wire->reading ? WIRE_DAMAGED : WIRE_OUT_OF_BOUNDS;
    else if (wire_pointer(wire, (void **)conditions, *count * (UINT32)sizeof(**conditions)))
        for (UINT32 i = 0; i < *count; i++) {
            wire_guid(wire, &(*conditions)[i].fieldKey);
            wire_u32(wire, (UINT32 *)&(*conditions)[i].matchType);
            wire_condition_value(wire, &(*conditions)[i].conditionValue);
        }
}

_Static_assert(sizeof(FWP_VALUE0) == sizeof(FWP_CONDITION_VALUE0), "a condition's value is laid out as a value");
_Static_assert(sizeof(FWP_DATA_TYPE) == 4 && sizeof(FWP_MATCH_TYPE) == 4, "enumerations have 32 bits");
