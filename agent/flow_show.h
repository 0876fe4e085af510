/* SPDX-License-Identifier: MIT */
/*
 * flow_show.h - one flow, as cells of a table, a line, or a JSON object.
 *
 * When transport.h's flow gains a field, show it here.
 */
#ifndef AGENT_FLOW_SHOW_H
#define AGENT_FLOW_SHOW_H

#include <stdint.h>

#include "agent/table.h"
#include "agent/text.h"
#include "agent/wire.h"

extern const struct table_column flow_columns[];
extern const unsigned flow_column_count;

/* now: system time, for flows that live. */
void flow_show_cells(const struct flow *flow, uint64_t now, struct table *table, struct text *cell);
void flow_show_line(const struct flow *flow, const char *what, uint64_t now, struct text *text);
/* what: "lives", "began" or "ended" as a member; NULL: none. */
void flow_show_json(const struct flow *flow, const char *what, struct text *text);

#endif
