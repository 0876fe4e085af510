/* SPDX-License-Identifier: MIT */
/*
 * program.c - gatehouse: reads the command line, runs one command, tells how it ended.
 */
#include "cli/program.h"

#include <stdio.h>

#include "agent/stop.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/say.h"

#ifndef GATEHOUSE_VERSION
#define GATEHOUSE_VERSION "unknown"
#endif

static enum agent_result print(const char *text, struct problem *problem)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) != 0)
        return problem_set(problem, AGENT_FAILED, "cannot write the output.");
    return AGENT_OK;
}

int program_run(int argc, char **argv)
{
    struct problem problem = {0};
    struct options options = {0};
    enum agent_result result = options_read(&options, argc, argv, &problem);

    if (result == AGENT_OK)
        result = stop_install(&problem);
    if (result == AGENT_OK && options.help)
        result = print(help_text(options.command), &problem);
    else if (result == AGENT_OK && options.version)
        result = print("gatehouse " GATEHOUSE_VERSION "\n", &problem);
    else if (result == AGENT_OK)
        result = command_run(&options, &problem);
    options_cleanup(&options);
    if (result == AGENT_OK || result == AGENT_STOPPED || stop_requested())
        return 0;
    say(problem.sentence);
    return (int)result;
}
