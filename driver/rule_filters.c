/* SPDX-License-Identifier: MIT */
/*
 * rule_filters.c - see rule_filters.h. Conditions are put in the order of the fields in the layers, as the engine keeps
 * them.
 */
#include "driver/rule_filters.h"

#include "driver/callout.h"
#include "driver/registration.h"
#include "driver/rule_callout.h"
#include "gatehouse/objects.h"

#define SECOND_FILTER 4u /* bits of rule_entry.filters are shifted by it */
#define FEW_RANGES    4u /* of a set: 100,000 rules may have a set each */

/* A security descriptor in one piece: header, a SID for owner and group, a DACL. */
#define SD_HEADER             20u
#define SD_OWNER_SIZE         12u
#define SD_DACL               (SD_HEADER + SD_OWNER_SIZE)
#define SD_ACL_HEADER         8u
#define SD_ACE_HEADER         8u
#define SD_ACL_MAX            0xFFFCu
#define SD_SELF_RELATIVE_DACL 0x8004u

_Use_decl_annotations_
NTSTATUS rule_filters_begin(struct rule_filters *filters, const struct rule_list *list)
{
    size_t size;

    RtlZeroMemory(filters, sizeof(*filters));
    filters->list = list;
    if (list->image == NULL)
        return STATUS_SUCCESS;
    size = ((size_t)list->image->set_count + 1) * sizeof(*filters->ranges);
    filters->ranges = ExAllocatePool2(POOL_FLAG_PAGED, size, DRIVER_POOL_TAG);
    return filters->ranges == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

static void free_pool(void *p)
{
    if (p != NULL)
        ExFreePoolWithTag(p, DRIVER_POOL_TAG);
}

_Use_decl_annotations_
void rule_filters_end(struct rule_filters *filters)
{
    if (filters->ranges != NULL) {
        for (uint32_t i = 0; i < filters->list->image->set_count; i++)
            free_pool(filters->ranges[i]);
    }
    free_pool(filters->ranges);
    free_pool(filters->conditions);
    RtlZeroMemory(filters, sizeof(*filters));
}

static BOOLEAN names_set(const struct gatehouse_rule_part *part)
{
    return part->type >= GATEHOUSE_PART_REMOTE && part->type <= GATEHOUSE_PART_LOCAL_PORT;
}

/* Room for every condition that the rule can have. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS reserve(struct rule_filters *filters, const struct gatehouse_rule *rule)
{
    uint32_t wanted = (uint32_t)rule->part_count + 1;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (names_set(part))
            wanted += filters->list->sets[rule_part_set(part)]->count;
    }
    if (wanted <= filters->capacity)
        return STATUS_SUCCESS;
    free_pool(filters->conditions);
    filters->capacity = 0;
    wanted += wanted / 2 + 16;
    filters->conditions = ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_UNINITIALIZED,
                                          (SIZE_T)wanted * sizeof(*filters->conditions), DRIVER_POOL_TAG);
    if (filters->conditions == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    filters->capacity = wanted;
    return STATUS_SUCCESS;
}

/* Of filters->bytes, which rule_filters_add made large enough. */
static void *take_bytes(struct rule_filters *filters, uint32_t size)
{
    void *taken = filters->bytes + filters->bytes_used;

    filters->bytes_used += (size + 7u) & ~7u;
    return taken;
}

static FWP_CONDITION_VALUE0 *put(struct rule_filters *filters, const GUID *key, FWP_DATA_TYPE type)
{
    FWPM_FILTER_CONDITION0 *condition = &filters->conditions[filters->count++];

    RtlZeroMemory(condition, sizeof(*condition));
    condition->fieldKey = *key;
    condition->matchType = type == FWP_RANGE_TYPE ? FWP_MATCH_RANGE : FWP_MATCH_EQUAL;
    condition->conditionValue.type = type;
    return &condition->conditionValue;
}

static void put_programs(struct rule_filters *filters, const struct gatehouse_rule *rule)
{
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        FWP_BYTE_BLOB *blob;

        if (part->type != GATEHOUSE_PART_PROGRAM)
            continue;
        blob = take_bytes(filters, sizeof(*blob));
        blob->size = part->data_size + (UINT32)sizeof(WCHAR);
        blob->data = take_bytes(filters, blob->size);
        RtlCopyMemory(blob->data, part + 1, part->data_size);
        blob->data[part->data_size] = blob->data[part->data_size + 1] = 0;
        put(filters, &FWPM_CONDITION_ALE_APP_ID, FWP_BYTE_BLOB_TYPE)->byteBlob = blob;
    }
}

