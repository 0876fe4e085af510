/* SPDX-License-Identifier: MIT */
/*
 * command_live.c - wfplab live: real connections of this network namespace go through the drivers.
 *
 * Two processes. The drivers, the host and the gate are in a child (live_machine.h), for a driver may crash or hang.
 * This one has the terminal: it writes reports as they come, counts, and a summary. It ends the child when asked to,
 * or when the time is over; it tells a child that does not go on to report that, and ends one that does not end.
 * If the child could not take out its pins and rules itself, this process does (in another child, because it may change
 * its mount namespace): the namespace is open again whatever the driver did. If this process is killed, the child ends
 * as asked; if both are killed, the kernel lets through what is undecided.
 */
#include "lab/commands.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/gate.h"
#include "lab/json.h"
#include "lab/live_machine.h"
#include "lab/live_reports.h"
#include "lab/session.h"

#define LOOK_MS       100
#define START_SECONDS 30u  /* more than the limit, until eBPF programs and rules are in place */
#define END_SECONDS   40.0 /* for a child that was asked to end; its own waits are shorter */

struct live {
    const struct live_arguments *arguments;
    struct live_board *board;
    struct live_reports reports;
    pid_t child;
    int child_fd, signals_fd;
    double since, asked; /* asked 0: not yet */
    bool table, told_ready, told_hang, killed;
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- What is shown ------------------------------------------------------------------------- */

static void end_table(const struct live *live)
{
    if (live->table && live->told_ready)
        fputs("\r\033[K", stdout);
}

static void show_table(const struct live *live)
{
    const struct feed_counts *counts = &live->board->counts;
    const struct findings_count *found = &live->reports.count;

    if (!live->table || !live->told_ready)
        return;
    printf("\r%7.1f s  %llu connections  %llu held  %llu permitted  %llu blocked  %zu reports\033[K",
           seconds_now() - live->since, (unsigned long long)counts->connections, (unsigned long long)counts->held,
           (unsigned long long)counts->permitted, (unsigned long long)counts->blocked,
           found->errors + found->warnings + found->notes);
    fflush(stdout);
}

static void show(struct live *live)
{
    FILE *out = live->arguments->options.json ? stderr : stdout;

    if (!live->told_ready && __atomic_load_n(&live->board->ready, __ATOMIC_ACQUIRE)) {
        live->told_ready = true;
        if (live->arguments->socket_path != NULL)
            fprintf(out, "wfplab: ready; clients of %s connect at %s\n", live->arguments->device,
                    live->arguments->socket_path);
        else
            fprintf(out, "wfplab: ready\n");
        fflush(out);
    }
    if (live_reports_new(&live->reports) != 0) {
        end_table(live);
        live_reports_write(&live->reports);
    }
    show_table(live);
}

static void summary_json(const struct live *live, const char *end)
{
    const struct feed_counts *counts = &live->board->counts;
    struct lab_json json;

    lab_json_start(&json, stdout, false);
    lab_json_object(&json, NULL);
    lab_json_string(&json, "schema", "gatehouse-lab-live/1");
    lab_json_string(&json, "end", end);
    lab_json_number(&json, "milliseconds", (uint64_t)((seconds_now() - live->since) * 1000));
    lab_json_number(&json, "connections", counts->connections);
    lab_json_number(&json, "permitted", counts->permitted);
    lab_json_number(&json, "blocked", counts->blocked);
    lab_json_number(&json, "held", counts->held);
    lab_json_number(&json, "errors", live->reports.count.errors);
    lab_json_number(&json, "warnings", live->reports.count.warnings);
    lab_json_number(&json, "notes", live->reports.count.notes);
    lab_json_object_end(&json);
    fputc('\n', stdout);
}

static void summary(const struct live *live, const char *end)
{
    const struct feed_counts *counts = &live->board->counts;
    const struct findings_count *found = &live->reports.count;
    uint32_t all = __atomic_load_n(&live->board->report_count, __ATOMIC_RELAXED);

    end_table(live);
    if (all > LIVE_REPORTS_MAX)
        fprintf(stderr, "wfplab: %u reports more were not kept.\n", all - LIVE_REPORTS_MAX);
    if (live->arguments->options.json)
        summary_json(live, end);
    else
        printf("live: %s after %.1f s; %llu connections, %llu permitted, %llu blocked, %llu held at the end; "
               "%zu errors, %zu warnings, %zu notes\n",
               end, seconds_now() - live->since, (unsigned long long)counts->connections,
               (unsigned long long)counts->permitted, (unsigned long long)counts->blocked,
               (unsigned long long)counts->held, found->errors, found->warnings, found->notes);
    fflush(stdout);
}

/* --- The child ----------------------------------------------------------------------------- */

/* For main threads of processes that hold drivers: what is not flushed there is not theirs. */
static void be_child(struct live *live, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(LIVE_NO_START);
    close(live->signals_fd);
    _exit(live_machine_run(live->arguments, live->board));
}

static bool start(struct live *live)
{
    sigset_t set;
    pid_t self = getpid();

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    live->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    live->board = mmap(NULL, sizeof(*live->board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    live->reports.board = live->board;
    if (live->signals_fd < 0 || live->board == MAP_FAILED)
        return false;
    fflush(NULL);
    live->child = fork();
    if (live->child == 0)
        be_child(live, self);
    if (live->child < 0)
        return false;
    live->child_fd = (int)syscall(SYS_pidfd_open, live->child, 0);
    return live->child_fd >= 0;
}

static void ask_to_end(struct live *live)
{
    if (live->asked == 0) {
        live->asked = seconds_now();
        kill(live->child, SIGTERM); /* ours: it is not reaped yet */
    }
}

/* Its first thread is at the same work for too long: the fault handler there says where. */
static void look_for_hang(struct live *live)
{
    uint64_t since = __atomic_load_n(&live->board->busy_since, __ATOMIC_RELAXED);
    unsigned limit = live->arguments->limit + (live->told_ready ? 0 : START_SECONDS);

    if (live->arguments->limit == 0 || live->told_hang || since == 0 || seconds_now() - (double)since / 1e9 < limit)
        return;
    live->told_hang = true;
    ask_to_end(live); /* and if it cannot even tell, it is ended */
    syscall(SYS_tgkill, live->child, live->child, SIGALRM);
}

static void watch(struct live *live)
{
    struct pollfd polled[2] = {{live->child_fd, POLLIN, 0}, {live->signals_fd, POLLIN, 0}};
    struct signalfd_siginfo info;

    while (poll(polled, 2, LOOK_MS) < 1 || (polled[0].revents & POLLIN) == 0) {
        double now = seconds_now();

        if (read(live->signals_fd, &info, sizeof(info)) == sizeof(info) ||
            (live->arguments->seconds > 0 && now - live->since >= live->arguments->seconds))
            ask_to_end(live);
        look_for_hang(live);
        if (live->asked != 0 && !live->killed && now - live->asked > END_SECONDS) {
            live->killed = true;
            kill(live->child, SIGKILL);
        }
        show(live);
    }
    show(live);
}

/* What the child did not take out itself. Not for one that did not come so far: a gate that is there is another's. */
static void open_namespace(const struct live *live)
{
    char error[512] = "";
    int status = 0;

    if (!__atomic_load_n(&live->board->opening, __ATOMIC_ACQUIRE))
        return;
    fflush(NULL);
    pid_t remover = fork();
    if (remover == 0) {
        int result = gate_remove(error, sizeof(error));

        if (result < 0)
            fprintf(stderr, "wfplab: %s\n", error);
        _exit(result < 0);
    }
    while (remover > 0 && waitpid(remover, &status, 0) < 0 && errno == EINTR)
        ;
    if (remover < 0 || status != 0)
        fprintf(stderr, "wfplab: the packet rules are still there: take them out with gatehoused --remove.\n");
}

/* How it ended, in words, and the exit code that this makes. */
static const char *reap(const struct live *live, int *code)
{
    static char words[64];
    int status = 0;

    while (waitpid(live->child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) <= LIVE_FAILED) {
        *code = WEXITSTATUS(status) == LIVE_ENDED      ? LAB_CLEAN
                : WEXITSTATUS(status) == LIVE_NO_START ? LAB_USAGE
                                                       : LAB_FAILED;
        return WEXITSTATUS(status) == LIVE_ENDED ? "ended" : "failed";
    }
    open_namespace(live);
    *code = LAB_FOUND;
    if (WIFEXITED(status))
        return live->told_hang ? "hung" : "crashed";
    snprintf(words, sizeof(words), "%s by signal %d", live->killed ? "did not end, and was killed" : "was killed",
             WTERMSIG(status));
    return words;
}

static int finish(struct live *live)
{
    const struct options *options = &live->arguments->options;
    int code;
    const char *end = reap(live, &code);

    live_reports_write(&live->reports);
    if (code != LAB_USAGE)
        summary(live, end);
    if (options->sarif != NULL && !live_reports_sarif(&live->reports, options->sarif))
        code = code > LAB_USAGE ? code : LAB_USAGE;
    if (code == LAB_CLEAN && (live->reports.count.errors != 0 ||
                              (options->strict && live->reports.count.warnings + live->reports.count.notes != 0)))
        code = LAB_FOUND;
    live_reports_free(&live->reports);
    return code;
}

int command_live(int count, char **arguments)
{
    static struct live_arguments read;
    static struct live live;

    if (!live_arguments_read(count, arguments, &read))
        return LAB_USAGE;
    if (geteuid() != 0) {
        fprintf(stderr, "wfplab: live: it must run as root (it loads eBPF programs and packet rules).\n");
        return LAB_USAGE;
    }
    if (!session_open(&read.options))
        return LAB_USAGE;
    live.arguments = &read;
    live.reports.json = read.options.json;
    live.reports.origin = nt_now();
    live.since = seconds_now();
    live.table = !read.options.json && isatty(STDOUT_FILENO) == 1;
    if (!start(&live)) {
        fprintf(stderr, "wfplab: live: no process could be started: %s.\n", strerror(errno));
        return LAB_FAILED;
    }
    watch(&live);
    return finish(&live);
}
