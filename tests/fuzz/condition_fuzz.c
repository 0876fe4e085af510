/* SPDX-License-Identifier: MIT */
/*
 * condition_fuzz.c - conditions of every type against values of every type: the engine's matcher against a naive one.
 *
 * The naive one turns each value into a number or a row of units and compares these, one after the other; it shares
 * no line with wfp/condition.c. Source: the pages FWP_MATCH_TYPE, FWP_DATA_TYPE, FWPM_FILTER_CONDITION0 and the rules
 * at the top of wfp/condition.h. A condition that the naive one calls malformed must be refused, any other accepted;
 * the accepted ones are copied as a filter copies them, and must match the same values. Security descriptors are any
 * bytes: there only memory counts.
 */
#include <initguid.h>

#include "tests/fuzz/fuzz.h"
#include "wfp/condition.h"
#include "wfp/token.h"

#define FIELDS     10u
#define CONDITIONS 8u
#define UNITS      24u
#define OWNED      256u

/* --- Memory: each thing in a block of its own size ------------------------------------------------------------ */

static void *owned[OWNED];
static unsigned owned_count;

static void *own(const void *bytes, size_t size)
{
    void *block = malloc(size != 0 ? size : 1);

    fuzz_check(block != NULL && owned_count < OWNED);
    if (size != 0)
        memcpy(block, bytes, size);
    owned[owned_count++] = block;
    return block;
}

static void free_all(void)
{
    while (owned_count != 0)
        free(owned[--owned_count]);
}

/* --- The naive side -------------------------------------------------------------------------------------------- */

/* A number is one unit; addresses and blobs a unit a byte, strings a unit a character. */
struct naive {
    bool empty;
    unsigned count;
    uint64_t unit[UNITS];
};

struct naive_condition {
    enum wfp_field_type field;
    FWP_DATA_TYPE type;
    FWP_MATCH_TYPE match;
    bool null, ends_differ; /* a pointer is missing; a range's ends are not of the field's type */
    struct naive low, high; /* of a range; else low is the value, and of a subnet its address */
    unsigned prefix;        /* of a subnet: leading bits that count */
    bool holes;             /* the mask is not leading bits alone */
};

static int order(const struct naive *a, const struct naive *b)
{
    for (unsigned i = 0; i < a->count && i < b->count; i++)
        if (a->unit[i] != b->unit[i])
            return a->unit[i] < b->unit[i] ? -1 : 1;
    return a->count == b->count ? 0 : a->count < b->count ? -1 : 1;
}

static bool is_number(FWP_DATA_TYPE type)
{
    return type >= FWP_UINT8 && type <= FWP_UINT64;
}

static bool may_go_together(FWP_DATA_TYPE type, FWP_MATCH_TYPE match)
{
    bool text = type == FWP_UNICODE_STRING_TYPE, row = type == FWP_BYTE_BLOB_TYPE || text;

    switch (match) {
    case FWP_MATCH_EQUAL:
        return type != FWP_RANGE_TYPE;
    case FWP_MATCH_NOT_EQUAL:
        return type != FWP_RANGE_TYPE && type != FWP_EMPTY && type != FWP_SECURITY_DESCRIPTOR_TYPE;
    case FWP_MATCH_RANGE:
        return type == FWP_RANGE_TYPE;
    case FWP_MATCH_GREATER:
    case FWP_MATCH_LESS:
    case FWP_MATCH_GREATER_OR_EQUAL:
    case FWP_MATCH_LESS_OR_EQUAL:
        return is_number(type) || row || type == FWP_BYTE_ARRAY16_TYPE;
    case FWP_MATCH_FLAGS_ALL_SET:
    case FWP_MATCH_FLAGS_ANY_SET:
    case FWP_MATCH_FLAGS_NONE_SET:
        return is_number(type);
    case FWP_MATCH_EQUAL_CASE_INSENSITIVE:
        return text;
    case FWP_MATCH_PREFIX:
    case FWP_MATCH_NOT_PREFIX:
        return row;
    default:
        return false;
    }
}

