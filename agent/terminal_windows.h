/* SPDX-License-Identifier: MIT */
/*
 * terminal_windows.h - what only wait_windows.c may know of the terminal.
 *
 * Neither a pipe nor a console can be read or written without maybe waiting, so threads do that. Each "is ready" that
 * says no makes its event (a HANDLE) tell when to ask again.
 */
#ifndef AGENT_TERMINAL_WINDOWS_H
#define AGENT_TERMINAL_WINDOWS_H

#include <stdbool.h>

/* Whether terminal_read would tell something. Asking makes a thread read one piece of what is no console. */
bool terminal_input_is_ready(void);
void *terminal_input_event(void);

/* Whether terminal_try_write would take something. */
bool terminal_output_is_ready(void);
void *terminal_output_event(void);

#endif
