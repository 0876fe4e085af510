/* SPDX-License-Identifier: MIT */
/*
 * desk.h - the questions that wait for a person, who may answer them, and what became of each answer.
 *
 * The core: no descriptor, no clock, no wait. Whoever holds it brings what gatehoused says (gate.h), what peers say
 * (server.h), and the time (boot time, agent/clock.h); it says what to send where. So a test can drive it in any order.
 *
 * One question for each held connection. Answers wait in one queue and go to the driver in the order in which they
 * came, whoever gave them; the driver takes the first for each connection and refuses the rest, and that is what their
 * givers are told, in the order in which each gave them. An answer is told "ok" only when the driver has taken it, and
 * what it covered is known. docs/desk.md is the protocol with peers.
 *
 * Bounded: DESK_QUESTIONS_MAX questions, DESK_ANSWERS_MAX answers under way, DESK_UNDO_MAX answers that can be undone.
 * More than that stays in the driver. One thread.
 */
#ifndef DESK_DESK_H
#define DESK_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gatehouse/protocol.h>

#include "agent/clock.h"
#include "agent/wire.h"

#define DESK_QUESTIONS_MAX 4096u
#define DESK_ANSWERS_MAX   4096u
#define DESK_UNDO_MAX      256u
#define DESK_LINE_MAX      65536u /* of the protocol, newline included */

struct desk;
struct desk_peer;

/* Who decided, as far as a person did. Strings are good for the call. */
struct desk_author {
    const char *who;   /* user name; NULL: no person of this desk */
    const char *scope; /* NULL with who */
    uint64_t rule_id;  /* that the answer made, or that a rule's own event tells; 0: none */
};

struct desk_settings {
    void *context;
    /* A new question: look for what is known of its process and past, and call desk_described. NULL: nobody looks. */
    void (*describe)(void *context, uint64_t id, const struct request *request);
    void *describe_context;
    /* A connection's end, once who decided is known. NULL: nobody wants to know. */
    void (*decided)(void *context, const struct event *event, const struct desk_author *author);
};

/* NULL: out of memory. */
struct desk *desk_new(const struct desk_settings *settings);
/* Its peers are freed before. NULL is allowed. */
void desk_free(struct desk *desk);
/* wake is called when there is something for desk_take_decisions or desk_next_change. */
void desk_set_wake(struct desk *desk, void (*wake)(void *context), void *context);

/* --- What gatehoused says ---------------------------------------------------------------------- */

/*
 * Whether this desk's answers count now; sentence says why not, and is copied. When it does not decide any more, all
 * questions are gone, and answers under way have failed.
 */
void desk_set_decider(struct desk *desk, bool decider, const char *sentence, uint64_t now);

/* Room for so many offers. */
unsigned desk_room(const struct desk *desk);
/* A held connection. Copied. False: no room, or no memory. */
bool desk_offer(struct desk *desk, const struct request *request, uint64_t now);
/* What was found about a question: members of JSON. It is shown when that is the whole of it, or DESK_PATIENCE after it
 * came with what is known then. */
void desk_described(struct desk *desk, uint64_t id, const char *members, bool whole, uint64_t now);
#define DESK_PATIENCE (250 * CLOCK_MILLISECOND)
/* Each event of the observer, in order. */
void desk_event(struct desk *desk, const struct event *event, uint64_t now);

/*
 * Decisions in the order to be submitted; 0: none wait, or some are under way. Then exactly one desk_decided with a
 * status for each, or desk_set_decider(false).
 */
unsigned desk_take_decisions(struct desk *desk, struct gatehouse_decision *decisions, unsigned max);
void desk_decided(struct desk *desk, const uint32_t *statuses, unsigned count, uint64_t now);

/* A change of the rules that an undo needs; false: none, or one is under way. Then exactly one desk_changed. */
struct desk_change {
    uint32_t code;     /* GATEHOUSE_IOCTL_RULES_ADD or _REMOVE */
    const void *input; /* good until desk_changed */
    uint32_t input_size;
};
bool desk_next_change(struct desk *desk, struct desk_change *change);
void desk_changed(struct desk *desk, uint32_t status, uint64_t now);
/* The calls' connection ended before an answer: the undo failed. Nothing happens if none is under way. */
void desk_changes_lost(struct desk *desk, uint64_t now);

/* When desk_tick has to be called; 0: not. */
uint64_t desk_due(const struct desk *desk);
void desk_tick(struct desk *desk, uint64_t now);

/* --- Peers ------------------------------------------------------------------------------------- */

struct desk_sender {
    void *context;
    /* One line with its newline. Never waits, never calls back. */
    void (*send)(void *context, const char *line, size_t size);
    /* Whether the peer takes more questions now; desk_peer_pump tells when it does again. NULL: always. */
    bool (*has_room)(void *context);
};

/* user is copied. The greeting and the questions are sent at once. NULL: out of memory. */
struct desk_peer *desk_peer_new(struct desk *desk, const char *user, const struct desk_sender *sender, uint64_t now);
/* What it answered still counts. */
void desk_peer_free(struct desk_peer *peer);
void desk_peer_pump(struct desk_peer *peer, uint64_t now);
/* One line without its newline, whatever it holds. */
void desk_peer_line(struct desk_peer *peer, const char *line, size_t size, uint64_t now);

/* To the peers that watch: members of one JSON object, without braces and type. */
void desk_tell_connection(struct desk *desk, const char *members);
bool desk_is_watched(const struct desk *desk);

/* --- For tests and for `gatehouse status` ------------------------------------------------------- */

unsigned desk_questions(const struct desk *desk);
unsigned desk_peers(const struct desk *desk);

#endif
