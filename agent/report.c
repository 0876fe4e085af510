/* SPDX-License-Identifier: MIT */
/*
 * report.c - see report.h.
 */
#include "agent/report.h"

#include <stdio.h>
#include <string.h>

#include "agent/json.h"

void report_add(struct report *report, const char *step, const char *before, const char *after, const char *what)
{
    struct report_row *row = &report->rows[report->count];

    if (report->count == REPORT_ROWS_MAX)
        return;
    report->count++;
    row->step = step;
    snprintf(row->before, sizeof(row->before), "%s", before);
    snprintf(row->after, sizeof(row->after), "%s", after);
    snprintf(row->what, sizeof(row->what), "%s", what);
}

void report_change(struct report *report, const char *step, const char *after)
{
    for (unsigned i = report->count; i > 0; i--) {
        struct report_row *row = &report->rows[i - 1];

        if (strcmp(row->step, step) != 0)
            continue;
        if (strcmp(row->after, "unchanged") != 0)
            snprintf(row->after, sizeof(row->after), "%s", after);
        return;
    }
}

static void show_row(struct text *text, const int widths[3], const char *step, const char *before, const char *after,
                     const char *what)
{
    text_add_format(text, "%-*s  %-*s  %-*s  %s\n", widths[0], step, widths[1], before, widths[2], after, what);
}

static void widen(int *width, const char *cell)
{
    int length = (int)strlen(cell);

    if (length > *width)
        *width = length;
}

void report_show(const struct report *report, struct text *text)
{
    const char *done = report->dry_run ? "WOULD BE" : "IS";
    int widths[3] = {4, 3, (int)strlen(done)};

    for (unsigned i = 0; i < report->count; i++) {
        widen(&widths[0], report->rows[i].step);
        widen(&widths[1], report->rows[i].before);
        widen(&widths[2], report->rows[i].after);
    }
    show_row(text, widths, "STEP", "WAS", done, "WHAT");
    for (unsigned i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];

        show_row(text, widths, row->step, row->before, row->after, row->what);
    }
}

void report_show_json(const struct report *report, struct text *text)
{
    for (unsigned i = 0; i < report->count; i++) {
        struct json json = {.text = text};

        json_open(&json, NULL);
        json_text(&json, "step", report->rows[i].step);
        json_text(&json, "was", report->rows[i].before);
        json_text(&json, report->dry_run ? "would_be" : "is", report->rows[i].after);
        json_text(&json, "what", report->rows[i].what);
        json_close(&json);
        text_add(text, "\n");
    }
}
