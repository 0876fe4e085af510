/* SPDX-License-Identifier: MIT */
/*
 * main.c - gatehoused: puts the parts together, turns the loop, takes them apart again.
 *
 * Start: driver, device socket, gate, feed; the gate last, so that the first held packet finds
 * everything in place. End is the same list backwards, except that the driver is unloaded while the
 * gate still works: unloading completes what is held, as blocked, and those verdicts must get out.
 *
 * Of the driver it knows DriverEntry and nothing else: settings go in as registry values.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <ntddk.h>

#include "gatehouse/protocol.h"
#include "host/device_server.h"
#include "host/feed.h"
#include "host/gate.h"
#include "host/log.h"
#include "host/loop.h"
#include "host/options.h"
#include "nt/nt.h"
#include "pe/loader.h"
#include "wfp/ale.h"

DRIVER_INITIALIZE DriverEntry;

enum exit_code { EXIT_ENDED = 0, EXIT_USAGE = 1, EXIT_NO_START = 2, EXIT_FAILED = 3 };

struct host {
    struct host_options options;
    struct loop loop;
    struct nt_driver *driver;
    struct pe_driver *driver_file; /* instead of driver, with --driver */
    struct device_server *server;
    struct gate *gate;
    struct feed *feed;
    struct loop_source queue, events, signals, timer, wake;
    uint64_t timer_due; /* what the timer is set to, 100 ns boot time; NT_NEVER: not set */
    bool pump_wanted, stop, failed;
};

/* --- Sources ------------------------------------------------------------------------------- */

static void host_fail(struct host *host, const char *what, int result)
{
    log_say("%s: %s; ending.", what, strerror(-result));
    host->failed = host->stop = true;
}

static void gate_ready(void *context, uint32_t events)
{
    struct host *host = context;
    int result = feed_read(host->feed);

    (void)events;
    if (result < 0)
        host_fail(host, "the packet queue cannot be read", result);
}

static void signals_ready(void *context, uint32_t events)
{
    struct host *host = context;
    struct signalfd_siginfo info;

    (void)events;
    if (read(host->signals.fd, &info, sizeof(info)) == sizeof(info))
        host->stop = true;
}

/* Timer and wake only end the wait; the turn's own nt_pump does the work. */
static void timer_ready(void *context, uint32_t events)
{
    struct host *host = context;
    uint64_t count;

    (void)events;
    if (read(host->timer.fd, &count, sizeof(count)) == sizeof(count))
        host->timer_due = NT_NEVER;
}

static void wake_ready(void *context, uint32_t events)
{
    struct host *host = context;
    uint64_t count;

    (void)events;
    ssize_t ignored = read(host->wake.fd, &count, sizeof(count));
    (void)ignored;
}

static _Thread_local bool is_host_thread;

static void pump_wake(void *context)
{
    struct host *host = context;
    uint64_t one = 1;

    if (is_host_thread) {
        host->pump_wanted = true;
        return;
    }
    ssize_t ignored = write(host->wake.fd, &one, sizeof(one));
    (void)ignored;
}

/* Only ever moved earlier: firing once for nothing costs less than setting the timer for every connection. */
static void timer_set(struct host *host, uint64_t due)
{
    if (due >= host->timer_due)
        return;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(due / 10000000), .tv_nsec = (long)(due % 10000000) * 100}};
    if (!when.it_value.tv_sec && !when.it_value.tv_nsec)
        when.it_value.tv_nsec = 1;
    if (timerfd_settime(host->timer.fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        host->timer_due = due;
}

static int host_watch(struct host *host, struct loop_source *source, int fd, void (*ready)(void *, uint32_t))
{
    if (fd < 0)
        return -errno;
    *source = (struct loop_source){fd, ready, host};
    return loop_add(&host->loop, source, EPOLLIN);
}

/* --- Start --------------------------------------------------------------------------------- */

static int host_start_loop(struct host *host)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP); /* its terminal was closed: end as asked, do not leave the gate shut */
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    host->timer_due = NT_NEVER;

    int result = loop_open(&host->loop);
    if (!result)
        result = host_watch(host, &host->signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), signals_ready);
    if (!result)
        result =
            host_watch(host, &host->timer, timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), timer_ready);
    if (!result)
        result = host_watch(host, &host->wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), wake_ready);
    if (result)
        log_say("cannot set up its event loop: %s.", strerror(-result));
    return result;
}

static void driver_print(void *context, ULONG component, ULONG level, const char *text)
{
    size_t size = strlen(text);

    (void)context, (void)component, (void)level;
    while (size && text[size - 1] == '\n')
        size--;
    log_trace("driver: %.*s", (int)size, text);
}

