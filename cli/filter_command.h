/* SPDX-License-Identifier: MIT */
/*
 * filter_command.h - gatehouse filter add | list | remove.
 */
#ifndef CLI_FILTER_COMMAND_H
#define CLI_FILTER_COMMAND_H

#include "cli/options.h"

/* As command_run; path is the device. */
enum agent_result filter_command_run(const struct options *options, const char *path, struct problem *problem);

#endif
