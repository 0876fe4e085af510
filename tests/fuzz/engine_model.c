/* SPDX-License-Identifier: MIT */
/*
 * engine_model.c - see engine_model.h. Slow on purpose: whatever is looked for, everything is looked at.
 */
#include "tests/fuzz/engine_model.h"

#include <string.h>

/* --- Objects --------------------------------------------------------------------------------------------------- */

struct model_policy *model_policy(struct model *model)
{
    return model->in_transaction ? &model->draft : &model->live;
}

static bool has_filter(const struct model_policy *policy, uint64_t id)
{
    for (unsigned i = 0; i < MODEL_FILTERS; i++)
        if (policy->filters[i].there && policy->filters[i].id == id)
            return true;
    return false;
}

static unsigned layers_lacking(const struct model_policy *policy, const struct model_policy *other)
{
    unsigned layers = 0;

    for (unsigned i = 0; i < MODEL_FILTERS; i++)
        if (policy->filters[i].there && !has_filter(other, policy->filters[i].id))
            layers |= 1u << policy->filters[i].layer;
    return layers;
}

static void publish(struct model *model, const struct model_policy *policy, unsigned *changed)
{
    *changed = layers_lacking(policy, &model->live) | layers_lacking(&model->live, policy);
    for (unsigned layer = 0; layer < MODEL_LAYERS; layer++)
        model->version[layer] += *changed >> layer & 1;
    model->live = *policy;
}

/* Outside a transaction each change is one of its own. */
static void change(struct model *model, const struct model_policy *policy, unsigned *changed)
{
    if (model->in_transaction)
        model->draft = *policy;
    else
        publish(model, policy, changed);
}

bool model_begin(struct model *model)
{
    if (model->in_transaction)
        return false;
    model->in_transaction = true;
    model->draft = model->live;
    return true;
}

bool model_end(struct model *model, bool commit, unsigned *changed)
{
    if (!model->in_transaction)
        return false;
    model->in_transaction = false;
    if (commit)
        publish(model, &model->draft, changed);
    return true;
}

bool model_add_sublayer(struct model *model, unsigned slot, unsigned weight, unsigned *changed)
{
    struct model_policy policy = *model_policy(model);

    if (policy.sublayers[slot].there)
        return false;
    policy.sublayers[slot].there = true;
    policy.sublayers[slot].weight = weight;
    policy.sublayers[slot].serial = ++model->serial;
    change(model, &policy, changed);
    return true;
}

bool model_delete_sublayer(struct model *model, unsigned slot, unsigned *changed)
{
    struct model_policy policy = *model_policy(model);

    for (unsigned i = 0; i < MODEL_FILTERS; i++)
        if (policy.filters[i].there && policy.filters[i].sublayer == slot)
            return false;
    if (!policy.sublayers[slot].there)
        return false;
    policy.sublayers[slot].there = false;
    change(model, &policy, changed);
    return true;
}

bool model_add_callout(struct model *model, unsigned slot, unsigned *changed)
{
    struct model_policy policy = *model_policy(model);

    if (policy.callouts[slot])
        return false;
    policy.callouts[slot] = true;
    change(model, &policy, changed);
    return true;
}

static bool asks_callout(const struct model_filter *filter)
{
    return filter->action >= MODEL_TERMINATING;
}

bool model_delete_callout(struct model *model, unsigned slot, unsigned *changed)
{
    struct model_policy policy = *model_policy(model);

    for (unsigned i = 0; i < MODEL_FILTERS; i++)
        if (policy.filters[i].there && asks_callout(&policy.filters[i]) && policy.filters[i].callout == slot)
            return false;
    if (!policy.callouts[slot])
        return false;
    policy.callouts[slot] = false;
    change(model, &policy, changed);
    return true;
}

bool model_may_add_filter(struct model *model, unsigned slot, const struct model_filter *filter)
{
    const struct model_policy *policy = model_policy(model);

    if (policy->filters[slot].there || !policy->sublayers[filter->sublayer].there)
        return false;
    if (filter->permit_if_missing && filter->action != MODEL_TERMINATING && filter->action != MODEL_UNKNOWN)
        return false;
    if (!asks_callout(filter))
        return true;
    return policy->callouts[filter->callout] && (filter->callout == MODEL_CALLOUTS - 1) == (filter->layer == MODEL_V6);
}

