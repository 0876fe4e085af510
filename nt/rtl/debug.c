/* SPDX-License-Identifier: MIT */
/*
 * debug.c - DbgPrint, with the Windows meaning of its formats.
 *
 * l is 32 bits, ll and I64 are 64, ws, S and ls are UTF-16, Z and wZ counted strings. Wide strings
 * need pageable tables on Windows, so they are allowed at PASSIVE_LEVEL only.
 * Pages: wdm.h DbgPrint, DbgPrintEx ("... can be called at IRQL <= DIRQL; Unicode format codes only
 * at PASSIVE_LEVEL"); "Reading and Filtering Debugging Messages": by default errors are shown.
 */
#include "nt/internal.h"

#include <stdarg.h>
#include <stdio.h>

static nt_debug_sink *sink_now;
static void *sink_context;

void nt_set_debug_sink(nt_debug_sink *sink, void *context)
{
    __atomic_store_n(&sink_now, NULL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&sink_context, context, __ATOMIC_SEQ_CST);
    __atomic_store_n(&sink_now, sink, __ATOMIC_SEQ_CST);
}

struct output {
    char text[512];
    size_t used;
};

static void put(struct output *output, char byte)
{
    if (output->used + 1 < sizeof output->text)
        output->text[output->used++] = byte;
}

static void put_bytes(struct output *output, const char *bytes, size_t size)
{
    for (size_t index = 0; index < size; index++)
        put(output, bytes[index]);
}

/* UTF-16 to UTF-8; a lone surrogate becomes a question mark. */
static void put_wide(struct output *output, const WCHAR *text, size_t chars)
{
    for (size_t index = 0; index < chars; index++) {
        uint32_t point = text[index];
        if (point >= 0xd800 && point < 0xdc00 && index + 1 < chars && text[index + 1] >= 0xdc00 &&
            text[index + 1] < 0xe000)
            point = 0x10000 + ((point - 0xd800) << 10) + (text[++index] - 0xdc00u);
        if (point >= 0xd800 && point < 0xe000) {
            put(output, '?');
        } else if (point < 0x80) {
            put(output, (char)point);
        } else {
            int extra = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
            put(output, (char)((0xff00 >> (extra + 1) & 0xff) | point >> (6 * extra)));
            while (extra-- > 0)
                put(output, (char)(0x80 | (point >> (6 * extra) & 0x3f)));
        }
    }
}

struct directive {
    char flags[24]; /* flags, width and precision, as written */
    size_t flags_size;
    int precision; /* -1: none */
    int width;     /* of an integer, in bytes: 2, 4, 8 */
    bool wide;     /* w or l before s, Z */
    char conversion;
};

/* Flags, width and precision; a star takes its number from the arguments. */
static const char *parse_flags(const char *at, struct directive *directive, va_list *arguments)
{
    for (; *at != 0 && strchr("-+ #0123456789.*", *at) != NULL; at++) {
        char number[12] = {*at};
        if (*at == '*')
            snprintf(number, sizeof number, "%d", va_arg(*arguments, int));
        for (const char *text = number; *text != 0 && directive->flags_size + 1 < sizeof directive->flags; text++)
            directive->flags[directive->flags_size++] = *text;
    }
    const char *dot = strchr(directive->flags, '.');
    if (dot != NULL) {
        directive->precision = 0;
        for (dot++; *dot >= '0' && *dot <= '9' && directive->precision < 1000; dot++)
            directive->precision = directive->precision * 10 + (*dot - '0');
    }
    return at;
}

/* h, l, ll, w, z, t, I, I32, I64. */
static const char *parse_size(const char *at, struct directive *directive)
{
    if (strncmp(at, "I32", 3) == 0)
        return at + 3;
    if (strncmp(at, "I64", 3) == 0 || strncmp(at, "ll", 2) == 0 || *at == 'I' || *at == 'z' || *at == 't') {
        directive->width = 8;
        return at + (at[0] != 'I' ? (at[0] == 'l' ? 2 : 1) : (at[1] == '6' ? 3 : 1));
    }
    directive->wide = *at == 'w' || *at == 'l';
    if (*at == 'h')
        directive->width = 2;
    return at + (*at == 'h' || directive->wide ? 1 : 0);
}

static const char *parse(const char *at, struct directive *directive, va_list *arguments)
{
    *directive = (struct directive){.precision = -1, .width = 4};
    at = parse_flags(at, directive, arguments);
    at = parse_size(at, directive);
    directive->conversion = *at;
    return *at == 0 ? at : at + 1;
}