/* S-1-15-2 and the eight words of the hash. */
static void put_hashes(struct rule_filters *filters, const struct gatehouse_rule *rule)
{
    static const UINT8 package[12] = {SID_REVISION, 9, 0, 0, 0, 0, 0, 15, 2, 0, 0, 0};

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        UINT8 *sid;

        if (part->type != GATEHOUSE_PART_SHA256)
            continue;
        sid = take_bytes(filters, sizeof(package) + part->data_size);
        RtlCopyMemory(sid, package, sizeof(package));
        RtlCopyMemory(sid + sizeof(package), part + 1, part->data_size);
        put(filters, &FWPM_CONDITION_ALE_PACKAGE_ID, FWP_SID)->sid = (SID *)(void *)sid;
    }
}

/* The DACL's size for the SIDs of this kind. */
static ULONG acl_size(const struct gatehouse_rule *rule, uint16_t type)
{
    ULONG size = SD_ACL_HEADER;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type == type)
            size += SD_ACE_HEADER + part->data_size;
    }
    return size;
}

static void put_uint16(UINT8 *at, ULONG value)
{
    at[0] = (UINT8)value;
    at[1] = (UINT8)(value >> 8);
}

/* Whoever has one of the SIDs may FWP_ACTRL_MATCH_FILTER. Returns how many. */
static ULONG put_aces(UINT8 *at, const struct gatehouse_rule *rule, uint16_t type)
{
    ULONG count = 0;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type != type)
            continue;
        RtlZeroMemory(at, SD_ACE_HEADER); /* ACCESS_ALLOWED_ACE_TYPE, no flags */
        put_uint16(at + 2, SD_ACE_HEADER + part->data_size);
        put_uint16(at + 4, FWP_ACTRL_MATCH_FILTER);
        RtlCopyMemory(at + SD_ACE_HEADER, part + 1, part->data_size);
        at += SD_ACE_HEADER + part->data_size;
        count++;
    }
    return count;
}

