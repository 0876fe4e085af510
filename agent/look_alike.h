/* SPDX-License-Identifier: MIT */
/*
 * look_alike.h - how the name of a destination is shown to a person who has to decide about it.
 *
 *     example.org                      example.org
 *     xn--bcher-kva.example            xn--bcher-kva.example (bücher.example)
 *     xn--pypal-4ve.com                looks like paypal.com, but is xn--pypal-4ve.com: it mixes Latin and Cyrillic
 * letters rnicrosoft.com                   looks like microsoft.com, but is rnicrosoft.com
 *
 * A name is marked when one of its labels mixes scripts that no language mixes, when all its letters look like others
 * of plain ASCII, when it has characters that names seldom have or cannot be read at all, or when it differs only in
 * look from one of a few names that are often imitated. docs/rules.md tells people; docs/decisions.md why this is no
 * library.
 *
 * Any bytes are taken: what no name may have is written as \xNN, so the text never acts on a terminal. It has no "<",
 * ">" or "&" of its own, but the page escapes it like any text. User mode, no lock, nothing is global.
 */
#ifndef AGENT_LOOK_ALIKE_H
#define AGENT_LOOK_ALIKE_H

#include <stdbool.h>

#include "agent/text.h"

/* Appends the line for the name, ASCII as requests carry it (a rule's "*.example.org" too). True: it is marked, the
 * line is a warning. False: it is the name, with its reading behind it where it has one. */
bool look_alike_describe(const char *name, struct text *text);

#endif
