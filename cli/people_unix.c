/* SPDX-License-Identifier: MIT */
/*
 * people_unix.c - see people.h.
 */
#include "cli/people.h"

#include <stdio.h>
#include <string.h>

#include "cli/past_command.h"
#include "cli/say.h"
#include "desk/join.h"
#include "desk/run.h"
#include "history/history.h"
#include "notify/notify.h"
#include "page/page.h"

enum agent_result people_run(const struct options *options, const char *path, struct problem *problem)
{
    const char *history = options->history == NULL ? HISTORY_DEFAULT_PATH : options->history;
    struct run_settings settings = {.socket = path,
                                    .desk = options->desk == NULL ? DESK_DEFAULT_PATH : options->desk,
                                    .history = strcmp(history, "none") == 0 ? NULL : history,
                                    .limits = {options->days, (uint64_t)options->megabytes << 20},
                                    .quiet = options->quiet,
                                    .json = options->json,
                                    .say = say};

    return run(&settings, problem);
}

enum agent_result people_notify(const struct options *options, struct problem *problem)
{
    return notify_run(options->desk, say, problem);
}

static bool show_line(const char *line)
{
    return puts(line) != EOF && fflush(stdout) == 0;
}

enum agent_result people_ui(const struct options *options, const char *path, struct problem *problem)
{
    struct page_settings settings = {.device = path,
                                     .desk = options->desk,
                                     .history = options->history == NULL ? HISTORY_DEFAULT_PATH : options->history,
                                     .port = options->ui.port,
                                     .open = !options->ui.no_open,
                                     .say = say,
                                     .show = show_line};

    return page_run(&settings, problem);
}

enum agent_result people_past(const struct options *options, const char *path, struct problem *problem)
{
    return past_command_run(options, path, problem);
}
