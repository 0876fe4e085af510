/* SPDX-License-Identifier: MIT */
/*
 * status_text.h - one sentence for each status that gatehoused can answer with.
 */
#ifndef AGENT_STATUS_TEXT_H
#define AGENT_STATUS_TEXT_H

#include <stdint.h>

/* NTSTATUS values that come from the system side of the protocol. */
#define STATUS_TEXT_SUCCESS       0x00000000u
#define STATUS_TEXT_CANCELLED     0xC0000120u
#define STATUS_TEXT_ACCESS_DENIED 0xC0000022u

/*
 * What the status means and what to do, without a capital or a full stop, to follow "gatehoused
 * says: ". Static text; NULL when the status has none (print its number then).
 */
const char *status_text(uint32_t status);

#endif