static void put_user(struct rule_filters *filters, const struct gatehouse_rule *rule, uint16_t type)
{
    static const UINT8 local_system[SD_OWNER_SIZE] = {SID_REVISION, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
    ULONG size = acl_size(rule, type);
    FWP_BYTE_BLOB *blob = take_bytes(filters, sizeof(*blob));

    blob->size = SD_DACL + size;
    blob->data = take_bytes(filters, blob->size);
    RtlZeroMemory(blob->data, SD_DACL + SD_ACL_HEADER);
    blob->data[0] = SECURITY_DESCRIPTOR_REVISION;
    put_uint16(blob->data + 2, SD_SELF_RELATIVE_DACL);
    put_uint16(blob->data + 4, SD_HEADER);
    put_uint16(blob->data + 8, SD_HEADER);
    put_uint16(blob->data + 16, SD_DACL);
    RtlCopyMemory(blob->data + SD_HEADER, local_system, sizeof(local_system));
    blob->data[SD_DACL] = ACL_REVISION;
    put_uint16(blob->data + SD_DACL + 2, size);
    put_uint16(blob->data + SD_DACL + 4, put_aces(blob->data + SD_DACL + SD_ACL_HEADER, rule, type));
    put(filters, &FWPM_CONDITION_ALE_USER_ID, FWP_SECURITY_DESCRIPTOR_TYPE)->sd = blob;
}

static void range_of(const struct gatehouse_set *set, uint32_t i, FWP_RANGE0 *range)
{
    if (set->kind == GATEHOUSE_SET_V4) {
        range->valueLow.type = range->valueHigh.type = FWP_UINT32;
        range->valueLow.uint32 = set_ranges_v4(set)[i].low;
        range->valueHigh.uint32 = set_ranges_v4(set)[i].high;
    } else if (set->kind == GATEHOUSE_SET_V6) {
        const struct gatehouse_range_v6 *v6 = set_ranges_v6(set) + i;

        range->valueLow.type = range->valueHigh.type = FWP_BYTE_ARRAY16_TYPE;
        range->valueLow.byteArray16 = (FWP_BYTE_ARRAY16 *)(ULONG_PTR)v6->low;
        range->valueHigh.byteArray16 = (FWP_BYTE_ARRAY16 *)(ULONG_PTR)v6->high;
    } else {
        range->valueLow.type = range->valueHigh.type = FWP_UINT16;
        range->valueLow.uint16 = set_ranges_port(set)[i].low;
        range->valueHigh.uint16 = set_ranges_port(set)[i].high;
    }
}

/* The set's ranges as the engine wants them: few in filters->bytes, many made once. NULL: no memory. */
_IRQL_requires_(PASSIVE_LEVEL)
static FWP_RANGE0 *ranges_of(struct rule_filters *filters, uint32_t number)
{
    const struct gatehouse_set *set = filters->list->sets[number];
    FWP_RANGE0 *ranges = filters->ranges[number];

    if (ranges != NULL)
        return ranges;
    if (set->count <= FEW_RANGES) {
        ranges = take_bytes(filters, FEW_RANGES * sizeof(*ranges));
        RtlZeroMemory(ranges, FEW_RANGES * sizeof(*ranges));
    } else {
        ranges = ExAllocatePool2(POOL_FLAG_PAGED, set->count * sizeof(*ranges), DRIVER_POOL_TAG);
        filters->ranges[number] = ranges;
    }
    for (uint32_t i = 0; ranges != NULL && i < set->count; i++)
        range_of(set, i, &ranges[i]);
    return ranges;
}

static BOOLEAN is_single(const struct gatehouse_set *set, uint32_t i)
{
    if (set->kind == GATEHOUSE_SET_V4)
        return set_ranges_v4(set)[i].low == set_ranges_v4(set)[i].high;
    if (set->kind == GATEHOUSE_SET_V6)
        return memcmp(set_ranges_v6(set)[i].low, set_ranges_v6(set)[i].high, 16) == 0;
    return set_ranges_port(set)[i].low == set_ranges_port(set)[i].high;
}

/* kind: of the sets that count at this layer. *impossible: the rule has such parts, and they leave nothing. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS put_sets(struct rule_filters *filters, const struct gatehouse_rule *rule, uint16_t type, uint16_t kind,
                         const GUID *key, BOOLEAN *impossible)
{
    uint32_t before = filters->count;
    BOOLEAN has = FALSE;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        const struct gatehouse_set *set;
        FWP_RANGE0 *ranges;

        if (part->type != type)
            continue;
        has = TRUE;
        set = filters->list->sets[rule_part_set(part)];
        if (set->kind != kind)
            continue;
        ranges = ranges_of(filters, rule_part_set(part));
        if (ranges == NULL)
            return STATUS_INSUFFICIENT_RESOURCES;
        for (uint32_t i = 0; i < set->count; i++) {
            if (is_single(set, i))
                RtlCopyMemory(put(filters, key, ranges[i].valueLow.type), &ranges[i].valueLow, sizeof(FWP_VALUE0));
            else
                put(filters, key, FWP_RANGE_TYPE)->rangeValue = &ranges[i];
        }
    }
    if (has && filters->count == before)
        *impossible = TRUE;
    return STATUS_SUCCESS;
}
_Static_assert(sizeof(FWP_VALUE0) == sizeof(FWP_CONDITION_VALUE0), "a plain value is a condition's value");

static void put_bytes(struct rule_filters *filters, const struct gatehouse_rule *rule, uint16_t type)
{
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type != type)
            continue;
        if (type == GATEHOUSE_PART_ICMP_TYPE) /* ALE layers have it as the local port */
            put(filters, &FWPM_CONDITION_IP_LOCAL_PORT, FWP_UINT16)->uint16 = *(const uint8_t *)rule_part_data(part);
        else
            put(filters, &FWPM_CONDITION_IP_PROTOCOL, FWP_UINT8)->uint8 = *(const uint8_t *)rule_part_data(part);
    }
}

/* What decides how a rule becomes filters. */
struct shape {
    BOOLEAN paths, hashes, patterns;
    uint16_t sids;     /* the kind that the filter has; 0: none */
    BOOLEAN more_sids; /* the callout has to look */
    BOOLEAN needs_rule, needs_log, needs_names;
};

