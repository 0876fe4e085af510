/* SPDX-License-Identifier: MIT */
/*
 * random_objects.c - see objects.h.
 */
#include "tests/fwpuclnt/objects.h"

#include <fwpmkeys.h>

#include <stdlib.h>
#include <string.h>

#define MEMORY 4000000u

static UINT64 state;
static _Alignas(16) UINT8 memory[MEMORY];
static size_t used;

void objects_start(UINT64 seed)
{
    state = seed * 0x9e3779b97f4a7c15ull + 1;
    used = 0;
}

static UINT64 next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

UINT32 objects_below(UINT32 bound)
{
    return (UINT32)((next() >> 16) % bound);
}

static void *take(size_t size)
{
    void *taken = memory + used;

    used += (size + 15) & ~(size_t)15;
    if (used > MEMORY)
        abort();
    memset(taken, 0, size);
    return taken;
}

static void fill(void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((UINT8 *)bytes)[i] = (UINT8)next();
}

void random_key(GUID *key)
{
    memset(key, 0, sizeof(*key));
    key->Data1 = 1 + objects_below(5);
    key->Data4[7] = 0x77;
}

static GUID *random_key_pointer(void)
{
    GUID *key;

    if (objects_below(3) != 0)
        return NULL;
    key = take(sizeof(*key));
    random_key(key);
    return key;
}

static wchar_t *random_string(UINT32 one_in_null)
{
    UINT32 length = objects_below(objects_below(20) == 0 ? 400 : 12);
    wchar_t *string;

    if (objects_below(one_in_null) == 0)
        return NULL;
    string = take((length + 1) * sizeof(*string));
    for (UINT32 i = 0; i < length; i++)
        string[i] = (wchar_t)(1 + objects_below(0xFFFF));
    return string;
}

static void random_blob(FWP_BYTE_BLOB *blob)
{
    blob->size = objects_below(3) == 0 ? 0 : objects_below(60);
    blob->data = blob->size == 0 ? NULL : take(blob->size);
    fill(blob->data, blob->size);
}

static void random_display(FWPM_DISPLAY_DATA0 *display)
{
    display->name = random_string(20);
    display->description = random_string(2);
}

void random_session(FWPM_SESSION0 *session)
{
    memset(session, 0, sizeof(*session));
    random_key(&session->sessionKey);
    random_display(&session->displayData);
    session->flags = objects_below(3);
    session->txnWaitTimeoutInMSec = (UINT32)next();
}

void random_provider(FWPM_PROVIDER0 *provider)
{
    memset(provider, 0, sizeof(*provider));
    random_key(&provider->providerKey);
    random_display(&provider->displayData);
    provider->flags = objects_below(10) == 0 ? (UINT32)next() : objects_below(2);
    random_blob(&provider->providerData);
    provider->serviceName = random_string(2);
}

void random_sublayer(FWPM_SUBLAYER0 *sublayer)
{
    memset(sublayer, 0, sizeof(*sublayer));
    random_key(&sublayer->subLayerKey);
    random_display(&sublayer->displayData);
    sublayer->flags = (UINT16)objects_below(objects_below(10) == 0 ? 100 : 2);
    sublayer->providerKey = random_key_pointer();
    random_blob(&sublayer->providerData);
    sublayer->weight = (UINT16)next();
}

static SID *random_sid(void)
{
    UINT32 count = objects_below(16);
    SID *sid = take(8 + 15 * sizeof(UINT32));

    sid->Revision = 1;
    sid->SubAuthorityCount = (UINT8)count;
    fill(&sid->IdentifierAuthority, 6);
    fill(sid->SubAuthority, count * sizeof(UINT32));
    return sid;
}

/* The target of a pointer of this type; NULL too. */
static void *random_target(UINT32 type)
{
    FWP_BYTE_BLOB *blob;
    void *bytes;

    if (objects_below(12) == 0)
        return NULL;
    switch (type) {
    case FWP_UNICODE_STRING_TYPE:
        return random_string(20);
    case FWP_SID:
        return random_sid();
    case FWP_BYTE_BLOB_TYPE:
    case FWP_SECURITY_DESCRIPTOR_TYPE:
    case FWP_TOKEN_ACCESS_INFORMATION_TYPE:
        blob = take(sizeof(*blob));
        random_blob(blob);
        return blob;
    default:
        bytes = take(32);
        fill(bytes, type == FWP_BYTE_ARRAY16_TYPE || type == FWP_V6_ADDR_MASK ? 17 : 8);
        if (type == FWP_BYTE_ARRAY6_TYPE)
            memset((UINT8 *)bytes + 6, 0, 2);
        if (type == FWP_BYTE_ARRAY16_TYPE)
            ((UINT8 *)bytes)[16] = 0;
        return bytes;
    }
}

static void random_value(FWP_VALUE0 *value, UINT32 type)
{
    memset(value, 0, sizeof(*value));
    value->type = type;
    switch (type) {
    case FWP_UINT8:
    case FWP_INT8:
        value->uint8 = (UINT8)next();
        break;
    case FWP_UINT16:
    case FWP_INT16:
        value->uint16 = (UINT16)next();
        break;
    case FWP_UINT32:
    case FWP_INT32:
    case FWP_FLOAT:
        value->uint32 = (UINT32)next();
        break;
    case FWP_EMPTY:
    case FWP_TOKEN_INFORMATION_TYPE:
        break;
    default:
        if (type <= FWP_BYTE_ARRAY6_TYPE)
            value->uint64 = random_target(type);
        break;
    }
}

