/* SPDX-License-Identifier: MIT */
/*
 * past_command.h - the commands that read the history: log, export, top, apps, show, why.
 *
 * Only where there is one (people_unix.c). AGENT_USAGE without a sentence, and so exit status 1: nothing was found.
 */
#ifndef CLI_PAST_COMMAND_H
#define CLI_PAST_COMMAND_H

#include "agent/json.h"
#include "cli/options.h"
#include "history/query.h"

/* path is that of the device. */
enum agent_result past_command_run(const struct options *options, const char *path, struct problem *problem);

/* What the command's words and options are about. limit: when none is given. */
enum agent_result past_filter(const struct options *options, uint64_t limit, struct history_filter *filter,
                              struct problem *problem);
enum agent_result past_open(const struct options *options, struct history **history, struct problem *problem);
/* Nothing was found: said in a sentence; the exit status is 1. */
enum agent_result past_nothing(const struct options *options, struct problem *problem);

/* The time as RFC 3339 in UTC. */
void past_json_time(struct json *json, const char *name, int64_t time);
/* Members of what every sum has: first, last, permitted, blocked, bytes_out, bytes_in. */
void past_json_sum(struct json *json, const struct history_sum *sum);

enum agent_result past_apps(const struct options *options, struct problem *problem);
enum agent_result past_top(const struct options *options, struct problem *problem);
enum agent_result past_show(const struct options *options, struct problem *problem);
enum agent_result past_why(const struct options *options, const char *path, struct problem *problem);

#endif
