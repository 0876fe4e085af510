/* SPDX-License-Identifier: MIT */
/*
 * scenario_parse.h - what the two halves of the parser share.
 *
 * scenario_parse.c has the lines, the platform's steps and those of Gatehouse's clients;
 * scenario_parse_rules.c those about rules;
 * scenario_parse_raw.c the steps of clients that speak any driver's protocol, and of the machine.
 */
#ifndef LAB_SCENARIO_PARSE_H
#define LAB_SCENARIO_PARSE_H

#include "lab/scenario_words.h"

#define SLEEP_MAX_MS 10000000u

/* Takes the words behind a step's own; what is left over is refused by the caller. */
typedef bool parse_step(struct words *words, struct scenario *scenario, struct scenario_step *step);

parse_step parse_open, parse_send, parse_port, parse_message, parse_reply, parse_expect, parse_irql, parse_suspend,
    parse_fault;
parse_step parse_rules, parse_rule, parse_name, parse_exit;

/* permit or block, as GATEHOUSE_VERDICT_*. */
bool parse_verdict(struct words *words, uint32_t *verdict);

/* A new client's name. */
bool parse_raw_client(struct words *words, struct scenario *scenario, struct scenario_step *step);

void scenario_raw_free(struct scenario_raw *raw);
void scenario_image_free(struct scenario_image *image); /* or NULL */

#endif
