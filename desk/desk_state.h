/* SPDX-License-Identifier: MIT */
/*
 * desk_state.h - what the files of the desk's core share. Nobody else includes it.
 *
 *   desk.c      questions: offered, decided, gone      answers.c   the queue of answers
 *   speak.c     what peers are told                    listen.c    what peers say         undo.c   taking back
 *
 * A question is kept while it waits and while an answer to it is in the queue. Reaches that point from the queue into
 * the table of peers are cut when a peer goes.
 */
#ifndef DESK_DESK_STATE_H
#define DESK_DESK_STATE_H

#include "agent/json.h"
#include "agent/text.h"
#include "desk/choice.h"
#include "desk/desk.h"

#define WHO_MAX      65u   /* a user's name, or its number */
#define BUCKETS      4096u /* of questions by the driver's id; a power of two */
#define RECENT_MAX   4096u /* questions that are gone and still spoken of */
#define EARLY_MAX    1024u /* ends that came before their offers */
#define SENTENCE_MAX 512u

/* How a question ended. */
struct ending {
    uint8_t verdict, by;
    bool has_scope;
    enum gatehouse_scope scope;
    char who[WHO_MAX]; /* empty: nobody */
    uint64_t rule_id;
    const struct desk_peer *peer; /* whose answer it was, to be told so now; may be gone later */
};

struct question {
    uint64_t id; /* the desk's: never used twice */
    struct request request;
    char *facts;         /* members of JSON, behind the request's bytes; owned */
    unsigned references; /* the table's, and one an answer in the queue */
    uint64_t show_at;    /* boot time; 0: now. It waits for what is known of it */
    bool waits;          /* in the table; nobody was told that it is gone */
    bool held_back;      /* its event came while an answer to it is under way */
    struct gatehouse_event event;
    struct ending ending; /* once it waits no more */
    struct question *same_bucket;
};

enum answer_stage {
    ANSWER_WAITING,   /* to be submitted */
    ANSWER_SUBMITTED, /* the driver has it */
    ANSWER_SETTLING,  /* the driver has said; events are still to come */
    ANSWER_DONE       /* to be told, when those before it were */
};
enum outcome { OUTCOME_OK, OUTCOME_LATE, OUTCOME_REFUSED, OUTCOME_FAILED };

struct answer {
    struct answer *next;
    struct desk_peer *peer; /* NULL: went away */
    char who[WHO_MAX];
    int64_t tag;
    uint64_t question_id;
    struct question *question; /* one reference; NULL: was gone before */
    struct choice choice;
    enum answer_stage stage;
    enum outcome outcome;
    uint64_t covered;
    unsigned expected;           /* SETTLING: covered questions whose end was not told yet */
    uint64_t watermark;          /* those are not younger than this */
    uint64_t settle_until;       /* boot time */
    uint64_t undo;               /* OK; 0: cannot be undone */
    struct ending ending;        /* LATE */
    char sentence[SENTENCE_MAX]; /* REFUSED, FAILED */
};

struct recent {
    uint64_t id, driver_id;
    struct ending ending;
};

/* An answer that was taken and can be taken back. */
struct undo {
    uint64_t number; /* 0: free */
    char who[WHO_MAX];
    struct question *question; /* one reference */
    struct choice choice;
    uint64_t rule_id; /* 0: for one connection */
    bool asked;       /* somebody undoes it, or has */
    bool over;        /* and it is done */
};

struct undo_request {
    struct undo_request *next;
    struct desk_peer *peer; /* NULL: went away */
    int64_t tag;
    struct undo *undo;
};

enum undo_step { UNDO_BLOCK, UNDO_REMOVE, UNDO_UNBLOCK, UNDO_STEPS };

/* What is taken back one after the other: the first of the list. */
struct undo_work {
    struct undo_request *first, **last;
    bool begun, calling; /* calling: a change is in the caller's hands */
    enum undo_step step;
    uint32_t statuses[UNDO_STEPS];       /* of the steps; UNDO_SKIPPED */
    struct gatehouse_rules_image *image; /* the block; NULL: none */
    uint64_t block_id;
};

