/* SPDX-License-Identifier: MIT */
/*
 * fwpvi.h - names without a version, for the newest version here (Windows 10 1709 and later).
 *
 * Page: WFP Version-Independent Names and Targeting Specific Versions of Windows.
 */
#ifndef FWPVI_H
#define FWPVI_H

#define FWP_VALUE                          FWP_VALUE0
#define FWP_CONDITION_VALUE                FWP_CONDITION_VALUE0
#define FWP_RANGE                          FWP_RANGE0
#define FWPM_DISPLAY_DATA                  FWPM_DISPLAY_DATA0
#define FWPM_ACTION                        FWPM_ACTION0
#define FWPM_SESSION                       FWPM_SESSION0
#define FWPM_PROVIDER                      FWPM_PROVIDER0
#define FWPM_SUBLAYER                      FWPM_SUBLAYER0
#define FWPM_CALLOUT                       FWPM_CALLOUT0
#define FWPM_FILTER                        FWPM_FILTER0
#define FWPM_FILTER_CONDITION              FWPM_FILTER_CONDITION0
#define FWPM_FILTER_ENUM_TEMPLATE          FWPM_FILTER_ENUM_TEMPLATE0
#define FWPS_FILTER_CONDITION              FWPS_FILTER_CONDITION0
#define FWPS_ACTION                        FWPS_ACTION0
#define FWPS_INCOMING_VALUE                FWPS_INCOMING_VALUE0
#define FWPS_INCOMING_VALUES               FWPS_INCOMING_VALUES0
#define FWPS_INCOMING_METADATA_VALUES      FWPS_INCOMING_METADATA_VALUES0
#define FWPS_CLASSIFY_OUT                  FWPS_CLASSIFY_OUT0
#define FWPS_DISCARD_METADATA              FWPS_DISCARD_METADATA0
#define FWPS_INBOUND_FRAGMENT_METADATA     FWPS_INBOUND_FRAGMENT_METADATA0
#define FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0
#define FWPS_FILTER                        FWPS_FILTER3
#define FWPS_CALLOUT                       FWPS_CALLOUT3
#define FWPS_CALLOUT_CLASSIFY_FN           FWPS_CALLOUT_CLASSIFY_FN3
#define FWPS_CALLOUT_NOTIFY_FN             FWPS_CALLOUT_NOTIFY_FN3
#define FwpsCalloutRegister                FwpsCalloutRegister3
#define FwpmCalloutAdd                     FwpmCalloutAdd0
#define FwpmCalloutDeleteById              FwpmCalloutDeleteById0
#define FwpmCalloutDeleteByKey             FwpmCalloutDeleteByKey0
#define FwpmCalloutGetByKey                FwpmCalloutGetByKey0
#define FwpmEngineClose                    FwpmEngineClose0
#define FwpmEngineOpen                     FwpmEngineOpen0
#define FwpmFilterAdd                      FwpmFilterAdd0
#define FwpmFilterCreateEnumHandle         FwpmFilterCreateEnumHandle0
#define FwpmFilterDeleteById               FwpmFilterDeleteById0
#define FwpmFilterDeleteByKey              FwpmFilterDeleteByKey0
#define FwpmFilterDestroyEnumHandle        FwpmFilterDestroyEnumHandle0
#define FwpmFilterEnum                     FwpmFilterEnum0
#define FwpmFilterGetById                  FwpmFilterGetById0
#define FwpmFilterGetByKey                 FwpmFilterGetByKey0
#define FwpmFreeMemory                     FwpmFreeMemory0
#define FwpmProviderAdd                    FwpmProviderAdd0
#define FwpmProviderDeleteByKey            FwpmProviderDeleteByKey0
#define FwpmProviderGetByKey               FwpmProviderGetByKey0
#define FwpmSubLayerAdd                    FwpmSubLayerAdd0
#define FwpmSubLayerDeleteByKey            FwpmSubLayerDeleteByKey0
#define FwpmSubLayerGetByKey               FwpmSubLayerGetByKey0
#define FwpmTransactionAbort               FwpmTransactionAbort0
#define FwpmTransactionBegin               FwpmTransactionBegin0
#define FwpmTransactionCommit              FwpmTransactionCommit0
#define FwpsCalloutUnregisterById          FwpsCalloutUnregisterById0
#define FwpsCalloutUnregisterByKey         FwpsCalloutUnregisterByKey0
#define FwpsCompleteOperation              FwpsCompleteOperation0
#define FwpsFlowAbort                      FwpsFlowAbort0
#define FwpsFlowAssociateContext           FwpsFlowAssociateContext0
#define FwpsFlowRemoveContext              FwpsFlowRemoveContext0
#define FwpsPendOperation                  FwpsPendOperation0

#endif
