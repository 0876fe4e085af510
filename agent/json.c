/* SPDX-License-Identifier: MIT */
/*
 * json.c - see json.h.
 */
#include "agent/json.h"

#include <inttypes.h>
#include <string.h>

#include "core/path_text.h"

static void put_name(struct json *json, const char *name)
{
    if (json->follows)
        text_add(json->text, ",");
    if (name != NULL)
        text_add_format(json->text, "\"%s\":", name);
    json->follows = true;
}

void json_open(struct json *json, const char *name)
{
    put_name(json, name);
    text_add(json->text, "{");
    json->follows = false;
}

void json_close(struct json *json)
{
    text_add(json->text, "}");
    json->follows = true;
}

void json_number(struct json *json, const char *name, uint64_t value)
{
    put_name(json, name);
    text_add_format(json->text, "%" PRIu64, value);
}

void json_identifier(struct json *json, const char *name, uint64_t value)
{
    put_name(json, name);
    text_add_format(json->text, "\"%" PRIu64 "\"", value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    put_name(json, name);
    text_add(json->text, value ? "true" : "false");
}

static void put_character(struct text *text, uint32_t character)
{
    uint8_t bytes[4];

    if (character == '"' || character == '\\')
        text_add_format(text, "\\%c", (char)character);
    else if (character < 0x20u || (character >= 0x7Fu && character < 0xA0u) ||
             (character >= 0xD800u && character <= 0xDFFFu))
        text_add_format(text, "\\u%04x", (unsigned)character);
    else
        text_add_bytes(text, (const char *)bytes, path_text_put_utf8(character, bytes));
}

static void put_utf16(struct text *text, const uint8_t *utf16, size_t size)
{
    text_add(text, "\"");
    for (size_t at = 0; at + 2 <= size;) {
        uint32_t character;

        at += path_text_next(utf16 + at, size - at, &character);
        put_character(text, character);
    }
    text_add(text, "\"");
}

void json_path(struct json *json, const char *name, const uint8_t *utf16, size_t size)
{
    put_name(json, name);
    put_utf16(json->text, utf16, size);
}

void json_string(struct json *json, const char *name, const char *value)
{
    uint8_t utf16[PATH_TEXT_UTF16_SIZE(1024)];
    size_t size = 0;
    size_t count;

    put_name(json, name);
    if (value == NULL) {
        text_add(json->text, "null");
        return;
    }
    count = strlen(value);
    if (count > 1024)
        count = 1024;
    (void)path_text_from_bytes((const uint8_t *)value, count, utf16, sizeof(utf16), &size);
    put_utf16(json->text, utf16, size);
}