static void shape_of(const struct gatehouse_rule *rule, struct shape *shape)
{
    RtlZeroMemory(shape, sizeof(*shape));
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type == GATEHOUSE_PART_PROGRAM)
            shape->paths = TRUE;
        else if (part->type == GATEHOUSE_PART_PATTERN)
            shape->patterns = TRUE;
        else if (part->type == GATEHOUSE_PART_SHA256)
            shape->hashes = TRUE;
        else if (part->type == GATEHOUSE_PART_NAME)
            shape->needs_names = TRUE;
        else if (part->type >= GATEHOUSE_PART_USER && part->type <= GATEHOUSE_PART_CGROUP && shape->sids == 0)
            shape->sids = part->type;
        else if (part->type >= GATEHOUSE_PART_USER && part->type <= GATEHOUSE_PART_CGROUP && shape->sids != part->type)
            shape->more_sids = TRUE;
    }
    if (shape->sids != 0 && acl_size(rule, shape->sids) > SD_ACL_MAX) {
        shape->sids = 0;
        shape->more_sids = TRUE;
    }
    shape->needs_rule = shape->patterns || shape->more_sids;
    shape->needs_log = rule->action == GATEHOUSE_RULE_ASK || (rule->flags & GATEHOUSE_RULE_LOG) != 0 ||
                       rule->until == GATEHOUSE_UNTIL_EXIT;
}

/* All conditions for one family; second: of the filter by SHA-256 that stands beside the one by path. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS put_conditions(struct rule_filters *filters, const struct gatehouse_rule *rule,
                               const struct shape *shape, BOOLEAN v6, BOOLEAN second, BOOLEAN *impossible)
{
    uint16_t addresses = v6 ? GATEHOUSE_SET_V6 : GATEHOUSE_SET_V4;
    NTSTATUS status;

    filters->count = 0;
    filters->bytes_used = 0;
    if (!second && !shape->patterns)
        put_programs(filters, rule);
    if (shape->sids != 0)
        put_user(filters, rule, shape->sids);
    status = put_sets(filters, rule, GATEHOUSE_PART_LOCAL, addresses, &FWPM_CONDITION_IP_LOCAL_ADDRESS, impossible);
    if (NT_SUCCESS(status))
        status = put_sets(filters, rule, GATEHOUSE_PART_LOCAL_PORT, GATEHOUSE_SET_PORT, &FWPM_CONDITION_IP_LOCAL_PORT,
                          impossible);
    put_bytes(filters, rule, GATEHOUSE_PART_ICMP_TYPE);
    put_bytes(filters, rule, GATEHOUSE_PART_PROTOCOL);
    if (NT_SUCCESS(status))
        status =
            put_sets(filters, rule, GATEHOUSE_PART_REMOTE, addresses, &FWPM_CONDITION_IP_REMOTE_ADDRESS, impossible);
    if (NT_SUCCESS(status))
        status = put_sets(filters, rule, GATEHOUSE_PART_REMOTE_PORT, GATEHOUSE_SET_PORT, &FWPM_CONDITION_IP_REMOTE_PORT,
                          impossible);
    if ((rule->flags & GATEHOUSE_RULE_RAW) != 0) {
        put(filters, &FWPM_CONDITION_FLAGS, FWP_UINT32)->uint32 = FWP_CONDITION_FLAG_IS_RAW_ENDPOINT;
        filters->conditions[filters->count - 1].matchType = FWP_MATCH_FLAGS_ALL_SET;
    }
    if (second || (!shape->paths && !shape->patterns))
        put_hashes(filters, rule);
    return status;
}

static GUID key_of(uint64_t id, uint32_t bit)
{
    GUID key = {GATEHOUSE_RULE_KEY_DATA1, GATEHOUSE_RULE_KEY_DATA2, GATEHOUSE_RULE_KEY_DATA3, {0}};

    key.Data3 |= (USHORT)(bit < SECOND_FILTER ? bit : GATEHOUSE_RULE_KEY_SECOND | (bit - SECOND_FILTER));
    for (uint32_t i = 0; i < sizeof(key.Data4); i++)
        key.Data4[i] = (UCHAR)(id >> (56 - 8 * i));
    return key;
}

/* Who looks at names, and a rule with names is for what goes out alone. */
static enum callout_index callout_of(const struct shape *shape)
{
    if (shape->needs_names)
        return CALLOUT_NAME;
    return shape->needs_log ? CALLOUT_LOG : CALLOUT_RULE;
}

