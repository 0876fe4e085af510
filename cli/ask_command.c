/* SPDX-License-Identifier: MIT */
/*
 * ask_command.c - see ask_command.h. The line prompt.
 */
#include "cli/ask_command.h"

#include "agent/ask.h"

enum agent_result ask_command_lines(struct session *session, struct problem *problem)
{
    struct ask *asker = ask_new(problem);
    enum agent_result result;

    if (asker == NULL)
        return AGENT_FAILED;
    result = session_run(session, ask_work, asker, problem);
    ask_free(asker);
    return result;
}
