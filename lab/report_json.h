/* SPDX-License-Identifier: MIT */
/*
 * report_json.h - writes a report as one JSON object on one line, for scripts. docs/verifier-reports.md describes it.
 *
 * Two runs that did the same give the same bytes. What is there stays; members may be added.
 */
#ifndef LAB_REPORT_JSON_H
#define LAB_REPORT_JSON_H

#include <stdio.h>

#include "lab/report_places.h"

/* Of the object; changed when a member goes or changes its meaning. */
#define LAB_REPORT_SCHEMA "gatehouse-lab-report/1"

/* origin: the time that counts as 0. */
void lab_report_json(FILE *out, const struct lab_report *report, uint64_t origin);

#endif
