/* SPDX-License-Identifier: MIT */
/*
 * terminal.h - the person's keyboard and screen: standard input and output.
 */
#ifndef AGENT_TERMINAL_H
#define AGENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/result.h"

/* Whether input, and output, are a person's terminal. */
bool terminal_has_keys(void);
bool terminal_has_screen(void);

/*
 * From now on each key is read at once and not echoed. Undone by terminal_close, and by the signals that
 * stop or end the program (redone when it goes on). Ctrl-C still works.
 */
enum agent_result terminal_open(struct problem *problem);
void terminal_close(void);

/* Forgets all that was typed and not read. */
void terminal_discard(void);

/* Reads what there is, from a terminal or not, after wait_any said so: the count, 0 at the end, -1 for nothing. */
int terminal_read(char *buffer, size_t size);

/*
 * Writes to standard output without waiting for a slow reader: how many bytes went, 0 when none can
 * go now, -1 when it is closed or full for good.
 */
long terminal_try_write(const char *bytes, size_t count);

#endif
