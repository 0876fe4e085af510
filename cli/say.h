/* SPDX-License-Identifier: MIT */
/*
 * say.h - the two ways out: results on standard output, and sentences that are none on standard error, so that they
 * never mix with what a script reads.
 */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include "agent/program_path.h"
#include "agent/text.h"

/* "gatehouse: SENTENCE". */
void say(const char *sentence);

/* Lines that are whole already, on standard error. */
void say_lines(const char *lines);

/* Writes the text to standard output and frees it. AGENT_FAILED with a sentence. */
enum agent_result say_output(struct text *text, struct problem *problem);

/*
 * Says where a written program path led, if that is not plain: "WRITTEN leads to RESOLVED: LED." or
 * "no program is at WRITTEN now: ABSENT."
 */
void say_program_path(const char *written, const char *resolved, enum program_path_kind kind, const char *led,
                      const char *absent);

#endif
