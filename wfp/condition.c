/* SPDX-License-Identifier: MIT */
/*
 * condition.c - checking, copying and matching of conditions. Pure: no locks, any IRQL.
 */
#include "wfp/condition.h"
#include "wfp/token.h"

#include <string.h>

/* The plain type a field has in conditions. */
static FWP_DATA_TYPE plain_type(enum wfp_field_type type)
{
    static const FWP_DATA_TYPE types[] = {
        [WFP_FIELD_UINT8] = FWP_UINT8,
        [WFP_FIELD_UINT16] = FWP_UINT16,
        [WFP_FIELD_UINT32] = FWP_UINT32,
        [WFP_FIELD_UINT64] = FWP_UINT64,
        [WFP_FIELD_V4] = FWP_UINT32,
        [WFP_FIELD_V6] = FWP_BYTE_ARRAY16_TYPE,
        [WFP_FIELD_BLOB] = FWP_BYTE_BLOB_TYPE,
        [WFP_FIELD_USER] = FWP_SECURITY_DESCRIPTOR_TYPE,
        [WFP_FIELD_SID] = FWP_SID,
        [WFP_FIELD_STRING] = FWP_UNICODE_STRING_TYPE,
    };

    return types[type];
}

/* Match types that make sense for a condition value type, one bit each. */
static unsigned allowed_matches(FWP_DATA_TYPE type)
{
    const unsigned equal = 1u << FWP_MATCH_EQUAL;
    const unsigned sorted = equal | 1u << FWP_MATCH_NOT_EQUAL | 1u << FWP_MATCH_GREATER | 1u << FWP_MATCH_LESS |
                            1u << FWP_MATCH_GREATER_OR_EQUAL | 1u << FWP_MATCH_LESS_OR_EQUAL;
    const unsigned flags =
        1u << FWP_MATCH_FLAGS_ALL_SET | 1u << FWP_MATCH_FLAGS_ANY_SET | 1u << FWP_MATCH_FLAGS_NONE_SET;
    const unsigned ends = 1u << FWP_MATCH_PREFIX | 1u << FWP_MATCH_NOT_PREFIX;

    switch (type) {
    case FWP_UINT8:
    case FWP_UINT16:
    case FWP_UINT32:
    case FWP_UINT64:
        return sorted | flags;
    case FWP_BYTE_ARRAY16_TYPE:
        return sorted;
    case FWP_BYTE_BLOB_TYPE:
        return sorted | ends;
    case FWP_UNICODE_STRING_TYPE:
        return sorted | ends | 1u << FWP_MATCH_EQUAL_CASE_INSENSITIVE;
    case FWP_V4_ADDR_MASK:
    case FWP_V6_ADDR_MASK:
    case FWP_SID:
        return equal | 1u << FWP_MATCH_NOT_EQUAL;
    case FWP_RANGE_TYPE:
        return 1u << FWP_MATCH_RANGE;
    case FWP_EMPTY:
    case FWP_SECURITY_DESCRIPTOR_TYPE:
        return equal;
    default:
        return 0;
    }
}

static size_t string_length(const wchar_t *string)
{
    size_t length = 0;

    while (string[length] != 0)
        length++;
    return length;
}

static int compare_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common == 0 ? 0 : memcmp(a, b, common);

    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* Character by character: the bytes of a character stand in memory with the low one first. */
static int compare_strings(const wchar_t *a, const wchar_t *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return (*a > *b) - (*a < *b);
}

/* Of two values of the same plain type. */
static int compare(const FWP_VALUE0 *a, const FWP_VALUE0 *b)
{
    switch (a->type) {
    case FWP_UINT8:
        return (a->uint8 > b->uint8) - (a->uint8 < b->uint8);
    case FWP_UINT16:
        return (a->uint16 > b->uint16) - (a->uint16 < b->uint16);
    case FWP_UINT32:
        return (a->uint32 > b->uint32) - (a->uint32 < b->uint32);
    case FWP_UINT64:
        return (*a->uint64 > *b->uint64) - (*a->uint64 < *b->uint64);
    case FWP_BYTE_ARRAY16_TYPE:
        return memcmp(a->byteArray16, b->byteArray16, 16);
    case FWP_BYTE_BLOB_TYPE:
        return compare_bytes(a->byteBlob->data, a->byteBlob->size, b->byteBlob->data, b->byteBlob->size);
    case FWP_UNICODE_STRING_TYPE:
        return compare_strings(a->unicodeString, b->unicodeString);
    case FWP_SID:
        return wfp_sid_equal(a->sid, b->sid) ? 0 : 1;
    default:
        return 1;
    }
}

