/* SPDX-License-Identifier: MIT */
/*
 * install_unix.c - see install.h: there is no driver to install. make does it.
 */
#include "agent/install.h"

enum agent_result install_run(const struct install_settings *settings, struct report *report, struct problem *problem)
{
    (void)settings;
    (void)report;
    return problem_set(problem, AGENT_USAGE,
                       "'gatehouse install' is for Windows: here 'make install' copies the programs, and 'gatehoused' "
                       "protects while it runs.");
}

enum agent_result uninstall_run(bool dry_run, struct report *report, struct problem *problem)
{
    (void)dry_run;
    (void)report;
    return problem_set(problem, AGENT_USAGE,
                       "'gatehouse uninstall' is for Windows: here 'gatehoused --remove' takes away what it left.");
}
