/* SPDX-License-Identifier: MIT */
/*
 * punycode.h - what an xn-- label stands for (RFC 3492).
 *
 * Only for reading: names are compared, kept and sent in their ASCII form. The way back, from Unicode to ASCII, needs
 * the tables of IDNA and is the system's (policy.h, find_ascii). User mode, no allocation, nothing is global.
 */
#ifndef POLICY_PUNYCODE_H
#define POLICY_PUNYCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUNYCODE_LABEL_MAX 63u /* of a label, in bytes; no label has more characters than that */

/* An ASCII label, xn-- or not, as its characters. False: it is an xn-- label that stands for nothing, or for ASCII
 * alone, or for what no name may have (controls, what turns text round), or longer than a label may be; count is
 * untouched then. */
bool punycode_label_read(const char *label, size_t length, uint32_t characters[PUNYCODE_LABEL_MAX], unsigned *count);

/* UTF-8 of one character, 1 to 4 bytes. */
unsigned punycode_character_write(uint32_t character, char bytes[4]);

/* A whole name, with all its labels read, in UTF-8 with a NUL. False: it has no xn-- label, or one that cannot be read,
 * or does not fit; text is untouched then. "*" labels stay. */
bool punycode_name_read(const char *name, size_t length, char *text, size_t capacity);
#define PUNYCODE_NAME_TEXT_MAX 1024u /* always enough for a name of 253 bytes */

#endif
