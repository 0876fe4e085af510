/* SPDX-License-Identifier: MIT */
/*
 * people.h - the commands for people: they need what there is on Linux only, and elsewhere say so.
 */
#ifndef CLI_PEOPLE_H
#define CLI_PEOPLE_H

#include "cli/options.h"

/* As command_run; path is that of the device. */
enum agent_result people_run(const struct options *options, const char *path, struct problem *problem);
enum agent_result people_notify(const struct options *options, struct problem *problem);
enum agent_result people_ui(const struct options *options, const char *path, struct problem *problem);
/* log, top, apps, show, export, why */
enum agent_result people_past(const struct options *options, const char *path, struct problem *problem);

#endif
