/* SPDX-License-Identifier: MIT */
/*
 * options.h - what the command line of wfplab asks for.
 */
#ifndef LAB_OPTIONS_H
#define LAB_OPTIONS_H

#include "lab/driver_file.h"
#include "lab/scenario_world.h"

#define OPTIONS_SCENARIOS_MAX 256u

enum options_result {
    OPTIONS_GOOD,
    OPTIONS_HELP, /* help was asked for */
    OPTIONS_WRONG /* told on stderr */
};

struct options {
    struct driver_sources drivers[WORLD_DRIVERS_MAX];
    size_t driver_count;
    const char *compile[DRIVER_OPTIONS_MAX]; /* -I, -D: for each C driver */
    size_t compile_count;
    const char *scenarios[OPTIONS_SCENARIOS_MAX];
    size_t scenario_count;
    bool asan, json, strict, trace, record;
    const char *sarif; /* file, or NULL */
    bool irql_given;
    enum world_irql irql;
    unsigned seconds; /* of real time that a run may take; 0: no limit */
};

/* arguments: behind the command's name. */
enum options_result options_read(int count, char **arguments, struct options *options);

#endif
