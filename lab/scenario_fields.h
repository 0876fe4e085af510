/* SPDX-License-Identifier: MIT */
/*
 * scenario_fields.h - bytes as fields: what clients of any protocol send and receive (u64:$id u32:1 ...).
 *
 * variables: SCENARIO_VARIABLES_MAX of them, the fields' own.
 */
#ifndef LAB_SCENARIO_FIELDS_H
#define LAB_SCENARIO_FIELDS_H

#include "lab/scenario_run.h"

/* fields->size bytes; the caller frees them. */
uint8_t *fields_compose(const struct scenario_fields *fields, const struct run_variable *variables);

/* Sets variables; in text: what differs, from ", ..."; "": nothing. */
void fields_take(const struct scenario_fields *fields, struct run_variable *variables, const uint8_t *bytes,
                 size_t size, char *text, size_t room);

#endif
