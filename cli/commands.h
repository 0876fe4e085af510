/* SPDX-License-Identifier: MIT */
/*
 * commands.h - the commands of gatehouse. Each returns how it ended, with a sentence unless AGENT_OK or AGENT_STOPPED.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/options.h"

enum agent_result command_run(const struct options *options, struct problem *problem);

#endif
