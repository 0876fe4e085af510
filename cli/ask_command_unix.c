/* SPDX-License-Identifier: MIT */
/*
 * ask_command_unix.c - see ask_command.h. The screen.
 */
#include "agent/describe.h"
#include "cli/ask_command.h"
#include "screen/screen.h"

static void describe(void *context, const struct request *request, struct json *json)
{
    describe_request(context, request, json);
}

enum agent_result ask_command_run(const struct options *options, struct session *session, struct problem *problem)
{
    struct desk_join_settings settings = {
        .desk = options->desk, .socket = session->path, .once = options->once, .describe = describe};
    enum agent_result result;

    if (options->lines || !screen_can())
        return ask_command_lines(session, problem);
    settings.context = describe_new(problem);
    if (settings.context == NULL)
        return AGENT_FAILED;
    result = screen_run(&settings, session->say, problem);
    describe_free(settings.context);
    return result;
}
