/* SPDX-License-Identifier: MIT */
/*
 * host.c - see host.h: puts the parts together, turns the loop, takes them apart again.
 */
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <ntddk.h>

#include "host/device_server.h"
#include "host/follow.h"
#include "host/log.h"
#include "host/loop.h"
#include "host/names.h"
#include "host/process_ends.h"
#include "host/quiet.h"
#include "host/resolved.h"
#include "nt/nt.h"
#include "wfp/ale.h"

/* After a connection is let go its program may begin the next one at once: so many in a row, before anything else. */
#define SERVED_MAX 16u
/* Looking for it in vain costs a system call: then it is not looked for so many times, at most. */
#define PASSED_MAX 256u

struct host {
    struct host_settings settings;
    struct loop loop;
    bool driver_started; /* or tried */
    struct device_server *server;
    struct gate *gate;
    struct feed *feed;
    struct names *names;       /* NULL: nobody wants to know them */
    struct resolved *resolved; /* NULL: it is not asked */
    struct follow follow;
    struct quiet quiet;
    struct loop_source terminal; /* whose end ends it; ready NULL: there is none, or it does not matter */
    struct process_ends *ends;
    struct loop_source queue, events, changes, processes, signals, timer, wake;
    uint64_t timer_due; /* what the timer is set to, 100 ns boot time; NT_NEVER: not set */
    bool pump_wanted, stop;
    uint64_t decided;
    unsigned pass, pass_next; /* times not to look for the next packet */
    int failed;               /* -errno */
};

/* --- Sources ------------------------------------------------------------------------------- */

static void host_fail(struct host *host, const char *what, int result)
{
    log_say("%s: %s; ending.", what, strerror(-result));
    host->failed = result;
    host->stop = true;
}

static void gate_read(struct host *host, bool ends)
{
    int result = feed_read(host->feed, ends);

    if (result < 0)
        host_fail(host, "the packet queue cannot be read", result);
}

static void queue_ready(void *context, uint32_t events)
{
    (void)events;
    gate_read(context, false);
}

static void ends_ready(void *context, uint32_t events)
{
    (void)events;
    gate_read(context, true);
}

static void changes_ready(void *context, uint32_t events)
{
    struct host *host = context;
    char error[512] = "";

    (void)events;
    int result = gate_look(host->gate, error, sizeof(error));
    if (result > 0)
        log_say("somebody took the packet rules out or put others before them; they are back.%s",
                gate_is_guarded(host->gate) ? " Nothing undecided went out meanwhile." : "");
    else if (result < 0)
        log_say("somebody took the packet rules out, and they cannot be put back: %s", error);
}

static void processes_ready(void *context, uint32_t events)
{
    struct host *host = context;

    (void)events;
    process_ends_tell(host->ends);
}

static void signals_ready(void *context, uint32_t events)
{
    struct host *host = context;
    struct signalfd_siginfo info;

    (void)events;
    if (read(host->signals.fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP && host->settings.hangup)
        host->settings.hangup(host->settings.context);
    else
        host->stop = true;
}

static void terminal_ready(void *context, uint32_t events)
{
    struct host *host = context;

    if (events & (EPOLLHUP | EPOLLERR))
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

void host_wake(void *context)
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

/*
 * Started on a terminal, it ends with it, and does not leave the gate shut; a shell sends SIGHUP then too, which is not
 * asked to mean "reload". Whoever ignores SIGHUP (nohup) wants it to live on.
 */
static int host_watch_terminal(struct host *host)
{
    struct sigaction hangup;

    if (!host->settings.hangup || sigaction(SIGHUP, NULL, &hangup) || hangup.sa_handler == SIG_IGN)
        return 0;
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return 0;
    host->terminal = (struct loop_source){fd, terminal_ready, host};
    return loop_add(&host->loop, &host->terminal, 0);
}

static int host_start_loop(struct host *host)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    host->timer_due = NT_NEVER;

    int result = loop_open(&host->loop);
    host->loop.sleeping = host->settings.sleeping;
    host->loop.sleeping_context = host->settings.context;
    if (!result)
        result = host_watch(host, &host->signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), signals_ready);
    if (!result)
        result =
            host_watch(host, &host->timer, timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), timer_ready);
    if (!result)
        result = host_watch(host, &host->wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), wake_ready);
    if (!result)
        result = host_watch_terminal(host);
    if (result)
        log_say("cannot set up its event loop: %s.", strerror(-result));
    return result;
}

