/* SPDX-License-Identifier: MIT */
/*
 * why.h - one connection explained: why it was decided so, and what to type so that it is permitted next time.
 */
#ifndef HISTORY_WHY_H
#define HISTORY_WHY_H

#include "agent/text.h"
#include "history/history.h"

/* "curl (pid 12, user alice) was blocked on Nov 22 14:05:06 when it connected by tcp to example.org:443 (192.0.2.1):
 * the rule 'block ...' (/etc/gatehouse/rules:12) blocks it." One line without its newline. */
void history_why(struct text *text, const struct history_record *record);

/* A rule that permits this program this destination: 'permit program "/usr/bin/curl" out proto tcp to example.org port
 * 443'. False: none can name it well enough (an unknown program, or one of a container). */
bool history_permit_rule(struct text *text, const struct history_record *record);
/* The command to type, for a shell. */
void history_how_to_permit(struct text *text, const struct history_record *record);

#endif
