/* SPDX-License-Identifier: MIT */
/*
 * state_write.c - see state_write.h.
 */
#include "lab/state_write.h"

#include "lab/json.h"

#define KEY_TEXT 40

/* As Windows writes it: {xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}. */
static const char *key_text(const GUID *key, char text[KEY_TEXT])
{
    const UINT8 *d = key->Data4;

    snprintf(text, KEY_TEXT, "{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", (unsigned)key->Data1, key->Data2,
             key->Data3, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]);
    return text;
}

static const char *action_text(FWP_ACTION_TYPE action)
{
    switch (action) {
    case FWP_ACTION_PERMIT:
        return "permit";
    case FWP_ACTION_BLOCK:
        return "block";
    case FWP_ACTION_CALLOUT_TERMINATING:
        return "callout, terminating";
    case FWP_ACTION_CALLOUT_INSPECTION:
        return "callout, inspection";
    case FWP_ACTION_CALLOUT_UNKNOWN:
        return "callout";
    default:
        return "?";
    }
}

static const char *or_dash(const char *text)
{
    return text == NULL || *text == 0 ? "-" : text;
}

static const char *protocol_text(const struct wfp_state_connection *connection, char text[16])
{
    snprintf(text, 16, "%u", connection->protocol);
    return connection->protocol == 6 ? "tcp" : connection->protocol == 17 ? "udp" : text;
}

static void write_objects(FILE *out, const struct wfp_state *state)
{
    if (state->sessions != 0)
        fprintf(out, "sessions\n  %8s  %-20s  %s\n", "id", "driver", "flags");
    for (size_t i = 0; i < state->sessions; i++)
        fprintf(out, "  %8llu  %-20s  %s%s\n", (unsigned long long)state->session[i].id,
                or_dash(state->session[i].driver), state->session[i].dynamic ? "dynamic " : "",
                state->session[i].in_transaction ? "in-transaction" : "");
    if (state->providers != 0)
        fprintf(out, "providers\n  %-20s  %s\n", "driver", "name");
    for (size_t i = 0; i < state->providers; i++)
        fprintf(out, "  %-20s  %s\n", or_dash(state->provider[i].driver), or_dash(state->provider[i].name));
    if (state->sublayers != 0)
        fprintf(out, "sublayers\n  %6s  %7s  %-20s  %s\n", "weight", "filters", "driver", "name");
    for (size_t i = 0; i < state->sublayers; i++)
        fprintf(out, "  %6u  %7u  %-20s  %s\n", state->sublayer[i].weight, state->sublayer[i].filters,
                or_dash(state->sublayer[i].driver), or_dash(state->sublayer[i].name));
    if (state->callouts != 0)
        fprintf(out, "callouts\n  %8s  %-10s  %-5s  %-28s  %-20s  %s\n", "id", "registered", "added", "layer", "driver",
                "name");
    for (size_t i = 0; i < state->callouts; i++)
        fprintf(out, "  %8u  %-10s  %-5s  %-28s  %-20s  %s\n", state->callout[i].id,
                state->callout[i].registered ? "yes" : "no", state->callout[i].added ? "yes" : "no",
                or_dash(state->callout[i].layer), or_dash(state->callout[i].driver), or_dash(state->callout[i].name));
}

static void write_filters(FILE *out, const struct wfp_state *state)
{
    if (state->filters != 0)
        fprintf(out, "filters, as they are asked\n  %8s  %-24s  %8s  %20s  %-22s  %8s  %10s  %6s  %s\n", "id", "layer",
                "sublayer", "weight", "action", "callout", "conditions", "hits", "name");
    for (size_t i = 0; i < state->filters; i++) {
        const struct wfp_state_filter *filter = &state->filter[i];

        fprintf(out, "  %8llu  %-24s  %8u  %20llu  %-22s  %8u  %10u  %6llu  %s%s\n", (unsigned long long)filter->id,
                or_dash(filter->layer), filter->sublayer_weight, (unsigned long long)filter->weight,
                action_text(filter->action), filter->callout, filter->conditions, (unsigned long long)filter->hits,
                or_dash(filter->name), filter->callout == 0 || filter->callout_registered ? "" : " (no callout)");
    }
}

static void write_connections(FILE *out, const struct wfp_state *state)
{
    char peer[WFP_PEER_TEXT], protocol[16];

    if (state->operations != 0)
        fprintf(out, "held operations\n  %8s  %10s  %8s  %-8s  %-5s  %-44s  %s\n", "number", "age", "callout",
                "endpoint", "", "to", "program");
    for (size_t i = 0; i < state->operations; i++) {
        const struct wfp_state_operation *held = &state->operation[i];

        fprintf(out, "  %8llu  %8llu.%llus  %8u  %-8s  %-5s  %-44s  %s\n", (unsigned long long)held->operation,
                (unsigned long long)(held->age / 10000000u), (unsigned long long)(held->age / 1000000u % 10u),
                held->callout, held->endpoint_closed ? "closed" : "open", protocol_text(&held->connection, protocol),
                wfp_peer_text(&held->connection, peer), or_dash(held->connection.app));
    }
    if (state->flows != 0)
        fprintf(out, "flows\n  %8s  %-24s  %8s  %-11s  %-7s  %-5s  %-44s  %s\n", "id", "authorized at", "contexts",
                "established", "current", "", "to", "program");
    for (size_t i = 0; i < state->flows; i++) {
        const struct wfp_state_flow *flow = &state->flow[i];

        fprintf(out, "  %8llu  %-24s  %8u  %-11s  %-7s  %-5s  %-44s  %s\n", (unsigned long long)flow->id,
                or_dash(flow->layer), flow->contexts, flow->established ? "yes" : "no", flow->is_current ? "yes" : "no",
                protocol_text(&flow->connection, protocol), wfp_peer_text(&flow->connection, peer),
                or_dash(flow->connection.app));
    }
}