static int host_start_driver(struct host *host)
{
    nt_set_pump_wake(host_wake, host);
    host->driver_started = true;
    return host->settings.start_driver(host->settings.context);
}

static void host_status(void *context, struct gatehouse_platform_status *status)
{
    struct host *host = context;

    if (host->feed)
        feed_status(host->feed, status);
}

static void host_hits(void *context, uint64_t first, unsigned room, struct gatehouse_hits *head,
                      struct gatehouse_hit *entries)
{
    struct host *host = context;

    feed_hits(host->feed, first, room, head, entries);
}

static size_t host_flows(void *context, const struct gatehouse_flows_get *get, void *out, size_t room)
{
    struct gatehouse_flows none = {.next = get->first};
    struct host *host = context;

    if (host->feed)
        return feed_flows(host->feed, get, out, room);
    memcpy(out, &none, sizeof(none));
    return sizeof(none);
}

static int host_start_server(struct host *host)
{
    char error[512] = "";
    struct device_server_options options = {
        .path = host->settings.socket_path,
        .device = host->settings.device,
        .status = host_status,
        .hits = host_hits,
        .flows = host_flows,
        .wake = host_wake,
        .context = host,
    };
    int result = device_server_start(&host->loop, &options, &host->server, error, sizeof(error));

    if (result)
        log_say("%s", error);
    return result;
}

static void host_answer(void *context, const struct gate_dns_answer *answer)
{
    struct host *host = context;

    names_answer(host->names, answer);
}

static void host_look(void *context)
{
    struct host *host = context;

    resolved_read(host->resolved);
}

/* Whatever fails here, connections have no names, and all else is as ever. */
static void host_start_names(struct host *host)
{
    const struct name_servers *servers = host->settings.name_servers;

    if (!host->names)
        return;
    if (!gate_sees_names(host->gate))
        log_say("this kernel does not show what name servers answer: connections are shown without names.");
    if (servers->mode == NAME_SERVERS_SYSTEM)
        host->resolved = resolved_new(&host->loop, host->names);
}

static int host_start_gate(struct host *host)
{
    const struct name_servers *servers = host->settings.name_servers;
    const struct gate_listener listener = {host_answer, host_look, host};
    char error[512] = "";

    if (servers && servers->mode != NAME_SERVERS_NONE)
        host->names = names_new(servers, host->settings.device);
    struct gate_options options = {
        .queue = host->settings.queue,
        .dead_open = host->settings.dead_open,
        .deadline_ms = host->settings.deadline_ms,
        .names = host->names ? &listener : NULL,
        .queue_length = 65536, /* as much as the kernel takes: the driver's bound, which is counted, comes first */
    };
    int result = gate_open(&options, &host->gate, error, sizeof(error));

    if (result) {
        log_say("%s", error);
        return result;
    }
    host->ends = process_ends_new();
    host->feed = host->ends ? feed_new(host->gate, host->ends, host->names, host_wake, host) : NULL;
    result = host->feed ? 0 : -ENOMEM;
    if (!result)
        host_start_names(host);
    if (!result)
        result = host_watch(host, &host->queue, gate_queue_fd(host->gate), queue_ready);
    if (!result)
        result = host_watch(host, &host->events, gate_events_fd(host->gate), ends_ready);
    if (!result)
        result = host_watch(host, &host->changes, gate_changes_fd(host->gate), changes_ready);
    if (!result)
        result = host_watch(host, &host->processes, process_ends_fd(host->ends), processes_ready);
    if (result)
        log_say("cannot watch the packet queue: %s.", strerror(-result));
    return result;
}