static FWP_DATA_TYPE type_of(enum wfp_field_type field)
{
    switch (field) {
    case WFP_FIELD_UINT8:
        return FWP_UINT8;
    case WFP_FIELD_UINT16:
        return FWP_UINT16;
    case WFP_FIELD_UINT32:
    case WFP_FIELD_V4:
        return FWP_UINT32;
    case WFP_FIELD_UINT64:
        return FWP_UINT64;
    case WFP_FIELD_V6:
        return FWP_BYTE_ARRAY16_TYPE;
    case WFP_FIELD_BLOB:
        return FWP_BYTE_BLOB_TYPE;
    case WFP_FIELD_USER:
        return FWP_SECURITY_DESCRIPTOR_TYPE;
    case WFP_FIELD_SID:
        return FWP_SID;
    default:
        return FWP_UNICODE_STRING_TYPE;
    }
}

static bool is_well_formed(const struct naive_condition *condition)
{
    bool fits = condition->type == FWP_EMPTY || condition->type == FWP_RANGE_TYPE ||
                condition->type == type_of(condition->field) ||
                (condition->type == FWP_V4_ADDR_MASK && condition->field == WFP_FIELD_V4) ||
                (condition->type == FWP_V6_ADDR_MASK && condition->field == WFP_FIELD_V6);
    bool ranged = condition->field != WFP_FIELD_SID && condition->field != WFP_FIELD_USER;

    if (!fits || condition->null || !may_go_together(condition->type, condition->match))
        return false;
    if (condition->type == FWP_RANGE_TYPE)
        return !condition->ends_differ && ranged && order(&condition->low, &condition->high) <= 0;
    return !condition->holes && condition->prefix <= 128;
}

static bool is_in_subnet(const struct naive_condition *condition, const struct naive *value, unsigned unit_bits)
{
    for (unsigned bit = 0; bit < condition->prefix; bit++) {
        unsigned shift = unit_bits - 1 - bit % unit_bits;

        if ((value->unit[bit / unit_bits] >> shift & 1) != (condition->low.unit[bit / unit_bits] >> shift & 1))
            return false;
    }
    return true;
}

static bool ends_in(const struct naive *value, const struct naive *end)
{
    if (end->count > value->count)
        return false;
    for (unsigned i = 0; i < end->count; i++)
        if (value->unit[value->count - end->count + i] != end->unit[i])
            return false;
    return true;
}

static uint64_t small(uint64_t unit)
{
    return unit >= 'A' && unit <= 'Z' ? unit - 'A' + 'a' : unit;
}

static bool equal_but_for_case(const struct naive *a, const struct naive *b)
{
    for (unsigned i = 0; i < a->count && i < b->count; i++)
        if (small(a->unit[i]) != small(b->unit[i]))
            return false;
    return a->count == b->count;
}

static bool holds_plainly(FWP_MATCH_TYPE match, const struct naive *value, const struct naive *wanted)
{
    int way = order(value, wanted);

    switch (match) {
    case FWP_MATCH_EQUAL:
        return way == 0;
    case FWP_MATCH_NOT_EQUAL:
        return way != 0;
    case FWP_MATCH_GREATER:
        return way > 0;
    case FWP_MATCH_LESS:
        return way < 0;
    case FWP_MATCH_GREATER_OR_EQUAL:
        return way >= 0;
    case FWP_MATCH_LESS_OR_EQUAL:
        return way <= 0;
    case FWP_MATCH_FLAGS_ALL_SET:
        return (~value->unit[0] & wanted->unit[0]) == 0;
    case FWP_MATCH_FLAGS_ANY_SET:
        return (value->unit[0] & wanted->unit[0]) != 0;
    case FWP_MATCH_FLAGS_NONE_SET:
        return (value->unit[0] & wanted->unit[0]) == 0;
    case FWP_MATCH_EQUAL_CASE_INSENSITIVE:
        return equal_but_for_case(value, wanted);
    case FWP_MATCH_PREFIX:
        return ends_in(value, wanted);
    default:
        return !ends_in(value, wanted);
    }
}

