/* SPDX-License-Identifier: MIT */
/*
 * choice.c - see choice.h.
 */
#include "desk/choice.h"

#include <stddef.h>
#include <string.h>

#include <gatehouse/rules.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *const scope_names[] = {
    [GATEHOUSE_SCOPE_CONNECTION] = "connection", [GATEHOUSE_SCOPE_PROGRAM_DESTINATION] = "destination",
    [GATEHOUSE_SCOPE_PROGRAM] = "program",       [GATEHOUSE_SCOPE_PROGRAM_PORT] = "port",
    [GATEHOUSE_SCOPE_PROGRAM_NAME] = "name",
};
static const char *const until_names[] = {[CHOICE_ONCE] = "once",
                                          [CHOICE_MINUTES] = "minutes",
                                          [CHOICE_EXIT] = "exit",
                                          [CHOICE_REBOOT] = "reboot",
                                          [CHOICE_ALWAYS] = "always"};
static const char *const verdict_names[] = {"none", "permit", "block"};
/* As `gatehouse watch --json` has them. */
static const char *const by_names[] = {"none", "decider", "answer", "deadline",    "no-decider",
                                       "full", "cancel",  "unload", "cannot-pend", "rule"};

/* -1: it is none of them. */
static int find(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return (int)i;
    }
    return -1;
}

bool choice_scope_read(const char *name, enum gatehouse_scope *scope)
{
    int found = find(scope_names, COUNT(scope_names), name);

    if (found >= 0)
        *scope = (enum gatehouse_scope)found;
    return found >= 0;
}

const char *choice_scope_name(enum gatehouse_scope scope)
{
    return (size_t)scope < COUNT(scope_names) ? scope_names[scope] : NULL;
}

bool choice_until_read(const char *name, enum choice_until *until)
{
    int found = find(until_names, COUNT(until_names), name);

    if (found >= 0)
        *until = (enum choice_until)found;
    return found >= 0;
}

const char *choice_until_name(enum choice_until until)
{
    return (size_t)until < COUNT(until_names) ? until_names[until] : NULL;
}

bool choice_verdict_read(const char *name, unsigned *verdict)
{
    int found = find(verdict_names, COUNT(verdict_names), name);

    if (found >= 0)
        *verdict = (unsigned)found;
    return found >= 0;
}

const char *choice_verdict_name(unsigned verdict)
{
    return verdict < COUNT(verdict_names) ? verdict_names[verdict] : verdict_names[0];
}

bool choice_by_read(const char *name, unsigned *by)
{
    int found = find(by_names, COUNT(by_names), name);

    if (found >= 0)
        *by = (unsigned)found;
    return found >= 0;
}

const char *choice_by_name(unsigned by)
{
    return by < COUNT(by_names) ? by_names[by] : by_names[0];
}

const char *choice_wrong(const struct choice *choice)
{
    if ((choice->scope == GATEHOUSE_SCOPE_CONNECTION) != (choice->until == CHOICE_ONCE))
        return "An answer for one connection holds once, and any other for longer: choose both.";
    if (choice->until == CHOICE_MINUTES && (choice->minutes == 0 || choice->minutes > CHOICE_MINUTES_MAX))
        return "An answer holds for 1 to 71582 minutes: give such a number.";
    return NULL;
}

struct gatehouse_decision choice_decision(const struct choice *choice, uint64_t id)
{
    struct gatehouse_decision decision = {
        .id = id,
        .verdict = choice->permit ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK,
        .scope = choice->scope,
        .lifetime_ms = GATEHOUSE_LIFETIME_FOREVER,
    };

    if (choice->until == CHOICE_MINUTES)
        decision.lifetime_ms = choice->minutes * 60000u;
    else if (choice->until == CHOICE_EXIT)
        decision.until = GATEHOUSE_UNTIL_EXIT;
    else if (choice->until == CHOICE_REBOOT)
        decision.until = GATEHOUSE_UNTIL_REBOOT;
    return decision;
}

void choice_show_until(struct text *text, const struct choice *choice)
{
    switch (choice->until) {
    case CHOICE_MINUTES:
        text_add_format(text, " for %u minute%s", (unsigned)choice->minutes, choice->minutes == 1 ? "" : "s");
        break;
    case CHOICE_EXIT:
        text_add(text, " until the program exits");
        break;
    case CHOICE_REBOOT:
        text_add(text, " until reboot");
        break;
    case CHOICE_ALWAYS:
        text_add(text, " always");
        break;
    default:
        break;
    }
}
