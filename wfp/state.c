/* SPDX-License-Identifier: MIT */
/*
 * state.c - see state.h. Copies one table after the other, each shard under its lock: what is in a table cannot be
 * freed. Memory is the C library's, so that a snapshot changes no pool count and no fault refuses it.
 */
#include "wfp/state.h"
#include "wfp/callout.h"
#include "wfp/filter.h"
#include "wfp/flow.h"
#include "wfp/pend.h"
#include "wfp/session.h"
#include "wfp/sublayer.h"

#include <nt/nt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An array that grows. */
struct list {
    char *items;
    size_t count, room, size;
    BOOLEAN failed;
};

static void *add(struct list *list)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 16 : list->room * 2;
        char *items = realloc(list->items, room * list->size);

        if (items == NULL) {
            list->failed = TRUE;
            return NULL;
        }
        list->items = items;
        list->room = room;
    }
    return memset(list->items + list->count++ * list->size, 0, list->size);
}

static void copy_driver(char text[WFP_STATE_NAME], PDRIVER_OBJECT driver)
{
    size_t chars = driver == NULL ? 0 : driver->DriverName.Length / sizeof(WCHAR);

    if (chars >= WFP_STATE_NAME)
        chars = WFP_STATE_NAME - 1;
    for (size_t i = 0; i < chars; i++)
        text[i] = driver->DriverName.Buffer[i] < 0x7f ? (char)driver->DriverName.Buffer[i] : '?';
    text[chars] = 0;
}

static void copy_app(char *text, size_t size, const FWP_BYTE_BLOB *app)
{
    size_t chars = app == NULL ? 0 : app->size / sizeof(UINT16);
    size_t at = 0;

    for (; at < chars && at + 1 < size; at++) {
        UINT16 unit;

        memcpy(&unit, app->data + at * sizeof(unit), sizeof(unit));
        if (unit == 0)
            break;
        text[at] = unit >= ' ' && unit < 0x7f ? (char)unit : '?';
    }
    text[at] = 0;
}

static void copy_connection(struct wfp_state_connection *to, const struct wfp_ale_connect *facts)
{
    to->ip_version = facts->ip_version;
    to->protocol = facts->protocol;
    to->local_port = facts->local_port;
    to->remote_port = facts->remote_port;
    memcpy(to->local_address, facts->local_address, sizeof(to->local_address));
    memcpy(to->remote_address, facts->remote_address, sizeof(to->remote_address));
    to->endpoint = facts->endpoint;
    to->process_id = facts->has_process ? facts->process_id : 0;
    copy_app(to->app, sizeof(to->app), facts->app_id);
}

static void add_session(struct wfp_node *node, void *context)
{
    const struct wfp_session *session = CONTAINING_RECORD(node, struct wfp_session, node);
    struct wfp_state_session *to = add(context);

    if (to == NULL)
        return;
    to->id = node->key;
    to->dynamic = session->dynamic;
    to->in_transaction = wfp_gate_owned(session);
    copy_driver(to->driver, session->driver);
}

static void add_provider(struct wfp_node *node, void *context)
{
    const struct wfp_object *object = CONTAINING_RECORD(node, struct wfp_object, node);
    struct wfp_state_provider *to = add(context);

    if (to == NULL)
        return;
    to->key = object->key;
    to->persistent = object->persistent;
    (void)wfp_object_name(object, to->name, sizeof(to->name));
    copy_driver(to->driver, object->driver);
}

static void copy_sublayer(struct wfp_state_sublayer *to, const struct wfp_sublayer *sublayer)
{
    to->key = sublayer->object.key;
    to->weight = sublayer->weight;
    to->persistent = sublayer->object.persistent;
    to->builtin = sublayer->object.builtin;
    to->filters = sublayer->object.refs;
    if (sublayer->template == NULL)
        snprintf(to->name, sizeof(to->name), "Universal");
    else
        (void)wfp_object_name(&sublayer->object, to->name, sizeof(to->name));
    copy_driver(to->driver, sublayer->object.driver);
}

static void add_sublayer(struct wfp_node *node, void *context)
{
    struct wfp_state_sublayer *to = add(context);

    if (to != NULL)
        copy_sublayer(to, CONTAINING_RECORD(node, const struct wfp_sublayer, object.node));
}