static bool holds(const struct naive_condition *condition, const struct naive *value)
{
    if (value->empty || condition->type == FWP_EMPTY)
        return value->empty && condition->type == FWP_EMPTY;
    if (condition->type == FWP_RANGE_TYPE)
        return order(&condition->low, value) <= 0 && order(value, &condition->high) <= 0;
    if (condition->type == FWP_V4_ADDR_MASK)
        return is_in_subnet(condition, value, 32) == (condition->match == FWP_MATCH_EQUAL);
    if (condition->type == FWP_V6_ADDR_MASK)
        return is_in_subnet(condition, value, 8) == (condition->match == FWP_MATCH_EQUAL);
    return holds_plainly(condition->match, value, &condition->low);
}

/* Of one field any condition, of every field that has some. */
static bool all_hold(const struct naive_condition *conditions, unsigned count, const struct naive *values)
{
    for (unsigned field = 0; field < FIELDS; field++) {
        bool asked = false, held = false;

        for (unsigned i = 0; i < count; i++) {
            asked = asked || (unsigned)conditions[i].field == field;
            held = held || ((unsigned)conditions[i].field == field && holds(&conditions[i], &values[field]));
        }
        if (asked && !held)
            return false;
    }
    return true;
}

/* --- From bytes to both ---------------------------------------------------------------------------------------- */

static uint64_t take_number(struct fuzz_bytes *in, unsigned size)
{
    uint64_t most = size == 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
    unsigned how = fuzz_byte(in);

    return (how < 128 ? how % 6 : how < 160 ? most - how % 4 : fuzz_number(in, size)) & most;
}

static void take_row(struct fuzz_bytes *in, struct naive *naive, unsigned count, unsigned unit_size)
{
    naive->count = count;
    for (unsigned i = 0; i < count; i++) {
        unsigned letter = fuzz_byte(in);

        naive->unit[i] =
            letter < 240 ? (unsigned)"AaBb"[letter % 4] : letter | (unit_size == 2 ? (letter & 3u) << 8 : 0);
    }
}

static void take_sid(struct fuzz_bytes *in, FWP_VALUE0 *value, struct naive *naive)
{
    uint8_t bytes[8 + 3 * 4] = {1, (uint8_t)fuzz_below(in, 4)};

    for (unsigned i = 7; i < 8 + 4u * bytes[1]; i++)
        bytes[i] = fuzz_byte(in) & 3;
    naive->count = 8 + 4u * bytes[1];
    for (unsigned i = 0; i < naive->count; i++)
        naive->unit[i] = bytes[i];
    value->sid = own(bytes, naive->count);
}

static void take_bytes(struct fuzz_bytes *in, FWP_VALUE0 *value)
{
    const uint8_t *bytes;
    size_t size = fuzz_take(in, fuzz_below(in, 96), &bytes);
    FWP_BYTE_BLOB blob = {(UINT32)size, own(bytes, size)};

    value->byteBlob = own(&blob, sizeof(blob));
}

static void take_array(struct fuzz_bytes *in, FWP_VALUE0 *value, struct naive *naive)
{
    uint8_t bytes[UNITS];
    wchar_t characters[UNITS + 1] = {0};
    bool text = value->type == FWP_UNICODE_STRING_TYPE;

    take_row(in, naive, value->type == FWP_BYTE_ARRAY16_TYPE ? 16 : fuzz_below(in, UNITS), text ? 2 : 1);
    for (unsigned i = 0; i < naive->count; i++) {
        bytes[i] = (uint8_t)naive->unit[i];
        characters[i] = (wchar_t)naive->unit[i];
    }
    if (text) {
        value->unicodeString = own(characters, (naive->count + 1) * sizeof(wchar_t));
    } else if (value->type == FWP_BYTE_ARRAY16_TYPE) {
        value->byteArray16 = own(bytes, 16);
    } else {
        FWP_BYTE_BLOB blob = {naive->count, own(bytes, naive->count)};
        value->byteBlob = own(&blob, sizeof(blob));
    }
}

