/* SPDX-License-Identifier: MIT */
/*
 * scenario_parse_raw.c - see scenario_parse.h: bytes sent and received as fields, and the machine's steps.
 */
#include "lab/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

static struct scenario_raw *new_raw(struct scenario_step *step)
{
    step->raw = calloc(1, sizeof(*step->raw));
    if (step->raw == NULL)
        abort();
    return step->raw;
}

static void free_fields(struct scenario_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++)
        free(fields->field[i].bytes);
    free(fields->field);
}

void scenario_raw_free(struct scenario_raw *raw)
{
    if (raw == NULL)
        return;
    free_fields(&raw->in);
    free_fields(&raw->out);
    free(raw);
}

/* --- Fields --- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* hex:0011aa */
static bool read_bytes(const char *text, struct scenario_field *field)
{
    size_t size = strlen(text);

    if (size == 0 || size % 2 != 0)
        return false;
    field->kind = FIELD_BYTES;
    field->width = (uint32_t)(size / 2);
    field->bytes = malloc(field->width);
    if (field->bytes == NULL)
        abort();
    for (size_t i = 0; i < field->width; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        field->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_number(const char *text, uint64_t highest, uint64_t *number)
{
    bool hex = text[0] == '0' && text[1] == 'x';
    uint64_t base = hex ? 16 : 10, value = 0;

    text += hex ? 2 : 0;
    if (*text == 0)
        return false;
    for (; *text != 0; text++) {
        int digit = hex_digit(*text);

        if (digit < 0 || (uint64_t)digit >= base || (uint64_t)digit > highest ||
            value > (highest - (uint64_t)digit) / base)
            return false;
        value = value * base + (uint64_t)digit;
    }
    *number = value;
    return true;
}

static const struct {
    const char *begin;
    uint32_t width;
} widths[] = {{"u8:", 1}, {"u16:", 2}, {"u32:", 4}, {"u64:", 8}};

/* u8:N u16:N u32:N u64:N; N may be $variable, and _ where it is received. */
static bool read_sized(struct words *words, struct scenario *scenario, const char *text, bool received,
                       struct scenario_field *field, bool *told)
{
    if (received && strcmp(text, "_") == 0) {
        field->kind = FIELD_IGNORED;
        return true;
    }
    if (*text == '$') {
        field->kind = FIELD_VARIABLE;
        *told = true;
        return words_variable(words, scenario, text + 1, received, &field->variable);
    }
    field->kind = FIELD_NUMBER;
    return read_number(text, UINT64_MAX >> (64 - 8 * field->width), &field->number);
}

static bool read_field(struct words *words, struct scenario *scenario, bool received, struct scenario_field *field)
{
    const char *word = words->word[words->at];
    bool told = false;
    uint64_t size;

    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        size_t begin = strlen(widths[i].begin);

        if (strncmp(word, widths[i].begin, begin) != 0)
            continue;
        field->width = widths[i].width;
        if (read_sized(words, scenario, word + begin, received, field, &told))
            return true;
        return !told && words_expected(words, received ? "a number that fits, $variable or _ behind the colon"
                                                       : "a number that fits, or $variable, behind the colon");
    }
    if (strncmp(word, "hex:", 4) == 0)
        return read_bytes(word + 4, field) || words_expected(words, "an even number of hexadecimal digits behind hex:");
    if (strncmp(word, "zero:", 5) == 0) {
        field->kind = FIELD_BYTES;
        if (!read_number(word + 5, SCENARIO_BYTES_MAX, &size))
            return words_expected(words, "a number of bytes up to 65536 behind zero:");
        field->width = (uint32_t)size;
        return true;
    }
    return words_expected(words, "u8:N, u16:N, u32:N, u64:N, hex:0011aa or zero:N");
}

/* Up to the end of the line, or to "out". */
static bool read_fields(struct words *words, struct scenario *scenario, bool received, struct scenario_fields *fields)
{
    while (words_are_left(words) && strcmp(words->word[words->at], "out") != 0) {
        struct scenario_field *field;

        if (fields->count == SCENARIO_FIELDS_MAX)
            return words_expected(words, "no more than 64 fields");
        if (fields->field == NULL)
            fields->field = calloc(SCENARIO_FIELDS_MAX, sizeof(*fields->field));
        if (fields->field == NULL)
            abort();
        field = &fields->field[fields->count++];
        if (!read_field(words, scenario, received, field))
            return false;
        fields->size += field->width;
        if (fields->size > SCENARIO_BYTES_MAX)
            return words_expected(words, "no more than 65536 bytes in all");
        words->at++;
    }
    return true;
}

/* --- Clients --- */

bool parse_raw_client(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return words_new(words, scenario, &scenario->clients, &step->subject);
}

static bool known_client(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return words_known(words, &scenario->clients, "a client", &step->subject);
}

/* A name again opens it again, once it is closed. */
static bool any_client(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return words_find(words, &scenario->clients, &step->subject) ? known_client(words, scenario, step)
                                                                 : parse_raw_client(words, scenario, step);
}

bool parse_open(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return any_client(words, scenario, step) &&
           words_text(words, "a device's name (as behind \\\\.\\)", new_raw(step)->name, SCENARIO_PATH_MAX);
}

bool parse_port(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return any_client(words, scenario, step) &&
           words_text(words, "a port's name (\\Name)", new_raw(step)->name, SCENARIO_PATH_MAX);
}

/* send NAME CODE [in FIELD...] [out SIZE | out FIELD...] */
bool parse_send(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    struct scenario_raw *raw = new_raw(step);
    uint64_t number;

    if (!known_client(words, scenario, step) ||
        !words_any_number(words, UINT32_MAX, "a control code (decimal or 0x...)", &number))
        return false;
    raw->code = (uint32_t)number;
    if (words_take(words, "in") && !read_fields(words, scenario, false, &raw->in))
        return false;
    if (!words_take(words, "out"))
        return !words_are_left(words) || words_expected(words, "in, out or the end of the line");
    if (!words_are_left(words))
        return words_expected(words, "a size or fields");
    if (hex_digit(*words->word[words->at]) >= 0 && strchr(words->word[words->at], ':') == NULL) {
        if (!words_any_number(words, SCENARIO_BYTES_MAX, "a size in bytes", &number))
            return false;
        raw->out_size = (uint32_t)number;
        return true;
    }
    if (!read_fields(words, scenario, true, &raw->out))
        return false;
    raw->out_size = raw->out.size;
    return true;
}

bool parse_message(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    struct scenario_raw *raw = new_raw(step);

    return known_client(words, scenario, step) && read_fields(words, scenario, true, &raw->out);
}

bool parse_reply(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    struct scenario_raw *raw = new_raw(step);

    return known_client(words, scenario, step) && read_fields(words, scenario, false, &raw->in);
}

/* --- The machine --- */

bool parse_expect(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return words_known(words, &scenario->connections, "a connection", &step->subject) &&
           parse_verdict(words, &step->value);
}

bool parse_irql(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    static const char *const levels[] = {"passive", "dispatch", "alternate", NULL};

    (void)scenario;
    return words_choice(words, levels, "passive, dispatch or alternate", &step->value);
}

bool parse_suspend(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)scenario;
    return words_number(words, 1, SLEEP_MAX_MS, "milliseconds", &step->value);
}

/* fault ROUTINE [N] */
bool parse_fault(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)scenario;
    step->value = 1;
    return words_text(words, "a routine that can fail (ExAllocatePool2, IoCreateDevice, ...)", new_raw(step)->name,
                      SCENARIO_PATH_MAX) &&
           (!words_are_left(words) || words_number(words, 1, UINT32_MAX, "which call", &step->value));
}
