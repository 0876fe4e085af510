/* SPDX-License-Identifier: MIT */
/*
 * uninstall_windows.c - `gatehouse uninstall` on Windows. See install.h.
 *
 * Removes what is there, whole or half, in an order in which each part can go: the driver first, since it uses the
 * sublayer and its file. A part that cannot go does not keep the others; the first reason is the command's sentence,
 * and every part has its row.
 */
#include <stdio.h>

#include <windows.h>

#include "agent/driver_file_windows.h"
#include "agent/driver_settings_windows.h"
#include "agent/install.h"
#include "agent/install_machine_windows.h"
#include "agent/install_objects.h"
#include "agent/service_windows.h"
#include "agent/wide_windows.h"

struct uninstall {
    bool dry_run;
    struct report *report;
    struct problem *problem;
    enum agent_result result;
    struct driver_file file;
    struct service_state service;
    bool settings_there;
};

/* Keeps the first failure's sentence. */
static void fail(struct uninstall *uninstall, const char *what, uint32_t error, const char *advice)
{
    if (uninstall->result == AGENT_OK)
        uninstall->result = machine_problem(uninstall->problem, what, error, advice);
}

static const char *gone(bool was_there)
{
    return was_there ? "removed" : "absent";
}

static void remove_driver(struct uninstall *uninstall)
{
    uint32_t error = 0;

    if (uninstall->service.running && !uninstall->dry_run)
        error = service_stop();
    report_add(uninstall->report, "driver", uninstall->service.running ? "running" : "stopped",
               error != 0                   ? "NOT STOPPED"
               : uninstall->service.running ? "stopped"
                                            : "unchanged",
               "gatehouse.sys");
    if (error != 0)
        fail(uninstall, "stopping the driver", error,
             error == ERROR_TIMEOUT ? "end the programs that use it, such as "
                                      "'gatehouse ask', and run 'gatehouse "
                                      "uninstall' again"
                                    : NULL);
}

static void remove_objects(struct uninstall *uninstall)
{
    struct install_found found = {INSTALL_NONE, 0};
    const char *what = "";
    char before[40];
    bool left = false;
    uint32_t error = install_objects_read(&found, &what);

    if (error == 0 && !uninstall->dry_run)
        error = install_objects_set(INSTALL_NONE, &left, &what);
    snprintf(before, sizeof(before), found.mode == INSTALL_NONE && found.filters == 0 ? "absent" : "%u filters",
             (unsigned)found.filters);
    report_add(uninstall->report, "filters", error != 0 ? "?" : before,
               error != 0 ? "NOT REMOVED"
               : left     ? "all but 2 removed"
                          : gone(found.mode != INSTALL_NONE || found.filters != 0),
               left ? "provider and sublayer stay while the driver is loaded"
                    : "provider, sublayer and all their filters");
    if (error != 0 && uninstall->result == AGENT_OK)
        uninstall->result = machine_engine_problem(uninstall->problem, what, error);
    else if (left)
        fail(uninstall, "deleting the sublayer", (uint32_t)FWP_E_IN_USE,
             "the driver is still loaded; restart Windows and run 'gatehouse uninstall' again");
}

static void remove_service(struct uninstall *uninstall)
{
    bool later = false;
    uint32_t error = uninstall->dry_run ? 0 : service_delete(&later);

    report_add(uninstall->report, "service", uninstall->service.exists ? "there" : "absent",
               error != 0 ? "NOT REMOVED"
               : later    ? "marked"
                          : gone(uninstall->service.exists),
               later ? "gatehouse; it goes when the last program lets go of it, or when Windows restarts"
                     : "gatehouse");
    if (error != 0)
        fail(uninstall, "deleting the service", error, NULL);
}

/* What a service that went half has left; one that is marked takes its key along. */
static void remove_settings(struct uninstall *uninstall)
{
    struct service_state now;
    bool there = uninstall->settings_there;
    uint32_t error = 0;

    if (!uninstall->dry_run && driver_settings_left() && service_read(&now) == 0 && !now.exists)
        error = driver_settings_remove();
    if (!uninstall->dry_run && !driver_settings_left())
        driver_settings_remove_rules();
    report_add(uninstall->report, "settings", there ? "there" : "absent", error != 0 ? "NOT REMOVED" : gone(there),
               "the service's registry key");
    if (error != 0)
        fail(uninstall, "deleting the service's registry key", error, NULL);
}

static void remove_file(struct uninstall *uninstall)
{
    char path[2 * DRIVER_FILE_PATH_MAX];
    bool later = false;
    uint32_t error = uninstall->dry_run ? 0 : driver_file_remove(&uninstall->file, &later);

    if (!wide_to_utf8(uninstall->file.target, path, sizeof(path)))
        snprintf(path, sizeof(path), "System32\\drivers\\gatehouse.sys");
    report_add(uninstall->report, "file",
               uninstall->file.there  ? "there"
               : uninstall->file.left ? "half there"
                                      : "absent",
               error != 0 ? "NOT REMOVED"
               : later    ? "removed at restart"
                          : gone(uninstall->file.there || uninstall->file.left),
               path);
    if (error != 0)
        fail(uninstall, "deleting gatehouse.sys", error, NULL);
}

static void remove_all(struct uninstall *uninstall)
{
    uninstall->settings_there = driver_settings_left();
    remove_driver(uninstall);
    remove_objects(uninstall);
    remove_service(uninstall);
    remove_settings(uninstall);
    remove_file(uninstall);
}

enum agent_result uninstall_run(bool dry_run, struct report *report, struct problem *problem)
{
    struct uninstall uninstall = {.dry_run = dry_run, .report = report, .problem = problem, .result = AGENT_OK};
    enum agent_result result = machine_check_elevated("uninstall", problem);
    uint32_t error;

    if (result != AGENT_OK)
        return result;
    report->dry_run = dry_run;
    error = driver_file_find(&uninstall.file, !dry_run);
    if (error == ERROR_LOCK_VIOLATION)
        return machine_busy(problem);
    if (error == 0)
        error = service_read(&uninstall.service);
    if (error != 0)
        uninstall.result = machine_problem(problem, "looking for what is installed", error, NULL);
    else if (uninstall.service.foreign)
        uninstall.result = machine_foreign(problem);
    else
        remove_all(&uninstall);
    driver_file_unlock(&uninstall.file);
    return uninstall.result;
}
