/* SPDX-License-Identifier: MIT */
/*
 * sids.h - SIDs: as text, and those that stand for Unix users, groups, units and control groups (gatehouse/rules.h).
 */
#ifndef POLICY_SIDS_H
#define POLICY_SIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"

#define SIDS_TEXT_MAX   192u
#define SIDS_UNIX_USER  1u  /* S-1-22-1-N */
#define SIDS_UNIX_GROUP 2u  /* S-1-22-2-N */
#define SIDS_UNIT       80u /* S-1-5-80-a-b-c-d-e */
#define SIDS_CGROUP     81u /* S-1-5-81-a-b-c-d-e */

/* sid has GATEHOUSE_SID_MAX bytes; the size is returned. which: SIDS_UNIX_USER or SIDS_UNIX_GROUP. */
size_t sid_of_unix(uint32_t which, uint32_t number, uint8_t *sid);
/* Of a unit's name or a control group's path. which: SIDS_UNIT or SIDS_CGROUP. */
size_t sid_of_name(uint32_t which, const void *name, size_t length, uint8_t *sid);

bool sid_is_unix(const uint8_t *sid, size_t size, uint32_t which, uint32_t *number);

/* "S-1-..."; false: it is none. */
bool sid_read(const char *text, size_t length, uint8_t *sid, size_t *size);
void sid_write(const uint8_t *sid, size_t size, char text[SIDS_TEXT_MAX]);

#endif
