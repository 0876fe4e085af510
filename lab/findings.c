/* SPDX-License-Identifier: MIT */
/*
 * findings.c - see findings.h.
 */
#include "lab/findings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/report_json.h"
#include "lab/report_sarif.h"
#include "lab/report_text.h"
#include "lab/world_engine.h"
#include "nt/verify/report.h"

#define FINDINGS_MAX 1024u

static struct finding {
    struct nt_report *report; /* with fiber pointing into name */
    struct lab_report *named; /* NULL: not written yet */
    uint32_t times;           /* 0: not counted yet */
    char name[32];
} findings[FINDINGS_MAX];
static size_t count, written;
static const char *last_rule = ""; /* rules live for ever */

/* Anywhere in a driver's call: keeps a copy, and nothing else. */
static void keep(void *context, const struct nt_report *report)
{
    struct nt_report *copy = count < FINDINGS_MAX ? malloc(sizeof(*copy)) : NULL;
    struct finding *finding = &findings[count];

    (void)context;
    if (copy == NULL)
        return;
    *copy = *report;
    *finding = (struct finding){.report = copy};
    if (report->fiber != NULL) {
        snprintf(finding->name, sizeof(finding->name), "%s", report->fiber);
        copy->fiber = finding->name;
    }
    count++;
}

/* The report was made before. */
void findings_hear(const struct nt_violation *violation)
{
    last_rule = violation->rule;
}

const char *findings_last_rule(void)
{
    return last_rule;
}

void findings_begin(void)
{
    last_rule = "";
    world_set_listener(findings_hear);
    nt_set_report_handler(keep, NULL);
}

void findings_count(struct findings_count *out)
{
    *out = (struct findings_count){0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        enum nt_severity severity = findings[i].report->rule->severity;

        *(severity == NT_ERROR ? &out->errors : severity == NT_WARNING ? &out->warnings : &out->notes) += 1;
    }
}

void findings_count_now(void)
{
    for (size_t i = 0; i < count; i++)
        if (findings[i].times == 0)
            findings[i].times = nt_report_count(findings[i].report);
}

static const struct lab_report *named(struct finding *finding)
{
    if (finding->named == NULL)
        finding->named =
            lab_report_new(finding->report, finding->times != 0 ? finding->times : nt_report_count(finding->report));
    if (finding->named == NULL)
        abort();
    return finding->named;
}

void findings_write(bool json)
{
    struct lab_text_options options = lab_text_options_for(stdout);

    options.origin = WORLD_START;
    for (; written < count; written++) {
        const struct lab_report *report = named(&findings[written]);

        if (json)
            lab_report_json(stdout, report, WORLD_START);
        else
            lab_report_text(stdout, report, &options);
    }
    fflush(stdout);
}

bool findings_write_sarif(const char *path)
{
    FILE *file = fopen(path, "wb");
    struct lab_sarif sarif;
    bool good;

    if (file != NULL) {
        lab_sarif_start(&sarif, file, GATEHOUSE_VERSION, WORLD_START);
        for (size_t i = 0; i < count; i++)
            lab_sarif_report(&sarif, named(&findings[i]));
        lab_sarif_end(&sarif);
    }
    good = file != NULL && !ferror(file);
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (!good)
        fprintf(stderr, "wfplab: %s: it cannot be written: %s.\n", path, strerror(errno));
    return good;
}

void findings_end(void)
{
    nt_set_report_handler(NULL, NULL);
    world_set_listener(NULL);
    for (size_t i = 0; i < count; i++) {
        lab_report_free(findings[i].named);
        free(findings[i].report);
    }
    count = written = 0;
    nt_reports_clear();
}
