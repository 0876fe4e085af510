/* SPDX-License-Identifier: MIT */
/*
 * live_options.h - what `wfplab live` understands beyond options.h.
 */
#ifndef LAB_LIVE_OPTIONS_H
#define LAB_LIVE_OPTIONS_H

#include <nt/nt.h>

#include "lab/live_protocol.h"
#include "lab/options.h"

#define LIVE_PARAMETERS_MAX 24u

struct live_arguments {
    struct options options; /* drivers, --irql, --json, --sarif, --strict */
    struct live_wish wish;
    struct live_protocol protocols[LIVE_PROTOCOLS_MAX];
    size_t protocol_count;   /* 0: nobody answers in this process */
    const char *socket_path; /* NULL: none */
    char device[SCENARIO_PATH_MAX + 5];
    struct nt_registry_value parameters[LIVE_PARAMETERS_MAX];
    size_t parameter_count;
    double seconds; /* 0: until it is told to end */
    unsigned limit; /* seconds without a step of the machine that has work; 0: none */
    bool unverified;
};

/* arguments: behind the command's name. false: told on stderr. */
bool live_arguments_read(int count, char **arguments, struct live_arguments *read);

#endif