/* A condition value of a plain type is laid out as a value. */
static const FWP_VALUE0 *as_value(const FWP_CONDITION_VALUE0 *value)
{
    return (const FWP_VALUE0 *)value;
}

/* The value's pointer, if its type has one, must be there. */
static NTSTATUS check_pointer(const FWP_VALUE0 *value)
{
    if (value->type <= FWP_UINT32)
        return STATUS_SUCCESS;
    if (value->uint64 == NULL)
        return STATUS_FWP_NULL_POINTER;
    if (value->type == FWP_BYTE_BLOB_TYPE && value->byteBlob->size != 0 && value->byteBlob->data == NULL)
        return STATUS_FWP_NULL_POINTER;
    if (value->type == FWP_SECURITY_DESCRIPTOR_TYPE)
        return wfp_descriptor_check(value->sd);
    return STATUS_SUCCESS;
}

static NTSTATUS check_range(FWP_DATA_TYPE plain, const FWP_RANGE0 *range)
{
    if (range->valueLow.type != plain || range->valueHigh.type != plain)
        return STATUS_FWP_TYPE_MISMATCH;
    if (!NT_SUCCESS(check_pointer(&range->valueLow)) || !NT_SUCCESS(check_pointer(&range->valueHigh)))
        return STATUS_FWP_NULL_POINTER;
    if (plain == FWP_SID || plain == FWP_SECURITY_DESCRIPTOR_TYPE)
        return STATUS_FWP_TYPE_MISMATCH;
    return compare(&range->valueLow, &range->valueHigh) > 0 ? STATUS_FWP_INVALID_RANGE : STATUS_SUCCESS;
}

NTSTATUS wfp_condition_check(enum wfp_field_type type, const FWPM_FILTER_CONDITION0 *condition)
{
    const FWP_CONDITION_VALUE0 *value = &condition->conditionValue;
    NTSTATUS status = STATUS_SUCCESS;

    if (value->type != FWP_EMPTY && value->type != plain_type(type) && value->type != FWP_RANGE_TYPE &&
        !(type == WFP_FIELD_V4 && value->type == FWP_V4_ADDR_MASK) &&
        !(type == WFP_FIELD_V6 && value->type == FWP_V6_ADDR_MASK))
        return STATUS_FWP_TYPE_MISMATCH;
    if ((unsigned)condition->matchType >= FWP_MATCH_TYPE_MAX ||
        (allowed_matches(value->type) & 1u << condition->matchType) == 0)
        return STATUS_FWP_MATCH_TYPE_MISMATCH;
    status = check_pointer(as_value(value));
    if (!NT_SUCCESS(status))
        return status;
    if (value->type == FWP_RANGE_TYPE)
        return check_range(plain_type(type), value->rangeValue);
    if (value->type == FWP_V4_ADDR_MASK && (~value->v4AddrMask->mask & (~value->v4AddrMask->mask + 1)) != 0)
        return STATUS_FWP_INVALID_NET_MASK;
    if (value->type == FWP_V6_ADDR_MASK && value->v6AddrMask->prefixLength > 128)
        return STATUS_FWP_INVALID_NET_MASK;
    return STATUS_SUCCESS;
}

static void copy_plain(struct wfp_arena *arena, const FWP_VALUE0 *source, FWP_VALUE0 *copy)
{
    FWP_BYTE_BLOB *blob;

    *copy = *source;
    switch (source->type) {
    case FWP_UINT64:
        copy->uint64 = wfp_arena_copy(arena, source->uint64, sizeof(UINT64));
        break;
    case FWP_BYTE_ARRAY16_TYPE:
        copy->byteArray16 = wfp_arena_copy(arena, source->byteArray16, sizeof(FWP_BYTE_ARRAY16));
        break;
    case FWP_BYTE_BLOB_TYPE:
    case FWP_SECURITY_DESCRIPTOR_TYPE:
        blob = wfp_arena_copy(arena, source->byteBlob, sizeof(*blob));
        copy->byteBlob = blob;
        UINT8 *data = wfp_arena_copy(arena, source->byteBlob->data, source->byteBlob->size);
        if (blob != NULL)
            blob->data = data;
        break;
    case FWP_SID:
        copy->sid = wfp_arena_copy(arena, source->sid, wfp_sid_size(source->sid));
        break;
    case FWP_UNICODE_STRING_TYPE:
        copy->unicodeString = wfp_arena_string(arena, source->unicodeString);
        break;
    default:
        break;
    }
}

