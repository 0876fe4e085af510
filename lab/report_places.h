/* SPDX-License-Identifier: MIT */
/*
 * report_places.h - a report with every stack in it named: what all writers of reports start from.
 *
 * Make it while the driver is still loaded: a module that is gone has no name.
 */
#ifndef LAB_REPORT_PLACES_H
#define LAB_REPORT_PLACES_H

#include "lab/symbols.h"
#include "nt/verify/report.h"

struct lab_report {
    struct nt_report report; /* a copy, with fiber pointing into fiber_name; rule and routine are constants */
    char fiber_name[32];
    uint32_t count; /* how often it happened */
    struct lab_frames broke, began;
    struct lab_frames taken[NT_HELD_MAX]; /* of report.locks */
    /* Where to point at: in the driver where the rule broke, else in the driver where it began; NULL: nowhere. */
    const struct lab_frame *place;
};

/* Whole, or NULL: no memory. Free it with lab_report_free. */
struct lab_report *lab_report_new(const struct nt_report *report, uint32_t count);
void lab_report_free(struct lab_report *report); /* or NULL */

const char *lab_irql_name(unsigned irql); /* "DISPATCH_LEVEL"; "a device level" for what has no name */

/* A time of a report as seconds after origin, "0.000100". text: 32 bytes; given back. */
const char *lab_time_text(uint64_t time, uint64_t origin, char *text);

#endif
