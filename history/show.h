/* SPDX-License-Identifier: MIT */
/*
 * show.h - rows of the history as text for people, as JSON for programs, as CSV for tables.
 *
 * As agent/show.h: what comes from others cannot act on a terminal. A line of JSON is also what the desk tells of a
 * connection (docs/desk.md). When history_record gains a field, show it here and in docs/history.md.
 */
#ifndef HISTORY_SHOW_H
#define HISTORY_SHOW_H

#include "agent/json.h"
#include "agent/text.h"
#include "history/history.h"

/* "permit", "block", "none"; "rule", "decider", ...: the names of enum gatehouse_decided_by in JSON and on command
 * lines. */
const char *history_verdict_name(unsigned verdict);
const char *history_by_name(unsigned by);
/* False: there is none of this name. */
bool history_read_verdict(const char *name, uint8_t *verdict);
bool history_read_by(const char *name, uint8_t *by);

/* One line without its newline; what: without the time. */
void history_show_line(struct text *text, const struct history_record *record);
void history_show_what(struct text *text, const struct history_record *record);
/* The members alone, into an object that is open; id 0: left out. */
void history_json_members(struct json *json, int64_t id, const struct history_record *record);
void history_show_json(struct text *text, int64_t id, const struct history_record *record);
/* RFC 4180; a cell that a table program would take for a formula gets a ' before it. */
extern const char history_csv_head[];
void history_show_csv(struct text *text, int64_t id, const struct history_record *record);

/* "example.org:443 (192.0.2.1)", "192.0.2.1:443" */
void history_show_far_end(struct text *text, const struct history_record *record);
/* Local "Nov 22 14:05:06", UTC "2026-11-22T14:05:06.123456Z" */
void history_show_time(struct text *text, int64_t time);
void history_show_time_utc(struct text *text, int64_t time);
/* The name in /etc/passwd, else the number; nothing for UINT32_MAX. */
void history_show_user(struct text *text, uint32_t user);

#endif
