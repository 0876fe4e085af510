/* SPDX-License-Identifier: MIT */
/*
 * say_objects.c - see objects.h. A blob without bytes is one blob, wherever its data points.
 */
#include "tests/fwpuclnt/objects.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char text[1 << 20];
static size_t used;

static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text + used, sizeof(text) - used, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(text) - used)
        abort();
    used += (size_t)length;
}

static void say_bytes(const void *bytes, size_t size)
{
    if (bytes == NULL) {
        say("null ");
        return;
    }
    for (size_t i = 0; i < size; i++)
        say("%02x", ((const UINT8 *)bytes)[i]);
    say(" ");
}

static void say_key(const char *name, const GUID *key)
{
    say("%s=", name);
    say_bytes(key, sizeof(*key));
}

static void say_string(const char *name, const wchar_t *string)
{
    say("%s=", name);
    if (string == NULL) {
        say("null ");
        return;
    }
    say("\"");
    for (; *string != 0; string++)
        say("%04x", (unsigned)*string);
    say("\" ");
}

static void say_blob(const char *name, const FWP_BYTE_BLOB *blob)
{
    say("%s=", name);
    if (blob == NULL) {
        say("null ");
        return;
    }
    say("%u:", (unsigned)blob->size);
    if (blob->size != 0)
        say_bytes(blob->data, blob->size);
}

static void say_display(const FWPM_DISPLAY_DATA0 *display)
{
    say_string("name", display->name);
    say_string("description", display->description);
}

static void say_sid(const SID *sid)
{
    if (sid == NULL) {
        say("null ");
        return;
    }
    say("S-%u-", sid->Revision);
    say_bytes(&sid->IdentifierAuthority, 6);
    for (unsigned i = 0; i < sid->SubAuthorityCount; i++)
        say("-%u", (unsigned)sid->SubAuthority[i]);
}

/* True: it was a type that both kinds of value have. */
static bool say_value(const FWP_VALUE0 *value)
{
    say("(%u ", (unsigned)value->type);
    switch ((UINT32)value->type) {
    case FWP_UINT8:
    case FWP_INT8:
        say("%u", value->uint8);
        break;
    case FWP_UINT16:
    case FWP_INT16:
        say("%u", value->uint16);
        break;
    case FWP_UINT32:
    case FWP_INT32:
    case FWP_FLOAT:
        say("%u", (unsigned)value->uint32);
        break;
    case FWP_UINT64:
    case FWP_INT64:
    case FWP_DOUBLE:
        say_bytes(value->uint64, 8);
        break;
    case FWP_BYTE_ARRAY16_TYPE:
        say_bytes(value->byteArray16, 16);
        break;
    case FWP_BYTE_ARRAY6_TYPE:
        say_bytes(value->byteArray6, 6);
        break;
    case FWP_BYTE_BLOB_TYPE:
    case FWP_SECURITY_DESCRIPTOR_TYPE:
    case FWP_TOKEN_ACCESS_INFORMATION_TYPE:
        say_blob("blob", value->byteBlob);
        break;
    case FWP_SID:
        say_sid(value->sid);
        break;
    case FWP_UNICODE_STRING_TYPE:
        say_string("string", value->unicodeString);
        break;
    default:
        break;
    }
    say(") ");
    return value->type < FWP_SINGLE_DATA_TYPE_MAX;
}

static void say_condition_value(const FWP_CONDITION_VALUE0 *value)
{
    if (say_value((const FWP_VALUE0 *)value))
        return;
    if (value->type == FWP_V4_ADDR_MASK && value->v4AddrMask != NULL)
        say("%08x/%08x ", (unsigned)value->v4AddrMask->addr, (unsigned)value->v4AddrMask->mask);
    if (value->type == FWP_V6_ADDR_MASK && value->v6AddrMask != NULL) {
        say_bytes(value->v6AddrMask->addr, 16);
        say("/%u ", value->v6AddrMask->prefixLength);
    }
    if (value->type == FWP_RANGE_TYPE && value->rangeValue != NULL) {
        say_value(&value->rangeValue->valueLow);
        say("to ");
        say_value(&value->rangeValue->valueHigh);
    }
}

static void say_conditions(UINT32 count, const FWPM_FILTER_CONDITION0 *conditions)
{
    say("%u conditions%s ", (unsigned)count, conditions == NULL ? " at null" : "");
    for (UINT32 i = 0; conditions != NULL && i < count; i++) {
        say_key("field", &conditions[i].fieldKey);
        say("match=%u ", (unsigned)conditions[i].matchType);
        say_condition_value(&conditions[i].conditionValue);
    }
}

const char *say_session(const FWPM_SESSION0 *session)
{
    used = 0;
    say_key("key", &session->sessionKey);
    say_display(&session->displayData);
    say("flags=%x timeout=%u", (unsigned)session->flags, (unsigned)session->txnWaitTimeoutInMSec);
    return text;
}

const char *say_provider(const FWPM_PROVIDER0 *provider)
{
    used = 0;
    say_key("key", &provider->providerKey);
    say_display(&provider->displayData);
    say("flags=%x ", (unsigned)provider->flags);
    say_blob("data", &provider->providerData);
    say_string("service", provider->serviceName);
    return text;
}

const char *say_sublayer(const FWPM_SUBLAYER0 *sublayer)
{
    used = 0;
    say_key("key", &sublayer->subLayerKey);
    say_display(&sublayer->displayData);
    say("flags=%x weight=%u ", (unsigned)sublayer->flags, sublayer->weight);
    say_key("provider", sublayer->providerKey);
    say_blob("data", &sublayer->providerData);
    return text;
}

const char *say_filter(const FWPM_FILTER0 *filter)
{
    used = 0;
    say_key("key", &filter->filterKey);
    say_display(&filter->displayData);
    say("flags=%x ", (unsigned)filter->flags);
    say_key("provider", filter->providerKey);
    say_blob("data", &filter->providerData);
    say_key("layer", &filter->layerKey);
    say_key("sublayer", &filter->subLayerKey);
    say_value(&filter->weight);
    say_conditions(filter->numFilterConditions, filter->filterCondition);
    say("action=%x ", (unsigned)filter->action.type);
    say_key("callout", &filter->action.calloutKey);
    say_key("context", &filter->providerContextKey);
    say("id=%llu ", (unsigned long long)filter->filterId);
    say_value(&filter->effectiveWeight);
    return text;
}

const char *say_template(const FWPM_FILTER_ENUM_TEMPLATE0 *wanted)
{
    used = 0;
    say_key("provider", wanted->providerKey);
    say_key("layer", &wanted->layerKey);
    say("type=%u flags=%x mask=%x ", (unsigned)wanted->enumType, (unsigned)wanted->flags, (unsigned)wanted->actionMask);
    say_conditions(wanted->numFilterConditions, wanted->filterCondition);
    say_key("callout", wanted->calloutKey);
    return text;
}
