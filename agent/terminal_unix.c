/* SPDX-License-Identifier: MIT */
/*
 * terminal_unix.c - see terminal.h.
 *
 * Standard input stays in blocking mode, as others may share it; nothing is read before poll says so.
 */
#define _GNU_SOURCE
#include "agent/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static struct termios keys;
static volatile sig_atomic_t changed;

bool terminal_has_keys(void)
{
    return isatty(STDIN_FILENO) == 1;
}

bool terminal_has_screen(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

/* Puts the terminal right, then lets the signal do what it does to any program. */
static void on_ending_signal(int signal_number)
{
    int error = errno;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    struct sigaction ours;
    sigset_t only;

    if (changed)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    sigaction(signal_number, &standard, &ours);
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    raise(signal_number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    /* Only after SIGTSTP does the program come here: it goes on. */
    sigaction(signal_number, &ours, NULL);
    if (changed)
        tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    errno = error;
}

enum agent_result terminal_open(struct problem *problem)
{
    static const int signals[] = {SIGTSTP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_ending_signal};

    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return problem_set(problem, AGENT_FAILED, "cannot use this terminal: %s.", strerror(errno));
    keys = before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    changed = 1;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys) != 0) {
        changed = 0;
        return problem_set(problem, AGENT_FAILED, "cannot use this terminal: %s.", strerror(errno));
    }
    return AGENT_OK;
}

void terminal_close(void)
{
    if (!changed)
        return;
    changed = 0;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

void terminal_discard(void)
{
    tcflush(STDIN_FILENO, TCIFLUSH);
}

int terminal_read(char *buffer, size_t size)
{
    ssize_t got = read(STDIN_FILENO, buffer, size);

    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? -1 : 0;
    return (int)got;
}

long terminal_try_write(const char *bytes, size_t count)
{
    struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
    ssize_t done;

    if (poll(&room, 1, 0) <= 0)
        return 0;
    if ((room.revents & (POLLERR | POLLNVAL)) != 0)
        return -1;
    /* A pipe that is writable takes one page without waiting (pipe(7), PIPE_BUF), and maybe no more. */
    done = write(STDOUT_FILENO, bytes, count > 4096 ? 4096 : count);
    if (done < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    return done;
}
