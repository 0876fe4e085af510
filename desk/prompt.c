/* SPDX-License-Identifier: MIT */
/*
 * prompt.c - see prompt.h. One question is shown at a time; the next when that one is answered or gone.
 */
#define _GNU_SOURCE
#include "desk/prompt.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gatehouse/rules.h>

#include "agent/clock.h"
#include "agent/person.h"
#include "agent/show.h"
#include "agent/stop.h"
#include "agent/terminal.h"

/* Keys count only so long after their question appeared. */
#define ARMING (300 * CLOCK_MILLISECOND)

struct prompt {
    struct desk_join *join;
    struct peer *peer;
    void (*say)(const char *sentence);
    struct person person;
    uint64_t shown;    /* the question before the person; 0: none */
    uint64_t answered; /* answered, and the desk has not said yet; 0: none */
    uint32_t tag;      /* of that answer */
    struct choice given;
    uint64_t shown_at; /* boot time */
    bool armed;        /* what the person says now counts */
    bool decider;      /* answers count */
    bool waits;        /* it was said that they do not */
    bool open_line;    /* the prompt stands at the line's end */
    struct text line;
};

/* --- Saying ------------------------------------------------------------------------------------- */

static void put_line(struct prompt *prompt)
{
    if (prompt->open_line)
        fputs("\n", stdout);
    prompt->open_line = false;
    text_add(&prompt->line, "\n");
    fputs(text_string(&prompt->line), stdout);
    fflush(stdout);
    text_clear(&prompt->line);
}

static void say_line(struct prompt *prompt, const char *sentence)
{
    text_clear(&prompt->line);
    text_add(&prompt->line, sentence);
    put_line(prompt);
}

static void show_question(struct text *text, const struct peer_question *question)
{
    text_add(text, question->program == NULL ? "(unknown program)" : question->program);
    if (question->pid != 0)
        text_add_format(text, " pid %llu", (unsigned long long)question->pid);
    text_add_format(text, " user %s %s%s ", question->user == NULL ? "(unknown)" : question->user,
                    question->inbound ? "in " : "", question->protocol == NULL ? "" : question->protocol);
    text_add(text, question->address == NULL ? "?" : question->address);
    if (question->port != 0)
        text_add_format(text, question->inbound ? " to port %u" : " port %u", question->port);
    if (question->look_alike != NULL)
        text_add_format(text, " (%s)", question->look_alike);
    else if (question->name != NULL)
        text_add_format(text, " (%s)", question->name);
}

static void show_reach(struct text *text, const struct person_choice *choice)
{
    struct choice given = {.until = CHOICE_ONCE, .minutes = choice->minutes};

    if (choice->until == GATEHOUSE_UNTIL_TIME)
        given.until = CHOICE_MINUTES;
    else if (choice->until == GATEHOUSE_UNTIL_EXIT)
        given.until = CHOICE_EXIT;
    else if (choice->until == GATEHOUSE_UNTIL_REBOOT)
        given.until = CHOICE_REBOOT;
    choice_show_until(text, &given);
    text_add(text, choice->program ? " to anywhere" : "");
}

static void show_prompt(struct prompt *prompt)
{
    if (!prompt->person.keys || !terminal_has_screen())
        return;
    text_clear(&prompt->line);
    text_add(&prompt->line, "  permit");
    show_reach(&prompt->line, &prompt->person.choice);
    text_add(&prompt->line, "? y/n/a/d/? ");
    printf("%s%s", prompt->open_line ? "\n" : "", text_string(&prompt->line));
    fflush(stdout);
    prompt->open_line = true;
    text_clear(&prompt->line);
}

static void show_next(struct prompt *prompt, uint64_t now)
{
    const struct peer_question *question = peer_first(prompt->peer);

    if (prompt->shown == 0 && prompt->answered == 0 && question != NULL && prompt->decider &&
        !person_is_gone(&prompt->person)) {
        prompt->shown = question->id;
        prompt->shown_at = now;
        prompt->armed = !prompt->person.keys;
        person_begin(&prompt->person);
        text_clear(&prompt->line);
        show_question(&prompt->line, question);
        text_add(&prompt->line, " - ");
        show_duration(&prompt->line, question->deadline > now ? question->deadline - now : 0);
        text_add(&prompt->line, " left");
        if (peer_count(prompt->peer) > 1)
            text_add_format(&prompt->line, ", %u more wait", peer_count(prompt->peer) - 1);
        text_add(&prompt->line, " - y/n/a/d/?");
        put_line(prompt);
        show_prompt(prompt);
    }
    if (prompt->shown != 0 && !prompt->armed && now - prompt->shown_at >= ARMING) {
        terminal_discard();
        prompt->person.count = 0;
        prompt->armed = true;
    }
}

