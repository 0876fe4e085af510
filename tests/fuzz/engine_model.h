/* SPDX-License-Identifier: MIT */
/*
 * engine_model.h - a second, much simpler filter engine: plain arrays, searched from end to end.
 *
 * It knows what a filter engine answers, and nothing of how ours does it: sublayers, callouts and filters in and out of
 * a transaction, arbitration, pended operations, their completion, reauthorization, flows and their contexts. Written
 * from the pages that wfp/classify.c, wfp/pend.c, wfp/transaction.c and wfp/flow.c name. engine_fuzz.c performs each
 * operation on both and compares.
 */
#ifndef TESTS_ENGINE_MODEL_H
#define TESTS_ENGINE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_V4, MODEL_V6, MODEL_LAYERS };

#define MODEL_SUBLAYERS 4u
#define MODEL_CALLOUTS  4u /* the last one at the V6 layer, the others at V4 */
#define MODEL_FILTERS   16u
#define MODEL_CONNECTS  24u
#define MODEL_ASKED     (MODEL_FILTERS + 1u)
#define MODEL_PENDS     MODEL_ASKED

/* What a test callout does when it is asked. */
enum model_act {
    ACT_NOTHING,
    ACT_CONTINUE,
    ACT_PERMIT_SOFT,
    ACT_PERMIT_HARD,
    ACT_BLOCK_SOFT,
    ACT_BLOCK_HARD,
    ACT_ABSORB,
    ACT_VETO,        /* blocks only without the right */
    ACT_PEND_PERMIT, /* pends; asked again, permits */
    ACT_PEND_BLOCK,
    ACT_PEND_NOW, /* pends and completes at once; asked again, permits */
    ACT_PEND_TOO, /* pends without the right as well; asked again, permits */
    MODEL_ACTS
};

enum model_action { MODEL_PERMIT, MODEL_BLOCK, MODEL_CONTINUE, MODEL_TERMINATING, MODEL_UNKNOWN, MODEL_INSPECTION };

struct model_filter {
    bool there;
    uint64_t id;
    unsigned layer, sublayer, callout;
    unsigned weight;
    enum model_action action;
    bool clear_right, permit_if_missing;
    bool has_ports, has_protocol;
    uint16_t port_low, port_high;
    uint8_t protocol;
};

/* What a transaction works on. */
struct model_policy {
    struct {
        bool there;
        unsigned weight;
        uint64_t serial; /* older first among equals */
    } sublayers[MODEL_SUBLAYERS];
    bool callouts[MODEL_CALLOUTS]; /* the management object */
    struct model_filter filters[MODEL_FILTERS];
};

enum model_state { CONNECT_NONE, CONNECT_HELD, CONNECT_FLOW, CONNECT_OVER };

struct model_connect {
    enum model_state state;
    unsigned layer;
    uint16_t port;
    uint8_t protocol;
    uint64_t endpoint;
    bool dead;
    unsigned open; /* pends not completed */
    uint64_t version;
    bool contexts[MODEL_CALLOUTS];
};

struct model {
    struct model_policy live, draft;
    bool in_transaction;
    uint64_t serial;
    uint64_t version[MODEL_LAYERS];
    bool registered[MODEL_CALLOUTS], keeps_context[MODEL_CALLOUTS];
    enum model_act acts[MODEL_CALLOUTS];
    unsigned deleted[MODEL_CALLOUTS]; /* how often flowDeleteFn has to have run */
    struct model_connect connects[MODEL_CONNECTS];
};

struct model_asked {
    unsigned callout;
    bool right, again;
    enum model_action so_far; /* MODEL_CONTINUE: nothing yet */
};

struct model_answer {
    bool block, absorb, by_callout;
    uint64_t filter;
    unsigned pends, completed; /* how many were pended; how many of them at once completed */
    unsigned count;
    struct model_asked asked[MODEL_ASKED];
};

/* The policy that management calls see now. */
struct model_policy *model_policy(struct model *model);

/* Objects. false: refused, and nothing has changed. The layers whose filters changed are bits of *changed. */
bool model_begin(struct model *model);
bool model_end(struct model *model, bool commit, unsigned *changed);
bool model_add_sublayer(struct model *model, unsigned slot, unsigned weight, unsigned *changed);
bool model_delete_sublayer(struct model *model, unsigned slot, unsigned *changed);
bool model_add_callout(struct model *model, unsigned slot, unsigned *changed);
bool model_delete_callout(struct model *model, unsigned slot, unsigned *changed);
bool model_may_add_filter(struct model *model, unsigned slot, const struct model_filter *filter);
void model_add_filter(struct model *model, unsigned slot, const struct model_filter *filter, unsigned *changed);
bool model_delete_filter(struct model *model, unsigned slot, unsigned *changed);
void model_close_session(struct model *model, unsigned *changed);
bool model_may_unregister(const struct model *model, unsigned callout);

/* A connect: state becomes HELD, FLOW or OVER; *again: what came of it when all was completed at once already. */
void model_connect(struct model *model, struct model_connect *connect, struct model_answer *answer, bool *ended,
                   struct model_answer *again);
/* One pend is completed. true: it was the last, and *answer is how it ended. */
bool model_complete(struct model *model, struct model_connect *connect, struct model_answer *answer);
/* A packet of a flow, or (always) a reason to ask again whatever the version. true: it was asked again. */
bool model_packet(struct model *model, struct model_connect *connect, bool always, struct model_answer *answer);
void model_end_flow(struct model *model, struct model_connect *connect);
void model_close_endpoint(struct model *model, uint64_t endpoint);

#endif
