/* SPDX-License-Identifier: MIT */
/*
 * model.h - the screen of `gatehouse ask` without a screen: keys and what the desk says go in; what is selected, chosen
 * and told comes out. layout.h makes rows of it, draw.h shows them, screen.h brings all together.
 *
 * The promise: an answer goes to a question only if that was selected and on the screen for MODEL_PAUSE when the key
 * came, or was marked while it was. Whenever another question is selected, by a key or because the one before is gone,
 * the pause begins anew once it is drawn (model_shown), and keys that answer or mark do nothing until it is over.
 *
 * Pure: times are given (boot time), answers go out through struct model_desk. Questions are the peer's and stay so
 * between model_question and model_gone. One thread.
 */
#ifndef SCREEN_MODEL_H
#define SCREEN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/clock.h"
#include "agent/text.h"
#include "desk/peer.h"

#define MODEL_PAUSE      (300 * CLOCK_MILLISECOND)
#define MODEL_FILTER_MAX 128u /* bytes, with NUL */
#define MODEL_UNDO_MAX   256u
#define MODEL_SENT_MAX   8192u
#define MODEL_MINUTES    10u /* to begin with */

/* Keys: characters as they are (ASCII, or one byte of UTF-8 in a filter), and these. */
enum model_key {
    MODEL_KEY_TAB = 9,
    MODEL_KEY_ENTER = 10,
    MODEL_KEY_ESCAPE = 27,
    MODEL_KEY_UP = 256,
    MODEL_KEY_DOWN,
    MODEL_KEY_PAGE_UP,
    MODEL_KEY_PAGE_DOWN,
    MODEL_KEY_HOME,
    MODEL_KEY_END,
    MODEL_KEY_BACKSPACE
};

/* What the model has done by others: a peer (desk/peer.h), or a test. Both return the tag of the outcome, 0 for not
 * sent. */
struct model_desk {
    void *context;
    uint32_t (*answer)(void *context, uint64_t id, const struct choice *choice);
    uint32_t (*undo)(void *context, const char *undo);
};

enum model_view {
    MODEL_LIST,    /* the questions, and the selected one */
    MODEL_FILTER,  /* the same, and keys are written into the filter */
    MODEL_MINUTE,  /* the same, and keys are written into the number of minutes */
    MODEL_LEAVING, /* the same, and it is asked whether to leave */
    MODEL_DETAILS, /* all of the selected question, to be scrolled */
    MODEL_HELP
};

/* How a sentence is meant. */
enum model_tone { MODEL_PLAIN, MODEL_PERMITTED, MODEL_BLOCKED, MODEL_WARNING };

struct model_item {
    const struct peer_question *question;
    bool marked;
    bool sent; /* answered here, and not told yet what became of it */
};

struct model_sent {
    uint32_t tag;
    uint32_t batch; /* answers that one key gave */
    uint64_t id;
    bool permit;
    struct text what; /* "curl to example.org always" */
};

struct model_undo {
    char *undo;
    uint32_t batch;
};

struct model {
    struct model_desk desk;
    struct model_item *items; /* by deadline, then id */
    unsigned count, room;
    unsigned *visible; /* places of items that the filter lets through */
    unsigned visible_count;
    uint64_t selected; /* id; 0: none */
    unsigned top;      /* of visible: the first in the list */
    unsigned page;     /* rows of the list, as it was drawn last */
    uint64_t shown;    /* id of the question that is selected on the screen; 0: none */
    uint64_t shown_at;
    enum gatehouse_scope scope;
    enum choice_until until;
    uint32_t minutes;
    enum model_view view;
    unsigned scroll; /* of details and help, in lines; layout bounds it */
    char typed[12];  /* minutes */
    char filter[MODEL_FILTER_MAX];
    struct model_sent *sent;
    unsigned sent_count, sent_room;
    struct model_undo undo[MODEL_UNDO_MAX];
    unsigned undo_count;
    uint32_t undoing; /* tag; 0: none */
    uint32_t batch;   /* of the last answers */
    struct {
        unsigned taken, failed;
        uint64_t covered;
        bool can_undo;
    } outcome;           /* of that batch */
    struct text message; /* what happened last */
    enum model_tone tone;
    struct text you; /* the person's name */
    bool decider;    /* answers count now */
    bool connected;
    struct text state; /* why not, in a sentence */
    bool own;          /* the desk ends with this program; who makes the model sets it */
    bool quit;
};

/* False: out of memory. */
bool model_init(struct model *model, const struct model_desk *desk);
void model_cleanup(struct model *model);

/* What the desk says. A question that is known already has changed in place. */
void model_question(struct model *model, const struct peer_question *question);
void model_gone(struct model *model, const struct peer_question *question, const struct peer_gone *gone);
void model_answered(struct model *model, const struct peer_answered *answered);
void model_undone(struct model *model, uint32_t tag, bool done, const char *sentence);
void model_error(struct model *model, uint32_t tag, const char *sentence);
void model_hello(struct model *model, const struct peer_hello *hello);
void model_lost(struct model *model, const char *sentence);
void model_back(struct model *model);

void model_press(struct model *model, int key, uint64_t now);

/* Before rows are made: the list has so many. */
void model_set_page(struct model *model, unsigned page);
/* The present state is on the screen now; with_question false: but there was no room for the selected question. */
void model_shown(struct model *model, bool with_question, uint64_t now);
/* When what is on the screen becomes wrong by itself; 0: not. */
uint64_t model_due(const struct model *model, uint64_t now);

/* For rows. */
const struct model_item *model_selected(const struct model *model);
unsigned model_place(const struct model *model); /* of the selected one, in visible */
unsigned model_marked(const struct model *model);
/* Keys that answer count now. */
bool model_is_armed(const struct model *model, uint64_t now);
/* How many others that wait the present scope would decide with the selected one, or the marked ones. */
unsigned model_covers(const struct model *model);
/* What y or n, or with lasting a or v, would say. */
struct choice model_choice(const struct model *model, bool permit, bool lasting);
/* " to example.org always": how far and how long, for people. */
void model_reach(struct text *text, const struct peer_question *question, const struct choice *choice);
/* The last part of the program's path. */
const char *model_program_name(const struct peer_question *question);
/* Name, else address; with port where that says something. */
void model_destination(struct text *text, const struct peer_question *question, bool with_port);
/* 0 or more seconds, rounded up. */
uint64_t model_seconds_left(const struct peer_question *question, uint64_t now);

#endif
