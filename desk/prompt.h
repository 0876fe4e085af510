/* SPDX-License-Identifier: MIT */
/*
 * prompt.h - gatehouse ask as lines, at the desk of `gatehouse run`: the same questions, keys and words as agent/ask.h
 * has for a desk of its own, only that others may answer first, and then it says who did.
 */
#ifndef DESK_PROMPT_H
#define DESK_PROMPT_H

#include "desk/join.h"

/*
 * Asks until a stop (AGENT_STOPPED) or the end of the input (AGENT_INPUT_ENDED): what waits stays on the desk then.
 * settings->remote is taken to be set: AGENT_UNREACHABLE when no desk answers.
 */
enum agent_result prompt_run(const struct desk_join_settings *settings, void (*say)(const char *sentence),
                             struct problem *problem);

#endif