struct desk_peer {
    struct desk *desk;
    struct desk_peer *next;
    char user[WHO_MAX];
    struct desk_sender sender;
    uint64_t told; /* questions up to this id were sent, or were gone before */
    bool ready;    /* was said */
    bool watches;
    unsigned under_way; /* answers */
};

struct desk {
    struct desk_settings settings;
    void (*wake)(void *context);
    void *wake_context;
    bool decider;
    char why_not[SENTENCE_MAX];
    struct question *questions[DESK_QUESTIONS_MAX]; /* that wait, by rising id */
    unsigned count;
    struct question *buckets[BUCKETS];
    uint64_t last_id, last_undo;
    struct answer *answers, **last_answer;
    unsigned answer_count;
    unsigned submitted;               /* the first so many that are not told yet and SUBMITTED */
    struct recent recent[RECENT_MAX]; /* rings */
    uint64_t recent_count;
    uint64_t early[EARLY_MAX]; /* by the driver's ids */
    uint64_t early_count;
    struct undo undo[DESK_UNDO_MAX];
    struct undo_work work;
    struct desk_peer *peers;
    struct text line;
};

/* --- desk.c --- */
void desk_wake(struct desk *desk);
/* One that waits; NULL. */
struct question *desk_find(const struct desk *desk, uint64_t id);
/* The place of the first that waits with a greater id; the count: none. */
unsigned desk_place_after(const struct desk *desk, uint64_t id);
const struct recent *desk_find_recent(const struct desk *desk, uint64_t id);
/* NULL is allowed. */
void question_put(struct question *question);
/* It waits no more: remembers how it ended and tells the peers. */
void question_end(struct desk *desk, struct question *question, const struct ending *ending);
/* Whoever wants to know is told of the event that was held back, if there was one. */
void question_tell_event(struct desk *desk, struct question *question);
/* Would an answer for like with this scope decide the other too? */
bool question_covers(const struct request *like, enum gatehouse_scope scope, const struct request *other);

/* --- answers.c --- */
/* Goes to the queue's end; already DONE when the question does not wait. NULL: out of memory. */
struct answer *answers_add(struct desk *desk, struct desk_peer *peer, int64_t tag, uint64_t id);
/* An answer to this very question is with the driver, or on its way. */
bool answers_has(const struct desk *desk, const struct question *question);
/* ending is that of a BY_ANSWER event: adds whose answer it was. */
void answers_attribute(struct desk *desk, const struct request *request, struct ending *ending);
/* The question ended: those that waited for it go on. */
void answers_ended(struct desk *desk, const struct question *question);
/* Tells what is done, in order. */
void answers_tell(struct desk *desk);
uint64_t answers_due(const struct desk *desk);
/* What has waited for events for too long waits no more. */
void answers_settle(struct desk *desk, uint64_t now);
void answers_fail_all(struct desk *desk, const char *sentence);
void answers_peer_gone(struct desk_peer *peer);

/* --- speak.c --- */
void speak_hello(struct desk_peer *peer);
void speak_question(struct desk_peer *peer, const struct question *question, uint64_t now);
void speak_ready(struct desk_peer *peer);
void speak_gone(struct desk *desk, const struct question *question);
void speak_answered(struct desk *desk, const struct answer *answer);
void speak_undone(struct desk_peer *peer, int64_t tag, bool done, const char *sentence);
void speak_error(struct desk_peer *peer, int64_t tag, const char *sentence);
/* Makes the members that do not change; false: out of memory. */
bool speak_facts(struct question *question);
/* Adds more of them, if there is room. */
void speak_more_facts(struct question *question, const char *members);

/* --- undo.c --- */
/* The id of the rule that the choice makes of this request; 0: none, or out of memory. */
uint64_t undo_rule_id(const struct request *request, const struct choice *choice);
/* The answer was taken and made this rule: gives it a number if it can be undone. */
void undo_remember(struct desk *desk, struct answer *answer, uint64_t rule_id);
/* As answers_attribute, of answers that were taken before. */
void undo_attribute(const struct desk *desk, const struct request *request, struct ending *ending);
void undo_ask(struct desk_peer *peer, int64_t tag, uint64_t number);
void undo_peer_gone(struct desk_peer *peer);
void undo_cleanup(struct desk *desk);

#endif
