/* SPDX-License-Identifier: MIT */
/*
 * ask_screen.c - what 'gatehouse ask' shows. See ask_state.h.
 *
 * Plain lines on standard output. On a terminal one more line, the prompt, is rewritten in place.
 */
#include <stdio.h>
#include <string.h>

#include <gatehouse/rules.h>
#include <gatehouse/status.h>

#include "agent/ask_state.h"
#include "agent/clock.h"
#include "agent/look_alike.h"
#include "agent/show.h"
#include "agent/status_text.h"
#include "words.h"

static void put_line(struct ask *ask)
{
    text_add(&ask->line, "\n");
    fwrite(text_string(&ask->line), 1, ask->line.used, stdout);
    fflush(stdout);
}

void ask_screen_wipe(struct ask *ask)
{
    if (ask->prompt_width == 0)
        return;
    printf("\r%*s\r", (int)ask->prompt_width, "");
    fflush(stdout);
    ask->prompt_width = 0;
}

void ask_screen_say(struct ask *ask, const char *sentence)
{
    ask_screen_wipe(ask);
    text_clear(&ask->line);
    text_add(&ask->line, sentence);
    put_line(ask);
}

static uint64_t time_left(const struct ask *ask, uint64_t now)
{
    uint64_t deadline = ask->shown->request.fixed.deadline;

    return deadline > now ? deadline - now : 0;
}

/* " for 10 minutes, to anywhere"; whole: also what is not said. */
static void add_reach(struct text *text, const struct person_choice *choice, bool whole)
{
    switch (choice->until) {
    case GATEHOUSE_UNTIL_TIME:
        text_add_format(text, " for %u minute%s", (unsigned)choice->minutes, choice->minutes == 1 ? "" : "s");
        break;
    case GATEHOUSE_UNTIL_EXIT:
        text_add(text, " until the program exits");
        break;
    case GATEHOUSE_UNTIL_REBOOT:
        text_add(text, " until reboot");
        break;
    default:
        text_add(text, whole ? " always" : "");
        break;
    }
    if (whole)
        text_add(text, choice->program ? " for this program" : " for this program and destination");
    else
        text_add(text, choice->program ? " to anywhere" : "");
}

void ask_screen_prompt(struct ask *ask, uint64_t now)
{
    uint64_t left = time_left(ask, now);
    size_t before = ask->prompt_width;

    if (!ask->screen)
        return;
    text_clear(&ask->line);
    text_add(&ask->line, "  permit");
    add_reach(&ask->line, &ask->person.choice, false);
    text_add(&ask->line, "? y/n/a/d/? (");
    show_duration(&ask->line, left);
    text_add(&ask->line, " left) ");
    ask->prompt_width = ask->line.used;
    printf("\r%s", text_string(&ask->line));
    if (before > ask->prompt_width)
        printf("%*s\r%s", (int)(before - ask->prompt_width), "", text_string(&ask->line));
    fflush(stdout);
    /* The shown number is rounded up: it changes when the left time passes a whole second. */
    ask->next_tick = now + (left % CLOCK_SECOND == 0 ? CLOCK_SECOND : left % CLOCK_SECOND);
}

void ask_screen_tick(struct ask *ask, uint64_t now)
{
    if (now >= ask->next_tick)
        ask_screen_prompt(ask, now);
}

/* Whom the name is to be taken for, if it is made to be. */
static void add_look_alike(struct text *line, const struct request *request)
{
    char name[GATEHOUSE_NAME_MAX + 1] = "";
    struct text text = {0};

    memcpy(name, request->name, request->fixed.name_size);
    if (name[0] != 0 && look_alike_describe(name, &text))
        text_add_format(line, " (%s)", text_string(&text));
    text_free(&text);
}

void ask_screen_question(struct ask *ask, uint64_t now)
{
    ask_screen_wipe(ask);
    text_clear(&ask->line);
    show_who(&ask->line, &ask->shown->request);
    add_look_alike(&ask->line, &ask->shown->request);
    text_add(&ask->line, " - ");
    show_duration(&ask->line, time_left(ask, now));
    text_add(&ask->line, " left");
    if (ask->questions.count > 1)
        text_add_format(&ask->line, ", %u more wait", ask->questions.count - 1);
    text_add(&ask->line, " - y/n/a/d/?");
    put_line(ask);
    ask_screen_prompt(ask, now);
}

void ask_screen_echo(struct ask *ask, enum person_answer answer)
{
    static const char letters[] = {[PERSON_YES] = 'y', [PERSON_NO] = 'n', [PERSON_ALWAYS] = 'a', [PERSON_NEVER] = 'd'};

    if (!ask->screen || answer < PERSON_YES || answer > PERSON_NEVER)
        return;
    printf("%c\n", letters[answer]);
    fflush(stdout);
    ask->prompt_width = 0;
}

void ask_screen_help(struct ask *ask, bool whole)
{
    static const char *const lines[] = {
        "y  yes: permit this connection",
        "n  no: block this connection",
        "a  always: permit all of this program to this destination; 'gatehouse rules list' shows it",
        "d  never: block all of this program to this destination",
        "before y or n, how long: minutes such as 10, e until the program exits, r until reboot",
        "before any of them, how far: p all of the program, to anywhere",
        "in words: 'y 10 minutes', 'no until exit', 'yes until reboot program', 'always program'",
        "?  this help; Ctrl-C ends asking, and held connections go back undecided",
    };

    if (!whole) {
        ask_screen_say(ask, "That is no answer: y permits, n blocks, a always permits, d never does, ? explains.");
        return;
    }
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ask_screen_say(ask, lines[i]);
}

void ask_screen_result(struct ask *ask, uint32_t status)
{
    bool permit = ask->given == PERSON_YES || ask->given == PERSON_ALWAYS;
    bool once = (ask->given == PERSON_YES || ask->given == PERSON_NO) && ask->choice.until == GATEHOUSE_UNTIL_REMOVED;
    const char *text = status_text(status);

    ask_screen_wipe(ask);
    text_clear(&ask->line);
    if (status == STATUS_TEXT_SUCCESS) {
        text_add(&ask->line, permit ? "  permitted" : "  blocked");
        if (!once) {
            text_add(&ask->line, ", and from now on");
            add_reach(&ask->line, &ask->choice, true);
        }
    } else if (text != NULL) {
        text_add_format(&ask->line, "  withdrawn, the answer did not count: %s", text);
    } else {
        text_add_format(&ask->line, "  withdrawn, the answer did not count: status 0x%08X", (unsigned)status);
    }
    put_line(ask);
}

void ask_screen_withdraw(struct ask *ask, const struct request *request, unsigned by, unsigned verdict)
{
    const char *what = "ended";

    if (verdict == GATEHOUSE_VERDICT_PERMIT)
        what = "permitted";
    if (verdict == GATEHOUSE_VERDICT_BLOCK)
        what = "blocked";
    ask_screen_wipe(ask);
    text_clear(&ask->line);
    text_add(&ask->line, "  withdrawn: ");
    show_who(&ask->line, request);
    text_add_format(&ask->line, ", %s %s", what, show_decided_by(by));
    put_line(ask);
    if (ask->shown != NULL && &ask->shown->request != request)
        ask_screen_prompt(ask, clock_boot());
}
