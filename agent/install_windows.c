/* SPDX-License-Identifier: MIT */
/*
 * install_windows.c - `gatehouse install` on Windows: a table of steps, each with its undo. See install.h.
 *
 * The order: nothing is replaced below a running driver; the filters of the closed mode come when everything that the
 * driver needs is in its place, right before it starts. Undo goes backwards. When you add a step, add what it leaves
 * to uninstall_windows.c.
 */
#include "agent/install.h"

#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "agent/driver_file_windows.h"
#include "agent/driver_settings_windows.h"
#include "agent/install_machine_windows.h"
#include "agent/install_objects.h"
#include "agent/service_windows.h"
#include "agent/wide_windows.h"

struct install {
    const struct install_settings *settings;
    struct report *report;
    struct problem *problem;
    /* What is there. */
    struct driver_file file;
    struct service_state service;
    struct driver_settings values;
    struct install_found objects;
    /* What shall be. */
    enum install_mode mode;
    bool automatic, stop, start, change_service;
};

static const char *const mode_names[] = {"none", "open", "closed"};

/* --- Looking --- */

static enum agent_result failed(const struct install *install, const char *what, uint32_t error)
{
    return machine_problem(install->problem, what, error, NULL);
}

static enum agent_result check_source(const struct install *install)
{
    char path[2 * DRIVER_FILE_PATH_MAX];
    uint32_t error = driver_file_check(&install->file);

    if (error == 0)
        return AGENT_OK;
    if (!wide_to_utf8(install->file.source, path, sizeof(path)))
        snprintf(path, sizeof(path), "gatehouse.sys");
    if (error == ERROR_FILE_NOT_FOUND)
        return problem_set(install->problem, AGENT_FAILED,
                           "there is no %.300s: put gatehouse.sys into the folder of gatehouse.exe and try again.",
                           path);
    if (error == ERROR_BAD_EXE_FORMAT)
        return problem_set(
            install->problem, AGENT_FAILED,
            "%.300s is no driver for this machine: put the gatehouse.sys that came with gatehouse.exe there "
            "and try again.",
            path);
    return failed(install, "reading gatehouse.sys", error);
}

/* False: this user's wishes do not go together. */
static bool choose(struct install *install)
{
    const struct install_settings *settings = install->settings;

    install->mode = install->objects.mode == INSTALL_CLOSED ? INSTALL_CLOSED : INSTALL_OPEN;
    if (settings->closed != INSTALL_KEEP)
        install->mode = settings->closed == INSTALL_YES ? INSTALL_CLOSED : INSTALL_OPEN;
    install->automatic = !install->service.exists || install->service.automatic;
    if (settings->automatic != INSTALL_KEEP)
        install->automatic = settings->automatic == INSTALL_YES;
    else if (settings->closed == INSTALL_YES)
        install->automatic = true;
    install->start = settings->start || install->service.running || install->mode == INSTALL_CLOSED;
    /* Objects of a driver that came without an installation end with it: nothing can be added to them. */
    install->stop = install->service.running &&
                    (!install->file.same || install->objects.mode == INSTALL_NONE || settings->policy.set_deadline ||
                     settings->policy.set_undecided || settings->policy.set_no_decider);
    return install->mode != INSTALL_CLOSED || install->automatic;
}

static bool path_ends(const wchar_t *path, const wchar_t *ending)
{
    int length = lstrlenW(path), tail = lstrlenW(ending);

    return length >= tail && lstrcmpiW(path + length - tail, ending) == 0;
}

static enum agent_result look(struct install *install)
{
    const char *what = "finding the folders";
    enum agent_result result;
    uint32_t error = driver_file_find(&install->file, !install->settings->dry_run);

    if (error == ERROR_LOCK_VIOLATION)
        return machine_busy(install->problem);
    if (error != 0)
        return failed(install, what, error);
    result = check_source(install);
    if (result != AGENT_OK)
        return result;
    error = service_read(&install->service);
    if (error != 0)
        return failed(install, "looking for the service", error);
    if (install->service.foreign)
        return machine_foreign(install->problem);
    error = driver_settings_read(&install->values);
    if (error != 0)
        return failed(install, "reading the driver's settings", error);
    error = install_objects_read(&install->objects, &what);
    if (error != 0)
        return machine_engine_problem(install->problem, what, error);
    if (!choose(install))
        return problem_set(
            install->problem, AGENT_USAGE,
            "the closed mode needs a driver that starts with Windows: leave '--starts demand' away, or add "
            "--open.");
    install->change_service = !install->service.exists || install->service.automatic != install->automatic ||
                              !path_ends(install->service.path, install->file.target);
    return AGENT_OK;
}

/* --- Steps --- */

static uint32_t stop_do(struct install *install)
{
    return install->stop ? service_stop() : 0;
}

static uint32_t stop_undo(struct install *install)
{
    return install->stop ? service_start() : 0;
}

static uint32_t file_do(struct install *install)
{
    return install->file.same ? 0 : driver_file_replace(&install->file);
}

static uint32_t file_undo(struct install *install)
{
    return driver_file_undo(&install->file);
}

/* Also when it is as it shall be: a service that is marked for deletion looks the same and refuses. */
static uint32_t service_do(struct install *install)
{
    return service_write(install->file.target, install->automatic ? SERVICE_AUTO_START : SERVICE_DEMAND_START);
}

static uint32_t service_undo(struct install *install)
{
    bool later;

    if (!install->service.exists)
        return service_delete(&later);
    return service_write(install->service.path, install->service.start);
}

static uint32_t values_undo(struct install *install)
{
    return driver_settings_undo(&install->values);
}

