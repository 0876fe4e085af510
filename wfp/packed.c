/* SPDX-License-Identifier: MIT */
/*
 * packed.c - see packed.h. Behind the conditions, at multiples of 8: a number as it is; bytes after their size; a
 * range's ends one after the other, small ones in 4 bytes each.
 */
#include "wfp/packed.h"
#include "wfp/filter.h"
#include "wfp/number.h"
#include "wfp/token.h"

#include <string.h>

_Static_assert(sizeof(struct wfp_packed) == 8, "as said above");
_Static_assert(FWP_V4_ADDR_MASK < WFP_PACKED_RANGE && FWP_V6_ADDR_MASK < WFP_PACKED_RANGE, "types are told apart");

static BOOLEAN is_small(unsigned type)
{
    return type == FWP_EMPTY || type == FWP_UINT8 || type == FWP_UINT16 || type == FWP_UINT32;
}

/* FWP_EMPTY is 0. */
static UINT32 small_number(const FWP_VALUE0 *value)
{
    return (UINT32)wfp_value_integer(value);
}

/* Size, then bytes. */
static void put_bytes(struct wfp_arena *arena, const void *bytes, UINT32 size)
{
    UINT8 *at = wfp_arena_take(arena, sizeof(size) + size);

    if (at == NULL)
        return;
    memcpy(at, &size, sizeof(size));
    if (size != 0)
        memcpy(at + sizeof(size), bytes, size);
}

static UINT32 string_size(const wchar_t *string)
{
    UINT32 length = 0;

    while (string[length] != 0)
        length++;
    return (length + 1) * (UINT32)sizeof(wchar_t);
}

/* A value that is not small. */
static void put_plain(struct wfp_arena *arena, const FWP_VALUE0 *value)
{
    switch (value->type) {
    case FWP_UINT64:
        wfp_arena_copy(arena, value->uint64, sizeof(UINT64));
        break;
    case FWP_BYTE_ARRAY16_TYPE:
        wfp_arena_copy(arena, value->byteArray16, sizeof(FWP_BYTE_ARRAY16));
        break;
    case FWP_BYTE_BLOB_TYPE:
    case FWP_SECURITY_DESCRIPTOR_TYPE:
        put_bytes(arena, value->byteBlob->data, value->byteBlob->size);
        break;
    case FWP_SID:
        wfp_arena_copy(arena, value->sid, wfp_sid_size(value->sid));
        break;
    case FWP_UNICODE_STRING_TYPE:
        put_bytes(arena, value->unicodeString, string_size(value->unicodeString));
        break;
    default:
        break;
    }
}

static void put_range(struct wfp_arena *arena, const FWP_RANGE0 *range)
{
    if (is_small(range->valueLow.type)) {
        UINT32 ends[2] = {small_number(&range->valueLow), small_number(&range->valueHigh)};

        wfp_arena_copy(arena, ends, sizeof(ends));
        return;
    }
    put_plain(arena, &range->valueLow);
    put_plain(arena, &range->valueHigh);
}

void wfp_pack_condition(struct wfp_arena *arena, const FWP_CONDITION_VALUE0 *value, struct wfp_packed *packed)
{
    const FWP_VALUE0 *plain = (const FWP_VALUE0 *)value; /* one of a plain type is laid out as it */
    UINT16 type = value->type == FWP_RANGE_TYPE ? (UINT16)(WFP_PACKED_RANGE + value->rangeValue->valueLow.type)
                                                : (UINT16)value->type;
    UINT32 number = is_small(value->type) ? small_number(plain) : (UINT32)((arena->used + 7) & ~(size_t)7);

    if (value->type == FWP_V4_ADDR_MASK)
        wfp_arena_copy(arena, value->v4AddrMask, sizeof(FWP_V4_ADDR_AND_MASK));
    else if (value->type == FWP_V6_ADDR_MASK)
        wfp_arena_copy(arena, value->v6AddrMask, sizeof(FWP_V6_ADDR_AND_MASK));
    else if (value->type == FWP_RANGE_TYPE)
        put_range(arena, value->rangeValue);
    else if (!is_small(value->type))
        put_plain(arena, plain);
    if (packed != NULL) {
        packed->type = type;
        packed->value = number;
    }
}

