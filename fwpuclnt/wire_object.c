/* SPDX-License-Identifier: MIT */
/*
 * wire_object.c - sessions, providers, sublayers, filters, enum templates. See wire.h. Fields come in the structure's
 * order.
 */
#include "fwpuclnt/wire.h"

static void wire_display(struct wire *wire, FWPM_DISPLAY_DATA0 *display)
{
    wire_string(wire, &display->name);
    wire_string(wire, &display->description);
}

static void wire_key_pointer(struct wire *wire, GUID **key)
{
    if (wire_pointer(wire, (void **)key, sizeof(GUID)))
        wire_guid(wire, *key);
}

void wire_session(struct wire *wire, FWPM_SESSION0 *session)
{
    wire_guid(wire, &session->sessionKey);
    wire_display(wire, &session->displayData);
    wire_u32(wire, &session->flags);
    wire_u32(wire, &session->txnWaitTimeoutInMSec);
}

void wire_provider(struct wire *wire, FWPM_PROVIDER0 *provider)
{
    wire_guid(wire, &provider->providerKey);
    wire_display(wire, &provider->displayData);
    wire_u32(wire, &provider->flags);
    wire_blob(wire, &provider->providerData);
    wire_string(wire, &provider->serviceName);
}

void wire_sublayer(struct wire *wire, FWPM_SUBLAYER0 *sublayer)
{
    wire_guid(wire, &sublayer->subLayerKey);
    wire_display(wire, &sublayer->displayData);
    wire_u32(wire, (UINT32 *)&sublayer->flags);
    wire_key_pointer(wire, &sublayer->providerKey);
    wire_blob(wire, &sublayer->providerData);
    wire_u16(wire, &sublayer->weight);
}

void wire_filter(struct wire *wire, FWPM_FILTER0 *filter)
{
    wire_guid(wire, &filter->filterKey);
    wire_display(wire, &filter->displayData);
    wire_u32(wire, &filter->flags);
    wire_key_pointer(wire, &filter->providerKey);
    wire_blob(wire, &filter->providerData);
    wire_guid(wire, &filter->layerKey);
    wire_guid(wire, &filter->subLayerKey);
    wire_value(wire, &filter->weight);
    wire_conditions(wire, &filter->numFilterConditions, &filter->filterCondition);
    wire_u32(wire, (UINT32 *)&filter->action.type);
    wire_guid(wire, &filter->action.calloutKey);
    wire_guid(wire, &filter->providerContextKey); /* all of the union */
    wire_u64(wire, &filter->filterId);
    wire_value(wire, &filter->effectiveWeight);
}

void wire_template(struct wire *wire, FWPM_FILTER_ENUM_TEMPLATE0 *enum_template)
{
    wire_key_pointer(wire, &enum_template->providerKey);
    wire_guid(wire, &enum_template->layerKey);
    wire_u32(wire, (UINT32 *)&enum_template->enumType);
    wire_u32(wire, &enum_template->flags);
    wire_conditions(wire, &enum_template->numFilterConditions, &enum_template->filterCondition);
    wire_u32(wire, &enum_template->actionMask);
    wire_key_pointer(wire, &enum_template->calloutKey);
}
