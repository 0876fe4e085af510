/* SPDX-License-Identifier: MIT */
/*
 * names.h - under which names programs looked addresses up: what NAMES_LEARNED told, for requests and rules.
 *
 * The driver sees no DNS itself. Whoever does tells it before the connection comes that the answer was for; on Linux
 * that is gatehoused. Nobody told: no request has a name, and no rule with a name matches.
 */
#ifndef DRIVER_NAMES_H
#define DRIVER_NAMES_H

#include "core/name_table.h"
#include "driver/dispatch.h"
#include "driver/holds.h"

/* name_program_of, as cheaply as can be. path_size 0: any program. FALSE: nothing has a name, and program is not set.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN names_program(const uint8_t *path, size_t path_size, struct name_program *program);

/* The latest name this program got the address for, in name (GATEHOUSE_NAME_MAX bytes); 0: none. path NULL: what is
 * known for any program. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint16_t names_find(const uint8_t *path, size_t path_size, const struct destination *to, uint8_t *name);

/* Does one of the names this program (name_program_of), or any, got the address for match (core/name_pattern.h)? */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN names_match(const struct name_program *program, const struct destination *to, const void *pattern,
                    size_t pattern_size);

/* Sets the name of an arrival, unless it came in. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void names_of_arrival(struct hold_arrival *arrival);

/* GATEHOUSE_IOCTL_NAMES_LEARNED. */
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler names_learned;

#endif
