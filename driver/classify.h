/* SPDX-License-Identifier: MIT */
/*
 * classify.h - what a classifyFn is handed, read with care, and its answer.
 *
 * Each field is read after its type, each metadata value after its bit (pages: Data Field Identifiers, Metadata Field
 * Identifiers). Everything is valid during the call only. For the layers ALE_AUTH_CONNECT_*, ALE_AUTH_RECV_ACCEPT_*
 * and, up to the remote port, ALE_FLOW_ESTABLISHED_*. IRQL <= DISPATCH_LEVEL, no lock.
 */
#ifndef DRIVER_CLASSIFY_H
#define DRIVER_CLASSIFY_H

#include "driver/holds.h"

enum classify_action { ACTION_PERMIT, ACTION_BLOCK, ACTION_PENDED, ACTION_CONTINUE };

/* The only place that writes classifyOut. Without ACTION_WRITE the one legal write is a block over a permit: a veto
 * (page FWPS_CLASSIFY_OUT0). */
void classify_answer(FWPS_CLASSIFY_OUT0 *out, const FWPS_FILTER3 *filter, enum classify_action action);

/* NULL: not there, or not of this type. */
const FWP_VALUE0 *classify_field(const FWPS_INCOMING_VALUES0 *values, UINT32 index, FWP_DATA_TYPE type);
UINT32 classify_uint32(const FWPS_INCOMING_VALUES0 *values, UINT32 index); /* 0: not there */

BOOLEAN classify_inbound(const FWPS_INCOMING_VALUES0 *values);
UINT32 classify_flags(const FWPS_INCOMING_VALUES0 *values);

/* FALSE: not all of it is there. */
BOOLEAN classify_destination(const FWPS_INCOMING_VALUES0 *values, uint8_t ip_version, struct destination *to);

/* 0: the platform gave none. */
UINT64 classify_endpoint(const FWPS_INCOMING_METADATA_VALUES0 *metadata);

/* ALE_APP_ID without its NUL. NULL: none. */
const uint8_t *classify_program(const FWPS_INCOMING_VALUES0 *values, size_t *path_size);

/* The token's, at least one. NULL: none. */
const SID_AND_ATTRIBUTES_HASH *classify_sids(const FWPS_INCOMING_VALUES0 *values);
/* 0: no SID. */
ULONG classify_sid_size(const SID *sid);

/* FALSE: there is no destination to decide by. */
BOOLEAN classify_arrival(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                         struct hold_arrival *arrival);

#endif
