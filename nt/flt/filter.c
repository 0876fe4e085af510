/* SPDX-License-Identifier: MIT */
/*
 * filter.c - registers minifilters, as far as a communication port needs one, and unloads their drivers.
 *
 * The filter manager takes a minifilter's DriverUnload over: unloading calls FilterUnloadCallback, and what stood in
 * DriverUnload before. A driver without the callback cannot be unloaded. FltUnregisterFilter waits for callbacks that
 * are under way, so it must not be called in one.
 * Rules: object-invalid (no such filter), left-registration, and those of port.c.
 * Pages: fltkernel.h FltRegisterFilter, FltStartFiltering, FltUnregisterFilter, FLT_REGISTRATION,
 * PFLT_FILTER_UNLOAD_CALLBACK; "When the FilterUnloadCallback Routine is Called".
 */
#include "nt/flt/flt.h"
#include "nt/ex/pool.h"
#include "nt/foreign.h"

#include <stdlib.h>

_Static_assert(sizeof(FLT_REGISTRATION) == 112, "FLT_REGISTRATION has the Windows layout");
_Static_assert(offsetof(FLT_REGISTRATION, ContextRegistration) == 8, "FLT_REGISTRATION has the Windows layout");
_Static_assert(offsetof(FLT_REGISTRATION, FilterUnloadCallback) == 24, "FLT_REGISTRATION has the Windows layout");
_Static_assert(sizeof(FLT_OPERATION_REGISTRATION) == 32, "FLT_OPERATION_REGISTRATION has the Windows layout");
_Static_assert(sizeof(FLT_CONTEXT_REGISTRATION) == 56, "FLT_CONTEXT_REGISTRATION has the Windows layout");

pthread_mutex_t nt_flt_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY filters = {&filters, &filters};

static PFLT_FILTER filter_at(PLIST_ENTRY entry)
{
    return entry == &filters ? NULL : CONTAINING_RECORD(entry, struct _FLT_FILTER, link);
}

PFLT_FILTER nt_flt_first(void)
{
    return filter_at(filters.Flink);
}

PFLT_FILTER nt_flt_next(PFLT_FILTER filter)
{
    return filter_at(filter->link.Flink);
}

bool nt_flt_lives(PFLT_FILTER filter)
{
    PFLT_FILTER found = nt_flt_first();
    while (found != NULL && found != filter)
        found = nt_flt_next(found);
    return found != NULL;
}

bool nt_flt_enter(PFLT_FILTER filter)
{
    if (filter->deleting)
        return false;
    filter->busy++;
    return true;
}

void nt_flt_leave(PFLT_FILTER filter)
{
    LONG previous;
    bool over;
    if (--filter->busy == 0 && filter->deleting)
        nt_signal(&filter->idle.Header, 1, 1, &previous, &over);
}

/* Filters, ports and messages of a run that was given up: their drivers and waiters are gone. */
void nt_filters_reset(void)
{
    InitializeListHead(&filters);
}

/* What DriverUnload is from FltRegisterFilter on. */
static VOID unload(PDRIVER_OBJECT driver)
{
    PFLT_FILTER_UNLOAD_CALLBACK callback = NULL;
    PDRIVER_UNLOAD old = NULL;
    pthread_mutex_lock(&nt_flt_lock);
    for (PFLT_FILTER filter = nt_flt_first(); filter != NULL; filter = nt_flt_next(filter))
        if (filter->driver == driver) {
            callback = filter->unload;
            old = filter->old_unload;
        }
    pthread_mutex_unlock(&nt_flt_lock);
    if (callback != NULL) {
        KIRQL before = nt_self.irql;
        (void)NT_CALL(callback, FLTFL_FILTER_UNLOAD_MANDATORY);
        nt_flt_callback_returned("PFLT_FILTER_UNLOAD_CALLBACK", before);
    }
    if (old != NULL)
        NT_CALL(old, driver);
}

static bool is_known(const FLT_REGISTRATION *registration)
{
    return registration != NULL && registration->Version >= FLT_REGISTRATION_VERSION_0200 &&
           registration->Version <= FLT_REGISTRATION_VERSION_0203;
}