/* The conditions are there. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_one(const struct rule_filters *filters, struct rule_entry *entry, const struct shape *shape,
                        uint32_t bit)
{
    static const GUID *const layers[4] = {&FWPM_LAYER_ALE_AUTH_CONNECT_V4, &FWPM_LAYER_ALE_AUTH_CONNECT_V6,
                                          &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6};
    uint32_t layer = bit % SECOND_FILTER;
    FWPM_FILTER0 filter;
    NTSTATUS status;

    registration_filter_init(&filter, layers[layer], L"Gatehouse rule", &entry->weight);
    filter.filterKey = key_of(entry->id, bit);
    filter.filterCondition = filters->conditions;
    filter.numFilterConditions = filters->count;
    if (entry->until == GATEHOUSE_UNTIL_TIME) {
        filter.providerData.data = (UINT8 *)&entry->ends;
        filter.providerData.size = sizeof(entry->ends);
    }
    if (entry->number != 0) {
        filter.action.type = FWP_ACTION_CALLOUT_UNKNOWN;
        filter.action.calloutKey = *registration_rule_callout(callout_of(shape), layer);
        filter.rawContext = entry->number | (bit < SECOND_FILTER ? 0 : RULE_CONTEXT_SHA256);
    } else {
        filter.action.type = entry->rule->action == GATEHOUSE_RULE_PERMIT ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
    }
    status = FwpmFilterAdd0(driver_state.engine, &filter, NULL, NULL);
    if (NT_SUCCESS(status))
        entry->filters |= (uint8_t)(1u << bit);
    return status;
}

/* At the layers of one family. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_family(struct rule_filters *filters, struct rule_entry *entry, const struct shape *shape,
                           BOOLEAN v6, BOOLEAN second)
{
    const uint32_t first = (v6 ? 1u : 0u) + (second ? SECOND_FILTER : 0u);
    BOOLEAN impossible = FALSE;
    NTSTATUS status = put_conditions(filters, entry->rule, shape, v6, second, &impossible);

    if (!NT_SUCCESS(status) || impossible)
        return status;
    if ((entry->rule->direction & GATEHOUSE_RULE_OUT) != 0)
        status = add_one(filters, entry, shape, first + GATEHOUSE_RULE_CONNECT_V4);
    if (NT_SUCCESS(status) && (entry->rule->direction & GATEHOUSE_RULE_IN) != 0)
        status = add_one(filters, entry, shape, first + GATEHOUSE_RULE_ACCEPT_V4);
    return status;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_families(struct rule_filters *filters, struct rule_entry *entry, const struct shape *shape)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < 4 && NT_SUCCESS(status); i++) {
        BOOLEAN v6 = (i & 1) != 0, second = (i & 2) != 0;

        if (second && (!shape->hashes || (!shape->paths && !shape->patterns)))
            continue;
        if (entry->rule->family == 0 || (entry->rule->family == 6) == v6)
            status = add_family(filters, entry, shape, v6, second);
    }
    return status;
}

_Use_decl_annotations_
NTSTATUS rule_filters_add(struct rule_filters *filters, struct rule_entry *entry)
{
    const struct gatehouse_rule *rule = entry->rule;
    /* Each part's data, a blob for it, a NUL or the head of a SID, or ranges; a security descriptor around them. */
    SIZE_T bytes = rule->size + (SIZE_T)rule->part_count * (48u + FEW_RANGES * sizeof(FWP_RANGE0)) + 256u;
    struct shape shape;
    NTSTATUS status;

    shape_of(rule, &shape);
    status = reserve(filters, rule);
    if (!NT_SUCCESS(status))
        return status;
    if (shape.needs_rule || shape.needs_log || shape.needs_names) {
        entry->number = rule_callout_add(rule);
        if (entry->number == 0)
            return STATUS_INSUFFICIENT_RESOURCES;
    }
    filters->bytes = ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_UNINITIALIZED, bytes, DRIVER_POOL_TAG);
    if (filters->bytes == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = add_families(filters, entry, &shape);
    free_pool(filters->bytes);
    filters->bytes = NULL;
    return status;
}

_Use_decl_annotations_
NTSTATUS rule_filters_delete(const struct rule_entry *entry)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (uint32_t bit = 0; bit < 8 && NT_SUCCESS(status); bit++) {
        GUID key = key_of(entry->id, bit);

        if ((entry->filters & 1u << bit) != 0)
            status = FwpmFilterDeleteByKey0(driver_state.engine, &key);
        if (status == STATUS_FWP_FILTER_NOT_FOUND)
            status = STATUS_SUCCESS;
    }
    return status;
}
