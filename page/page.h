/* SPDX-License-Identifier: MIT */
/*
 * page.h - `gatehouse ui`: a page in the browser of whoever runs it. A peer of the desk (docs/desk.md) on one side, a
 * small HTTP server on the loopback interface (server.h) on the other; docs/page.md says who may do what.
 *
 * One thread does both; calls that wait for the driver or the history's file run on a second one (work.h).
 */
#ifndef PAGE_PAGE_H
#define PAGE_PAGE_H

#include <stdbool.h>

#include "agent/result.h"

struct page_settings {
    const char *device;  /* gatehoused's socket */
    const char *desk;    /* NULL: the default */
    const char *history; /* the file; NULL: the default */
    unsigned port;       /* 0: any */
    bool open;           /* in a browser, when there is a desktop */
    void (*say)(const char *sentence);
    /* The line with the link; false: nobody reads any more. */
    bool (*show)(const char *line);
};

/* Until a stop is requested (agent/stop.h): AGENT_STOPPED. */
enum agent_result page_run(const struct page_settings *settings, struct problem *problem);

#endif
