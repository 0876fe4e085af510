/* SPDX-License-Identifier: MIT */
/*
 * ask_command_windows.c - see ask_command.h. The screen is on Linux only.
 */
#include "cli/ask_command.h"

enum agent_result ask_command_run(const struct options *options, struct session *session, struct problem *problem)
{
    (void)options;
    return ask_command_lines(session, problem);
}
