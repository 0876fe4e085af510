/* SPDX-License-Identifier: MIT */
/*
 * number.h - values of numeric fields as numbers of up to 128 bits, spans of them, and how few leading bits tell.
 *
 * An address is its bytes read from the left, so that leading bits are prefix bits. Pure; any IRQL.
 */
#ifndef WFP_NUMBER_H
#define WFP_NUMBER_H

#include "wfp/layer.h"

__extension__ typedef unsigned __int128 wfp_number;

/* From low to high, both in it. */
struct wfp_span {
    wfp_number low, high;
};

/* Bits of a field's values; 0: it is not numeric. */
static inline unsigned wfp_field_width(enum wfp_field_type type)
{
    static const UINT8 widths[] = {
        [WFP_FIELD_UINT8] = 8, [WFP_FIELD_UINT16] = 16, [WFP_FIELD_UINT32] = 32, [WFP_FIELD_UINT64] = 64,
        [WFP_FIELD_V4] = 32,   [WFP_FIELD_V6] = 128,    [WFP_FIELD_STRING] = 0};

    return widths[type];
}

/* width: 1 to 128. */
static inline wfp_number wfp_number_most(unsigned width)
{
    return ~(wfp_number)0 >> ((128 - width) & 127u);
}

/* Of a value that is not 0: the place of its highest bit, from 0. */
static inline unsigned wfp_number_top(wfp_number number)
{
    UINT64 high = (UINT64)(number >> 64);

    return high != 0 ? 127u - (unsigned)__builtin_clzll(high) : 63u - (unsigned)__builtin_clzll((UINT64)number);
}

static inline wfp_number wfp_number_bytes(const UINT8 bytes[16])
{
    wfp_number number = 0;

    for (unsigned i = 0; i < 16; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The fewest leading bits of value (in span) that put a number of width bits into span. */
static inline unsigned wfp_span_bits(wfp_number value, struct wfp_span span, unsigned width)
{
    unsigned free_bits = width;

    if (span.low != 0) {
        unsigned top = wfp_number_top(value ^ (span.low - 1));

        free_bits = top < free_bits ? top : free_bits;
    }
    if (span.high != wfp_number_most(width)) {
        unsigned top = wfp_number_top(value ^ (span.high + 1));

        free_bits = top < free_bits ? top : free_bits;
    }
    return width - free_bits;
}

/* Of FWP_UINT8, 16, 32 and 64; of any other type 0. */
static inline UINT64 wfp_value_integer(const FWP_VALUE0 *value)
{
    switch (value->type) {
    case FWP_UINT8:
        return value->uint8;
    case FWP_UINT16:
        return value->uint16;
    case FWP_UINT32:
        return value->uint32;
    case FWP_UINT64:
        return *value->uint64;
    default:
        return 0;
    }
}

/* FALSE: the value is empty or not a number. */
static inline BOOLEAN wfp_value_number(const FWP_VALUE0 *value, wfp_number *number)
{
    switch (value->type) {
    case FWP_UINT8:
    case FWP_UINT16:
    case FWP_UINT32:
    case FWP_UINT64:
        *number = wfp_value_integer(value);
        return TRUE;
    case FWP_BYTE_ARRAY16_TYPE:
        *number = wfp_number_bytes(value->byteArray16->byteArray16);
        return TRUE;
    default:
        return FALSE;
    }
}

#endif
