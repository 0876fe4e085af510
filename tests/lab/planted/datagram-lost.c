/* SPDX-License-Identifier: MIT */
/*
 * datagram-lost - UDP is held like TCP. The datagram that asked is thrown away with the pend, and UDP does not send it
 * again: it has to be cloned first, and injected after the permit.
 * Windows: the first DNS query of each program is lost: one to five seconds.
 */
#include "plant_hold.h"

PLANT_CLASSIFY(classify)
{
#ifdef MENDED
    if (values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_PROTOCOL].value.uint8 == 17) {
        plant_decide(out, FWP_ACTION_PERMIT);
        return;
    }
#endif
    plant_hold_classify(values, metadata, packet, context, filter, flow_context, out);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = plant_hold_start,
                                         .drain = plant_hold_drain,
                                         .control = plant_hold_control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