void model_add_filter(struct model *model, unsigned slot, const struct model_filter *filter, unsigned *changed)
{
    struct model_policy policy = *model_policy(model);

    policy.filters[slot] = *filter;
    policy.filters[slot].there = true;
    change(model, &policy, changed);
}

bool model_delete_filter(struct model *model, unsigned slot, unsigned *changed)
{
    struct model_policy policy = *model_policy(model);

    if (!policy.filters[slot].there)
        return false;
    policy.filters[slot].there = false;
    change(model, &policy, changed);
    return true;
}

void model_close_session(struct model *model, unsigned *changed)
{
    static const struct model_policy empty;

    model->in_transaction = false;
    publish(model, &empty, changed);
}

bool model_may_unregister(const struct model *model, unsigned callout)
{
    if (!model->registered[callout])
        return false;
    for (unsigned i = 0; i < MODEL_CONNECTS; i++)
        if (model->connects[i].contexts[callout])
            return false;
    return true;
}

/* --- Arbitration ----------------------------------------------------------------------------------------------- */

struct walk {
    struct model *model;
    struct model_connect *connect;
    bool again, flow;
    bool right;
    enum model_action so_far;
    struct model_answer *answer;
};

static bool meets(const struct model_filter *filter, const struct model_connect *connect)
{
    return filter->layer == connect->layer && (!filter->has_protocol || filter->protocol == connect->protocol) &&
           (!filter->has_ports || (connect->port >= filter->port_low && connect->port <= filter->port_high));
}

/* The answer counts. */
static void take(struct walk *walk, const struct model_filter *filter, bool block, bool hard, bool absorb)
{
    walk->so_far = block ? MODEL_BLOCK : MODEL_PERMIT;
    walk->right = walk->right && !hard;
    walk->answer->block = block;
    walk->answer->absorb = absorb;
    walk->answer->filter = filter->id;
}

static bool say_plainly(struct walk *walk, const struct model_filter *filter, bool block)
{
    if (walk->right)
        take(walk, filter, block, block || filter->clear_right, false);
    return true;
}

/* A callout pends. The engine takes its block where it had the right, and as a veto where a permit stood. */
static bool pend(struct walk *walk, const struct model_filter *filter, enum model_act act)
{
    bool counts = walk->right || walk->so_far == MODEL_PERMIT;

    walk->answer->pends++;
    walk->answer->completed += act == ACT_PEND_NOW;
    if (counts)
        take(walk, filter, true, true, true);
    return counts;
}

/* true: the sublayer is decided. */
static bool say_as_callout(struct walk *walk, const struct model_filter *filter, enum model_act act)
{
    bool pends = act >= ACT_PEND_PERMIT && !walk->again && (walk->right || act == ACT_PEND_TOO);

    if (pends)
        return pend(walk, filter, act);
    if (filter->action == MODEL_INSPECTION || act == ACT_NOTHING || act == ACT_CONTINUE)
        return false;
    if (act == ACT_VETO) {
        bool vetoes = !walk->right && walk->so_far == MODEL_PERMIT;

        if (vetoes)
            take(walk, filter, true, true, false);
        return vetoes;
    }
    if (!walk->right)
        return false;
    if (act == ACT_PERMIT_SOFT || act == ACT_PERMIT_HARD)
        take(walk, filter, false, act == ACT_PERMIT_HARD, false);
    else if (act == ACT_BLOCK_SOFT || act == ACT_BLOCK_HARD || act == ACT_ABSORB)
        take(walk, filter, true, act != ACT_BLOCK_SOFT, act == ACT_ABSORB);
    else
        take(walk, filter, act == ACT_PEND_BLOCK, true, false);
    return true;
}

/* true: the sublayer is decided. */
static bool ask(struct walk *walk, const struct model_filter *filter)
{
    unsigned callout = filter->callout;

    if (filter->action == MODEL_CONTINUE)
        return false;
    if (!asks_callout(filter))
        return say_plainly(walk, filter, filter->action == MODEL_BLOCK);
    walk->answer->by_callout = true;
    if (!walk->model->registered[callout])
        return filter->action != MODEL_INSPECTION && say_plainly(walk, filter, !filter->permit_if_missing);
    walk->answer->asked[walk->answer->count++] =
        (struct model_asked){callout, walk->right, walk->again, walk->right ? MODEL_CONTINUE : walk->so_far};
    if (walk->flow && walk->model->keeps_context[callout])
        walk->connect->contexts[callout] = true;
    return say_as_callout(walk, filter, walk->model->acts[callout]);
}

