/* SPDX-License-Identifier: MIT */
/*
 * explore_options.h - what `wfplab explore` and `wfplab replay` understand beyond options.h.
 */
#ifndef LAB_EXPLORE_OPTIONS_H
#define LAB_EXPLORE_OPTIONS_H

#include "lab/explore.h"
#include "lab/options.h"

struct explore_arguments {
    struct options options; /* drivers and scenarios, --irql, --json, --strict, --trace ... */
    struct explore_options search;
    const char *out; /* where the shrunk scenario goes; NULL: beside the working folder's other files */
    bool shrink;
    bool seed_given, strategy_given, runs_given;
};

/* arguments: behind the command's name. false: told on stderr. */
bool explore_arguments_read(int count, char **arguments, struct explore_arguments *read);

#endif
