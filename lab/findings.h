/* SPDX-License-Identifier: MIT */
/*
 * findings.h - the reports of this process's runs: kept as they come, named and written later.
 *
 * A report is kept where a rule breaks, which may be anywhere in a driver; the writers of lab/report_*.h look up names
 * and come after the run, while its drivers are still open (driver_remove_all).
 */
#ifndef LAB_FINDINGS_H
#define LAB_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <nt/nt.h>

struct findings_count {
    size_t errors, warnings, notes;
};

/* From now on reports are kept. The same rule, routine and stack is kept once. */
void findings_begin(void);

/* All until now. Any thread. */
void findings_count(struct findings_count *count);

/* How often each came is what it is now, whatever comes later: before a scenario is run again. */
void findings_count_now(void);

/* A violation handler that remembers its rule and does nothing else. findings_begin makes it the world's listener. */
void findings_hear(const struct nt_violation *violation);

/* Of the violation that came last, kept or not; "" for none. */
const char *findings_last_rule(void);

/* Those that were not written yet, to stdout: for a person, or as one JSON object a line. */
void findings_write(bool json);

/* All, as SARIF. false: the file cannot be written; told on stderr. */
bool findings_write_sarif(const char *path);

/* Forgets all. */
void findings_end(void);

#endif
