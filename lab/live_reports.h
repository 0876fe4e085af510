/* SPDX-License-Identifier: MIT */
/*
 * live_reports.h - the reports that the machine puts on the board, named and written as they come.
 */
#ifndef LAB_LIVE_REPORTS_H
#define LAB_LIVE_REPORTS_H

#include "lab/findings.h"
#include "lab/live_machine.h"

struct lab_report;

struct live_reports {
    const struct live_board *board;
    bool json;
    uint64_t origin; /* the time that counts as 0 */
    uint32_t written;
    struct findings_count count;
    struct lab_report *named[LIVE_REPORTS_MAX];
};

/* How many there are that live_reports_write would write. */
uint32_t live_reports_new(const struct live_reports *reports);

void live_reports_write(struct live_reports *reports);

/* All of them; false: told. */
bool live_reports_sarif(const struct live_reports *reports, const char *path);

void live_reports_free(struct live_reports *reports);

#endif
