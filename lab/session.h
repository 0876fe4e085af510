/* SPDX-License-Identifier: MIT */
/*
 * session.h - what the commands that run drivers begin and end with: drivers opened, verifier on, findings kept.
 */
#ifndef LAB_SESSION_H
#define LAB_SESSION_H

#include "lab/options.h"
#include "lab/scenario.h"

/* Opens the drivers only. false: told on stderr. */
bool session_open(const struct options *options);

/* false: told on stderr. */
bool session_begin(const struct options *options);
void session_end(void);

/* NULL path: the built-in one, for drivers that need no client. NULL: told on stderr. */
struct scenario *session_scenario(const char *path);

/* How the step `state` writes. */
void session_state_as_json(bool json);

#endif
