/* SPDX-License-Identifier: MIT */
/*
 * people_windows.c - see people.h.
 */
#include "cli/people.h"

enum agent_result people_run(const struct options *options, const char *path, struct problem *problem)
{
    (void)options, (void)path;
    return problem_set(problem, AGENT_USAGE, "'gatehouse run' is on Linux only.");
}

enum agent_result people_notify(const struct options *options, struct problem *problem)
{
    (void)options;
    return problem_set(problem, AGENT_USAGE, "'gatehouse notify' is on Linux only.");
}

enum agent_result people_ui(const struct options *options, const char *path, struct problem *problem)
{
    (void)options, (void)path;
    return problem_set(problem, AGENT_USAGE, "'gatehouse ui' is on Linux only.");
}

enum agent_result people_past(const struct options *options, const char *path, struct problem *problem)
{
    (void)path;
    return problem_set(problem, AGENT_USAGE, "'gatehouse %s' is on Linux only: 'gatehouse watch' shows what happens.",
                       options_command_name(options->command));
}
