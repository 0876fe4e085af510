/* SPDX-License-Identifier: MIT */
/*
 * json.h - writes JSON text to a stream, with the commas and escapes in their places.
 *
 * Objects and arrays nest as the calls do. Inside an object each value has a name, elsewhere NULL. A string that is
 * not UTF-8 has U+FFFD in place of each wrong byte. Errors of the stream are the caller's to look for (ferror).
 */
#ifndef LAB_JSON_H
#define LAB_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LAB_JSON_DEPTH_MOST 64u

struct lab_json {
    FILE *out;
    unsigned depth;
    bool indented;                    /* a line for each value */
    bool filled[LAB_JSON_DEPTH_MOST]; /* something stands at this depth: a comma comes first */
};

void lab_json_start(struct lab_json *json, FILE *out, bool indented);
void lab_json_object(struct lab_json *json, const char *name);
void lab_json_object_end(struct lab_json *json);
void lab_json_array(struct lab_json *json, const char *name);
void lab_json_array_end(struct lab_json *json);
void lab_json_string(struct lab_json *json, const char *name, const char *value); /* NULL: null */
void lab_json_number(struct lab_json *json, const char *name, uint64_t value);
void lab_json_boolean(struct lab_json *json, const char *name, bool value);
void lab_json_null(struct lab_json *json, const char *name);

#endif
