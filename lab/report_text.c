/* SPDX-License-Identifier: MIT */
/*
 * report_text.c - see report_text.h.
 *
 * The first line is what compilers print (file:line: severity: ... [rule]), so that editors can jump there. Stacks end
 * behind the driver's outermost frame: what called the driver is ours, and its first frame is enough.
 */
#include "lab/report_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH        100
#define MACHINE_MOST 4u /* frames of a stack that has none of the driver's */

struct text {
    FILE *out;
    const struct lab_text_options *options;
    const struct lab_report *report;
};

enum { PLAIN, BOLD, RED, YELLOW, CYAN, FAINT };

static const char *colour(const struct text *text, int which)
{
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[1;31m", "\033[1;33m", "\033[36m", "\033[2m"};
    return text->options->colour ? codes[which] : "";
}

struct lab_text_options lab_text_options_for(FILE *out)
{
    const char *no = getenv("NO_COLOR");
    return (struct lab_text_options){isatty(fileno(out)) == 1 && (no == NULL || *no == '\0'), true, 0};
}

/* The name of a part, then its text, broken at spaces and lined up. */
static void put_part(const struct text *text, const char *name, const char *value)
{
    size_t column = 10;
    fprintf(text->out, "  %s%-8s%s", colour(text, CYAN), name, colour(text, PLAIN));
    for (const char *word = value; *word != '\0';) {
        size_t length = strcspn(word, " "), space = strspn(word + length, " ");
        if (column + length > WIDTH && column > 10) {
            fprintf(text->out, "\n%10s", "");
            column = 10;
        }
        fprintf(text->out, "%s%.*s", column > 10 ? " " : "", (int)length, word);
        column += length + 1;
        word += length + space;
    }
    fputc('\n', text->out);
}

/* "forum.c:31" or "forum.sys+0x1a2b". */
static void put_place(FILE *out, const struct lab_frame *frame)
{
    if (frame->file[0] != '\0' && frame->line != 0)
        fprintf(out, "%s:%u", frame->file, frame->line);
    else if (frame->module[0] != '\0')
        fprintf(out, "%s+0x%" PRIx64, frame->module, frame->offset);
    else
        fputs("in no module", out);
}

/* A driver may have put anything there: a terminal gets no control characters. */
static void put_clean(const struct text *text, const char *value)
{
    for (; *value != '\0'; value++)
        fputc((unsigned char)*value < ' ' || *value == 0x7f ? ' ' : *value, text->out);
}

static void put_headline(const struct text *text)
{
    static const int colours[] = {[NT_NOTE] = BOLD, [NT_WARNING] = YELLOW, [NT_ERROR] = RED};
    const struct nt_report *report = &text->report->report;
    fputs(colour(text, BOLD), text->out);
    if (text->report->place != NULL) {
        put_place(text->out, text->report->place);
        fputs(": ", text->out);
    }
    fprintf(text->out, "%s%s: %s%s%s: ", colour(text, colours[report->rule->severity]),
            nt_severity_name(report->rule->severity), colour(text, PLAIN), colour(text, BOLD), report->routine);
    put_clean(text, report->detail);
    fprintf(text->out, " [%s]%s\n", report->rule->id, colour(text, PLAIN));
}

/* The line of source; nothing where its file cannot be read. */
static void put_source(const struct text *text, const struct lab_frame *frame)
{
    char line[256];
    unsigned number = 0;
    FILE *file = text->options->source && frame->file[0] != '\0' ? fopen(frame->file, "re") : NULL;
    if (file == NULL)
        return;
    while (number < frame->line && fgets(line, sizeof line, file) != NULL)
        if (strchr(line, '\n') != NULL || feof(file))
            number++;
    if (number == frame->line && number != 0) {
        line[strcspn(line, "\r\n")] = '\0';
        fprintf(text->out, "  %s%6u |%s %s\n", colour(text, FAINT), number, colour(text, PLAIN), line);
    }
    fclose(file);
}

/* How many frames to show: up to the one that called the driver; without the driver, a few. */
static size_t frames_shown(const struct lab_frames *frames)
{
    for (size_t index = frames->count; index-- != 0;)
        if (frames->frames[index].driver)
            return index + 2 < frames->count ? index + 2 : frames->count;
    return lab_symbols_has_drivers() && frames->count > MACHINE_MOST ? MACHINE_MOST : frames->count;
}

static void put_stack(const struct text *text, const struct lab_frames *frames)
{
    size_t shown = frames_shown(frames);
    for (size_t index = 0; index < shown; index++) {
        const struct lab_frame *frame = &frames->frames[index];
        const char *mark = frame->driver ? colour(text, BOLD) : colour(text, FAINT);
        fprintf(text->out, "          %s#%-2zu %-32s ", mark, index,
                frame->function[0] != '\0' ? frame->function : "?");
        put_place(text->out, frame);
        fprintf(text->out, "%s%s\n", frame->inlined ? " (inlined)" : "", colour(text, PLAIN));
    }
    if (shown < frames->count)
        fprintf(text->out, "          %s... %zu more, of the machine%s\n", colour(text, FAINT), frames->count - shown,
                colour(text, PLAIN));
    if (frames->count == 0)
        fputs("          (no stack)\n", text->out);
}

static void put_locks(const struct text *text)
{
    const struct nt_report *report = &text->report->report;
    char value[96];
    if (report->held == 0)
        return;
    snprintf(value, sizeof value, "%u held by this thread; the last one taken first", report->held);
    put_part(text, "locks", value);
    for (uint32_t index = report->held; index-- != 0;) {
        const struct lab_frames *taken = &text->report->taken[index];
        const struct lab_frame *place = lab_symbols_blame(taken, "");
        fputs("          taken ", text->out);
        if (place == NULL) {
            fputs("before the verifier looked\n", text->out);
            continue;
        }
        fprintf(text->out, "in %s, ", place->function[0] != '\0' ? place->function : "?");
        put_place(text->out, place);
        fputc('\n', text->out);
    }
}

static void put_history(const struct text *text)
{
    const struct nt_report *report = &text->report->report;
    char value[64] = "of the machine", time[32];
    if (report->event_count == 0)
        return;
    if (report->connection != 0)
        snprintf(value, sizeof value, "of connection %" PRIu64, report->connection);
    put_part(text, "history", value);
    for (size_t index = 0; index < report->event_count; index++) {
        const struct nt_event *event = &report->events[index];
        fprintf(text->out, "          %s s  %s%s", lab_time_text(event->time, text->options->origin, time),
                event->fiber, event->fiber[0] != '\0' ? ": " : "");
        put_clean(text, event->text);
        fputc('\n', text->out);
    }
}

void lab_report_text(FILE *out, const struct lab_report *named, const struct lab_text_options *options)
{
    const struct text text = {out, options, named};
    const struct nt_report *report = &named->report;
    char value[128], time[32];
    put_headline(&text);
    if (named->place != NULL)
        put_source(&text, named->place);
    put_part(&text, "rule", report->rule->rule);
    int used = snprintf(value, sizeof value, "at %s s, at IRQL %u (%s)%s%s",
                        lab_time_text(report->time, options->origin, time), report->irql, lab_irql_name(report->irql),
                        report->fiber != NULL ? ", in " : "", report->fiber != NULL ? report->fiber : "");
    if (named->count > 1 && used > 0 && (size_t)used < sizeof value)
        snprintf(value + used, sizeof value - (size_t)used, "; %u times", named->count);
    put_part(&text, "when", value);
    put_part(&text, "broke", "here:");
    put_stack(&text, &named->broke);
    if (report->began_what != NT_BEGAN_NOTHING) {
        snprintf(value, sizeof value, "%s here:", nt_beginning_name(report->began_what));
        put_part(&text, "began", value);
        put_stack(&text, &named->began);
    }
    put_locks(&text);
    put_history(&text);
    put_part(&text, "do", report->rule->advice);
    if (report->rule->page[0] != '\0')
        put_part(&text, "page", report->rule->page);
    fputc('\n', out);
}
