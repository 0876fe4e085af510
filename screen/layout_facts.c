/* SPDX-License-Identifier: MIT */
/*
 * layout_facts.c - what is known of a question, in words. See layout_state.h.
 */
#include <inttypes.h>
#include <string.h>

#include "screen/layout_state.h"

const char *layout_fact_label(enum layout_fact fact)
{
    static const char *const labels[LAYOUT_FACTS] = {
        [LAYOUT_PROGRAM] = "program", [LAYOUT_TO] = "to",         [LAYOUT_LOOKS] = "careful",
        [LAYOUT_COMMAND] = "command", [LAYOUT_BY] = "started by", [LAYOUT_USER] = "user",
        [LAYOUT_UNIT] = "unit",       [LAYOUT_BEFORE] = "before", [LAYOUT_LOCAL] = "from",
    };

    return labels[fact];
}

bool layout_is_replaced(const struct peer_question *question)
{
    return question->json != NULL && json_is_true(json_object_get(question->json, "replaced"));
}

static bool is_there(const char *string)
{
    return string != NULL && string[0] != '\0';
}

static void add_program(const struct layout *layout, struct text *text, const struct peer_question *question)
{
    text_add(text, is_there(question->program) ? question->program : "(unknown program)");
    if (question->deleted)
        text_add(text, " (its file is gone)");
    else if (layout_is_replaced(question))
        text_add(text, " (another file lies there now)");
    if (is_there(question->package))
        text_add_format(text, " %s package %s", layout_point(layout), question->package);
}

static void add_destination(const struct layout *layout, struct text *text, const struct peer_question *question)
{
    const char *address = is_there(question->address) ? question->address : "(unknown)";

    if (question->inbound) {
        text_add_format(text, "its own port %u", question->port);
        if (is_there(question->service))
            text_add_format(text, " (%s)", question->service);
        text_add_format(text, " from %s", address);
    } else {
        if (is_there(question->name))
            text_add_format(text, "%s %s ", question->name, layout_point(layout));
        text_add(text, address);
        if (question->port != 0)
            text_add_format(text, " port %u", question->port);
        if (question->port != 0 && is_there(question->service))
            text_add_format(text, " (%s)", question->service);
    }
    if (is_there(question->protocol))
        text_add_format(text, " %s %s", layout_point(layout), question->protocol);
}

static void add_parents(const struct layout *layout, struct text *text, const struct peer_question *question,
                        bool whole)
{
    for (unsigned i = 0; i < question->parent_count; i++) {
        const struct peer_parent *parent = &question->parents[i];

        if (i > 0)
            text_add_format(text, " %s ", layout_from(layout));
        text_add(text, is_there(parent->name) ? parent->name : "?");
        text_add_format(text, " %" PRIu64, parent->pid);
        if (whole && is_there(parent->program))
            text_add_format(text, " (%s)", parent->program);
    }
}

static void add_times(struct text *text, uint64_t count)
{
    if (count == 0)
        text_add(text, "never");
    else if (count == 1)
        text_add(text, "once");
    else
        text_add_format(text, "%" PRIu64 " times", count);
}

static void add_before(struct text *text, const struct peer_question *question)
{
    if (question->permitted == 0 && question->blocked == 0) {
        text_add(text, "the first time that it asks for this");
        return;
    }
    text_add(text, "permitted ");
    add_times(text, question->permitted);
    text_add(text, ", blocked ");
    add_times(text, question->blocked);
    if (is_there(question->last))
        text_add_format(text, ", last %.10s %.5s UTC", question->last,
                        strlen(question->last) > 16 ? question->last + 11 : "");
}

bool layout_fact_text(const struct layout *layout, struct text *text, const struct peer_question *question,
                      enum layout_fact fact, bool whole)
{
    size_t before = text->used;

    switch (fact) {
    case LAYOUT_PROGRAM:
        add_program(layout, text, question);
        break;
    case LAYOUT_TO:
        add_destination(layout, text, question);
        break;
    case LAYOUT_LOOKS:
        text_add(text, is_there(question->look_alike) ? question->look_alike : "");
        break;
    case LAYOUT_COMMAND:
        text_add(text, is_there(question->command) ? question->command : "");
        break;
    case LAYOUT_BY:
        add_parents(layout, text, question, whole);
        break;
    case LAYOUT_USER:
        text_add(text, is_there(question->user) ? question->user : "(unknown)");
        if (question->pid != 0)
            text_add_format(text, " %s process %" PRIu64, layout_point(layout), question->pid);
        break;
    case LAYOUT_UNIT:
        text_add(text, is_there(question->unit) ? question->unit : "");
        break;
    case LAYOUT_BEFORE:
        if (question->has_before)
            add_before(text, question);
        break;
    case LAYOUT_LOCAL:
        text_add(text, is_there(question->local) ? question->local : "");
        break;
    default:
        break;
    }
    return text->used > before;
}
