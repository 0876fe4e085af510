/* SPDX-License-Identifier: MIT */
/*
 * ask_state.h - what ask.c and ask_screen.c share, and nobody else sees.
 */
#ifndef AGENT_ASK_STATE_H
#define AGENT_ASK_STATE_H

#include "agent/ask.h"
#include "agent/client.h"
#include "agent/person.h"
#include "agent/questions.h"
#include "agent/text.h"

#define ASK_OUTPUT_SIZE ((uint32_t)GATEHOUSE_REQUEST_MAX_SIZE)

struct ask {
    struct client decider;
    struct client observer;
    bool reading; /* a GET_REQUESTS is under way */
    struct questions questions;
    struct person person;
    struct question *shown;      /* before the person now; in questions too; NULL: none */
    struct question *submitted;  /* answered, and the driver has not said yet; in questions too; NULL: none */
    enum person_answer given;    /* for submitted */
    struct person_choice choice; /* for submitted */
    uint64_t shown_at;           /* boot times */
    uint64_t submitted_at;
    uint64_t next_tick;  /* when the shown time left changes; with a screen only */
    bool armed;          /* what the person says now counts */
    bool screen;         /* single keys, and a terminal to show the prompt on */
    size_t prompt_width; /* of the open prompt line; 0: none */
    struct text line;
    _Alignas(8) uint8_t buffer[TRANSPORT_BUFFER_SIZE(ASK_OUTPUT_SIZE)];
};

/* Shows ask->shown, with the time left and how many more wait. */
void ask_screen_question(struct ask *ask, uint64_t now);
/* The line that waits for a key, again; without a terminal, nothing. */
void ask_screen_prompt(struct ask *ask, uint64_t now);
/* Brings the time left up to date once a second. */
void ask_screen_tick(struct ask *ask, uint64_t now);
/* Shows which key was understood. */
void ask_screen_echo(struct ask *ask, enum person_answer answer);
void ask_screen_help(struct ask *ask, bool whole);
/* What became of the answer that was submitted. */
void ask_screen_result(struct ask *ask, uint32_t status);
void ask_screen_withdraw(struct ask *ask, const struct request *request, unsigned by, unsigned verdict);
void ask_screen_say(struct ask *ask, const char *sentence);
/* Ends an open prompt line. */
void ask_screen_wipe(struct ask *ask);

#endif
