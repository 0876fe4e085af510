/* SPDX-License-Identifier: MIT */
/*
 * write_reports.c - breaks rules on purpose and writes the reports: for check_reports.py.
 *
 * write_reports text|json|sarif|rules-json
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/report_json.h"
#include "lab/report_sarif.h"
#include "lab/report_text.h"
#include "lab/rules_command.h"
#include "tests/verify/sample.h"

#define REPORTS_MOST 8u

static struct lab_report *reports[REPORTS_MOST];
static unsigned report_count;

static uint64_t still(void)
{
    return 123456789;
}

static void keep_report(void *context, const struct nt_report *report)
{
    (void)context;
    if (report_count < REPORTS_MOST)
        reports[report_count++] = lab_report_new(report, 1);
}

static void ignore(const struct nt_violation *violation)
{
    (void)violation;
}

/* What the key of a block is differs from run to run, as addresses do. */
static void break_rules(void)
{
    void *block = malloc(16);
    nt_note(7, "connect tcp, pended by callout 1");
    nt_note(7, "completed: \"permit\"");
    sample_allocates((uintptr_t)block);
    sample_takes(0x100);
    sample_frees_twice((uintptr_t)block);
    sample_releases(0x100);
    sample_forgets_a_decision(7);
    sample_releases_too_much();
    sample_says("quotes \" and \\, a tab\t, a line\nfeed, \x01, bad \xff\xc3 bytes, good \xc3\xa9 \xe2\x82\xac "
                "\xf0\x9f\x94\x92");
    free(block);
}

static void write_all(const char *format)
{
    struct lab_sarif sarif;
    const struct lab_text_options options = {.colour = strcmp(format, "colour") == 0, .source = true};
    if (strcmp(format, "sarif") == 0)
        lab_sarif_start(&sarif, stdout, "0.0.0", 0);
    for (unsigned index = 0; index < report_count; index++) {
        if (reports[index] == NULL)
            exit(3);
        if (strcmp(format, "json") == 0)
            lab_report_json(stdout, reports[index], 0);
        else if (strcmp(format, "sarif") == 0)
            lab_sarif_report(&sarif, reports[index]);
        else
            lab_report_text(stdout, reports[index], &options);
        lab_report_free(reports[index]);
    }
    if (strcmp(format, "sarif") == 0)
        lab_sarif_end(&sarif);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (strcmp(argv[1], "rules") == 0)
        return lab_rules_command(argc - 2, (const char *const *)argv + 2, stdout, stderr);
    nt_set_clock(still);
    nt_set_violation_handler(ignore);
    nt_set_report_handler(keep_report, NULL);
    nt_verify_on = true;
    break_rules();
    write_all(argv[1]);
    return 0;
}
