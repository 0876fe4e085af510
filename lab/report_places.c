/* SPDX-License-Identifier: MIT */
/*
 * report_places.c - see report_places.h.
 */
#include "lab/report_places.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void name_stacks(struct lab_report *named)
{
    const struct nt_stack *stacks[NT_HELD_MAX + 2];
    size_t count = 0;
    stacks[count++] = &named->report.broke;
    stacks[count++] = &named->report.began;
    for (uint32_t index = 0; index < named->report.held; index++)
        if (named->report.locks[index].known)
            stacks[count++] = &named->report.locks[index].taken;
    lab_symbols_prepare(stacks, count); /* one run of the symbolizer for all of them */
    lab_symbols_name(&named->report.broke, &named->broke);
    lab_symbols_name(&named->report.began, &named->began);
    for (uint32_t index = 0; index < named->report.held; index++)
        if (named->report.locks[index].known)
            lab_symbols_name(&named->report.locks[index].taken, &named->taken[index]);
}

struct lab_report *lab_report_new(const struct nt_report *report, uint32_t count)
{
    struct lab_report *named = calloc(1, sizeof *named);
    if (named == NULL)
        return NULL;
    named->report = *report;
    snprintf(named->fiber_name, sizeof named->fiber_name, "%s", report->fiber != NULL ? report->fiber : "");
    named->report.fiber = report->fiber != NULL ? named->fiber_name : NULL;
    named->count = count;
    name_stacks(named);
    named->place = lab_symbols_blame(&named->broke, report->routine);
    const struct lab_frame *began = lab_symbols_blame(&named->began, "");
    if (began != NULL && (named->place == NULL || (began->driver && !named->place->driver)))
        named->place = began;
    return named;
}

void lab_report_free(struct lab_report *report)
{
    free(report);
}

const char *lab_irql_name(unsigned irql)
{
    static const char *const names[] = {"PASSIVE_LEVEL", "APC_LEVEL", "DISPATCH_LEVEL"};
    return irql < sizeof names / sizeof names[0] ? names[irql] : "a device level";
}

const char *lab_time_text(uint64_t time, uint64_t origin, char *text)
{
    uint64_t units = time > origin ? time - origin : 0;
    snprintf(text, 32, "%" PRIu64 ".%06" PRIu64, units / 10000000, units % 10000000 / 10);
    return text;
}
