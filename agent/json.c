/* SPDX-License-Identifier: MIT */
/*
 * json.c - see json.h.
 */
#include "agent/json.h"

#include <inttypes.h>
#include <string.h>

#include "core/path_text.h"

#define PIECE 1024u

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

void json_open_list(struct json *json, const char *name)
{
    put_name(json, name);
    text_add(json->text, "[");
    json->follows = false;
}

void json_close_list(struct json *json)
{
    text_add(json->text, "]");
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
    else if (character > 0xFFFFu && text_is_unsafe(character)) /* what a terminal would act on, it is not shown raw */
        text_add_format(text, "\\u%04x\\u%04x", 0xD7C0u + (unsigned)(character >> 10),
                        0xDC00u + (unsigned)(character & 0x3FFu));
    else if (text_is_unsafe(character))
        text_add_format(text, "\\u%04x", (unsigned)character);
    else
        text_add_bytes(text, (const char *)bytes, path_text_put_utf8(character, bytes));
}

static void put_utf16(struct text *text, const uint8_t *utf16, size_t size)
{
    for (size_t at = 0; at + 2 <= size;) {
        uint32_t character;

        at += path_text_next(utf16 + at, size - at, &character);
        put_character(text, character);
    }
}

void json_path(struct json *json, const char *name, const uint8_t *utf16, size_t size)
{
    put_name(json, name);
    text_add(json->text, "\"");
    put_utf16(json->text, utf16, size);
    text_add(json->text, "\"");
}

void json_bytes(struct json *json, const char *name, const char *bytes, size_t count)
{
    uint8_t utf16[PATH_TEXT_UTF16_SIZE(PIECE)];

    put_name(json, name);
    text_add(json->text, "\"");
    while (count > 0) {
        size_t piece = count < PIECE ? count : PIECE;
        size_t size = 0;

        /* Not through the middle of a character. */
        for (unsigned back = 0; back < 3 && piece < count && ((unsigned char)bytes[piece] & 0xC0) == 0x80; back++)
            piece--;
        (void)path_text_from_bytes((const uint8_t *)bytes, piece, utf16, sizeof(utf16), &size);
        put_utf16(json->text, utf16, size);
        bytes += piece;
        count -= piece;
    }
    text_add(json->text, "\"");
}

void json_text(struct json *json, const char *name, const char *value)
{
    if (value != NULL) {
        json_bytes(json, name, value, strlen(value));
        return;
    }
    put_name(json, name);
    text_add(json->text, "null");
}