void wfp_condition_copy(struct wfp_arena *arena, const FWP_CONDITION_VALUE0 *source, FWP_CONDITION_VALUE0 *copy)
{
    FWP_RANGE0 measured;
    FWP_RANGE0 *range;

    *copy = *source;
    switch (source->type) {
    case FWP_V4_ADDR_MASK:
        copy->v4AddrMask = wfp_arena_copy(arena, source->v4AddrMask, sizeof(FWP_V4_ADDR_AND_MASK));
        break;
    case FWP_V6_ADDR_MASK:
        copy->v6AddrMask = wfp_arena_copy(arena, source->v6AddrMask, sizeof(FWP_V6_ADDR_AND_MASK));
        break;
    case FWP_RANGE_TYPE:
        range = wfp_arena_take(arena, sizeof(*range));
        copy->rangeValue = range;
        if (range == NULL)
            range = &measured;
        copy_plain(arena, &source->rangeValue->valueLow, &range->valueLow);
        copy_plain(arena, &source->rangeValue->valueHigh, &range->valueHigh);
        break;
    default:
        copy_plain(arena, as_value(source), (FWP_VALUE0 *)copy);
        break;
    }
}

static BOOLEAN in_v6_subnet(const UINT8 *address, const FWP_V6_ADDR_AND_MASK *subnet)
{
    unsigned bytes = subnet->prefixLength / 8;
    unsigned bits = subnet->prefixLength % 8;

    if (memcmp(address, subnet->addr, bytes) != 0)
        return FALSE;
    return bits == 0 || ((address[bytes] ^ subnet->addr[bytes]) & (0xff00u >> bits) & 0xff) == 0;
}

static BOOLEAN ends_with(const FWP_VALUE0 *value, const FWP_VALUE0 *end)
{
    const UINT8 *whole, *tail;
    size_t whole_size, tail_size;

    if (value->type == FWP_BYTE_BLOB_TYPE) {
        whole = value->byteBlob->data;
        whole_size = value->byteBlob->size;
        tail = end->byteBlob->data;
        tail_size = end->byteBlob->size;
    } else {
        whole = (const UINT8 *)value->unicodeString;
        whole_size = string_length(value->unicodeString) * sizeof(wchar_t);
        tail = (const UINT8 *)end->unicodeString;
        tail_size = string_length(end->unicodeString) * sizeof(wchar_t);
    }
    return tail_size <= whole_size && (tail_size == 0 || memcmp(whole + whole_size - tail_size, tail, tail_size) == 0);
}

static wchar_t fold(wchar_t c)
{
    return c >= L'A' && c <= L'Z' ? (wchar_t)(c + (L'a' - L'A')) : c;
}

