/* SPDX-License-Identifier: MIT */
/*
 * fibers.h - the fibers of a run: what scheduler.c keeps of each, and what deadlock.c reads.
 */
#ifndef NT_VERIFY_FIBERS_H
#define NT_VERIFY_FIBERS_H

#include "nt/internal.h"
#include "nt/verify/fiber.h"
#include "nt/verify/scheduler.h"

enum fiber_kind { FIBER_BODY, FIBER_CLIENT, FIBER_CLOCK, FIBER_WORKER, FIBER_THREAD };
enum fiber_state { FIBER_READY, FIBER_WAITING, FIBER_TICKING, FIBER_SETTLING, FIBER_ENDED };

struct fiber {
    struct nt_fiber machine;
    struct nt_thread self; /* while it does not run, as are kept */
    void *kept[8];
    enum fiber_kind kind;
    enum fiber_state state;
    uint32_t number;
    bool over;   /* its wait is, without being ready */
    bool hopes;  /* in nt_schedule_wait: over when nobody else can do anything */
    bool sleeps; /* in nt_schedule_sleep: what else is due goes first */
    struct nt_wait wait;
    void (*body)(void *context);
    void *context;
    const char *name;
    char text[24];
    struct fiber *next; /* among the spare ones */
};

/* NULL: there are too many. name NULL: by kind and number. */
struct fiber *nt_fiber_start(enum fiber_kind kind, const char *name, void (*body)(void *context), void *context);
struct fiber *nt_fiber_current(void);
size_t nt_fibers(struct fiber ***fibers); /* those that have not ended */

/* deadlock.c: when nobody will ever run again. */
bool nt_fibers_stuck(void);           /* somebody waits for ever */
bool nt_fibers_report_deadlock(void); /* and it has to end: reported */

#endif
