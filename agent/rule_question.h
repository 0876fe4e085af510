/* SPDX-License-Identifier: MIT */
/*
 * rule_question.h - the connection that `gatehouse rules explain` is about, read from words.
 *
 * DEST may be an address, a host's name, and either with ":PORT"; a host has as many connections as addresses, and each
 * of them that name, as if the program had looked it up. What is not given is not known, and no rule that asks for it
 * matches.
 */
#ifndef AGENT_RULE_QUESTION_H
#define AGENT_RULE_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/match.h"

#include "agent/result.h"
#include "agent/rule_system.h"
#include "agent/text.h"

#define RULE_QUESTION_SIDS_MAX 128u

/* As written; NULL: not given. */
struct rule_question_words {
    const char *program, *destination;
    const char *port, *protocol, *user, *from, *unit;
    bool in; /* the program is asked to accept; destination is its own end */
};

struct rule_question {
    char program[POLICY_PATH_MAX];
    uint8_t program_utf16[2 * POLICY_PATH_MAX];
    struct policy_sid sids[RULE_QUESTION_SIDS_MAX];
    struct policy_connection connection; /* but for its addresses; points into this struct */
    struct rule_address addresses[RULE_ADDRESSES_MAX];
    unsigned address_count;
    char name[POLICY_NAME_ASCII_MAX]; /* of the host; "": an address was given */
    const char *names[1];
    struct rule_address from; /* family 0: not given */
    uint16_t from_port;
    bool has_from_port;
};

/* AGENT_USAGE with a sentence for the first word that makes no sense. */
enum agent_result rule_question_read(const struct rule_question_words *words, struct rule_question *question,
                                     struct problem *problem);

/* Reads the program's file for its SHA-256, when a rule of the image asks for one. What cannot be read has none. */
void rule_question_hash(struct rule_question *question, const void *image);

/* The connection to (or, with in, at) address number at; false: its family is not that of from. */
bool rule_question_connection(const struct rule_question *question, unsigned at, struct policy_connection *connection);

/* Both ends are this machine: it passes before any rule is looked at. */
bool rule_question_is_loopback(const struct policy_connection *connection);

/* "/usr/bin/curl to tcp 192.0.2.1:443 (example.org) from 192.0.2.9" */
void rule_question_show(struct text *text, const struct rule_question *question,
                        const struct policy_connection *connection);

#endif
