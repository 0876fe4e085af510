/* SPDX-License-Identifier: MIT */
/*
 * options.h - gatehoused's command line.
 */
#ifndef HOST_OPTIONS_H
#define HOST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_options {
    char socket_path[108]; /* absolute */
    const char *driver;    /* a Windows driver file to run; NULL: the driver that is linked in */
    bool special_pool;     /* for that file: each of its allocations between inaccessible pages */
    uint32_t deadline_ms;
    uint32_t undecided;  /* enum gatehouse_verdict */
    uint32_t no_decider; /* enum gatehouse_no_decider */
    uint32_t capacity;   /* most connections held at once */
    uint16_t queue;      /* NFQUEUE number */
    bool hold_loopback;
    bool remove;
    bool verbose;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };

/* Fills options from argv. DONE: help or version was printed. BAD: one sentence went to stderr. */
enum options_result options_parse(int argc, char **argv, struct host_options *options);

#endif
