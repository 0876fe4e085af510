/* SPDX-License-Identifier: MIT */
/*
 * findings.c - see findings.h.
 */
#include "lab/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/world_engine.h"
#include "nt/verify/report.h"

#define FINDINGS_MAX 256u

static struct nt_report *findings[FINDINGS_MAX];
static size_t count, told;

/* Anywhere in a driver's call: keeps a copy, and nothing else. */
static void keep(void *context, const struct nt_report *report)
{
    struct nt_report *copy = count < FINDINGS_MAX ? malloc(sizeof(*copy)) : NULL;

    (void)context;
    if (copy == NULL)
        return;
    *copy = *report;
    copy->fiber = NULL;
    findings[count++] = copy;
}

/* The report was made before. */
static void ignore(const struct nt_violation *violation)
{
    (void)violation;
}

void findings_begin(void)
{
    world_set_listener(ignore);
    nt_set_report_handler(keep, NULL);
}

void findings_count(struct findings_count *out)
{
    *out = (struct findings_count){0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        enum nt_severity severity = findings[i]->rule->severity;

        *(severity == NT_ERROR ? &out->errors : severity == NT_WARNING ? &out->warnings : &out->notes) += 1;
    }
}

void findings_tell(void)
{
    for (; told < count; told++)
        printf("%s %s: %s at IRQL %u: %s\n", nt_severity_name(findings[told]->rule->severity), findings[told]->rule->id,
               findings[told]->routine, (unsigned)findings[told]->irql, findings[told]->detail);
}
