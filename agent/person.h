/* SPDX-License-Identifier: MIT */
/*
 * person.h - what a person answers: a key on a terminal, or a line of text.
 *
 * A line is words in any order: "y", "n 10 minutes", "yes until exit program". With keys, those that say how long and
 * how far (digits for minutes, e, r, p) come before the one that answers. Lines may come before their question (a
 * script); keys may not, and the caller discards them. Parsing is pure.
 */
#ifndef AGENT_PERSON_H
#define AGENT_PERSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum person_answer {
    PERSON_NONE,    /* nothing was said yet */
    PERSON_UNCLEAR, /* something that is no answer */
    PERSON_HELP,
    PERSON_YES,
    PERSON_NO,
    PERSON_ALWAYS,
    PERSON_NEVER,
    PERSON_CHOICE,   /* a key that says how long or how far; the answer is yet to come */
    PERSON_HOW_LONG, /* for the whole program, but not how long */
    PERSON_END       /* nobody answers any more */
};

/* How long and how far YES and NO reach; how far, for ALWAYS and NEVER. All zero: this connection only. */
struct person_choice {
    bool program;     /* to anywhere, not only this destination */
    uint8_t until;    /* enum gatehouse_rule_until; UNTIL_REMOVED: not said */
    uint32_t minutes; /* for UNTIL_TIME */
};
/* What a lifetime in milliseconds has room for. */
#define PERSON_MINUTES_MAX 71582u

#define PERSON_WAITING_MAX 4096u

struct person {
    bool keys;                   /* single keys instead of lines */
    bool ended;                  /* the input's end was read */
    bool skips;                  /* inside a line that was too long */
    struct person_choice choice; /* with person_take's answer; with keys, what was chosen so far */
    char waiting[PERSON_WAITING_MAX];
    size_t count;
};

/* There is room to read more. */
bool person_has_room(const struct person *person);

/* Takes count bytes that were read (0: the end). With keys, what waited before is forgotten. */
void person_hear(struct person *person, const char *bytes, size_t count);

/* A new question: what was chosen for the one before is forgotten. */
void person_begin(struct person *person);

/* The next answer; PERSON_END once nothing waits and the input ended. */
enum person_answer person_take(struct person *person);

/* Whether person_take would tell PERSON_END. */
bool person_is_gone(const struct person *person);

#endif
