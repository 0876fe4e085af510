/* SPDX-License-Identifier: MIT */
/*
 * text.h - a growing line of text that is cleared and used again.
 *
 * Appending never fails loudly: out of memory sets failed, later appends do nothing, and the writer
 * checks once at the end. After the first lines no more memory is taken. One thread.
 */
#ifndef AGENT_TEXT_H
#define AGENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data; /* NUL-terminated once anything was appended; owned */
    size_t used;
    size_t capacity;
    bool failed;
};

/* A zeroed struct text is an empty one. */
void text_free(struct text *text);
void text_clear(struct text *text);
void text_add_bytes(struct text *text, const char *bytes, size_t count);
void text_add(struct text *text, const char *string);
void text_add_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Never NULL. */
const char *text_string(const struct text *text);

/* Controls, characters that are invisible or turn the direction of text around, and those without a meaning. */
bool text_is_unsafe(uint32_t character);

#endif