static void put_number(struct output *output, const struct directive *directive, va_list *arguments)
{
    char format[40], text[80];
    unsigned long long value;
    bool is_signed = directive->conversion == 'd' || directive->conversion == 'i';
    if (directive->conversion == 'p') {
        int size = snprintf(text, sizeof text, "%016llX", (unsigned long long)(uintptr_t)va_arg(*arguments, void *));
        put_bytes(output, text, (size_t)size);
        return;
    }
    if (directive->width == 8)
        value = va_arg(*arguments, unsigned long long);
    else
        value = va_arg(*arguments, unsigned int);
    if (directive->width == 4)
        value = is_signed ? (unsigned long long)(int32_t)value : (uint32_t)value;
    else if (directive->width == 2)
        value = is_signed ? (unsigned long long)(int16_t)value : (uint16_t)value;
    snprintf(format, sizeof format, "%%%sll%c", directive->flags, directive->conversion);
    int size = snprintf(text, sizeof text, format, value);
    if (size > 0)
        put_bytes(output, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void put_text(struct output *output, const struct directive *directive, va_list *arguments)
{
    const void *text = va_arg(*arguments, const void *);
    size_t limit = directive->precision < 0 ? SIZE_MAX : (size_t)directive->precision;
    size_t size = 0;
    bool wide = directive->wide || directive->conversion == 'S';
    if (text == NULL) {
        put_bytes(output, "(null)", 6);
    } else if (directive->conversion == 'Z' && wide) {
        const UNICODE_STRING *string = text;
        put_wide(output, string->Buffer, string->Length / sizeof(WCHAR));
    } else if (directive->conversion == 'Z') {
        const STRING *string = text;
        put_bytes(output, string->Buffer, string->Length);
    } else if (wide) {
        while (size < limit && ((const WCHAR *)text)[size] != 0)
            size++;
        put_wide(output, text, size);
    } else {
        while (size < limit && ((const char *)text)[size] != 0)
            size++;
        put_bytes(output, text, size);
    }
}

static void require_wide_level(const struct directive *directive)
{
    char conversion = directive->conversion;
    bool wide = conversion == 'S' || conversion == 'C' ||
                (directive->wide && (conversion == 's' || conversion == 'Z' || conversion == 'c'));
    if (wide && nt_self.irql > PASSIVE_LEVEL && !nt_irql_explained("DbgPrint", PASSIVE_LEVEL))
        nt_violate("pageable-at-dispatch", "DbgPrint",
                   "a Unicode format is allowed at PASSIVE_LEVEL only, not at IRQL %u", nt_self.irql);
}

static void format_text(struct output *output, const char *format, va_list *arguments)
{
    while (*format != 0) {
        struct directive directive;
        if (*format != '%') {
            put(output, *format++);
            continue;
        }
        format = parse(format + 1, &directive, arguments);
        require_wide_level(&directive);
        if (strchr("diuxXop", directive.conversion) != NULL && directive.conversion != 0)
            put_number(output, &directive, arguments);
        else if (directive.conversion == 'c' || directive.conversion == 'C')
            put_wide(output, &(WCHAR){(WCHAR)va_arg(*arguments, int)}, 1);
        else if (directive.conversion == 's' || directive.conversion == 'S' || directive.conversion == 'Z')
            put_text(output, &directive, arguments);
        else if (directive.conversion != 0)
            put(output, directive.conversion);
    }
    output->text[output->used] = 0;
}

/* Whether some directive takes UTF-16: then even what is not shown is formatted, so that its rule is checked. */
static bool names_wide(const char *format)
{
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at, '%')) {
        at++;
        if (*at < 'A') /* most directives have neither flags nor width */
            at += strspn(at, "-+ #0123456789.*");
        else if (*at == 'u' || *at == 'x' || *at == 'd' || (*at == 'l' && at[1] == 'l')) /* the usual ones */
            continue;
        bool wide = (*at == 'w' || *at == 'l') && strchr("sZc", at[1]) != NULL && at[1] != 0;
        if (wide || *at == 'S' || *at == 'C')
            return true;
        if (*at == '%')
            at++;
    }
    return false;
}

static void print(ULONG component, ULONG level, const char *format, va_list *arguments)
{
    nt_debug_sink *sink = __atomic_load_n(&sink_now, __ATOMIC_ACQUIRE);
    bool shown = sink != NULL || level == DPFLTR_ERROR_LEVEL;
    struct output output;
    if (!shown && (nt_self.irql == PASSIVE_LEVEL || !names_wide(format)))
        return;
    output.used = 0;
    format_text(&output, format, arguments);
    if (sink != NULL)
        sink(__atomic_load_n(&sink_context, __ATOMIC_ACQUIRE), component, level, output.text);
    else if (shown)
        fputs(output.text, stderr);
}

void nt_debug_print(ULONG component, ULONG level, const char *format, va_list *arguments)
{
    NT_ENTER(DbgPrintEx);
    print(component, level, format, arguments);
}

ULONG DbgPrint(PCSTR Format, ...)
{
    NT_ENTER(DbgPrint);
    va_list arguments;
    va_start(arguments, Format);
    print(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, Format, &arguments);
    va_end(arguments);
    return STATUS_SUCCESS;
}

ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...)
{
    NT_ENTER(DbgPrintEx);
    va_list arguments;
    va_start(arguments, Format);
    print(ComponentId, Level, Format, &arguments);
    va_end(arguments);
    return STATUS_SUCCESS;
}
