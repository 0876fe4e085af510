/* SPDX-License-Identifier: MIT */
/*
 * ask_command_unix.c - see ask_command.h. The screen, and lines at the desk of gatehouse run.
 */
#include "cli/ask_command.h"
#include "desk/prompt.h"
#include "screen/screen.h"

enum agent_result ask_command_run(const struct options *options, struct session *session, struct problem *problem)
{
    struct desk_join_settings settings = {.desk = options->desk, .socket = session->path, .once = options->once};

    enum agent_result result;

    if (!options->lines && screen_can())
        return screen_run(&settings, session->say, problem);
    result = prompt_run(&settings, session->say, problem);
    return result == AGENT_UNREACHABLE ? ask_command_lines(session, problem) : result;
}
