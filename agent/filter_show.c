/* SPDX-License-Identifier: MIT */
/*
 * filter_show.c - see filter_show.h. The one file of the program that defines the management API's GUIDs.
 */
#include <initguid.h>

#include "agent/filter_show.h"

#include <stdlib.h>
#include <string.h>

#include "agent/json.h"
#include "agent/show.h"
#include "core/path_text.h"

#define COLUMNS 6u

static bool same_key(const GUID *one, const GUID *other)
{
    return memcmp(one, other, sizeof(*one)) == 0;
}

static void show_key(struct text *text, const GUID *key)
{
    text_add_format(text, "{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", (unsigned)key->Data1,
                    (unsigned)key->Data2, (unsigned)key->Data3, key->Data4[0], key->Data4[1], key->Data4[2],
                    key->Data4[3], key->Data4[4], key->Data4[5], key->Data4[6], key->Data4[7]);
}

static const struct {
    const GUID *key;
    const char *name;
} layers[] = {
    {&FWPM_LAYER_ALE_AUTH_CONNECT_V4, "connect v4"},       {&FWPM_LAYER_ALE_AUTH_CONNECT_V6, "connect v6"},
    {&FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, "accept v4"},    {&FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6, "accept v6"},
    {&FWPM_LAYER_ALE_AUTH_LISTEN_V4, "listen v4"},         {&FWPM_LAYER_ALE_AUTH_LISTEN_V6, "listen v6"},
    {&FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, "flow v4"},      {&FWPM_LAYER_ALE_FLOW_ESTABLISHED_V6, "flow v6"},
    {&FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V4, "closure v4"},   {&FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V6, "closure v6"},
    {&FWPM_LAYER_ALE_RESOURCE_ASSIGNMENT_V4, "assign v4"}, {&FWPM_LAYER_ALE_RESOURCE_ASSIGNMENT_V6, "assign v6"},
};

static unsigned layer_rank(const GUID *key)
{
    unsigned i = 0;

    while (i < sizeof(layers) / sizeof(layers[0]) && !same_key(layers[i].key, key))
        i++;
    return i;
}

static void show_layer(struct text *text, const GUID *key)
{
    unsigned rank = layer_rank(key);

    if (rank < sizeof(layers) / sizeof(layers[0]))
        text_add(text, layers[rank].name);
    else
        show_key(text, key);
}

static const char *action_name(FWP_ACTION_TYPE type)
{
    switch ((unsigned)type) {
    case FWP_ACTION_PERMIT:
        return "permit";
    case FWP_ACTION_BLOCK:
        return "block";
    case FWP_ACTION_CALLOUT_TERMINATING:
    case FWP_ACTION_CALLOUT_UNKNOWN:
        return "callout";
    case FWP_ACTION_CALLOUT_INSPECTION:
        return "inspect";
    default:
        return "continue";
    }
}

static uint64_t weight_of(const FWPM_FILTER0 *filter)
{
    const FWP_VALUE0 *weight = &filter->effectiveWeight;

    return weight->type == FWP_UINT64 && weight->uint64 != NULL ? (uint64_t)*weight->uint64 : 0;
}

/* UTF-16 without its NUL, escaped as a path is. */
static void show_utf16(struct text *text, const uint8_t *utf16, size_t size)
{
    char bytes[SHOW_WRITTEN_MAX + 1];
    size_t count = 0;

    while (size >= 2 && utf16[size - 1] == 0 && utf16[size - 2] == 0)
        size -= 2;
    if (path_text_to_bytes(utf16, size, (uint8_t *)bytes, SHOW_WRITTEN_MAX, &count) &&
        memchr(bytes, 0, count) == NULL) {
        bytes[count] = '\0';
        show_written_path(text, bytes);
    } else {
        text_add_format(text, "(%u bytes)", (unsigned)size);
    }
}

static size_t wide_size(const wchar_t *wide)
{
    size_t length = 0;

    while (wide != NULL && wide[length] != 0)
        length++;
    return length * sizeof(wchar_t);
}

static void show_ipv4(struct text *text, UINT32 address)
{
    const uint8_t bytes[16] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8),
                               (uint8_t)address};

    show_address(text, 4, bytes, 0);
}

static unsigned mask_bits(UINT32 mask)
{
    unsigned bits = 0;

    for (; mask & 0x80000000u; mask <<= 1)
        bits++;
    return bits;
}

static void show_number(struct text *text, const FWP_VALUE0 *value)
{
    switch ((unsigned)value->type) {
    case FWP_UINT8:
        text_add_format(text, "%u", value->uint8);
        break;
    case FWP_UINT16:
        text_add_format(text, "%u", value->uint16);
        break;
    case FWP_UINT32:
        text_add_format(text, "%u", (unsigned)value->uint32);
        break;
    default:
        text_add(text, "...");
        break;
    }
}