static void say_help(struct prompt *prompt)
{
    static const char *const lines[] = {
        "y  yes: permit this connection",
        "n  no: block this connection",
        "a  always: permit all of this program to this destination; 'gatehouse rules list' shows it",
        "d  never: block all of this program to this destination",
        "before y or n, how long: minutes such as 10, e until the program exits, r until reboot",
        "before any of them, how far: p all of the program, to anywhere",
        "in words: 'y 10 minutes', 'no until exit', 'yes until reboot program', 'always program'",
        "?  this help; Ctrl-C ends asking here, and what waits stays on the desk",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        say_line(prompt, lines[i]);
}

/* --- What the desk says -------------------------------------------------------------------------- */

static void on_hello(void *context, const struct peer_hello *hello)
{
    struct prompt *prompt = context;

    if (!hello->decider && hello->sentence != NULL)
        prompt->say(hello->sentence);
    else if (hello->decider && prompt->waits)
        prompt->say("questions are asked again.");
    prompt->decider = hello->decider;
    prompt->waits = !hello->decider;
}

static void on_gone(void *context, struct peer_question *question, const struct peer_gone *gone)
{
    static const char *const verdicts[] = {"ended", "permitted", "blocked"};
    struct prompt *prompt = context;
    bool was_shown = question->id == prompt->shown;

    if (was_shown)
        prompt->shown = 0;
    /* Its own answers are told by on_answered, what they cover with them. */
    if (gone->mine || question->id == prompt->answered)
        return;
    text_clear(&prompt->line);
    text_add(&prompt->line, "  withdrawn: ");
    show_question(&prompt->line, question);
    text_add_format(&prompt->line, ", %s ", verdicts[gone->verdict <= GATEHOUSE_VERDICT_BLOCK ? gone->verdict : 0]);
    if (gone->who != NULL)
        text_add_format(&prompt->line, "by %s", gone->who);
    else
        text_add(&prompt->line, show_decided_by(gone->by));
    put_line(prompt);
    if (!was_shown && prompt->shown != 0)
        show_prompt(prompt);
}

static void on_answered(void *context, const struct peer_answered *answered)
{
    struct prompt *prompt = context;

    if (answered->tag != prompt->tag)
        return;
    prompt->answered = 0;
    text_clear(&prompt->line);
    if (answered->outcome == PEER_OK) {
        text_add(&prompt->line, prompt->given.permit ? "  permitted" : "  blocked");
        if (prompt->given.until != CHOICE_ONCE) {
            text_add(&prompt->line, ", and from now on");
            choice_show_until(&prompt->line, &prompt->given);
            text_add(&prompt->line, prompt->given.scope == GATEHOUSE_SCOPE_PROGRAM
                                        ? " for this program"
                                        : " for this program and destination");
        }
        if (answered->covered > 0)
            text_add_format(&prompt->line, "; %llu more that waited with it", (unsigned long long)answered->covered);
    } else {
        text_add_format(&prompt->line, "  the answer did not count: %s", answered->sentence);
    }
    put_line(prompt);
}

static void on_error(void *context, uint32_t tag, const char *sentence)
{
    struct prompt *prompt = context;

    if (tag != 0 && tag == prompt->tag)
        prompt->answered = 0;
    say_line(prompt, sentence);
}

static void on_lost(void *context, const char *sentence)
{
    struct prompt *prompt = context;

    prompt->answered = 0;
    prompt->decider = false;
    prompt->say(sentence);
}

static void on_back(void *context)
{
    struct prompt *prompt = context;

    prompt->say("the desk is back.");
}

/* --- What the person says ------------------------------------------------------------------------ */

static struct choice make_choice(enum person_answer answer, const struct person_choice *person)
{
    struct choice choice = {.permit = answer == PERSON_YES || answer == PERSON_ALWAYS};

    if (answer == PERSON_ALWAYS || answer == PERSON_NEVER)
        choice.until = CHOICE_ALWAYS;
    else if (person->until == GATEHOUSE_UNTIL_TIME)
        choice.until = CHOICE_MINUTES;
    else if (person->until == GATEHOUSE_UNTIL_EXIT)
        choice.until = CHOICE_EXIT;
    else if (person->until == GATEHOUSE_UNTIL_REBOOT)
        choice.until = CHOICE_REBOOT;
    if (choice.until == CHOICE_MINUTES)
        choice.minutes = person->minutes;
    if (choice.until != CHOICE_ONCE)
        choice.scope = person->program ? GATEHOUSE_SCOPE_PROGRAM : GATEHOUSE_SCOPE_PROGRAM_DESTINATION;
    return choice;
}

static void give(struct prompt *prompt, enum person_answer answer)
{
    prompt->given = make_choice(answer, &prompt->person.choice);
    prompt->tag = peer_answer(prompt->peer, prompt->shown, &prompt->given);
    if (prompt->tag != 0)
        prompt->answered = prompt->shown;
    prompt->shown = 0;
}

static void on_answer(struct prompt *prompt, enum person_answer answer)
{
    if (answer >= PERSON_YES && answer <= PERSON_NEVER) {
        give(prompt, answer);
        return;
    }
    if (answer == PERSON_HOW_LONG)
        say_line(prompt, "For the whole program, but how long? Say minutes, e, r, or a or d for always.");
    else if (answer == PERSON_HELP)
        say_help(prompt);
    else if (answer == PERSON_UNCLEAR)
        say_line(prompt, "That is no answer: y permits, n blocks, a always permits, d never does, ? explains.");
    if (answer != PERSON_CHOICE)
        person_begin(&prompt->person);
    show_prompt(prompt);
}

static void take_input(struct prompt *prompt)
{
    while (prompt->shown != 0 && prompt->armed) {
        enum person_answer answer = person_take(&prompt->person);

        if (answer == PERSON_END)
            prompt->person.ended = true;
        if (answer == PERSON_NONE || answer == PERSON_END)
            return;
        on_answer(prompt, answer);
    }
}

static void read_input(struct prompt *prompt)
{
    char typed[256];
    size_t room = PERSON_WAITING_MAX - prompt->person.count;
    int count = terminal_read(typed, sizeof(typed) < room ? sizeof(typed) : room);

    if (count >= 0)
        person_hear(&prompt->person, typed, (size_t)count);
}

/* --- Waiting ------------------------------------------------------------------------------------- */

static enum agent_result turn(struct prompt *prompt, struct problem *problem)
{
    struct pollfd list[2] = {{.fd = desk_join_descriptor(prompt->join), .events = POLLIN}, {.fd = STDIN_FILENO}};
    bool reads = prompt->person.keys ? prompt->shown != 0 && prompt->armed : person_has_room(&prompt->person);
    int timeout = -1;

    if (person_is_gone(&prompt->person) && prompt->answered == 0)
        return problem_set(problem, AGENT_INPUT_ENDED, "the input ended: nobody answers here any more.");
    if (prompt->shown != 0 && !prompt->armed)
        timeout = (int)(ARMING / CLOCK_MILLISECOND);
    list[1].events = reads ? POLLIN : 0;
    if (prompt->person.ended || (!prompt->person.keys && !reads))
        list[1].fd = -1;
    (void)poll(list, 2, timeout);
    if (stop_requested())
        return AGENT_STOPPED;
    desk_join_turn(prompt->join);
    if (list[1].revents != 0)
        read_input(prompt);
    show_next(prompt, clock_boot());
    take_input(prompt);
    return desk_join_ended(prompt->join, problem);
}

enum agent_result prompt_run(const struct desk_join_settings *settings, void (*say)(const char *sentence),
                             struct problem *problem)
{
    struct prompt prompt = {.say = say};
    struct peer_handlers handlers = {.context = &prompt,
                                     .hello = on_hello,
                                     .gone = on_gone,
                                     .answered = on_answered,
                                     .error = on_error,
                                     .lost = on_lost,
                                     .back = on_back};
    struct desk_join_settings joined = *settings;
    enum agent_result result;

    joined.remote = true;
    prompt.person.keys = terminal_has_keys();
    result = desk_join(&joined, &handlers, &prompt.join, problem);
    if (result == AGENT_OK && prompt.person.keys)
        result = terminal_open(problem);
    if (result == AGENT_OK)
        prompt.peer = desk_join_peer(prompt.join);
    while (result == AGENT_OK)
        result = turn(&prompt, problem);
    if (prompt.person.keys && prompt.peer != NULL)
        terminal_close();
    desk_leave(prompt.join);
    text_free(&prompt.line);
    return result;
}