NTSTATUS FltRegisterFilter(PDRIVER_OBJECT Driver, const FLT_REGISTRATION *Registration, PFLT_FILTER *RetFilter)
{
    NT_ENTER(FltRegisterFilter);
    if (!is_known(Registration))
        return STATUS_INVALID_PARAMETER;
    PFLT_FILTER filter = nt_fails("FltRegisterFilter") ? NULL : calloc(1, sizeof *filter);
    if (filter == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    filter->driver = Driver;
    filter->unload = Registration->FilterUnloadCallback;
    filter->old_unload = Driver->DriverUnload;
    bool stops = filter->unload != NULL && (Registration->Flags & FLTFL_REGISTRATION_DO_NOT_SUPPORT_SERVICE_STOP) == 0;
    KeInitializeEvent(&filter->idle, NotificationEvent, FALSE);
    InitializeListHead(&filter->servers);
    InitializeListHead(&filter->connections);
    pthread_mutex_lock(&nt_flt_lock);
    Driver->DriverUnload = stops ? unload : NULL;
    InsertTailList(&filters, &filter->link);
    pthread_mutex_unlock(&nt_flt_lock);
    *RetFilter = filter;
    return STATUS_SUCCESS;
}

NTSTATUS FltStartFiltering(PFLT_FILTER Filter)
{
    NT_ENTER(FltStartFiltering);
    NTSTATUS status = STATUS_SUCCESS;
    if (nt_fails("FltStartFiltering"))
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&nt_flt_lock);
    bool lives = nt_flt_lives(Filter);
    if (!lives || Filter->started)
        status = STATUS_INVALID_PARAMETER;
    else if (Filter->deleting)
        status = STATUS_FLT_DELETING_OBJECT;
    else
        Filter->started = true;
    pthread_mutex_unlock(&nt_flt_lock);
    if (!lives)
        nt_violate("object-invalid", "FltStartFiltering",
                   "there is no such filter: it was never registered, or is gone");
    return status;
}

static void filter_end(PFLT_FILTER filter)
{
    nt_flt_ports_end(filter);
    pthread_mutex_lock(&nt_flt_lock);
    RemoveEntryList(&filter->link);
    if (filter->driver->DriverUnload == unload || filter->driver->DriverUnload == NULL)
        filter->driver->DriverUnload = filter->old_unload;
    pthread_mutex_unlock(&nt_flt_lock);
    nt_quarantine_put(filter, NT_QUARANTINE_PLAIN);
}

VOID FltUnregisterFilter(PFLT_FILTER Filter)
{
    NT_ENTER(FltUnregisterFilter);
    pthread_mutex_lock(&nt_flt_lock);
    bool lives = nt_flt_lives(Filter) && !Filter->deleting;
    bool busy = lives && Filter->busy != 0;
    if (lives)
        Filter->deleting = true;
    pthread_mutex_unlock(&nt_flt_lock);
    if (!lives) {
        nt_violate("object-invalid", "FltUnregisterFilter",
                   "there is no such filter: it was never registered, or is unregistered already");
        return;
    }
    if (busy)
        (void)KeWaitForSingleObject(&Filter->idle, Executive, KernelMode, FALSE, NULL);
    filter_end(Filter);
}

static PFLT_FILTER filter_of(PDRIVER_OBJECT driver)
{
    pthread_mutex_lock(&nt_flt_lock);
    PFLT_FILTER filter = nt_flt_first();
    while (filter != NULL && filter->driver != driver)
        filter = nt_flt_next(filter);
    if (filter != NULL)
        filter->deleting = true;
    pthread_mutex_unlock(&nt_flt_lock);
    return filter;
}

void nt_flt_report(PDRIVER_OBJECT driver)
{
    PFLT_FILTER filter;
    while ((filter = filter_of(driver)) != NULL) {
        nt_violate("left-registration", "DriverUnload", "the minifilter is still registered (FltUnregisterFilter)");
        filter_end(filter);
    }
}
