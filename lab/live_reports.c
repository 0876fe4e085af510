/* SPDX-License-Identifier: MIT */
/*
 * live_reports.c - see live_reports.h.
 */
#include "lab/live_reports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lab/report_json.h"
#include "lab/report_sarif.h"
#include "lab/report_text.h"

static bool is_there(const struct live_reports *reports, uint32_t index)
{
    return index < LIVE_REPORTS_MAX && __atomic_load_n(&reports->board->reports[index].whole, __ATOMIC_ACQUIRE);
}

uint32_t live_reports_new(const struct live_reports *reports)
{
    uint32_t count = 0;

    while (is_there(reports, reports->written + count))
        count++;
    return count;
}

static void count_one(struct findings_count *count, enum nt_severity severity)
{
    *(severity == NT_ERROR ? &count->errors : severity == NT_WARNING ? &count->warnings : &count->notes) += 1;
}

static void write_one(struct live_reports *reports, const struct live_report *found)
{
    struct nt_report report = found->report;
    struct lab_report *named;

    report.fiber = found->fiber[0] == 0 ? NULL : found->fiber;
    count_one(&reports->count, report.rule->severity);
    named = reports->named[reports->written] = lab_report_new(&report, 1);
    if (named == NULL)
        return;
    if (reports->json) {
        lab_report_json(stdout, named, reports->origin);
    } else {
        struct lab_text_options options = lab_text_options_for(stdout);

        options.origin = reports->origin;
        lab_report_text(stdout, named, &options);
    }
    fflush(stdout);
}

void live_reports_write(struct live_reports *reports)
{
    for (; is_there(reports, reports->written); reports->written++)
        write_one(reports, &reports->board->reports[reports->written]);
}

bool live_reports_sarif(const struct live_reports *reports, const char *path)
{
    FILE *file = fopen(path, "wb");
    struct lab_sarif sarif;
    bool good;

    if (file != NULL) {
        lab_sarif_start(&sarif, file, GATEHOUSE_VERSION, reports->origin);
        for (uint32_t i = 0; i < reports->written; i++)
            if (reports->named[i] != NULL)
                lab_sarif_report(&sarif, reports->named[i]);
        lab_sarif_end(&sarif);
    }
    good = file != NULL && !ferror(file);
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (!good)
        fprintf(stderr, "wfplab: %s: it cannot be written: %s.\n", path, strerror(errno));
    return good;
}

void live_reports_free(struct live_reports *reports)
{
    for (uint32_t i = 0; i < reports->written; i++)
        lab_report_free(reports->named[i]);
}