static void show_value(struct text *text, const FWP_CONDITION_VALUE0 *value)
{
    switch ((unsigned)value->type) {
    case FWP_V4_ADDR_MASK:
        show_ipv4(text, value->v4AddrMask->addr);
        if (value->v4AddrMask->mask != 0xFFFFFFFFu)
            text_add_format(text, "/%u", mask_bits(value->v4AddrMask->mask));
        break;
    case FWP_V6_ADDR_MASK:
        show_address(text, 6, value->v6AddrMask->addr, 0);
        if (value->v6AddrMask->prefixLength != 128)
            text_add_format(text, "/%u", value->v6AddrMask->prefixLength);
        break;
    case FWP_BYTE_ARRAY16_TYPE:
        show_address(text, 6, value->byteArray16->byteArray16, 0);
        break;
    case FWP_RANGE_TYPE:
        show_number(text, &value->rangeValue->valueLow);
        text_add(text, "-");
        show_number(text, &value->rangeValue->valueHigh);
        break;
    default:
        show_number(text, (const FWP_VALUE0 *)value);
        break;
    }
}

static const struct {
    const GUID *key;
    const char *name;
} fields[] = {
    {&FWPM_CONDITION_ALE_APP_ID, "program"},        {&FWPM_CONDITION_IP_REMOTE_ADDRESS, "to"},
    {&FWPM_CONDITION_IP_REMOTE_PORT, "port"},       {&FWPM_CONDITION_IP_LOCAL_ADDRESS, "from"},
    {&FWPM_CONDITION_IP_LOCAL_PORT, "local port"},  {&FWPM_CONDITION_ALE_USER_ID, "user"},
    {&FWPM_CONDITION_INTERFACE_INDEX, "interface"},
};

static void show_field(struct text *text, const GUID *key)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (same_key(fields[i].key, key)) {
            text_add(text, fields[i].name);
            return;
        }
    show_key(text, key);
}

static const char *match_name(FWP_MATCH_TYPE match)
{
    static const char *const names[] = {
        " ", " > ",   " < ",       " >= ",         " <= ", " ", " has all of ", " has any of ", " has none of ",
        " ", " not ", " ends in ", " ends not in "};

    return (unsigned)match < sizeof(names) / sizeof(names[0]) ? names[match] : " ? ";
}

static void show_condition(struct text *text, const FWPM_FILTER_CONDITION0 *condition)
{
    const FWP_CONDITION_VALUE0 *value = &condition->conditionValue;
    bool equal = condition->matchType == FWP_MATCH_EQUAL;

    if (same_key(&condition->fieldKey, &FWPM_CONDITION_IP_PROTOCOL) && equal && value->type == FWP_UINT8) {
        show_protocol(text, value->uint8);
        return;
    }
    if (same_key(&condition->fieldKey, &FWPM_CONDITION_FLAGS) && condition->matchType == FWP_MATCH_FLAGS_ALL_SET &&
        value->type == FWP_UINT32 && value->uint32 == FWP_CONDITION_FLAG_IS_LOOPBACK) {
        text_add(text, "loopback");
        return;
    }
    show_field(text, &condition->fieldKey);
    text_add(text, match_name(condition->matchType));
    if (same_key(&condition->fieldKey, &FWPM_CONDITION_ALE_APP_ID) && value->type == FWP_BYTE_BLOB_TYPE)
        show_utf16(text, value->byteBlob->data, value->byteBlob->size);
    else if (same_key(&condition->fieldKey, &FWPM_CONDITION_IP_REMOTE_ADDRESS) && value->type == FWP_UINT32)
        show_ipv4(text, value->uint32);
    else
        show_value(text, value);
}

/* Alternatives on one field stand side by side, as the engine keeps them. */
static void show_conditions(struct text *text, const FWPM_FILTER0 *filter)
{
    const FWPM_FILTER_CONDITION0 *list = filter->filterCondition;

    if (filter->numFilterConditions == 0)
        text_add(text, "everything");
    for (UINT32 i = 0; i < filter->numFilterConditions; i++) {
        if (i > 0)
            text_add(text, same_key(&list[i].fieldKey, &list[i - 1].fieldKey) ? " or " : ", ");
        show_condition(text, &list[i]);
    }
}

static void show_name(struct text *text, const FWPM_FILTER0 *filter)
{
    show_utf16(text, (const uint8_t *)filter->displayData.name, wide_size(filter->displayData.name));
}

