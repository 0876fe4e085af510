/* SPDX-License-Identifier: MIT */
/*
 * choice.h - what a person answers: the verdict, how far it reaches, how long it holds. Its names in docs/desk.md, its
 * words for people, and the driver's decision for it.
 *
 * Pure. When the driver gains a scope or a lifetime, add it here and in docs/desk.md.
 */
#ifndef DESK_CHOICE_H
#define DESK_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include <gatehouse/protocol.h>

#include "agent/text.h"

enum choice_until { CHOICE_ONCE, CHOICE_MINUTES, CHOICE_EXIT, CHOICE_REBOOT, CHOICE_ALWAYS };

/* What a lifetime in milliseconds has room for. */
#define CHOICE_MINUTES_MAX 71582u

struct choice {
    bool permit;
    enum gatehouse_scope scope; /* CONNECTION goes with ONCE, the others with anything else */
    enum choice_until until;
    uint32_t minutes; /* 1 to CHOICE_MINUTES_MAX with CHOICE_MINUTES; else 0 */
};

/* "connection", "destination", "port", "program", "name"; false, or NULL, for what is none. */
bool choice_scope_read(const char *name, enum gatehouse_scope *scope);
const char *choice_scope_name(enum gatehouse_scope scope);
/* "once", "minutes", "exit", "reboot", "always" */
bool choice_until_read(const char *name, enum choice_until *until);
const char *choice_until_name(enum choice_until until);
/* enum gatehouse_verdict: "permit", "block", "none"; enum gatehouse_decided_by as `gatehouse watch --json` has it. */
bool choice_verdict_read(const char *name, unsigned *verdict);
const char *choice_verdict_name(unsigned verdict);
bool choice_by_read(const char *name, unsigned *by);
const char *choice_by_name(unsigned by);

/* NULL, or in one sentence why scope, lifetime and minutes do not go together. */
const char *choice_wrong(const struct choice *choice);

/* id is the driver's. The choice is a good one. */
struct gatehouse_decision choice_decision(const struct choice *choice, uint64_t id);

/* " for 10 minutes", " until the program exits", " until reboot", " always"; nothing for ONCE. */
void choice_show_until(struct text *text, const struct choice *choice);

#endif
