/* SPDX-License-Identifier: MIT */
/*
 * ask_command_unix.c - see ask_command.h. The screen.
 */
#include "cli/ask_command.h"
#include "screen/screen.h"

enum agent_result ask_command_run(const struct options *options, struct session *session, struct problem *problem)
{
    struct desk_join_settings settings = {.desk = options->desk, .socket = session->path, .once = options->once};

    if (options->lines || !screen_can())
        return ask_command_lines(session, problem);
    return screen_run(&settings, session->say, problem);
}
