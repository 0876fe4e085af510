/* SPDX-License-Identifier: MIT */
/*
 * symbolizer.c - see symbolizer.h.
 *
 * With -a the program writes each address before what it found for it, and with -i two lines for each inlined function,
 * so the answer can be read without knowing how many there are. It is killed at the deadline.
 */
#define _GNU_SOURCE
#include "lab/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ADDRESSES_MOST 1024u
#define ANSWER_MOST    (1u << 20)

extern char **environ;

struct answer {
    char *text;
    size_t size;
};

static int64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* false: the deadline passed, or there was too much of it. */
static bool read_answer(int pipe, struct answer *answer)
{
    int64_t end = now_ms() + LAB_SYMBOLIZER_DEADLINE_MS;
    for (;;) {
        struct pollfd wait = {.fd = pipe, .events = POLLIN};
        int64_t left = end - now_ms();
        int ready = left > 0 ? poll(&wait, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || answer->size == ANSWER_MOST)
            return false;
        ssize_t part = read(pipe, answer->text + answer->size, ANSWER_MOST - answer->size);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return part == 0;
        answer->size += (size_t)part;
    }
}

/* -1: it could not be started. *reading is the end of its output. */
static pid_t start(char **arguments, int *reading)
{
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t process = -1;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    if (posix_spawn_file_actions_init(&actions) == 0) {
        if (posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0 ||
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) != 0 ||
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) != 0 ||
            posix_spawnp(&process, arguments[0], &actions, NULL, arguments, environ) != 0)
            process = -1;
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (process < 0)
        close(ends[0]);
    *reading = ends[0];
    return process;
}

static bool run(char **arguments, struct answer *answer)
{
    int reading, status = 0;
    pid_t process = start(arguments, &reading);
    if (process < 0)
        return false;
    bool whole = read_answer(reading, answer);
    if (!whole)
        kill(process, SIGKILL);
    close(reading);
    while (waitpid(process, &status, 0) < 0 && errno == EINTR)
        ;
    return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* "file:line" or "file:line (discriminator 3)"; "??" and "?" stand for what is not known. */
static unsigned split_line(char *place)
{
    char *colon = strrchr(place, ':');
    unsigned line = 0;
    if (colon != NULL) {
        line = (unsigned)strtoul(colon + 1, NULL, 10);
        *colon = '\0';
    }
    if (strcmp(place, "??") == 0)
        *place = '\0';
    return line;
}

static void parse(const struct answer *answer, size_t count, lab_symbolizer_found *found, void *context)
{
    char *save = NULL, *function = NULL;
    size_t addresses = 0;
    for (char *line = strtok_r(answer->text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "0x", 2) == 0 && strspn(line + 2, "0123456789abcdef") == strlen(line + 2)) {
            addresses++;
            function = NULL;
        } else if (function == NULL) {
            function = strcmp(line, "??") == 0 ? "" : line;
        } else {
            unsigned number = split_line(line);
            if (addresses != 0 && addresses <= count)
                found(context, addresses - 1, function, line, number);
            function = NULL;
        }
    }
}

bool lab_symbolizer_run(const char *program, const char *path, const uint64_t *addresses, size_t count,
                        lab_symbolizer_found *found, void *context)
{
    static char texts[ADDRESSES_MOST][20];
    static char *arguments[ADDRESSES_MOST + 8];
    struct answer answer = {malloc(ANSWER_MOST + 1), 0};
    size_t used = 0;
    if (answer.text == NULL || count > ADDRESSES_MOST) {
        free(answer.text);
        return false;
    }
    const char *const options[] = {program, "-a", "-f", "-i", "-e", path};
    for (size_t index = 0; index < sizeof options / sizeof options[0]; index++)
        arguments[used++] = (char *)(uintptr_t)options[index];
    for (size_t index = 0; index < count; index++) {
        snprintf(texts[index], sizeof texts[index], "0x%" PRIx64, addresses[index]);
        arguments[used++] = texts[index];
    }
    arguments[used] = NULL;
    bool good = run(arguments, &answer);
    answer.text[answer.size] = '\0';
    if (good)
        parse(&answer, count, found, context);
    free(answer.text);
    return good;
}
