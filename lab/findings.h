/* SPDX-License-Identifier: MIT */
/*
 * findings.h - the reports of this process's runs: kept, counted by severity, written at the end.
 */
#ifndef LAB_FINDINGS_H
#define LAB_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

struct findings_count {
    size_t errors, warnings, notes;
};

/* From now on violations become findings. */
void findings_begin(void);
void findings_count(struct findings_count *count);

/* Those that were not told yet, on stdout. */
void findings_tell(void);

#endif
