/* SPDX-License-Identifier: MIT */
/*
 * report_sarif.h - writes reports as one SARIF 2.1.0 log, which editors and CI services show beside the source.
 *
 * Every rule of the table stands in the log, so a viewer can list what was checked. Source: the OASIS standard "Static
 * Analysis Results Interchange Format (SARIF) Version 2.1.0".
 */
#ifndef LAB_REPORT_SARIF_H
#define LAB_REPORT_SARIF_H

#include <stdio.h>

#include "lab/json.h"
#include "lab/report_places.h"

struct lab_sarif {
    struct lab_json json;
    uint64_t origin;
};

/* Start, a report at a time, end; the log is whole after the end. version: of the program. origin: the time that counts
 * as 0. */
void lab_sarif_start(struct lab_sarif *sarif, FILE *out, const char *version, uint64_t origin);
void lab_sarif_report(struct lab_sarif *sarif, const struct lab_report *report);
void lab_sarif_end(struct lab_sarif *sarif);

#endif
