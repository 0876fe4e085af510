/* SPDX-License-Identifier: MIT */
/*
 * live_machine.c - see live_machine.h.
 */
#include "lab/live_machine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "host/host.h"
#include "host/log.h"
#include "lab/crash.h"
#include "lab/findings.h"
#include "lab/live_client.h"
#include "lab/scenario_world.h"
#include "lab/world_drivers.h"
#include "nt/verify/lazy.h"
#include "nt/verify/verify.h"
#include "pe/loader.h"
#include "wfp/verify.h"

#define OLDEST_SECONDS 7200u       /* a person may think for long, but not for two hours */
#define DEADLINE_MS    120000u     /* then an undecided connection goes on if this process does not answer any more */
#define LOOK_NS        1000000000u /* how often what is too old is looked for */

struct machine {
    const struct live_arguments *arguments;
    struct live_board *board;
    struct host *host;
    struct live_client *client;
    size_t loaded;
    uint64_t looked;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Any thread, in a signal handler too. */
static void keep(void *context, const struct nt_report *report)
{
    struct live_board *board = context;
    uint32_t index = __atomic_fetch_add(&board->report_count, 1, __ATOMIC_RELAXED);

    if (index >= LIVE_REPORTS_MAX)
        return;
    board->reports[index].report = *report;
    board->reports[index].report.fiber = NULL;
    snprintf(board->reports[index].fiber, sizeof(board->reports[index].fiber), "%s",
             report->fiber == NULL ? "" : report->fiber);
    __atomic_store_n(&board->reports[index].whole, true, __ATOMIC_RELEASE);
}

static void begin_verifying(const struct live_arguments *arguments, struct live_board *board)
{
    struct wfp_verify_options options = {.alternate_irql = arguments->options.irql_given &&
                                                           arguments->options.irql == WORLD_IRQL_ALTERNATE,
                                         .oldest = (UINT64)OLDEST_SECONDS * 10000000u};

    nt_set_violation_handler(findings_hear);
    nt_set_report_handler(keep, board);
    nt_verify_on = true;
    nt_verify_lazily(true);
    (void)nt_special_pool_start(PE_SPECIAL_POOL_PAGES, FALSE);
    wfp_set_verify_options(&options);
}

static int start_drivers(void *context)
{
    struct machine *machine = context;
    const struct live_arguments *arguments = machine->arguments;

    for (; machine->loaded < world_driver_count(); machine->loaded++) {
        NTSTATUS status = world_driver_load(machine->loaded, arguments->parameters, arguments->parameter_count);

        if (NT_SUCCESS(status))
            continue;
        log_say("%s did not start: DriverEntry returned 0x%08x.", world_driver_name(machine->loaded), (unsigned)status);
        return -EIO;
    }
    if (arguments->protocol_count != 0) {
        machine->client = live_client_start(arguments->protocols, arguments->protocol_count);
        if (machine->client == NULL)
            return -ENOENT;
        log_say("%s is answered: %s.", live_client_name(machine->client),
                arguments->wish.reply != NULL ? arguments->wish.reply
                : arguments->wish.permit      ? "permit"
                                              : "block");
    }
    __atomic_store_n(&machine->board->opening, true, __ATOMIC_RELEASE);
    return 0;
}

static void stop_drivers(void *context)
{
    struct machine *machine = context;

    bool closed = live_client_stop(machine->client);

    nt_verify_idle(true);
    nt_verify_lazily(false); /* nothing is missed while they are unloaded */
    machine->client = NULL;
    if (!closed) {
        log_say("the drivers stay: a program's call is in one of them. On Windows that program could not end.");
        nt_set_report_handler(NULL, NULL); /* that they leave something follows from that */
    }
    while (closed && machine->loaded != 0)
        world_driver_unload(--machine->loaded);
}

/* The other process reads what it wants of it. */
static void tell_counts(const struct machine *machine)
{
    struct feed_counts counts;
    struct feed_counts *told = &machine->board->counts;

    host_count(machine->host, &counts);
    __atomic_store_n(&told->connections, counts.connections, __ATOMIC_RELAXED);
    __atomic_store_n(&told->held, counts.held, __ATOMIC_RELAXED);
    __atomic_store_n(&told->permitted, counts.permitted, __ATOMIC_RELAXED);
    __atomic_store_n(&told->blocked, counts.blocked, __ATOMIC_RELAXED);
}

static void sleeping(void *context, bool sleeps)
{
    struct machine *machine = context;
    uint64_t now = now_ns();

    if (sleeps) {
        tell_counts(machine);
        nt_verify_idle(false);
        if (nt_verify_on && now - machine->looked > LOOK_NS) {
            machine->looked = now;
            wfp_check_ages();
        }
        now = 0;
    }
    __atomic_store_n(&machine->board->busy_since, now, __ATOMIC_RELAXED);
}

int live_machine_run(const struct live_arguments *arguments, struct live_board *board)
{
    struct machine machine = {.arguments = arguments, .board = board};
    struct host_settings settings = {
        .socket_path = arguments->socket_path,
        .device = arguments->device,
        .queue = GATE_QUEUE_DEFAULT,
        .dead_open = true, /* whatever becomes of both processes, the namespace is not shut */
        .deadline_ms = DEADLINE_MS,
        .start_driver = start_drivers,
        .stop_driver = stop_drivers,
        .sleeping = sleeping,
        .context = &machine,
    };

    log_set_program("wfplab");
    crash_ends_process(LIVE_CRASHED, arguments->limit);
    if (!arguments->unverified)
        begin_verifying(arguments, board);
    if (arguments->options.irql_given && arguments->options.irql == WORLD_IRQL_PASSIVE)
        wfp_set_classify_irql(PASSIVE_LEVEL);
    __atomic_store_n(&board->busy_since, now_ns(), __ATOMIC_RELAXED);
    if (host_start(&settings, &machine.host))
        return LIVE_NO_START;
    __atomic_store_n(&board->ready, true, __ATOMIC_RELEASE);
    int result = host_run(machine.host);
    tell_counts(&machine);
    host_stop(machine.host);
    return result ? LIVE_FAILED : LIVE_ENDED;
}