/* The heaviest sublayer that was not visited, the older among equals; -1: none. */
static int next_sublayer(const struct model_policy *live, const bool *visited)
{
    int next = -1;

    for (unsigned i = 0; i < MODEL_SUBLAYERS; i++) {
        if (!live->sublayers[i].there || visited[i])
            continue;
        if (next < 0 || live->sublayers[i].weight > live->sublayers[next].weight ||
            (live->sublayers[i].weight == live->sublayers[next].weight &&
             live->sublayers[i].serial < live->sublayers[next].serial))
            next = (int)i;
    }
    return next;
}

/* The heaviest filter of the sublayer that the connection meets and that was not asked. */
static int next_filter(const struct walk *walk, unsigned sublayer, const bool *asked)
{
    const struct model_filter *filters = walk->model->live.filters;
    int next = -1;

    for (unsigned i = 0; i < MODEL_FILTERS; i++) {
        if (!filters[i].there || asked[i] || filters[i].sublayer != sublayer || !meets(&filters[i], walk->connect))
            continue;
        if (next < 0 || filters[i].weight > filters[next].weight ||
            (filters[i].weight == filters[next].weight && filters[i].id < filters[next].id))
            next = (int)i;
    }
    return next;
}

static void classify(struct model *model, struct model_connect *connect, bool again, bool flow,
                     struct model_answer *answer)
{
    struct walk walk = {model, connect, again, flow, true, MODEL_CONTINUE, answer};
    bool visited[MODEL_SUBLAYERS] = {false}, asked[MODEL_FILTERS] = {false};
    int sublayer, filter;

    memset(answer, 0, sizeof(*answer));
    connect->version = model->version[connect->layer];
    while ((sublayer = next_sublayer(&model->live, visited)) >= 0) {
        bool decided = false;

        visited[sublayer] = true;
        while (!decided && (filter = next_filter(&walk, (unsigned)sublayer, asked)) >= 0) {
            asked[filter] = true;
            decided = ask(&walk, &model->live.filters[filter]);
        }
    }
}

/* --- The life of a connection ---------------------------------------------------------------------------------- */

static void resume(struct model *model, struct model_connect *connect, struct model_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    if (connect->dead)
        answer->block = true;
    else
        classify(model, connect, true, false, answer);
    answer->by_callout = true;
    connect->state = answer->block ? CONNECT_OVER : CONNECT_FLOW;
}

void model_connect(struct model *model, struct model_connect *connect, struct model_answer *answer, bool *ended,
                   struct model_answer *again)
{
    classify(model, connect, false, false, answer);
    connect->open = answer->pends - answer->completed;
    *ended = false;
    if (answer->pends == 0) {
        connect->state = answer->block ? CONNECT_OVER : CONNECT_FLOW;
        return;
    }
    connect->state = CONNECT_HELD;
    *ended = connect->open == 0;
    if (*ended)
        resume(model, connect, again);
}

bool model_complete(struct model *model, struct model_connect *connect, struct model_answer *answer)
{
    if (--connect->open != 0)
        return false;
    resume(model, connect, answer);
    return true;
}

void model_end_flow(struct model *model, struct model_connect *connect)
{
    for (unsigned i = 0; i < MODEL_CALLOUTS; i++) {
        model->deleted[i] += connect->contexts[i];
        connect->contexts[i] = false;
    }
    connect->state = CONNECT_OVER;
}

bool model_packet(struct model *model, struct model_connect *connect, bool always, struct model_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    answer->block = connect->state != CONNECT_FLOW;
    if (answer->block || (!always && connect->version == model->version[connect->layer]))
        return false;
    classify(model, connect, true, true, answer);
    if (answer->block)
        model_end_flow(model, connect);
    return true;
}

void model_close_endpoint(struct model *model, uint64_t endpoint)
{
    for (unsigned i = 0; i < MODEL_CONNECTS; i++) {
        struct model_connect *connect = &model->connects[i];

        if (connect->endpoint != endpoint)
            continue;
        if (connect->state == CONNECT_FLOW)
            model_end_flow(model, connect);
        connect->dead = true;
    }
}