void state_write_text(FILE *out, const struct wfp_state *state)
{
    write_objects(out, state);
    write_filters(out, state);
    write_connections(out, state);
    fflush(out);
}

/* --- JSON --- */

static void key_json(struct lab_json *json, const char *name, const GUID *key)
{
    char text[KEY_TEXT];

    lab_json_string(json, name, key_text(key, text));
}

static void names_json(struct lab_json *json, const char *driver, const char *name)
{
    lab_json_string(json, "driver", *driver == 0 ? NULL : driver);
    if (name != NULL)
        lab_json_string(json, "name", name);
}

static void objects_json(struct lab_json *json, const struct wfp_state *state)
{
    lab_json_array(json, "sessions");
    for (size_t i = 0; i < state->sessions; i++) {
        lab_json_object(json, NULL);
        lab_json_number(json, "id", state->session[i].id);
        lab_json_boolean(json, "dynamic", state->session[i].dynamic);
        lab_json_boolean(json, "inTransaction", state->session[i].in_transaction);
        names_json(json, state->session[i].driver, NULL);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
    lab_json_array(json, "providers");
    for (size_t i = 0; i < state->providers; i++) {
        lab_json_object(json, NULL);
        key_json(json, "key", &state->provider[i].key);
        names_json(json, state->provider[i].driver, state->provider[i].name);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
    lab_json_array(json, "sublayers");
    for (size_t i = 0; i < state->sublayers; i++) {
        lab_json_object(json, NULL);
        key_json(json, "key", &state->sublayer[i].key);
        lab_json_number(json, "weight", state->sublayer[i].weight);
        lab_json_number(json, "filters", state->sublayer[i].filters);
        names_json(json, state->sublayer[i].driver, state->sublayer[i].name);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
}

static void callouts_json(struct lab_json *json, const struct wfp_state *state)
{
    lab_json_array(json, "callouts");
    for (size_t i = 0; i < state->callouts; i++) {
        const struct wfp_state_callout *callout = &state->callout[i];

        lab_json_object(json, NULL);
        lab_json_number(json, "id", callout->id);
        key_json(json, "key", &callout->key);
        lab_json_boolean(json, "registered", callout->registered);
        lab_json_boolean(json, "added", callout->added);
        lab_json_string(json, "layer", callout->layer);
        lab_json_number(json, "flowContexts", callout->flow_contexts);
        names_json(json, callout->driver, callout->name);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
    lab_json_array(json, "filters");
    for (size_t i = 0; i < state->filters; i++) {
        const struct wfp_state_filter *filter = &state->filter[i];

        lab_json_object(json, NULL);
        lab_json_number(json, "id", filter->id);
        key_json(json, "key", &filter->key);
        lab_json_string(json, "layer", filter->layer);
        key_json(json, "sublayer", &filter->sublayer);
        lab_json_number(json, "sublayerWeight", filter->sublayer_weight);
        lab_json_number(json, "weight", filter->weight);
        lab_json_string(json, "action", action_text(filter->action));
        lab_json_number(json, "callout", filter->callout);
        lab_json_boolean(json, "calloutRegistered", filter->callout_registered);
        lab_json_number(json, "conditions", filter->conditions);
        lab_json_number(json, "hits", filter->hits);
        names_json(json, filter->driver, filter->name);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
}

static void connection_json(struct lab_json *json, const struct wfp_state_connection *connection)
{
    char peer[WFP_PEER_TEXT];

    lab_json_number(json, "protocol", connection->protocol);
    lab_json_string(json, "to", wfp_peer_text(connection, peer));
    lab_json_number(json, "endpoint", connection->endpoint);
    lab_json_number(json, "process", connection->process_id);
    lab_json_string(json, "program", *connection->app == 0 ? NULL : connection->app);
}

static void connections_json(struct lab_json *json, const struct wfp_state *state)
{
    lab_json_array(json, "operations");
    for (size_t i = 0; i < state->operations; i++) {
        const struct wfp_state_operation *held = &state->operation[i];

        lab_json_object(json, NULL);
        lab_json_number(json, "operation", held->operation);
        lab_json_number(json, "ageMs", held->age / 10000u);
        lab_json_number(json, "callout", held->callout);
        lab_json_boolean(json, "endpointClosed", held->endpoint_closed);
        connection_json(json, &held->connection);
        names_json(json, held->driver, NULL);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
    lab_json_array(json, "flows");
    for (size_t i = 0; i < state->flows; i++) {
        const struct wfp_state_flow *flow = &state->flow[i];

        lab_json_object(json, NULL);
        lab_json_number(json, "id", flow->id);
        lab_json_string(json, "layer", flow->layer);
        lab_json_number(json, "contexts", flow->contexts);
        lab_json_boolean(json, "established", flow->established);
        lab_json_boolean(json, "current", flow->is_current);
        connection_json(json, &flow->connection);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
}

void state_write_json(FILE *out, const struct wfp_state *state)
{
    struct lab_json json;

    lab_json_start(&json, out, false);
    lab_json_object(&json, NULL);
    lab_json_string(&json, "schema", "gatehouse-lab-state/1");
    objects_json(&json, state);
    callouts_json(&json, state);
    connections_json(&json, state);
    lab_json_object_end(&json);
    fputc('\n', out);
    fflush(out);
}
