/* SPDX-License-Identifier: MIT */
/*
 * person.h - what a person answers: a key on a terminal, or a line of text.
 *
 * Lines may come before their question (a script); keys may not, and the caller discards them. Parsing is pure.
 */
#ifndef AGENT_PERSON_H
#define AGENT_PERSON_H

#include <stdbool.h>
#include <stddef.h>

enum person_answer {
    PERSON_NONE,    /* nothing was said yet */
    PERSON_UNCLEAR, /* something that is no answer */
    PERSON_HELP,
    PERSON_YES,
    PERSON_NO,
    PERSON_ALWAYS,
    PERSON_NEVER,
    PERSON_END /* nobody answers any more */
};

#define PERSON_WAITING_MAX 4096u

struct person {
    bool keys;  /* single keys instead of lines */
    bool ended; /* the input's end was read */
    bool skips; /* inside a line that was too long */
    char waiting[PERSON_WAITING_MAX];
    size_t count;
};

/* There is room to read more. */
bool person_has_room(const struct person *person);

/* Takes count bytes that were read (0: the end). With keys, what waited before is forgotten. */
void person_hear(struct person *person, const char *bytes, size_t count);

/* The next answer; PERSON_END once nothing waits and the input ended. */
enum person_answer person_take(struct person *person);

/* Whether person_take would tell PERSON_END. */
bool person_is_gone(const struct person *person);

#endif