static uint32_t values_do(struct install *install)
{
    uint32_t error = driver_settings_write(&install->settings->policy);

    if (error != 0)
        (void)values_undo(install);
    return error;
}

static const char *objects_what;

static uint32_t objects_do(struct install *install)
{
    bool left = false;

    return install_objects_set(install->mode, &left, &objects_what);
}

static uint32_t objects_undo(struct install *install)
{
    const char *what;
    bool left = false;

    return install_objects_set(install->objects.mode, &left, &what);
}

static uint32_t start_do(struct install *install)
{
    return install->start ? service_start() : 0;
}

struct step {
    const char *name; /* of its row in the report; NULL: none */
    const char *what;
    uint32_t (*perform)(struct install *install);
    uint32_t (*undo)(struct install *install); /* the last step has none: nothing fails after it */
};

static const struct step steps[] = {
    {NULL, "stopping the driver", stop_do, stop_undo},
    {"file", "copying gatehouse.sys", file_do, file_undo},
    {"service", "writing the service", service_do, service_undo},
    {"settings", "writing the driver's settings", values_do, values_undo},
    {"filters", "adding to the filter engine", objects_do, objects_undo},
    {"driver", "starting the driver", start_do, NULL},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* --- Telling --- */

static void report_file(struct install *install)
{
    char path[2 * DRIVER_FILE_PATH_MAX];

    if (!wide_to_utf8(install->file.target, path, sizeof(path)))
        snprintf(path, sizeof(path), "System32\\drivers\\gatehouse.sys");
    report_add(install->report, "file", !install->file.there ? "absent" : "there",
               install->file.same    ? "unchanged"
               : install->file.there ? "replaced"
                                     : "copied",
               path);
}

static void report_settings(struct install *install)
{
    struct text text = {0};

    driver_settings_describe(&install->values, &install->settings->policy, &text);
    report_add(install->report, "settings", install->values.key_was_there ? "there" : "absent", "written",
               text_string(&text));
    text_free(&text);
}

static void report_object(void *context, const struct install_object *object)
{
    char what[200];

    snprintf(what, sizeof(what), "%s%s%s%s%s, %s: %s", object->kind, object->action[0] == '\0' ? "" : ", ",
             object->action, object->layer[0] == '\0' ? "" : " ", object->layer, object->lifetime, object->name);
    report_add(context, "object", "", "added", what);
}

static void report_plan(struct install *install)
{
    bool started = install->start && (!install->service.running || install->stop);

    report_file(install);
    report_add(install->report, "service", install->service.exists ? "there" : "absent",
               !install->change_service  ? "unchanged"
               : install->service.exists ? "changed"
                                         : "created",
               install->automatic ? "gatehouse, starts with Windows, after BFE" : "gatehouse, starts on demand");
    report_settings(install);
    report_add(install->report, "filters", mode_names[install->objects.mode], mode_names[install->mode],
               install->mode == INSTALL_CLOSED
                   ? "nothing but loopback, DHCP and neighbour discovery passes while the driver is away"
                   : "everything passes while the driver is away");
    if (install->settings->dry_run)
        install_objects_list(install->mode, report_object, install->report);
    report_add(install->report, "driver", install->service.running ? "running" : "stopped",
               started ? "started" : "unchanged",
               install->start       ? "gatehouse.sys"
               : install->automatic ? "gatehouse.sys; it starts with Windows, or now by 'gatehouse install --start'"
                                    : "gatehouse.sys; 'sc start gatehouse' starts it");
}

/* --- Doing --- */

static void tell(struct install *install, size_t step, const char *after)
{
    if (steps[step].name != NULL)
        report_change(install->report, steps[step].name, after);
}

/* Undoes the steps before failed_at. What cannot be undone is added to the sentence. */
static void undo(struct install *install, size_t failed_at)
{
    char before[sizeof(install->problem->sentence)];

    for (size_t i = failed_at; i > 0; i--) {
        uint32_t error = steps[i - 1].undo(install);

        tell(install, i - 1, error == 0 ? "put back" : "NOT PUT BACK");
        if (error == 0)
            continue;
        snprintf(before, sizeof(before), "%s", install->problem->sentence);
        problem_set(install->problem, AGENT_FAILED,
                    "%.300s And %s could not be undone (%lu): 'gatehouse uninstall' does.", before, steps[i - 1].what,
                    (unsigned long)error);
    }
}

static enum agent_result perform(struct install *install)
{
    for (size_t i = 0; i < STEPS; i++) {
        uint32_t error = steps[i].perform(install);

        if (error == 0)
            continue;
        if (steps[i].perform == objects_do)
            machine_engine_problem(install->problem, objects_what, error);
        else
            failed(install, steps[i].what, error);
        tell(install, i, "FAILED");
        for (size_t later = i + 1; later < STEPS; later++)
            tell(install, later, "not reached");
        undo(install, i);
        return AGENT_FAILED;
    }
    driver_file_settle(&install->file);
    return AGENT_OK;
}

enum agent_result install_run(const struct install_settings *settings, struct report *report, struct problem *problem)
{
    struct install install = {.settings = settings, .report = report, .problem = problem};
    enum agent_result result = machine_check_windows(problem);

    if (result == AGENT_OK)
        result = machine_check_elevated("install", problem);
    if (result == AGENT_OK)
        result = look(&install);
    if (result == AGENT_OK) {
        report->dry_run = settings->dry_run;
        report_plan(&install);
        if (!settings->dry_run)
            result = perform(&install);
    }
    driver_file_unlock(&install.file);
    return result;
}
