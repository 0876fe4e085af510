/* SPDX-License-Identifier: MIT */
/*
 * people_unix.c - see people.h.
 */
#include "cli/people.h"

#include <stdio.h>

#include "cli/past_command.h"
#include "cli/say.h"
#include "history/history.h"
#include "page/page.h"

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
