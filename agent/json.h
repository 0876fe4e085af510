/* SPDX-License-Identifier: MIT */
/*
 * json.h - writes one JSON object at a time into a text.
 *
 * Objects of members, and lists of objects: that is all the programs print. Output is pure ASCII but for valid UTF-8 in
 * strings; control characters are escaped (RFC 8259, section 7). A program's path keeps bytes that are no
 * UTF-8 as \udc80 to \udcff, so that a reader such as Python's json gets the exact path back. Numbers are
 * unsigned; identifiers, which use all 64 bits, go out as strings, since many readers hold 53 bits.
 */
#ifndef AGENT_JSON_H
#define AGENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/text.h"

struct json {
    struct text *text;
    bool follows; /* a member stands before, so a comma is due */
};

/* name is NULL for the outermost object. Names are plain ASCII. */
void json_open(struct json *json, const char *name);
void json_close(struct json *json);
/* Objects follow, each opened without a name. */
void json_open_list(struct json *json, const char *name);
void json_close_list(struct json *json);
void json_number(struct json *json, const char *name, uint64_t value);
void json_identifier(struct json *json, const char *name, uint64_t value);
void json_bool(struct json *json, const char *name, bool value);
/* Bytes that are no UTF-8 become \udc80 to \udcff here too. NULL writes null. */
void json_text(struct json *json, const char *name, const char *value);
void json_bytes(struct json *json, const char *name, const char *bytes, size_t count);
void json_path(struct json *json, const char *name, const uint8_t *utf16, size_t size);

#endif