static void take_value(struct fuzz_bytes *in, FWP_DATA_TYPE type, FWP_VALUE0 *value, struct naive *naive)
{
    memset(value, 0, sizeof(*value));
    *naive = (struct naive){.empty = type == FWP_EMPTY, .count = 1};
    value->type = type;
    switch (type) {
    case FWP_EMPTY:
        break;
    case FWP_UINT8:
        value->uint8 = (UINT8)(naive->unit[0] = take_number(in, 1));
        break;
    case FWP_UINT16:
        value->uint16 = (UINT16)(naive->unit[0] = take_number(in, 2));
        break;
    case FWP_UINT32:
        value->uint32 = (UINT32)(naive->unit[0] = take_number(in, 4));
        break;
    case FWP_UINT64:
        naive->unit[0] = take_number(in, 8);
        value->uint64 = own(&naive->unit[0], sizeof(UINT64));
        break;
    case FWP_SID:
        take_sid(in, value, naive);
        break;
    case FWP_SECURITY_DESCRIPTOR_TYPE:
        take_bytes(in, value);
        break;
    default:
        take_array(in, value, naive);
        break;
    }
}

static void take_subnet(struct fuzz_bytes *in, struct naive_condition *naive, FWP_CONDITION_VALUE0 *value)
{
    if (naive->type == FWP_V4_ADDR_MASK) {
        FWP_V4_ADDR_AND_MASK subnet = {(UINT32)take_number(in, 4), 0};
        unsigned bits = fuzz_below(in, 40);

        naive->prefix = bits <= 32 ? bits : 0;
        naive->holes = bits > 32;
        subnet.mask = bits > 32 ? 0xf0f00000u : bits == 0 ? 0 : ~(UINT32)0 << (32 - bits);
        naive->low = (struct naive){.count = 1, .unit = {subnet.addr}};
        value->v4AddrMask = own(&subnet, sizeof(subnet));
    } else {
        FWP_V6_ADDR_AND_MASK subnet;

        take_row(in, &naive->low, 16, 1);
        naive->prefix = fuzz_byte(in) % 140;
        for (unsigned i = 0; i < 16; i++)
            subnet.addr[i] = (UINT8)naive->low.unit[i];
        subnet.prefixLength = (UINT8)naive->prefix;
        value->v6AddrMask = own(&subnet, sizeof(subnet));
    }
}

static void take_range(struct fuzz_bytes *in, struct naive_condition *naive, FWP_CONDITION_VALUE0 *value)
{
    FWP_DATA_TYPE plain = type_of(naive->field), high = fuzz_byte(in) < 8 ? FWP_EMPTY : plain;
    FWP_RANGE0 range;

    take_value(in, plain, &range.valueLow, &naive->low);
    take_value(in, high, &range.valueHigh, &naive->high);
    naive->ends_differ = high != plain;
    value->rangeValue = own(&range, sizeof(range));
}

/* Mostly of the field's own types. */
static FWP_DATA_TYPE take_type(struct fuzz_bytes *in, enum wfp_field_type field)
{
    static const FWP_DATA_TYPE any[] = {FWP_EMPTY, FWP_UINT8,        FWP_UINT32,       FWP_UINT64,
                                        FWP_SID,   FWP_V4_ADDR_MASK, FWP_V6_ADDR_MASK, FWP_RANGE_TYPE};
    unsigned how = fuzz_byte(in);

    if (how < 128)
        return type_of(field);
    if (how < 192)
        return FWP_RANGE_TYPE;
    if (how < 224 && field == WFP_FIELD_V4)
        return FWP_V4_ADDR_MASK;
    if (how < 224 && field == WFP_FIELD_V6)
        return FWP_V6_ADDR_MASK;
    return any[how % 8];
}