static void set_small(FWP_VALUE0 *value, UINT32 number)
{
    value->uint64 = NULL; /* no byte of the union is left as it was */
    switch (value->type) {
    case FWP_UINT8:
        value->uint8 = (UINT8)number;
        break;
    case FWP_UINT16:
        value->uint16 = (UINT16)number;
        break;
    default:
        value->uint32 = number;
        break;
    }
}

/* The value of value's type at bytes. Returns its size. */
static size_t get_plain(const UINT8 *bytes, FWP_VALUE0 *value, FWP_BYTE_BLOB *blob)
{
    UINT32 size;

    switch (value->type) {
    case FWP_UINT64:
        value->uint64 = (UINT64 *)(uintptr_t)bytes;
        return sizeof(UINT64);
    case FWP_BYTE_ARRAY16_TYPE:
        value->byteArray16 = (FWP_BYTE_ARRAY16 *)(uintptr_t)bytes;
        return sizeof(FWP_BYTE_ARRAY16);
    case FWP_SID:
        value->sid = (SID *)(uintptr_t)bytes;
        return wfp_sid_size(value->sid);
    default:
        break;
    }
    memcpy(&size, bytes, sizeof(size));
    blob->size = size;
    blob->data = (UINT8 *)(uintptr_t)(bytes + sizeof(size));
    if (value->type == FWP_UNICODE_STRING_TYPE)
        value->unicodeString = (wchar_t *)(void *)blob->data;
    else
        value->byteBlob = blob;
    return sizeof(size) + size;
}

static void get_range(const UINT8 *bytes, FWP_DATA_TYPE type, struct wfp_unpacked *room)
{
    FWP_RANGE0 *range = &room->range;

    range->valueLow.type = range->valueHigh.type = type;
    if (is_small(type)) {
        UINT32 ends[2];

        memcpy(ends, bytes, sizeof(ends));
        set_small(&range->valueLow, ends[0]);
        set_small(&range->valueHigh, ends[1]);
        return;
    }
    bytes += (get_plain(bytes, &range->valueLow, &room->blob[0]) + 7) & ~(size_t)7;
    get_plain(bytes, &range->valueHigh, &room->blob[1]);
}

const FWPS_FILTER_CONDITION0 *wfp_unpack_condition(const struct wfp_filter *filter, const struct wfp_packed *packed,
                                                   struct wfp_unpacked *room)
{
    const UINT8 *bytes = (const UINT8 *)filter + packed->value; /* unless it is small */
    FWP_CONDITION_VALUE0 *value = &room->condition.conditionValue;

    room->condition.fieldId = packed->field;
    room->condition.reserved = 0;
    room->condition.matchType = (FWP_MATCH_TYPE)packed->match;
    if (packed->type >= WFP_PACKED_RANGE) {
        value->type = FWP_RANGE_TYPE;
        value->rangeValue = &room->range;
        get_range(bytes, (FWP_DATA_TYPE)(packed->type - WFP_PACKED_RANGE), room);
        return &room->condition;
    }
    value->type = (FWP_DATA_TYPE)packed->type;
    if (is_small(packed->type))
        set_small((FWP_VALUE0 *)value, packed->value);
    else if (packed->type == FWP_V4_ADDR_MASK)
        value->v4AddrMask = (FWP_V4_ADDR_AND_MASK *)(uintptr_t)bytes;
    else if (packed->type == FWP_V6_ADDR_MASK)
        value->v6AddrMask = (FWP_V6_ADDR_AND_MASK *)(uintptr_t)bytes;
    else
        get_plain(bytes, (FWP_VALUE0 *)value, &room->blob[0]);
    return &room->condition;
}
