/* SPDX-License-Identifier: MIT */
/*
 * say.c - see say.h.
 */
#include "cli/say.h"

#include <stdio.h>

#include "agent/show.h"

void say(const char *sentence)
{
    fprintf(stderr, "gatehouse: %s\n", sentence);
    fflush(stderr);
}

void say_lines(const char *lines)
{
    fputs(lines, stderr);
    fflush(stderr);
}

enum agent_result say_output(struct text *text, struct problem *problem)
{
    enum agent_result result = AGENT_OK;

    if (text->failed)
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    else if (fwrite(text_string(text), 1, text->used, stdout) != text->used || fflush(stdout) != 0)
        result = problem_set(problem, AGENT_FAILED, "cannot write the output: is there room, and does anybody read?");
    text_free(text);
    return result;
}

void say_program_path(const char *written, const char *resolved, enum program_path_kind kind, const char *led,
                      const char *absent)
{
    struct text text = {0};

    if (kind == PROGRAM_PATH_REAL)
        return;
    if (kind == PROGRAM_PATH_ABSENT)
        text_add(&text, "no program is at ");
    show_written_path(&text, written);
    if (kind == PROGRAM_PATH_LED) {
        text_add(&text, " leads to ");
        show_written_path(&text, resolved);
    } else {
        text_add(&text, " now");
    }
    text_add(&text, ": ");
    text_add(&text, kind == PROGRAM_PATH_LED ? led : absent);
    say(text_string(&text));
    text_free(&text);
}