static BOOLEAN equal_without_case(const wchar_t *a, const wchar_t *b)
{
    while (*a != 0 && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return fold(*a) == fold(*b);
}

/* Both of the same plain type. */
static BOOLEAN match_plain(FWP_MATCH_TYPE match, const FWP_VALUE0 *value, const FWP_VALUE0 *condition)
{
    switch (match) {
    case FWP_MATCH_EQUAL:
        return compare(value, condition) == 0;
    case FWP_MATCH_NOT_EQUAL:
        return compare(value, condition) != 0;
    case FWP_MATCH_GREATER:
        return compare(value, condition) > 0;
    case FWP_MATCH_LESS:
        return compare(value, condition) < 0;
    case FWP_MATCH_GREATER_OR_EQUAL:
        return compare(value, condition) >= 0;
    case FWP_MATCH_LESS_OR_EQUAL:
        return compare(value, condition) <= 0;
    case FWP_MATCH_FLAGS_ALL_SET:
        return (wfp_value_integer(value) & wfp_value_integer(condition)) == wfp_value_integer(condition);
    case FWP_MATCH_FLAGS_ANY_SET:
        return (wfp_value_integer(value) & wfp_value_integer(condition)) != 0;
    case FWP_MATCH_FLAGS_NONE_SET:
        return (wfp_value_integer(value) & wfp_value_integer(condition)) == 0;
    case FWP_MATCH_EQUAL_CASE_INSENSITIVE:
        return equal_without_case(value->unicodeString, condition->unicodeString);
    case FWP_MATCH_PREFIX:
        return ends_with(value, condition);
    case FWP_MATCH_NOT_PREFIX:
        return !ends_with(value, condition);
    default:
        return FALSE;
    }
}

BOOLEAN wfp_condition_met(const FWPS_FILTER_CONDITION0 *condition, const FWP_VALUE0 *value)
{
    const FWP_CONDITION_VALUE0 *wanted = &condition->conditionValue;
    BOOLEAN inside;

    if (value->type == FWP_EMPTY || wanted->type == FWP_EMPTY)
        return value->type == wanted->type;
    switch (wanted->type) {
    case FWP_V4_ADDR_MASK:
        inside = ((value->uint32 ^ wanted->v4AddrMask->addr) & wanted->v4AddrMask->mask) == 0;
        return inside == (condition->matchType == FWP_MATCH_EQUAL);
    case FWP_V6_ADDR_MASK:
        inside = in_v6_subnet(value->byteArray16->byteArray16, wanted->v6AddrMask);
        return inside == (condition->matchType == FWP_MATCH_EQUAL);
    case FWP_RANGE_TYPE:
        return compare(value, &wanted->rangeValue->valueLow) >= 0 &&
               compare(value, &wanted->rangeValue->valueHigh) <= 0;
    case FWP_SECURITY_DESCRIPTOR_TYPE:
        return wfp_descriptor_grants(wanted->sd, value->tokenAccessInformation);
    default:
        return match_plain(condition->matchType, value, as_value(wanted));
    }
}

BOOLEAN wfp_conditions_match(const FWPS_FILTER3 *filter, const FWPS_INCOMING_VALUE0 *values)
{
    UINT32 i = 0;

    while (i < filter->numFilterConditions) {
        UINT16 field = filter->filterCondition[i].fieldId;
        BOOLEAN met = FALSE;

        for (; i < filter->numFilterConditions && filter->filterCondition[i].fieldId == field; i++)
            met = met || wfp_condition_met(&filter->filterCondition[i], &values[field].value);
        if (!met)
            return FALSE;
    }
    return TRUE;
}

static struct wfp_span mask_span(wfp_number address, wfp_number mask, unsigned width)
{
    return (struct wfp_span){address & mask, (address & mask) | (~mask & wfp_number_most(width))};
}

/* Of a comparison with one number. */
static BOOLEAN compared_span(FWP_MATCH_TYPE match, wfp_number number, unsigned width, struct wfp_span *span)
{
    wfp_number most = wfp_number_most(width);

    switch (match) {
    case FWP_MATCH_EQUAL:
        *span = (struct wfp_span){number, number};
        return TRUE;
    case FWP_MATCH_GREATER:
        *span = (struct wfp_span){number + 1, most};
        return number != most;
    case FWP_MATCH_GREATER_OR_EQUAL:
        *span = (struct wfp_span){number, most};
        return TRUE;
    case FWP_MATCH_LESS:
        *span = (struct wfp_span){0, number - 1};
        return number != 0;
    case FWP_MATCH_LESS_OR_EQUAL:
        *span = (struct wfp_span){0, number};
        return TRUE;
    default:
        return FALSE;
    }
}

BOOLEAN wfp_condition_span(const FWPS_FILTER_CONDITION0 *condition, unsigned width, struct wfp_span *span)
{
    const FWP_CONDITION_VALUE0 *wanted = &condition->conditionValue;
    wfp_number number;

    switch (wanted->type) {
    case FWP_V4_ADDR_MASK:
        *span = mask_span(wanted->v4AddrMask->addr, wanted->v4AddrMask->mask, 32);
        return condition->matchType == FWP_MATCH_EQUAL;
    case FWP_V6_ADDR_MASK:
        number = wanted->v6AddrMask->prefixLength == 0 ? 0 : ~(wfp_number)0 << (128 - wanted->v6AddrMask->prefixLength);
        *span = mask_span(wfp_number_bytes(wanted->v6AddrMask->addr), number, 128);
        return condition->matchType == FWP_MATCH_EQUAL;
    case FWP_RANGE_TYPE:
        return wfp_value_number(&wanted->rangeValue->valueLow, &span->low) &&
               wfp_value_number(&wanted->rangeValue->valueHigh, &span->high);
    default:
        return wfp_value_number(as_value(wanted), &number) && compared_span(condition->matchType, number, width, span);
    }
}

unsigned wfp_condition_narrowness(const FWPS_FILTER_CONDITION0 *condition)
{
    const FWP_CONDITION_VALUE0 *value = &condition->conditionValue;

    if (value->type == FWP_V4_ADDR_MASK && condition->matchType == FWP_MATCH_EQUAL)
        return (unsigned)__builtin_popcount(value->v4AddrMask->mask) * 255 / 32;
    if (value->type == FWP_V6_ADDR_MASK && condition->matchType == FWP_MATCH_EQUAL)
        return value->v6AddrMask->prefixLength * 255u / 128;
    switch (condition->matchType) {
    case FWP_MATCH_EQUAL:
    case FWP_MATCH_EQUAL_CASE_INSENSITIVE:
        return 255;
    case FWP_MATCH_RANGE:
    case FWP_MATCH_PREFIX:
        return 128;
    default:
        return 16;
    }
}