static BOOLEAN is_registered(const struct wfp_callout_slot *slot)
{
    return (atomic_load(&slot->inside) & WFP_REGISTERED) != 0;
}

static void add_slot(struct wfp_node *node, void *context)
{
    const struct wfp_callout_slot *slot = CONTAINING_RECORD(node, struct wfp_callout_slot, by_id);
    struct wfp_state_callout *to = add(context);

    if (to == NULL)
        return;
    to->id = slot->id;
    to->key = slot->key;
    to->registered = is_registered(slot);
    to->flow_contexts = atomic_load(&slot->flow_contexts);
    copy_driver(to->driver, slot->driver);
}

/* Behind add_slot: completes the slot's line. */
static void add_callout(struct wfp_node *node, void *context)
{
    const struct wfp_callout *callout = CONTAINING_RECORD(node, struct wfp_callout, object.node);
    struct list *list = context;
    struct wfp_state_callout *all = (struct wfp_state_callout *)(void *)list->items;

    for (size_t i = 0; i < list->count; i++) {
        if (all[i].id != callout->slot->id)
            continue;
        all[i].added = TRUE;
        all[i].persistent = callout->object.persistent;
        all[i].layer = wfp_layers[callout->layer].name;
        (void)wfp_object_name(&callout->object, all[i].name, sizeof(all[i].name));
        if (all[i].driver[0] == 0)
            copy_driver(all[i].driver, callout->object.driver);
    }
}

static void add_filter(struct wfp_node *node, void *context)
{
    const struct wfp_filter *filter = CONTAINING_RECORD(node, struct wfp_filter, object.node);
    struct wfp_state_filter *to = add(context);

    if (to == NULL)
        return;
    to->id = wfp_filter_id(filter);
    to->key = filter->object.key;
    to->sublayer = filter->sublayer->key;
    to->layer = wfp_layers[filter->layer].name;
    to->sublayer_weight = filter->sublayer_weight;
    to->weight = filter->weight;
    to->action = filter->action;
    to->callout = filter->call == NULL ? 0 : filter->call->slot->id;
    to->callout_registered = filter->call != NULL && is_registered(filter->call->slot);
    to->flags = filter->flags;
    to->conditions = filter->condition_count;
    to->hits = atomic_load_explicit(&filter->hits, memory_order_relaxed);
    (void)wfp_object_name(&filter->object, to->name, sizeof(to->name));
    copy_driver(to->driver, filter->object.driver);
}

static void add_operation(struct wfp_node *node, void *context)
{
    const struct wfp_pend *pend = CONTAINING_RECORD(node, struct wfp_pend, node);
    struct wfp_state_operation *to = add(context);

    if (to == NULL)
        return;
    to->context = node->key;
    to->operation = pend->authorization->flow.key;
    to->age = pend->since == 0 ? 0 : nt_now() - pend->since;
    to->callout = pend->callout_id;
    to->endpoint_closed = atomic_load(&pend->authorization->dead);
    copy_connection(&to->connection, &pend->authorization->facts);
    copy_driver(to->driver, pend->driver);
}

static void add_flow(struct wfp_node *node, void *context)
{
    struct wfp_authorization *flow = CONTAINING_RECORD(node, struct wfp_authorization, flow);
    struct wfp_state_flow *to = add(context);

    if (to == NULL)
        return;
    to->id = node->key;
    to->layer = wfp_layers[flow->layer].name;
    to->contexts = (UINT32)wfp_flow_context_count(flow);
    to->established = atomic_load(&flow->established);
    to->is_current = atomic_load(&flow->generation) == atomic_load(&wfp_live_layers[flow->layer].generation);
    copy_connection(&to->connection, &flow->facts);
}

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

/* Sessions, operations and flows begin with their number. */
static int compare_numbers(const void *a, const void *b)
{
    UINT64 x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return ORDER(x, y);
}

static int compare_callouts(const void *a, const void *b)
{
    const struct wfp_state_callout *x = a, *y = b;

    return ORDER(x->id, y->id);
}

/* Providers begin with their key. */
static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(GUID));
}

static int compare_sublayers(const void *a, const void *b)
{
    const struct wfp_state_sublayer *x = a, *y = b;

    return x->weight != y->weight ? ORDER(y->weight, x->weight) : compare_keys(a, b);
}

