/* SPDX-License-Identifier: MIT */
/*
 * layout.c - see layout.h. Rows, and the view with the list.
 */
#include "screen/layout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "screen/layout_state.h"
#include "screen/width.h"

#define LABEL_COLUMNS 12u
/* Title, rule, choice, keys. */
#define OTHER_ROWS 4u
/* Of the list, when what waits fits into so many. */
#define LIST_ROWS 6u
/* From so many rows on a message may take two. */
#define LAYOUT_ROWS_ROOMY 16u

/* --- Rows --------------------------------------------------------------------------------------- */

const char *layout_dots(const struct layout *layout)
{
    return layout->utf8 ? "\xE2\x80\xA6" : "...";
}

const char *layout_arrow(const struct layout *layout)
{
    return layout->utf8 ? "\xE2\x86\x92" : "->";
}

const char *layout_from(const struct layout *layout)
{
    return layout->utf8 ? "\xE2\x86\x90" : "<-";
}

const char *layout_point(const struct layout *layout)
{
    return layout->utf8 ? "\xC2\xB7" : "-";
}

unsigned layout_left(const struct layout *layout, unsigned row)
{
    return layout->columns - layout->row[row].columns;
}

static void begin_span(struct layout_row *row, enum layout_style style)
{
    if (row->span_count > 0 && row->spans[row->span_count - 1].style == style)
        return;
    if (row->span_count < LAYOUT_SPANS_MAX)
        row->spans[row->span_count++] = (struct layout_span){style, row->text.used};
}

/* As the terminal can show it: the string itself, or made plain in made. */
static const char *make_plain(const struct layout *layout, const char *string, struct text *made)
{
    if (layout->utf8)
        return string;
    width_add_plain(made, string);
    return text_string(made);
}

static void put(struct layout *layout, unsigned place, enum layout_style style, const char *string, unsigned columns,
                bool ends)
{
    struct layout_row *row = &layout->row[place];
    struct text made = {0};
    const char *shown;

    if (place >= layout->rows)
        return;
    shown = make_plain(layout, string, &made);
    begin_span(row, style);
    row->columns += ends ? width_add_ends(&row->text, shown, columns, layout_dots(layout))
                         : width_add(&row->text, shown, columns, layout_dots(layout));
    text_free(&made);
}

void layout_put(struct layout *layout, unsigned row, enum layout_style style, const char *string)
{
    if (row < layout->rows)
        put(layout, row, style, string, layout_left(layout, row), false);
}