static void take_condition(struct fuzz_bytes *in, struct naive_condition *naive, FWPM_FILTER_CONDITION0 *condition)
{
    FWP_CONDITION_VALUE0 *value = &condition->conditionValue;

    memset(naive, 0, sizeof(*naive));
    memset(condition, 0, sizeof(*condition));
    naive->field = (enum wfp_field_type)fuzz_below(in, FIELDS);
    naive->type = take_type(in, naive->field);
    naive->match = (FWP_MATCH_TYPE)fuzz_below(in, FWP_MATCH_TYPE_MAX + 1);
    if (naive->type == FWP_V4_ADDR_MASK || naive->type == FWP_V6_ADDR_MASK)
        take_subnet(in, naive, value);
    else if (naive->type == FWP_RANGE_TYPE)
        take_range(in, naive, value);
    else
        take_value(in, naive->type, (FWP_VALUE0 *)value, &naive->low);
    value->type = naive->type;
    condition->matchType = naive->match;
    if (naive->type > FWP_UINT32 && fuzz_byte(in) == 1) {
        naive->null = true;
        value->uint64 = NULL;
    }
}

/* Copied as a filter has it, among the others by field. */
static void add_condition(FWPS_FILTER3 *filter, enum wfp_field_type field, const FWPM_FILTER_CONDITION0 *source)
{
    struct wfp_arena measure = {NULL, 0}, arena = {NULL, 0};
    FWPS_FILTER_CONDITION0 copy = {.fieldId = (UINT16)field, .matchType = source->matchType};
    UINT32 at = filter->numFilterConditions++;

    wfp_condition_copy(&measure, &source->conditionValue, &copy.conditionValue);
    static const uint8_t zeros[4096];
    fuzz_check(measure.used <= sizeof(zeros));
    arena.base = own(zeros, measure.used);
    wfp_condition_copy(&arena, &source->conditionValue, &copy.conditionValue);
    fuzz_check(arena.used == measure.used);
    for (; at > 0 && filter->filterCondition[at - 1].fieldId > copy.fieldId; at--)
        filter->filterCondition[at] = filter->filterCondition[at - 1];
    filter->filterCondition[at] = copy;
}

/* Everybody's token: S-1-1-0. */
static void ask_descriptor(const FWP_BYTE_BLOB *descriptor)
{
    static SID everybody = {1, 1, {{0, 0, 0, 0, 0, 1}}, {0}};
    static SID_AND_ATTRIBUTES entry = {&everybody, 0};
    static SID_AND_ATTRIBUTES_HASH hash = {.SidCount = 1, .SidAttr = &entry};
    static TOKEN_ACCESS_INFORMATION information = {.SidHash = &hash};
    FWP_BYTE_BLOB token = {sizeof(information), (UINT8 *)&information};

    (void)wfp_descriptor_grants(descriptor, &token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, size};
    FWPS_INCOMING_VALUE0 values[FIELDS];
    FWPS_FILTER_CONDITION0 copies[CONDITIONS];
    FWPS_FILTER3 filter = {.filterCondition = copies};
    struct naive naive_values[FIELDS];
    struct naive_condition conditions[CONDITIONS];
    unsigned wanted = 1 + fuzz_below(&in, CONDITIONS), count = 0;
    bool descriptors = false;

    for (unsigned i = 0; i < wanted; i++) {
        FWPM_FILTER_CONDITION0 source;

        take_condition(&in, &conditions[count], &source);
        bool good = NT_SUCCESS(wfp_condition_check(conditions[count].field, &source));
        if (conditions[count].type != FWP_SECURITY_DESCRIPTOR_TYPE)
            fuzz_check(good == is_well_formed(&conditions[count]));
        if (!good)
            continue;
        if (conditions[count].type == FWP_SECURITY_DESCRIPTOR_TYPE) {
            descriptors = true;
            ask_descriptor(source.conditionValue.sd);
        }
        add_condition(&filter, conditions[count].field, &source);
        fuzz_check(wfp_condition_narrowness(&copies[0]) <= 255);
        count++;
    }
    for (unsigned i = 0; i < FIELDS; i++) {
        bool token = i == WFP_FIELD_USER; /* none here: FWP_EMPTY */

        take_value(&in, token || fuzz_byte(&in) >= 224 ? FWP_EMPTY : type_of((enum wfp_field_type)i), &values[i].value,
                   &naive_values[i]);
    }
    BOOLEAN match = wfp_conditions_match(&filter, values);
    if (!descriptors)
        fuzz_check((match != FALSE) == all_hold(conditions, count, naive_values));
    free_all();
    return 0;
}