int host_start(const struct host_settings *settings, struct host **host)
{
    struct host *made = calloc(1, sizeof(*made));

    if (!made) {
        log_say("out of memory.");
        return -ENOMEM;
    }
    is_host_thread = true;
    made->settings = *settings;
    int result = host_start_loop(made);
    if (!result)
        result = host_start_driver(made);
    if (!result && settings->socket_path)
        result = host_start_server(made);
    if (!result)
        result = host_start_gate(made);
    if (result)
        host_stop(made);
    else
        *host = made;
    return result;
}

static void settle(void *context)
{
    struct host *host = context;

    gate_read(host, true);
    gate_rest(host->gate);
}

/* While the timer is set for it, it need not be asked. */
static uint64_t quiet_due(struct host *host)
{
    struct feed_counts counts;

    if (host->timer_due <= host->quiet.due)
        return NT_NEVER;
    feed_count(host->feed, &counts);
    return quiet_turn(&host->quiet, counts.connections, settle, host);
}

/* --- Run and stop -------------------------------------------------------------------------- */

static uint64_t server_tidy(struct host *host)
{
    return host->server ? device_server_tidy(host->server) : NT_NEVER;
}

/* Whether something was decided since this was asked last. */
static bool host_decided(struct host *host)
{
    struct feed_counts counts;

    feed_count(host->feed, &counts);
    uint64_t before = host->decided;
    host->decided = counts.permitted + counts.blocked;
    return host->decided != before;
}

/* Whether a program that was let go has sent a packet since, which is taken then. */
static bool host_next(struct host *host)
{
    struct feed_counts before, after;

    if (host->pass) {
        host->pass--;
        return false;
    }
    feed_count(host->feed, &before);
    gate_read(host, false);
    feed_count(host->feed, &after);
    bool found = after.connections != before.connections;
    host->pass_next = found ? 0 : host->pass_next ? host->pass_next * 2 : 1;
    if (host->pass_next > PASSED_MAX)
        host->pass_next = PASSED_MAX;
    host->pass = host->pass_next;
    return found;
}

/*
 * What connections wait for comes before what nobody waits for, which is the rest of the turn: the answer to what was
 * offered, and the next packet of a program that was let go. Both are often there already: their senders run in this
 * thread's place as soon as they are woken.
 */
static void host_serve(struct host *host)
{
    for (unsigned i = 0; i < SERVED_MAX && !host->stop; i++) {
        if (host->server)
            device_server_look(host->server);
        if (!host_decided(host) || !host_next(host))
            return;
    }
}

int host_run(struct host *host)
{
    while (!host->stop) {
        gate_read_names(host->gate); /* a changed rule may ask for them now */
        bool more = feed_tidy(host->feed);

        timer_set(host, server_tidy(host));
        timer_set(host, follow_turn(&host->follow, host->server, host->feed));
        timer_set(host, quiet_due(host));
        host->pump_wanted = false;
        timer_set(host, nt_pump());
        int result = loop_turn(&host->loop, !more && !host->pump_wanted);
        if (result < 0)
            host_fail(host, "waiting for events failed", result);
        host_serve(host);
        if (host->settings.turn)
            host->settings.turn(host->settings.context);
    }
    return host->failed;
}

static void source_close(struct loop_source *source)
{
    if (source->ready && source->fd >= 0)
        close(source->fd);
}

void host_stop(struct host *host)
{
    char error[512] = "";

    device_server_stop(host->server);
    resolved_free(host->resolved);
    host->resolved = NULL;
    names_leave(host->names);
    if (host->driver_started)
        host->settings.stop_driver(host->settings.context);
    feed_free(host->feed);
    names_free(host->names);
    process_ends_free(host->ends);
    wfp_reset();
    nt_set_pump_wake(NULL, NULL);
    if (host->gate) {
        gate_close(host->gate);
        if (gate_remove(error, sizeof(error)) < 0)
            log_say("%s", error);
    }
    source_close(&host->terminal);
    source_close(&host->signals);
    source_close(&host->timer);
    source_close(&host->wake);
    loop_close(&host->loop);
    free(host);
}

void host_count(const struct host *host, struct feed_counts *counts)
{
    feed_count(host->feed, counts);
}