static int compare(const void *one, const void *other)
{
    const FWPM_FILTER0 *a = ((const struct filter_shown *)one)->filter;
    const FWPM_FILTER0 *b = ((const struct filter_shown *)other)->filter;
    unsigned rank_a = layer_rank(&a->layerKey), rank_b = layer_rank(&b->layerKey);
    int order = rank_a != rank_b ? (rank_a < rank_b ? -1 : 1) : memcmp(&a->layerKey, &b->layerKey, sizeof(GUID));

    if (order == 0)
        order = (weight_of(a) < weight_of(b)) - (weight_of(a) > weight_of(b));
    return order != 0 ? order : (a->filterId > b->filterId) - (a->filterId < b->filterId);
}

/* The class, and the rest as a hexadecimal fraction: as long as it must be, and in the order that it is read in. */
static void show_weight(struct text *text, uint64_t weight)
{
    unsigned digits = 1;

    for (unsigned i = 1; i <= 15; i++)
        if (weight >> (60 - 4 * i) & 0xF)
            digits = i;
    text_add_format(text, "%u.%0*llx", (unsigned)(weight >> 60), (int)digits,
                    (unsigned long long)((weight & 0xFFFFFFFFFFFFFFFull) >> (60 - 4 * digits)));
}

/* One cell of the table. */
static void show_cell(struct text *text, const struct filter_shown *shown, unsigned column)
{
    switch (column) {
    case 0:
        text_add_format(text, "%llu", (unsigned long long)shown->filter->filterId);
        break;
    case 1:
        show_layer(text, &shown->filter->layerKey);
        break;
    case 2:
        text_add(text, action_name(shown->filter->action.type));
        break;
    case 3:
        show_weight(text, weight_of(shown->filter));
        break;
    case 4:
        show_conditions(text, shown->filter);
        break;
    default:
        show_name(text, shown->filter);
        break;
    }
}

#define CONDITIONS_WIDTH 60u /* wider ones push the name to the right in their own line only */

static void add_padded(struct text *text, const char *cell, size_t width, bool last)
{
    size_t shown = 0;

    text_add(text, cell);
    for (const char *byte = cell; *byte != '\0'; byte++)
        shown += ((unsigned char)*byte & 0xC0) != 0x80; /* characters, not bytes */
    while (!last && shown++ < width + 2)
        text_add(text, " ");
}

void filter_show_table(struct text *text, struct filter_shown *list, unsigned count, bool marks)
{
    static const char *const heads[COLUMNS] = {"ID", "LAYER", "ACTION", "WEIGHT", "CONDITIONS", "NAME"};
    size_t widths[COLUMNS];
    struct text cell = {0};

    if (count == 0)
        return;
    qsort(list, count, sizeof(*list), compare);
    for (unsigned column = 0; column < COLUMNS; column++) {
        widths[column] = strlen(heads[column]);
        for (unsigned i = 0; i < count; i++) {
            text_clear(&cell);
            show_cell(&cell, &list[i], column);
            if (cell.used > widths[column])
                widths[column] = cell.used;
        }
        if (column == 4 && widths[column] > CONDITIONS_WIDTH)
            widths[column] = CONDITIONS_WIDTH;
    }
    for (unsigned i = 0; i <= count; i++) {
        if (marks)
            text_add(text, i > 0 && list[i - 1].ours ? "* " : "  ");
        for (unsigned column = 0; column < COLUMNS; column++) {
            text_clear(&cell);
            if (i > 0)
                show_cell(&cell, &list[i - 1], column);
            add_padded(text, i == 0 ? heads[column] : text_string(&cell), widths[column], column + 1 == COLUMNS);
        }
        text_add(text, "\n");
    }
    text->failed = text->failed || cell.failed;
    text_free(&cell);
}

void filter_show_json(struct text *text, struct filter_shown *list, unsigned count)
{
    struct text cell = {0};

    if (count > 0)
        qsort(list, count, sizeof(*list), compare);
    for (unsigned i = 0; i < count; i++) {
        const FWPM_FILTER0 *filter = list[i].filter;
        struct json json = {.text = text};

        json_open(&json, NULL);
        json_identifier(&json, "id", filter->filterId);
        text_clear(&cell);
        show_layer(&cell, &filter->layerKey);
        json_text(&json, "layer", text_string(&cell));
        json_text(&json, "action", action_name(filter->action.type));
        json_identifier(&json, "weight", weight_of(filter));
        text_clear(&cell);
        show_conditions(&cell, filter);
        json_text(&json, "conditions", text_string(&cell));
        json_path(&json, "name", (const uint8_t *)filter->displayData.name, wide_size(filter->displayData.name));
        json_bool(&json, "ours", list[i].ours);
        json_close(&json);
        text_add(text, "\n");
    }
    text->failed = text->failed || cell.failed;
    text_free(&cell);
}
