/* SPDX-License-Identifier: MIT */
/*
 * leftover.c - see leftover.h. What is found is copied first: no violation is reported under a table's lock.
 *
 * A session that was left open takes its dynamic objects with it, so it is reported instead of them. Persistent objects
 * are meant to stay and are not reported; neither is a driver blamed that got STATUS_INSUFFICIENT_RESOURCES where it
 * had to delete, nor for what somebody else's objects still name, which it could not delete (STATUS_FWP_IN_USE).
 *
 * Pages: Unloading a Callout Driver (windows-driver-docs), Object Management (win32 desktop-src/FWP).
 */
#include "wfp/leftover.h"
#include "nt/verify/verify.h"
#include "wfp/filter.h"
#include "wfp/flow.h"
#include "wfp/injection.h"
#include "wfp/pend.h"
#include "wfp/transaction.h"

#include <nt/nt.h>

#define MOST 64 /* reported of one kind */

/* Who names comes before who is named. */
static const enum wfp_kind order[WFP_KIND_COUNT] = {WFP_FILTER, WFP_CALLOUT, WFP_SUBLAYER, WFP_PROVIDER};

struct found {
    PDRIVER_OBJECT driver;
    unsigned count;
    UINT64 keys[MOST];
    struct {
        UINT64 id;
        BOOLEAN blocks;
        char name[48];
    } of[MOST]; /* objects only */
};

static void add_key(struct found *found, UINT64 key)
{
    if (found->count < MOST)
        found->keys[found->count++] = key;
}

static void find_pend(struct wfp_node *node, void *context)
{
    struct found *found = context;

    if (CONTAINING_RECORD(node, struct wfp_pend, node)->driver == found->driver)
        add_key(found, node->key);
}

static void find_slot(struct wfp_node *node, void *context)
{
    const struct wfp_callout_slot *slot = CONTAINING_RECORD(node, struct wfp_callout_slot, by_id);
    struct found *found = context;

    if (slot->driver == found->driver && (atomic_load(&slot->inside) & WFP_REGISTERED) != 0)
        add_key(found, node->key);
}

static void find_session(struct wfp_node *node, void *context)
{
    struct found *found = context;

    if (CONTAINING_RECORD(node, struct wfp_session, node)->driver == found->driver)
        add_key(found, node->key);
}

static BOOLEAN is_registered(const struct wfp_callout_slot *slot)
{
    return (atomic_load(&slot->inside) & WFP_REGISTERED) != 0;
}

static void clear_use(struct wfp_node *node, void *context)
{
    (void)context;
    CONTAINING_RECORD(node, struct wfp_object, node)->used_by_others = FALSE;
}

static void mark_use(struct wfp_node *node, void *context)
{
    const struct wfp_object *object = CONTAINING_RECORD(node, struct wfp_object, node);

    if (object->driver == context && !object->used_by_others)
        return;
    if (object->provider != NULL)
        object->provider->used_by_others = TRUE;
    if (object->kind == WFP_FILTER) {
        const struct wfp_filter *filter = CONTAINING_RECORD(object, struct wfp_filter, object);

        filter->sublayer->used_by_others = TRUE;
        if (filter->call != NULL)
            filter->call->callout->used_by_others = TRUE;
    }
}

/* In this order: what a thing that others use names is used by them too. */
static void mark_uses(PDRIVER_OBJECT driver)
{
    for (unsigned i = 0; i < WFP_KIND_COUNT; i++)
        wfp_table_each(wfp_object_table(order[i]), clear_use, NULL);
    for (unsigned i = 0; i < WFP_KIND_COUNT; i++)
        wfp_table_each(wfp_object_table(order[i]), mark_use, driver);
}

/* The driver is forgotten here: another one may get its address. */
static void find_object(struct wfp_node *node, void *context)
{
    struct wfp_object *object = CONTAINING_RECORD(node, struct wfp_object, node);
    struct found *found = context;

    if (object->driver != found->driver)
        return;
    object->driver = NULL;
    if (object->persistent || object->session != NULL || object->used_by_others || found->count == MOST)
        return;
    unsigned at = found->count;
    add_key(found, (uintptr_t)object);
    (void)wfp_object_name(object, found->of[at].name, sizeof(found->of[at].name));
    found->of[at].id = 0;
    found->of[at].blocks = FALSE;
    if (object->kind == WFP_FILTER) {
        const struct wfp_filter *filter = CONTAINING_RECORD(object, struct wfp_filter, object);

        found->of[at].id = wfp_filter_id(filter);
        found->of[at].blocks = filter->call != NULL && !is_registered(filter->call->slot) &&
                               filter->action != FWP_ACTION_CALLOUT_INSPECTION &&
                               (filter->run_flags & FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) == 0;
    } else if (object->kind == WFP_CALLOUT) {
        found->of[at].id = CONTAINING_RECORD(object, struct wfp_callout, object)->slot->id;
    }
}

static void collect(struct wfp_table *table, void (*find)(struct wfp_node *node, void *context), struct found *found)
{
    found->count = 0;
    wfp_table_each(table, find, found);
}

static void report_objects(const struct found *found, const char *rule)
{
    for (unsigned i = 0; i < found->count; i++) {
        nt_about(NT_BEGAN_OBJECT, found->keys[i]);
        if (found->of[i].id == 0)
            nt_violate(rule, "DriverUnload", "'%s'", found->of[i].name);
        else
            nt_violate(rule, "DriverUnload", "%llu, '%s'%s", (unsigned long long)found->of[i].id, found->of[i].name,
                       found->of[i].blocks ? "; its callout is gone: it blocks everything that it matches" : "");
    }
}

static void leave_sessions(struct found *found)
{
    collect(wfp_session_table(), find_session, found);
    for (size_t i = 0; i < found->count; i++) {
        nt_violate("left-session", "DriverUnload", "session %llu is still open", (unsigned long long)found->keys[i]);
        (void)FwpmEngineClose0((HANDLE)(uintptr_t)found->keys[i]);
    }
}

void wfp_driver_gone(PDRIVER_OBJECT driver)
{
    static const char *const rules[WFP_KIND_COUNT] = {
        [WFP_PROVIDER] = "left-provider",
        [WFP_SUBLAYER] = "left-sublayer",
        [WFP_CALLOUT] = "left-callout",
        [WFP_FILTER] = "left-filter",
    };
    struct found found = {.driver = driver};

    collect(wfp_pend_table(), find_pend, &found);
    for (size_t i = 0; i < found.count; i++)
        wfp_pend_abandon(found.keys[i], "DriverUnload");
    wfp_net_buffer_abandon(driver, "DriverUnload");
    wfp_injection_abandon(driver, "DriverUnload");
    collect(wfp_slot_table(), find_slot, &found);
    for (size_t i = 0; i < found.count; i++) {
        wfp_flow_abandon((UINT32)found.keys[i]);
        wfp_slot_abandon((UINT32)found.keys[i]);
    }
    leave_sessions(&found);
    mark_uses(driver);
    for (unsigned i = 0; i < WFP_KIND_COUNT; i++) {
        collect(wfp_object_table(order[i]), find_object, &found);
        if (!wfp_is_excused(driver))
            report_objects(&found, rules[order[i]]);
    }
}