/* As policy.c asks them; between sublayers of one weight by key, which is not the engine's order but a steady one. */
static int compare_filters(const void *a, const void *b)
{
    const struct wfp_state_filter *x = a, *y = b;
    int order = strcmp(x->layer, y->layer);

    if (order == 0)
        order = ORDER(y->sublayer_weight, x->sublayer_weight);
    if (order == 0)
        order = memcmp(&x->sublayer, &y->sublayer, sizeof(GUID));
    if (order == 0)
        order = ORDER(y->weight, x->weight);
    return order != 0 ? order : ORDER(x->id, y->id);
}

static BOOLEAN collect(struct wfp_table *table, void (*each)(struct wfp_node *node, void *context), struct list *list)
{
    wfp_table_each(table, each, list);
    return !list->failed;
}

static void *sorted(struct list *list, int (*compare)(const void *a, const void *b), size_t *count)
{
    if (list->count != 0)
        qsort(list->items, list->count, list->size, compare);
    *count = list->count;
    return list->items;
}

#define TAKE(state, member, table, each, compare)                                                                      \
    do {                                                                                                               \
        struct list list_ = {.size = sizeof(*(state)->member)};                                                        \
        good = collect((table), (each), &list_) && good;                                                               \
        (state)->member = sorted(&list_, (compare), &(state)->member##s);                                              \
    } while (0)

static BOOLEAN take_sublayers(struct wfp_state *state)
{
    GUID universal = {0};
    struct list list = {.size = sizeof(*state->sublayer)};
    BOOLEAN good = collect(wfp_object_table(WFP_SUBLAYER), add_sublayer, &list);
    struct wfp_state_sublayer *builtin = add(&list);

    if (builtin != NULL)
        copy_sublayer(builtin, wfp_sublayer_find(&universal));
    state->sublayer = sorted(&list, compare_sublayers, &state->sublayers);
    return good && builtin != NULL;
}

static BOOLEAN take_callouts(struct wfp_state *state)
{
    struct list list = {.size = sizeof(*state->callout)};
    BOOLEAN good = collect(wfp_slot_table(), add_slot, &list);

    wfp_table_each(wfp_object_table(WFP_CALLOUT), add_callout, &list);
    state->callout = sorted(&list, compare_callouts, &state->callouts);
    return good;
}

struct wfp_state *wfp_state_take(void)
{
    struct wfp_state *state = calloc(1, sizeof(*state));
    BOOLEAN good = TRUE;

    nt_require_irql("wfp_state_take", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (state == NULL)
        return NULL;
    TAKE(state, session, wfp_session_table(), add_session, compare_numbers);
    TAKE(state, provider, wfp_object_table(WFP_PROVIDER), add_provider, compare_keys);
    good = take_sublayers(state) && good;
    good = take_callouts(state) && good;
    TAKE(state, filter, wfp_object_table(WFP_FILTER), add_filter, compare_filters);
    TAKE(state, operation, wfp_pend_table(), add_operation, compare_numbers);
    TAKE(state, flow, wfp_flow_table(), add_flow, compare_numbers);
    if (good)
        return state;
    wfp_state_free(state);
    return NULL;
}

void wfp_state_free(struct wfp_state *state)
{
    if (state == NULL)
        return;
    free(state->session);
    free(state->provider);
    free(state->sublayer);
    free(state->callout);
    free(state->filter);
    free(state->operation);
    free(state->flow);
    free(state);
}

const char *wfp_peer_text(const struct wfp_state_connection *connection, char text[WFP_PEER_TEXT])
{
    const UINT8 *at = connection->remote_address;

    if (connection->ip_version != 6)
        snprintf(text, WFP_PEER_TEXT, "%u.%u.%u.%u:%u", at[0], at[1], at[2], at[3], connection->remote_port);
    else
        snprintf(text, WFP_PEER_TEXT, "[%x:%x:%x:%x:%x:%x:%x:%x]:%u", at[0] << 8 | at[1], at[2] << 8 | at[3],
                 at[4] << 8 | at[5], at[6] << 8 | at[7], at[8] << 8 | at[9], at[10] << 8 | at[11], at[12] << 8 | at[13],
                 at[14] << 8 | at[15], connection->remote_port);
    return text;
}
