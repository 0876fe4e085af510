/* SPDX-License-Identifier: MIT */
/*
 * layout_views.c - the views that take the whole screen: all that is known of one question, and help. See
 * layout_state.h.
 */
#include <string.h>

#include "screen/layout_state.h"
#include "screen/width.h"

#define LABEL_COLUMNS 12u

/* Lines that are counted from the first; those from scroll on are shown, until the screen is full. */
struct pane {
    struct layout *layout;
    struct model *model;
    unsigned line; /* the next one */
    unsigned rows; /* between title and keys */
    bool show;
};

static bool is_shown(const struct pane *pane)
{
    return pane->show && pane->line >= pane->model->scroll && pane->line < pane->model->scroll + pane->rows;
}

/* One text, broken where the screen ends, behind a label. */
static void add_text(struct pane *pane, const char *label, enum layout_style style, const char *string)
{
    struct layout *layout = pane->layout;
    struct text plain = {0}, line = {0};
    unsigned columns = layout->columns - LABEL_COLUMNS - 2;
    const char *rest = string;

    if (!layout->utf8) {
        width_add_plain(&plain, string);
        rest = text_string(&plain);
    }
    do {
        size_t size = width_break(rest, columns);

        if (is_shown(pane)) {
            unsigned row = 1 + pane->line - pane->model->scroll;

            text_clear(&line);
            text_add_bytes(&line, rest, size);
            layout_put(layout, row, LAYOUT_DIM, " ");
            layout_put_cell(layout, row, LAYOUT_DIM, label, LABEL_COLUMNS, false);
            layout_put(layout, row, style, text_string(&line));
        }
        label = "";
        rest += size;
        pane->line++;
    } while (*rest != '\0');
    text_free(&plain);
    text_free(&line);
}

static void add_details(struct pane *pane, const struct peer_question *question)
{
    struct text text = {0};

    for (unsigned fact = 0; fact < LAYOUT_FACTS; fact++) {
        bool warned =
            fact == LAYOUT_LOOKS || (fact == LAYOUT_PROGRAM && (question->deleted || layout_is_replaced(question)));

        text_clear(&text);
        if (layout_fact_text(pane->layout, &text, question, (enum layout_fact)fact, true))
            add_text(pane, layout_fact_label((enum layout_fact)fact), warned ? LAYOUT_WARNING : LAYOUT_PLAIN,
                     text_string(&text));
    }
    text_free(&text);
}

static void add_help(struct pane *pane)
{
    static const struct {
        const char *key, *words;
    } lines[] = {
        {"y", "yes: permit"},
        {"n", "no: block"},
        {"a", "always permit: a rule, until it is removed"},
        {"v", "never permit: block always, the same way"},
        {"s", "how far y, n, a and v reach: this connection; this program to this destination, to this name, to this "
              "port, to anything"},
        {"t", "how long y and n hold: once, for minutes, until the program exits, until reboot, always"},
        {"1 to 9", "begins a number of minutes; Enter ends it"},
        {"Space", "marks the question; y, n, a, v then answer all that are marked"},
        {"u", "undoes the last answer that made a rule, and ends what it let through"},
        {"", ""},
        {"arrows j k", "another question; PgUp, PgDn, Home, End too"},
        {"Enter", "all that is known of it, without anything left away"},
        {"/", "shows those alone that have a word: in program, destination, user, package, unit or command"},
        {"Esc", "ends the filter, takes marks away, sets reach and time back"},
        {"q", "quits"},
        {"", ""},
        {"",
         "Keys that answer count when their question has been on the screen for a third of a second. Until then y and "
         "n "
         "are dim. When a question is answered, or goes by itself, the next one is selected and the time begins anew."},
        {"", "Whoever answers first decides; the others are told who it was."},
        {"", "Text of programs is shown with \\x1b and the like in place of characters that a terminal would act on."},
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        add_text(pane, lines[i].key, LAYOUT_PLAIN, lines[i].words);
}

static void make(struct layout *layout, struct model *model, const char *title, const struct peer_question *question)
{
    struct pane pane = {.layout = layout, .model = model, .rows = layout->rows - 2};
    unsigned most;

    for (int round = 0; round < 2; round++) {
        pane.line = 0;
        pane.show = round == 1;
        if (question == NULL)
            add_help(&pane);
        else
            add_details(&pane, question);
        most = pane.line > pane.rows ? pane.line - pane.rows : 0;
        if (model->scroll > most)
            model->scroll = most;
    }
    layout->row[0].fill = LAYOUT_TITLE;
    layout_put(layout, 0, LAYOUT_TITLE, title);
    layout_put(layout, layout->rows - 1, LAYOUT_DIM, " ");
    if (pane.line > pane.rows)
        layout_put_format(layout, layout->rows - 1, LAYOUT_DIM,
                          "line %u of %u: arrows and PgUp, PgDn scroll; Esc ends it", model->scroll + 1, pane.line);
    else
        layout_put(layout, layout->rows - 1, LAYOUT_DIM, "Esc ends it");
}

void layout_details(struct layout *layout, struct model *model)
{
    make(layout, model, " All that is known of it", model_selected(model)->question);
}

void layout_help(struct layout *layout, struct model *model)
{
    make(layout, model, " Keys", NULL);
}
