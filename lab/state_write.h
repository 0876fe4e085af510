/* SPDX-License-Identifier: MIT */
/*
 * state_write.h - writes what the filter engine holds: what `netsh wfp show state` gives on Windows.
 */
#ifndef LAB_STATE_WRITE_H
#define LAB_STATE_WRITE_H

#include <stdbool.h>
#include <stdio.h>

#include "wfp/state.h"

/* Tables, one for each kind of which there is something. */
void state_write_text(FILE *out, const struct wfp_state *state);

/* One object on one line, schema "gatehouse-lab-state/1". */
void state_write_json(FILE *out, const struct wfp_state *state);

#endif
