/* SPDX-License-Identifier: MIT */
/*
 * record.h - a connection as the history has it, as members of a JSON object and as a line for people.
 *
 * What watchers of a desk get and `gatehouse run` prints. Members that are not known are left out.
 */
#ifndef DESK_RECORD_H
#define DESK_RECORD_H

#include "agent/text.h"
#include "history/history.h"

/* scope: of the answer; NULL: none. */
void record_show_members(struct text *text, const struct history_record *record, const char *scope);
/* Without newline. */
void record_show(struct text *text, const struct history_record *record);

#endif
