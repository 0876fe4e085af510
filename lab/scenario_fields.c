/* SPDX-License-Identifier: MIT */
/*
 * scenario_fields.c - see scenario_fields.h.
 */
#include "lab/scenario_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void store(uint8_t *bytes, uint64_t number, uint32_t width)
{
    for (uint32_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t load(const uint8_t *bytes, uint32_t width)
{
    uint64_t number = 0;

    for (uint32_t i = 0; i < width; i++)
        number |= (uint64_t)bytes[i] << (8 * i);
    return number;
}

uint8_t *fields_compose(const struct scenario_fields *fields, const struct run_variable *variables)
{
    uint8_t *composed = malloc(fields->size + 1), *bytes = composed;

    if (composed == NULL)
        abort();
    for (size_t i = 0; i < fields->count; i++) {
        const struct scenario_field *field = &fields->field[i];

        if (field->kind == FIELD_NUMBER)
            store(bytes, field->number, field->width);
        else if (field->kind == FIELD_VARIABLE)
            store(bytes, variables[field->variable].value, field->width);
        else if (field->bytes != NULL)
            memcpy(bytes, field->bytes, field->width);
        else
            memset(bytes, 0, field->width);
        bytes += field->width;
    }
    return composed;
}

static bool is_as_given(const struct scenario_field *field, const uint8_t *bytes)
{
    static const uint8_t zeros[64];

    if (field->kind == FIELD_NUMBER)
        return load(bytes, field->width) == field->number;
    if (field->kind != FIELD_BYTES || field->bytes != NULL)
        return field->kind != FIELD_BYTES || memcmp(bytes, field->bytes, field->width) == 0;
    for (uint32_t i = 0; i < field->width; i += sizeof(zeros)) {
        uint32_t size = field->width - i < sizeof(zeros) ? field->width - i : (uint32_t)sizeof(zeros);

        if (memcmp(bytes + i, zeros, size) != 0)
            return false;
    }
    return true;
}

void fields_take(const struct scenario_fields *fields, struct run_variable *variables, const uint8_t *bytes,
                 size_t size, char *text, size_t room)
{
    uint32_t at = 0;

    *text = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const struct scenario_field *field = &fields->field[i];

        if (at + field->width > size) {
            snprintf(text, room, ", the field at %u is missing", (unsigned)at);
            return;
        }
        if (field->kind == FIELD_VARIABLE) {
            variables[field->variable] = (struct run_variable){true, load(bytes + at, field->width)};
        } else if (!is_as_given(field, bytes + at) && *text == 0) {
            if (field->kind == FIELD_NUMBER)
                snprintf(text, room, ", at %u is %llu", (unsigned)at,
                         (unsigned long long)load(bytes + at, field->width));
            else
                snprintf(text, room, ", at %u is something else", (unsigned)at);
        }
        at += field->width;
    }
}
