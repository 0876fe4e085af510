/* SPDX-License-Identifier: MIT */
/*
 * rules_command.h - `gatehouse rules check|load|list|add|remove|explain|diff`.
 */
#ifndef CLI_RULES_COMMAND_H
#define CLI_RULES_COMMAND_H

#include "cli/options.h"

/* path: of the device. */
enum agent_result rules_command_run(const struct options *options, const char *path, struct problem *problem);

#endif