static int host_start_driver(struct host *host)
{
    struct nt_registry_dword values[] = {
        {"DeadlineMs", host->options.deadline_ms},     {"Undecided", host->options.undecided},
        {"NoDecider", host->options.no_decider},       {"Capacity", host->options.capacity},
        {"HoldLoopback", host->options.hold_loopback},
    };

    if (host->options.verbose)
        nt_set_debug_sink(driver_print, NULL);
    nt_set_pump_wake(pump_wake, host);
    if (host->options.driver != NULL) {
        struct pe_error error = {""};
        bool loaded = pe_driver_load(host->options.driver, "Gatehouse", values, sizeof(values) / sizeof(values[0]),
                                     &host->driver_file, &error);
        if (!loaded)
            log_say("%s", error.text);
        return loaded ? 0 : -EIO;
    }
    NTSTATUS status =
        nt_driver_load("Gatehouse", DriverEntry, values, sizeof(values) / sizeof(values[0]), &host->driver);
    if (NT_SUCCESS(status))
        return 0;
    log_say("the driver did not start: DriverEntry returned 0x%08X.", (unsigned)status);
    return -EIO;
}

static void host_status(void *context, struct gatehouse_platform_status *status)
{
    struct host *host = context;

    if (host->feed)
        feed_status(host->feed, status);
}

static int host_start_server(struct host *host)
{
    char error[512] = "";
    int result = device_server_start(&host->loop, host->options.socket_path, host_status, host, &host->server, error,
                                     sizeof(error));

    if (result)
        log_say("%s", error);
    return result;
}

static int host_start_gate(struct host *host)
{
    char error[512] = "";
    struct gate_options options = {
        .queue = host->options.queue,
        .undecided_permit = host->options.undecided == GATEHOUSE_VERDICT_PERMIT,
        .deadline_ms = host->options.deadline_ms,
        .queue_length = 65536, /* as much as the kernel takes: the driver's bound, which is counted, comes first */
    };
    int result = gate_open(&options, &host->gate, error, sizeof(error));

    if (result) {
        log_say("%s", error);
        return result;
    }
    host->feed = feed_new(host->gate);
    result = host->feed ? 0 : -ENOMEM;
    if (!result)
        result = host_watch(host, &host->queue, gate_queue_fd(host->gate), gate_ready);
    if (!result)
        result = host_watch(host, &host->events, gate_events_fd(host->gate), gate_ready);
    if (result)
        log_say("cannot watch the packet queue: %s.", strerror(-result));
    return result;
}

static int host_start(struct host *host)
{
    int result = host_start_loop(host);

    if (!result)
        result = host_start_driver(host);
    if (!result)
        result = host_start_server(host);
    if (!result)
        result = host_start_gate(host);
    return result;
}

/* --- Run and stop -------------------------------------------------------------------------- */

static void host_run(struct host *host)
{
    while (!host->stop) {
        bool more = feed_tidy(host->feed);

        timer_set(host, device_server_tidy(host->server));
        host->pump_wanted = false;
        timer_set(host, nt_pump());
        int result = loop_turn(&host->loop, !more && !host->pump_wanted);
        if (result < 0)
            host_fail(host, "waiting for events failed", result);
    }
}

static void source_close(struct loop_source *source)
{
    if (source->ready && source->fd >= 0)
        close(source->fd);
}

static void host_stop(struct host *host)
{
    char error[512] = "";

    device_server_stop(host->server);
    if (host->driver)
        nt_driver_unload(host->driver);
    if (host->driver_file)
        pe_driver_unload(host->driver_file);
    feed_free(host->feed);
    wfp_reset();
    nt_set_pump_wake(NULL, NULL);
    if (host->gate) {
        gate_close(host->gate);
        if (gate_remove(error, sizeof(error)) < 0)
            log_say("%s", error);
    }
    source_close(&host->signals);
    source_close(&host->timer);
    source_close(&host->wake);
    loop_close(&host->loop);
}

static int host_remove(void)
{
    char error[512] = "";

    if (gate_remove(error, sizeof(error)) < 0) {
        log_say("%s", error);
        return EXIT_FAILED;
    }
    return EXIT_ENDED;
}

/* Started without standard streams, what is opened next would take their numbers and be written to. */
static void open_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) /* takes the lowest number: this one */
            return;
}

int main(int argc, char **argv)
{
    static struct host host;

    open_standard_streams();
    switch (options_parse(argc, argv, &host.options)) {
    case OPTIONS_DONE:
        return EXIT_ENDED;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    log_set_verbose(host.options.verbose);
    if (geteuid() != 0) {
        log_say("it must run as root (it loads eBPF programs and packet rules): start it with sudo.");
        return EXIT_NO_START;
    }
    if (host.options.remove)
        return host_remove();
    is_host_thread = true;
    if (host_start(&host)) {
        host_stop(&host);
        return EXIT_NO_START;
    }
    log_tell("ready; deciders connect at %s", host.options.socket_path);
    host_run(&host);
    host_stop(&host);
    return host.failed ? EXIT_FAILED : EXIT_ENDED;
}
