/* SPDX-License-Identifier: MIT */
/*
 * report_text.h - writes a report for a person at a terminal: what broke, where, where it began, what to do.
 */
#ifndef LAB_REPORT_TEXT_H
#define LAB_REPORT_TEXT_H

#include <stdio.h>

#include "lab/report_places.h"

struct lab_text_options {
    bool colour;     /* escape sequences for a terminal */
    bool source;     /* the line of source that is pointed at, where its file can be read */
    uint64_t origin; /* the time that counts as 0 */
};

/* Colour for a terminal, unless NO_COLOR is set; source lines. */
struct lab_text_options lab_text_options_for(FILE *out);

void lab_report_text(FILE *out, const struct lab_report *report, const struct lab_text_options *options);

#endif
