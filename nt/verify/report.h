/* SPDX-License-Identifier: MIT */
/*
 * report.h - everything that is known about one broken rule, for a person, an editor or a CI to read.
 *
 * While the verifier is on and a report handler is set, nt_violate makes a report and hands it over before the
 * violation handler gets its violation. A rule broken again by the same routine from the same stack is the same
 * report: it is handed over once and counted from then on. lab/report_text.h and its neighbours write reports.
 *
 * Nothing in a report differs between two runs that did the same, except the addresses in stacks, which the writers
 * name by function, file and line. So detail and history name addresses by small numbers, in the order in which
 * they were first named: "#1".
 */
#ifndef NT_VERIFY_REPORT_H
#define NT_VERIFY_REPORT_H

#include "nt/verify/rules.h"
#include "nt/verify/self.h"
#include "nt/verify/verify.h"

#define NT_EVENTS_MAX 24u

/* One note of a connection's history. */
struct nt_event {
    uint64_t time;  /* nt_now() */
    char fiber[24]; /* "": an unnamed thread. A copy: the fiber may be gone */
    char text[104];
};

struct nt_held_lock {
    bool known; /* taken is valid */
    struct nt_stack taken;
};

struct nt_report {
    const struct nt_rule *rule; /* never NULL: an id without a row gets one that says so */
    const char *routine;
    KIRQL irql;
    char detail[512];
    uint64_t time;     /* nt_now() */
    const char *fiber; /* NULL: an unnamed thread */
    uint32_t spin_locks;
    uint32_t held; /* valid locks[]; there may be more */
    struct nt_held_lock locks[NT_HELD_MAX];
    struct nt_stack broke;
    enum nt_beginning began_what; /* NT_BEGAN_NOTHING: began is empty */
    struct nt_stack began;
    uint64_t connection; /* its operation; 0: it is not about one */
    size_t event_count;
    struct nt_event events[NT_EVENTS_MAX]; /* the last ones of the connection, or else of the machine; oldest first */
};

/* Any thread, any IRQL, in a signal handler too. The report is valid during the call. It may longjmp away. */
typedef void nt_report_handler(void *context, const struct nt_report *report);
void nt_set_report_handler(nt_report_handler *handler, void *context); /* NULL: none */

/* How often the rule was broken by this routine from this stack, since the last clear. */
uint32_t nt_report_count(const struct nt_report *report);

/* The stack of the next violation of this thread, for a signal handler: where the fault is, not where it was caught. */
void nt_about_stack(const struct nt_stack *stack);

/* What is under this beginning, in words: "the lock was taken". */
const char *nt_beginning_name(enum nt_beginning what);

/* Before each run of a machine: forgets beginnings, histories, held locks of this thread, and numbers of addresses; not
 * which reports were handed over. */
void nt_verify_clear(void);
void nt_reports_clear(void); /* forgets that too */

/* --- Between the files of nt/verify/ ------------------------------------------------------- */

/* For nt_violate, with its own frame address: its caller is where the rule broke. true: a report handler took it. */
bool nt_report_violation(const struct nt_violation *violation, const void *frame);

/* The last notes of an operation, oldest first; how many. */
size_t nt_history(uint64_t operation, struct nt_event *events, size_t events_max);
void nt_history_clear(void);
void nt_beginnings_clear(void);
uint32_t nt_beginnings_lost(void); /* how many found no room */

/* Puts small numbers for the addresses in a text: "0x7f0012345678" becomes "#1". */
void nt_number_addresses(char *text);
void nt_numbers_clear(void);

#endif