static void random_condition_value(FWP_CONDITION_VALUE0 *value, UINT32 type, UINT32 range_type)
{
    random_value((FWP_VALUE0 *)value, type);
    if (type == FWP_V4_ADDR_MASK || type == FWP_V6_ADDR_MASK)
        value->uint64 = random_target(type);
    if (type == FWP_V4_ADDR_MASK && value->v4AddrMask != NULL && objects_below(2) == 0)
        value->v4AddrMask->mask = 0xFFFFFF00u;
    if (type == FWP_RANGE_TYPE && objects_below(12) != 0) {
        value->rangeValue = take(sizeof(*value->rangeValue));
        random_value(&value->rangeValue->valueLow, range_type);
        random_value(&value->rangeValue->valueHigh, range_type);
    }
}

/* Types that the field has, first, and any type. */
static void random_condition(FWPM_FILTER_CONDITION0 *condition, bool v6, bool mostly_right)
{
    static const struct {
        const GUID *key;
        UINT32 v4_type, v6_type, range_type;
    } fields[] = {
        {&FWPM_CONDITION_ALE_APP_ID, FWP_BYTE_BLOB_TYPE, FWP_BYTE_BLOB_TYPE, FWP_BYTE_BLOB_TYPE},
        {&FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_UINT32, FWP_BYTE_ARRAY16_TYPE, FWP_UINT32},
        {&FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_V4_ADDR_MASK, FWP_V6_ADDR_MASK, FWP_UINT32},
        {&FWPM_CONDITION_IP_REMOTE_PORT, FWP_UINT16, FWP_UINT16, FWP_UINT16},
        {&FWPM_CONDITION_IP_REMOTE_PORT, FWP_RANGE_TYPE, FWP_RANGE_TYPE, FWP_UINT16},
        {&FWPM_CONDITION_IP_PROTOCOL, FWP_UINT8, FWP_UINT8, FWP_UINT8},
        {&FWPM_CONDITION_FLAGS, FWP_UINT32, FWP_UINT32, FWP_UINT32},
        {&FWPM_CONDITION_ALE_USER_ID, FWP_SECURITY_DESCRIPTOR_TYPE, FWP_SECURITY_DESCRIPTOR_TYPE, FWP_UINT8},
    };
    static const UINT32 odd[] = {FWP_V4_ADDR_MASK, FWP_V6_ADDR_MASK, FWP_RANGE_TYPE, FWP_DATA_TYPE_MAX, 0x55,
                                 0xFFFFFFFFu};
    UINT32 row = objects_below(sizeof(fields) / sizeof(fields[0]));
    UINT32 type = v6 ? fields[row].v6_type : fields[row].v4_type;
    bool right = mostly_right && objects_below(10) != 0;

    memset(condition, 0, sizeof(*condition));
    condition->fieldKey = *fields[row].key;
    condition->matchType = type == FWP_RANGE_TYPE ? FWP_MATCH_RANGE : FWP_MATCH_EQUAL;
    if (!right) {
        type = objects_below(3) == 0 ? odd[objects_below(sizeof(odd) / sizeof(odd[0]))] : objects_below(20);
        condition->matchType = objects_below(16);
        if (objects_below(4) == 0)
            random_key(&condition->fieldKey);
    }
    random_condition_value(&condition->conditionValue, type, right ? fields[row].range_type : objects_below(20));
}

static void random_conditions(UINT32 *count, FWPM_FILTER_CONDITION0 **conditions, bool v6, bool mostly_right)
{
    *count = objects_below(objects_below(30) == 0 ? 60 : 5);
    *conditions = *count == 0 ? NULL : take(*count * sizeof(**conditions));
    for (UINT32 i = 0; i < *count; i++)
        random_condition(&(*conditions)[i], v6, mostly_right);
    if (objects_below(40) == 0)
        *conditions = NULL;
}

void random_filter(FWPM_FILTER0 *filter, bool mostly_right)
{
    bool v6 = objects_below(2) == 0;

    memset(filter, 0, sizeof(*filter));
    random_key(&filter->filterKey);
    random_display(&filter->displayData);
    filter->flags = objects_below(8) == 0 ? (UINT32)next() & 0xFFF : 0;
    filter->providerKey = random_key_pointer();
    random_blob(&filter->providerData);
    filter->layerKey = v6 ? FWPM_LAYER_ALE_AUTH_CONNECT_V6 : FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    if (objects_below(20) == 0)
        random_key(&filter->layerKey);
    if (objects_below(2) == 0)
        random_key(&filter->subLayerKey);
    random_value(&filter->weight, mostly_right && objects_below(5) != 0 ? FWP_EMPTY : objects_below(20));
    random_conditions(&filter->numFilterConditions, &filter->filterCondition, v6, mostly_right);
    filter->action.type = objects_below(2) == 0 ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT;
    if (objects_below(10) == 0) {
        filter->action.type = objects_below(2) == 0 ? FWP_ACTION_CALLOUT_TERMINATING : (UINT32)next();
        random_key(&filter->action.calloutKey);
    }
    filter->rawContext = next();
    if (!mostly_right) {
        filter->filterId = next();
        random_value(&filter->effectiveWeight, objects_below(20));
    }
}

void random_template(FWPM_FILTER_ENUM_TEMPLATE0 *wanted)
{
    memset(wanted, 0, sizeof(*wanted));
    wanted->providerKey = random_key_pointer();
    if (objects_below(2) == 0)
        wanted->layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V6;
    wanted->enumType = objects_below(3);
    wanted->flags = objects_below(32);
    random_conditions(&wanted->numFilterConditions, &wanted->filterCondition, false, true);
    wanted->actionMask = objects_below(3) == 0 ? (UINT32)next() : 0xFFFFFFFFu;
    wanted->calloutKey = objects_below(5) == 0 ? random_key_pointer() : NULL;
}
