/* SPDX-License-Identifier: MIT */
/*
 * notification.c - notifyFn, and notices of deletions that come late.
 *
 * A late notice shows the filter as it was, without its conditions, whose memory is gone: the page promises a callout
 * the filter's id and its own context, and warns that it may hear of filters that it never saw added.
 *
 * Page: FWPS_CALLOUT_NOTIFY_FN1 (fwpsk.h).
 */
#include "wfp/notification.h"
#include "nt/foreign.h"
#include "nt/verify/verify.h"
#include "wfp/answer.h"
#include "wfp/memory.h"
#include "wfp/verify_private.h"

#include <nt/nt.h>

struct notice {
    struct notice *next;
    struct wfp_callout_slot *slot; /* referenced */
    FWPS_FILTER3 run;
    UINT64 weight;
};

static pthread_mutex_t notices_lock = PTHREAD_MUTEX_INITIALIZER;
static struct notice *notices, **last_notice = &notices;

/* notifyFn's version differs in pointer types only. */
static NTSTATUS call(struct wfp_callout_slot *slot, FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER3 *run)
{
    PDRIVER_OBJECT before = nt_enter_driver(slot->driver);
    unsigned locks = nt_spin_locks_held();
    KIRQL irql = KeGetCurrentIrql();
    NTSTATUS status = NT_CALL(slot->run.notifyFn, type, key, run);

    nt_enter_driver(before);
    if (NT_VERIFYING)
        wfp_return_check("notifyFn", irql, locks);
    return status;
}

/* FALSE: no memory; it has to be given now. */
static BOOLEAN put_off(const struct wfp_filter *filter)
{
    struct notice *notice = wfp_alloc(sizeof(*notice));

    if (notice == NULL)
        return FALSE;
    notice->slot = wfp_slot_get(&filter->call->slot->key);
    notice->run = filter->call->run;
    notice->run.filterCondition = NULL;
    notice->run.numFilterConditions = 0;
    notice->weight = filter->weight;
    notice->run.weight.uint64 = &notice->weight;
    pthread_mutex_lock(&notices_lock);
    *last_notice = notice;
    last_notice = &notice->next;
    pthread_mutex_unlock(&notices_lock);
    return TRUE;
}

NTSTATUS wfp_notify(struct wfp_filter *filter, FWPS_CALLOUT_NOTIFY_TYPE type)
{
    BOOLEAN deleted = type == FWPS_CALLOUT_NOTIFY_DELETE_FILTER;
    struct wfp_callout_slot *slot = wfp_filter_slot(filter);
    NTSTATUS status = STATUS_SUCCESS;

    if (slot == NULL || (deleted && wfp_verify_options.deletions == WFP_NOTICE_NEVER) ||
        (deleted && wfp_verify_options.deletions == WFP_NOTICE_LATER && put_off(filter)))
        return STATUS_SUCCESS;
    if (!wfp_slot_enter(slot))
        return STATUS_SUCCESS;
    if (type != FWPS_CALLOUT_NOTIFY_ADD_FILTER_POST_COMMIT ||
        (slot->run.flags & FWP_CALLOUT_FLAG_ENABLE_COMMIT_ADD_NOTIFY) != 0)
        status = call(slot, type, deleted ? NULL : &filter->object.key, &filter->call->run);
    wfp_slot_leave(slot);
    return status;
}

static struct notice *take_all(void)
{
    pthread_mutex_lock(&notices_lock);
    struct notice *taken = notices;
    notices = NULL;
    last_notice = &notices;
    pthread_mutex_unlock(&notices_lock);
    return taken;
}

static void give(BOOLEAN tell)
{
    struct notice *next;

    for (struct notice *notice = take_all(); notice != NULL; notice = next) {
        next = notice->next;
        if (tell && wfp_slot_enter(notice->slot)) {
            call(notice->slot, FWPS_CALLOUT_NOTIFY_DELETE_FILTER, NULL, &notice->run);
            wfp_slot_leave(notice->slot);
        }
        wfp_slot_put(notice->slot);
        wfp_free(notice);
    }
}

void wfp_notices_give(void)
{
    give(TRUE);
}

void wfp_notices_forget(void)
{
    (void)take_all();
}

void wfp_notices_reset(void)
{
    give(FALSE);
}
