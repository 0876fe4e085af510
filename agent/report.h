/* SPDX-License-Identifier: MIT */
/*
 * report.h - what a command that takes several steps found and did: a table for a person, or one JSON object a row.
 *
 * Rows are kept until they are shown, since a step that is undone changes its row. One thread.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stdbool.h>

#include "agent/text.h"

#define REPORT_ROWS_MAX 32u

struct report_row {
    const char *step; /* static: "driver", "file", ... */
    char before[24];
    char after[24];
    char what[600];
};

struct report {
    struct report_row rows[REPORT_ROWS_MAX];
    unsigned count;
    bool dry_run; /* nothing was done: the table's heading says so */
};

/* before and after are cut to fit; what is UTF-8. Rows that do not fit are dropped. */
void report_add(struct report *report, const char *step, const char *before, const char *after, const char *what);
/* Changes the after of the last row of this step, unless that is "unchanged"; nothing if there is none. */
void report_change(struct report *report, const char *step, const char *after);

void report_show(const struct report *report, struct text *text);
void report_show_json(const struct report *report, struct text *text);

#endif