void layout_put_format(struct layout *layout, unsigned row, enum layout_style style, const char *format, ...)
{
    char string[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(string, sizeof(string), format, arguments);
    va_end(arguments);
    layout_put(layout, row, style, string);
}

static void put_spaces(struct layout *layout, unsigned row, unsigned until)
{
    while (layout->row[row].columns < until && layout->row[row].columns < layout->columns) {
        text_add(&layout->row[row].text, " ");
        layout->row[row].columns++;
    }
}

void layout_put_cell(struct layout *layout, unsigned row, enum layout_style style, const char *string, unsigned columns,
                     bool ends)
{
    unsigned left, until;

    if (row >= layout->rows)
        return;
    left = layout_left(layout, row);
    if (columns > left)
        columns = left;
    until = layout->row[row].columns + columns;
    put(layout, row, style, string, columns, ends);
    put_spaces(layout, row, until);
}

void layout_put_right(struct layout *layout, unsigned row, enum layout_style style, const char *string,
                      unsigned columns)
{
    unsigned wide = width_of(string);

    if (row >= layout->rows)
        return;
    begin_span(&layout->row[row], style);
    if (wide < columns)
        put_spaces(layout, row, layout->row[row].columns + columns - wide);
    layout_put_cell(layout, row, style, string, columns < wide ? columns : wide, false);
}

/* --- Title and list ----------------------------------------------------------------------------- */

static void make_title(struct layout *layout, const struct model *model)
{
    char count[96];
    unsigned wide;

    layout->row[0].fill = LAYOUT_TITLE;
    layout_put(layout, 0, LAYOUT_TITLE, " Gatehouse");
    if (model->you.used > 0 && layout->columns >= 60)
        layout_put_format(layout, 0, LAYOUT_TITLE, " %s %s", layout_point(layout), text_string(&model->you));
    if (model->count == 0)
        snprintf(count, sizeof(count), "nothing waits ");
    else if (model->filter[0] == '\0')
        snprintf(count, sizeof(count), "%u connection%s wait%s ", model->count, model->count == 1 ? "" : "s",
                 model->count == 1 ? "s" : "");
    else
        snprintf(count, sizeof(count), "%u of %u shown ", model->visible_count, model->count);
    wide = width_of(count);
    if (wide + 2 < layout_left(layout, 0))
        layout_put_right(layout, 0, LAYOUT_TITLE, count, layout_left(layout, 0));
}

static void make_item(struct layout *layout, const struct model *model, unsigned row, const struct model_item *item)
{
    const struct peer_question *question = item->question;
    bool selected = question->id == model->selected;
    uint64_t seconds = model_seconds_left(question, layout->now);
    enum layout_style style = selected ? LAYOUT_SELECTED : item->sent ? LAYOUT_DIM : LAYOUT_PLAIN;
    unsigned name = layout->columns >= 100 ? 32 : layout->columns >= 60 ? 20 : 14;
    struct text to = {0};
    char left[24];

    snprintf(left, sizeof(left), "%" PRIu64 ":%02u", seconds / 60, (unsigned)(seconds % 60));
    layout->row[row].fill = style;
    layout_put(layout, row, style, selected ? ">" : " ");
    layout_put(layout, row, style, item->marked ? "*" : " ");
    layout_put_right(layout, row, seconds <= 10 && !selected ? LAYOUT_URGENT : style, left, 5);
    layout_put(layout, row, style, "  ");
    layout_put_cell(layout, row,
                    (question->deleted || layout_is_replaced(question)) && !selected ? LAYOUT_WARNING : style,
                    model_program_name(question), name, true);
    layout_put_format(layout, row, style, " %s ", question->inbound ? layout_from(layout) : layout_arrow(layout));
    model_destination(&to, question, true);
    if (question->service != NULL && question->port != 0 && layout->columns >= 60)
        text_add_format(&to, " %s", question->service);
    if (item->sent)
        text_add(&to, "  answered");
    layout_put(layout, row, question->look_alike != NULL && !selected ? LAYOUT_WARNING : style, text_string(&to));
    text_free(&to);
}

static void make_list(struct layout *layout, const struct model *model, unsigned first, unsigned rows)
{
    if (model->visible_count == 0) {
        layout_put(layout, first + (rows > 2 ? 1 : 0), LAYOUT_DIM,
                   model->count == 0 ? "  Nothing waits for an answer." : "  Nothing that waits fits the filter.");
        return;
    }
    for (unsigned i = 0; i < rows && model->top + i < model->visible_count; i++)
        make_item(layout, model, first + i, &model->items[model->visible[model->top + i]]);
}

/* --- The selected question ---------------------------------------------------------------------- */

static void make_rule(struct layout *layout, const struct model *model, unsigned row)
{
    const struct model_item *item = model_selected(model);
    struct text line = {0}, made = {0};
    const char *sentence;
    unsigned columns;
    char left[48];
    uint64_t seconds;

    layout->row[row].rule = true;
    if (item == NULL)
        return;
    seconds = model_seconds_left(item->question, layout->now);
    snprintf(left, sizeof(left), " %" PRIu64 " s left ", seconds);
    text_add_format(&line, " %s %s ", model_program_name(item->question),
                    item->question->inbound ? "is called at" : "connects to");
    model_destination(&line, item->question, false);
    text_add(&line, " ");
    sentence = make_plain(layout, text_string(&line), &made);
    columns = width_of(sentence);
    if (columns + width_of(left) > layout->columns)
        columns = layout->columns - width_of(left);
    layout_put_cell(layout, row, LAYOUT_BOLD, sentence, columns, true);
    layout_put(layout, row, seconds <= 10 ? LAYOUT_URGENT : LAYOUT_DIM, left);
    text_free(&line);
    text_free(&made);
}

/* What goes first when there is little room stands last. */
static const enum layout_fact by_weight[] = {LAYOUT_PROGRAM, LAYOUT_TO,   LAYOUT_LOOKS,  LAYOUT_COMMAND, LAYOUT_USER,
                                             LAYOUT_BY,      LAYOUT_UNIT, LAYOUT_BEFORE, LAYOUT_LOCAL};

static void make_facts(struct layout *layout, const struct peer_question *question, unsigned first, unsigned rows)
{
    bool chosen[LAYOUT_FACTS] = {false};
    unsigned label = layout->columns >= 60 ? LABEL_COLUMNS : 9;
    struct text text = {0};

    for (unsigned i = 0, free_rows = rows; i < sizeof(by_weight) / sizeof(by_weight[0]) && free_rows > 0; i++) {
        text_clear(&text);
        chosen[by_weight[i]] = layout_fact_text(layout, &text, question, by_weight[i], false);
        free_rows -= chosen[by_weight[i]];
    }
    for (unsigned fact = 0; fact < LAYOUT_FACTS; fact++) {
        bool warned =
            fact == LAYOUT_LOOKS || (fact == LAYOUT_PROGRAM && (question->deleted || layout_is_replaced(question)));

        if (!chosen[fact])
            continue;
        text_clear(&text);
        layout_fact_text(layout, &text, question, fact, false);
        layout_put(layout, first, LAYOUT_DIM, " ");
        layout_put_cell(layout, first, LAYOUT_DIM, fact == LAYOUT_BY && label < 11 ? "by" : layout_fact_label(fact),
                        label, false);
        layout_put_cell(layout, first, warned ? LAYOUT_WARNING : LAYOUT_PLAIN, text_string(&text),
                        layout_left(layout, first), fact == LAYOUT_PROGRAM || fact == LAYOUT_COMMAND);
        first++;
    }
    text_free(&text);
}

static const char *until_words(const struct choice *choice, char *buffer, size_t size)
{
    struct text text = {0};

    choice_show_until(&text, choice);
    snprintf(buffer, size, "%s", choice->until == CHOICE_ONCE ? "once" : text_string(&text) + (text.used > 0));
    text_free(&text);
    return buffer;
}

static const char *scope_words(const struct choice *choice)
{
    switch (choice->scope) {
    case GATEHOUSE_SCOPE_CONNECTION:
        return "this connection";
    case GATEHOUSE_SCOPE_PROGRAM_DESTINATION:
        return "this destination";
    case GATEHOUSE_SCOPE_PROGRAM_NAME:
        return "this name, any port";
    case GATEHOUSE_SCOPE_PROGRAM_PORT:
        return "this port, any address";
    default:
        return "anything it wants";
    }
}

static void make_choice(struct layout *layout, const struct model *model, unsigned row)
{
    struct choice choice = model_choice(model, true, false);
    bool armed = model_is_armed(model, layout->now);
    unsigned marked = model_marked(model);
    unsigned covers = model_covers(model);
    char until[64];

    layout_put(layout, row, LAYOUT_PLAIN, " ");
    if (model->view == MODEL_MINUTE) {
        layout_put_format(layout, row, LAYOUT_BOLD, "for how many minutes? %s", model->typed);
        layout->cursor_row = row;
        layout->cursor_column = layout->row[row].columns;
        return;
    }
    if (model->view == MODEL_LEAVING) {
        layout_put_format(layout, row, LAYOUT_WARNING, "%u held: they go back undecided. q again leaves, Esc stays",
                          model->count);
        return;
    }
    layout_put(layout, row, armed ? LAYOUT_KEY : LAYOUT_DIM, "y");
    layout_put(layout, row, armed ? LAYOUT_GOOD : LAYOUT_DIM, layout->columns >= 60 ? " permit  " : " ");
    layout_put(layout, row, armed ? LAYOUT_KEY : LAYOUT_DIM, "n");
    layout_put(layout, row, armed ? LAYOUT_BAD : LAYOUT_DIM, layout->columns >= 60 ? " block  " : " ");
    layout_put(layout, row, LAYOUT_PLAIN, " ");
    if (marked > 0)
        layout_put_format(layout, row, LAYOUT_BOLD, "%u marked: ", marked);
    layout_put_format(layout, row, armed ? LAYOUT_PLAIN : LAYOUT_DIM, "%s %s", scope_words(&choice),
                      until_words(&choice, until, sizeof(until)));
    if (covers > 0)
        layout_put_format(layout, row, LAYOUT_BOLD, " %s %u other%s too", layout_point(layout), covers,
                          covers == 1 ? "" : "s");
}

static void make_message(struct layout *layout, const struct model *model, unsigned row, unsigned rows)
{
    static const enum layout_style styles[] = {[MODEL_PLAIN] = LAYOUT_DIM,
                                               [MODEL_PERMITTED] = LAYOUT_GOOD,
                                               [MODEL_BLOCKED] = LAYOUT_BAD,
                                               [MODEL_WARNING] = LAYOUT_WARNING};

    const char *sentence = text_string(&model->message);
    enum layout_style style = styles[model->tone];
    struct text line = {0};
    unsigned most = layout->columns - 2;
    size_t first;

    if (!model->connected || !model->decider) {
        sentence = model->state.used > 0 ? text_string(&model->state) : "Somebody else decides now.";
        style = LAYOUT_WARNING;
    }
    layout_put(layout, row, LAYOUT_PLAIN, " ");
    first = rows == 1 ? strlen(sentence) : width_break(sentence, most);
    text_add_bytes(&line, sentence, first);
    layout_put(layout, row, style, text_string(&line));
    if (sentence[first] != '\0') {
        layout_put(layout, row + 1, LAYOUT_PLAIN, " ");
        layout_put(layout, row + 1, style, sentence + first);
    }
    text_free(&line);
}

static void put_key(struct layout *layout, unsigned row, const char *key, const char *words)
{
    if (width_of(key) + width_of(words) + 3 > layout_left(layout, row))
        return;
    layout_put(layout, row, LAYOUT_KEY, key);
    layout_put_format(layout, row, LAYOUT_DIM, " %s  ", words);
}

static void make_keys(struct layout *layout, const struct model *model, unsigned row)
{
    layout_put(layout, row, LAYOUT_PLAIN, " ");
    if (model->view == MODEL_FILTER || model->filter[0] != '\0') {
        layout_put_format(layout, row, LAYOUT_BOLD, "/%s", model->filter);
        layout->cursor_row = model->view == MODEL_FILTER ? row : layout->rows;
        layout->cursor_column = layout->row[row].columns;
        layout_put(layout, row, LAYOUT_DIM,
                   model->view == MODEL_FILTER ? "   Enter keeps it, Esc ends it" : "   Esc ends it  ");
        return;
    }
    if (model->selected != 0) {
        put_key(layout, row, "a", "always");
        put_key(layout, row, "v", "never");
        put_key(layout, row, "s", "scope");
        put_key(layout, row, "t", "time");
        put_key(layout, row, "?", "help");
        put_key(layout, row, "q", "quit");
        put_key(layout, row, "u", "undo");
        put_key(layout, row, "Space", "mark");
        put_key(layout, row, "Enter", "all of it");
        put_key(layout, row, "/", "filter");
    } else {
        put_key(layout, row, "u", "undo");
        put_key(layout, row, "?", "help");
        put_key(layout, row, "q", "quit");
    }
}

/*
 * Who gets the rows: a few for the list, the facts below, and more for the list when it needs them and all facts have
 * room. What is selected changes none of this, so that nothing jumps when it goes.
 */
static void make_list_view(struct layout *layout, struct model *model)
{
    const struct model_item *item = model_selected(model);
    unsigned message = layout->rows >= LAYOUT_ROWS_ROOMY ? 2 : 1;
    unsigned rows = layout->rows - OTHER_ROWS - message;
    unsigned list = rows / 3 < 2 ? 2 : rows / 3 > LIST_ROWS ? LIST_ROWS : rows / 3;
    unsigned bottom = layout->rows - 1 - message; /* first row of the message */

    if (model->visible_count > list && rows > list + LAYOUT_FACTS)
        list = rows - LAYOUT_FACTS;
    model_set_page(model, list);
    make_title(layout, model);
    make_list(layout, model, 1, list);
    make_rule(layout, model, 1 + list);
    if (item != NULL)
        make_facts(layout, item->question, 2 + list, rows - list);
    if (item != NULL || model->view == MODEL_LEAVING)
        make_choice(layout, model, bottom - 1);
    make_message(layout, model, bottom, message);
    make_keys(layout, model, layout->rows - 1);
    layout->list = true;
}

static void make_too_small(struct layout *layout, const struct model *model)
{
    char sentence[160];
    const char *rest = sentence;

    snprintf(sentence, sizeof(sentence), "%u wait. Make this window at least %u columns by %u rows to answer.",
             model->count, LAYOUT_COLUMNS_MIN, LAYOUT_ROWS_MIN);
    for (unsigned row = 0; row < layout->rows && *rest != '\0'; row++) {
        char line[161];
        size_t size = width_break(rest, layout->columns);

        snprintf(line, sizeof(line), "%.*s", (int)size, rest);
        layout_put(layout, row, LAYOUT_PLAIN, line);
        rest += size;
    }
    layout->with_question = model->selected == 0;
}

void layout_make(struct layout *layout, struct model *model, uint64_t now)
{
    if (layout->columns > LAYOUT_COLUMNS_MAX)
        layout->columns = LAYOUT_COLUMNS_MAX;
    if (layout->rows > LAYOUT_ROWS_MAX)
        layout->rows = LAYOUT_ROWS_MAX;
    for (unsigned i = 0; i < layout->rows; i++) {
        text_clear(&layout->row[i].text);
        layout->row[i] = (struct layout_row){.text = layout->row[i].text};
    }
    layout->now = now;
    layout->with_question = true;
    layout->list = false;
    layout->cursor_row = layout->rows;
    if (layout->columns < LAYOUT_COLUMNS_MIN || layout->rows < LAYOUT_ROWS_MIN)
        make_too_small(layout, model);
    else if (model->view == MODEL_HELP)
        layout_help(layout, model);
    else if (model->view == MODEL_DETAILS && model_selected(model) != NULL)
        layout_details(layout, model);
    else
        make_list_view(layout, model);
}

void layout_free(struct layout *layout)
{
    for (unsigned i = 0; i < LAYOUT_ROWS_MAX; i++)
        text_free(&layout->row[i].text);
}
