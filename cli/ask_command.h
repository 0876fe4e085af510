/* SPDX-License-Identifier: MIT */
/*
 * ask_command.h - gatehouse ask: the screen where there is a terminal for it, else a line for each question.
 */
#ifndef CLI_ASK_COMMAND_H
#define CLI_ASK_COMMAND_H

#include "agent/session.h"
#include "cli/options.h"

/* session is that of the line prompt. */
enum agent_result ask_command_run(const struct options *options, struct session *session, struct problem *problem);

/* The line prompt, on every system. */
enum agent_result ask_command_lines(struct session *session, struct problem *problem);

#endif
