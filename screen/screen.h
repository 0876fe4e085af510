/* SPDX-License-Identifier: MIT */
/*
 * screen.h - `gatehouse ask` on a terminal that can: all that waits, in full view.
 *
 * A peer of the desk (desk/join.h): that of `gatehouse run`, or one of its own. It wakes up for what the desk says, for
 * keys, and, while a question is shown, once a second.
 */
#ifndef SCREEN_SCREEN_H
#define SCREEN_SCREEN_H

#include <stdbool.h>

#include "agent/result.h"
#include "desk/join.h"

/* Whether there is a terminal for it. */
bool screen_can(void);

/*
 * Until the person quits (AGENT_OK), a stop is requested (AGENT_STOPPED), the terminal goes away (AGENT_INPUT_ENDED),
 * or the desk ends for good. say: what becomes of held connections, after the screen is gone.
 */
enum agent_result screen_run(const struct desk_join_settings *settings, void (*say)(const char *sentence),
                             struct problem *problem);

#endif
