/* SPDX-License-Identifier: MIT */
/*
 * learn_command.h - rules that somebody else's program, or what was seen, gives: import and learn. Only on Linux.
 */
#ifndef CLI_LEARN_COMMAND_H
#define CLI_LEARN_COMMAND_H

#include "cli/options.h"

/* Both print a file of rules. AGENT_USAGE without more to do, and so exit status 1, when not all was carried over, or
 * nothing was seen. */
enum agent_result learn_import(const struct options *options, struct problem *problem);
enum agent_result learn_propose(const struct options *options, struct problem *problem);

#endif
