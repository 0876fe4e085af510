/* SPDX-License-Identifier: MIT */
/*
 * say.h - sentences that are no result: on standard error, so that they never mix with what a script reads.
 */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include "agent/program_path.h"

/* "gatehouse: SENTENCE". */
void say(const char *sentence);

/*
 * Says where a written program path led, if that is not plain: "WRITTEN leads to RESOLVED: LED." or
 * "no program is at WRITTEN now: ABSENT."
 */
void say_program_path(const char *written, const char *resolved, enum program_path_kind kind, const char *led,
                      const char *absent);

#endif
