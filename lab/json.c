/* SPDX-License-Identifier: MIT */
/*
 * json.c - see json.h. Source: RFC 8259.
 */
#include "lab/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

/* The length of the UTF-8 sequence that text begins with; 0: it is none. */
static unsigned sequence(const unsigned char *text)
{
    static const struct {
        unsigned char mask, value, low, high; /* of the first byte; range of the second */
        unsigned length;
    } kinds[] = {{0xff, 0xe0, 0xa0, 0xbf, 3}, {0xff, 0xed, 0x80, 0x9f, 3}, {0xf0, 0xe0, 0x80, 0xbf, 3},
                 {0xff, 0xf0, 0x90, 0xbf, 4}, {0xff, 0xf4, 0x80, 0x8f, 4}, {0xf8, 0xf0, 0x80, 0xbf, 4}};
    if (text[0] < 0x80)
        return 1;
    if (text[0] >= 0xc2 && text[0] <= 0xdf)
        return (text[1] & 0xc0) == 0x80 ? 2 : 0;
    if (text[0] > 0xf4)
        return 0;
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
        if ((text[0] & kinds[index].mask) != kinds[index].value)
            continue;
        if (text[1] < kinds[index].low || text[1] > kinds[index].high || (text[2] & 0xc0) != 0x80)
            return 0;
        return kinds[index].length == 3 || (text[3] & 0xc0) == 0x80 ? kinds[index].length : 0;
    }
    return 0;
}

static void put_string(FILE *out, const char *value)
{
    const unsigned char *text = (const unsigned char *)value;
    fputc('"', out);
    while (*text != '\0') {
        unsigned length = sequence(text);
        if (length == 0) {
            fputs("\\ufffd", out);
            length = 1;
        } else if (*text == '"' || *text == '\\') {
            fprintf(out, "\\%c", *text);
        } else if (*text == '\n') {
            fputs("\\n", out);
        } else if (*text < 0x20 || *text == 0x7f) {
            fprintf(out, "\\u%04x", *text);
        } else {
            fwrite(text, 1, length, out);
        }
        text += length;
    }
    fputc('"', out);
}

static void new_line(const struct lab_json *json)
{
    if (json->indented)
        fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
}

static void lead(struct lab_json *json, const char *name)
{
    if (json->filled[json->depth])
        fputc(',', json->out);
    if (json->depth != 0)
        new_line(json);
    json->filled[json->depth] = true;
    if (name != NULL) {
        put_string(json->out, name);
        fputs(json->indented ? ": " : ":", json->out);
    }
}

static void descend(struct lab_json *json, const char *name, char bracket)
{
    lead(json, name);
    fputc(bracket, json->out);
    assert(json->depth + 1 < LAB_JSON_DEPTH_MOST);
    json->filled[++json->depth] = false;
}

static void ascend(struct lab_json *json, char bracket)
{
    bool filled = json->filled[json->depth--];
    if (filled)
        new_line(json);
    fputc(bracket, json->out);
}

void lab_json_start(struct lab_json *json, FILE *out, bool indented)
{
    *json = (struct lab_json){.out = out, .indented = indented};
}

void lab_json_object(struct lab_json *json, const char *name)
{
    descend(json, name, '{');
}

void lab_json_object_end(struct lab_json *json)
{
    ascend(json, '}');
}

void lab_json_array(struct lab_json *json, const char *name)
{
    descend(json, name, '[');
}

void lab_json_array_end(struct lab_json *json)
{
    ascend(json, ']');
}

void lab_json_string(struct lab_json *json, const char *name, const char *value)
{
    lead(json, name);
    if (value == NULL)
        fputs("null", json->out);
    else
        put_string(json->out, value);
}

void lab_json_number(struct lab_json *json, const char *name, uint64_t value)
{
    lead(json, name);
    fprintf(json->out, "%" PRIu64, value);
}

void lab_json_boolean(struct lab_json *json, const char *name, bool value)
{
    lead(json, name);
    fputs(value ? "true" : "false", json->out);
}

void lab_json_null(struct lab_json *json, const char *name)
{
    lab_json_string(json, name, NULL);
}
