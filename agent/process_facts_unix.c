/* SPDX-License-Identifier: MIT */
/*
 * process_facts_unix.c - see process_facts.h. From /proc.
 *
 * An open folder /proc/PID stays that of its process: once that is gone, nothing can be opened in it, whoever has the
 * id then. So a process is recognized once, by its start, and everything else is read through the same folder.
 */
#define _GNU_SOURCE
#include "agent/process_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/show.h"

#define PROC       "/proc"
#define STAT_MAX   1024u
#define CGROUP_MAX 16384u
#define DELETED    " (deleted)"
/* The system counts starts in hundredths of seconds, cut off; the rest is how far apart two clocks are read. */
#define NEAR         (50 * CLOCK_MILLISECOND)
#define OFFSETS_KEPT 8u

static const char *folder = PROC;

/* What a process's start in wall time is more than in boot time, where that is not what the clocks say now. */
static struct {
    struct {
        int64_t offset;
        uint64_t start;
    } seen[OFFSETS_KEPT];
    unsigned next;
    bool agreed;
    int64_t offset;
} step;
static pthread_mutex_t step_lock = PTHREAD_MUTEX_INITIALIZER;

struct stat_line {
    uint64_t parent;
    uint64_t start; /* boot time */
    char name[64];  /* as it is */
};

void process_facts_use_folder(const char *other)
{
    folder = other == NULL ? PROC : other;
    memset(&step, 0, sizeof(step));
}

void process_facts_free(struct process_facts *facts)
{
    text_free(&facts->command);
    for (unsigned i = 0; i < facts->parent_count; i++)
        text_free(&facts->parents[i].program);
    *facts = (struct process_facts){0};
}

static int open_process(uint64_t pid)
{
    char path[4096];

    if (pid == 0 || pid > INT32_MAX || snprintf(path, sizeof(path), "%s/%" PRIu64, folder, pid) >= (int)sizeof(path))
        return -1;
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* As much as there is and fits, with a NUL after it; -1: it cannot be read. */
static ssize_t read_file(int process, const char *name, char *buffer, size_t size)
{
    int file = openat(process, name, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got = -1;

    if (file < 0)
        return -1;
    while (used + 1 < size && (got = read(file, buffer + used, size - 1 - used)) > 0)
        used += (size_t)got;
    close(file);
    buffer[used] = '\0';
    return got < 0 && used == 0 ? -1 : (ssize_t)used;
}

/* proc(5), /proc/pid/stat: pid (comm) state ppid ... starttime is the 22nd. The name may hold anything, ")" too. */
static bool read_stat(int process, struct stat_line *line)
{
    char buffer[STAT_MAX];
    const char *open_at, *close_at, *at;
    long ticks = sysconf(_SC_CLK_TCK);
    unsigned long long parent = 0, start = 0;

    if (read_file(process, "stat", buffer, sizeof(buffer)) <= 0)
        return false;
    open_at = strchr(buffer, '(');
    close_at = strrchr(buffer, ')');
    if (open_at == NULL || close_at == NULL || close_at < open_at || ticks <= 0)
        return false;
    at = close_at + 1;
    for (unsigned field = 3; field <= 22; field++) {
        if (*at++ != ' ')
            return false;
        if (field == 4)
            parent = strtoull(at, NULL, 10);
        if (field == 22)
            start = strtoull(at, NULL, 10);
        at += strcspn(at, " \n");
    }
    line->parent = parent;
    line->start = start * (CLOCK_SECOND / (uint64_t)ticks);
    snprintf(line->name, sizeof(line->name), "%.*s", (int)(close_at - open_at - 1), open_at + 1);
    return true;
}

static bool is_near(int64_t a, int64_t b)
{
    int64_t apart = a > b ? a - b : b - a;

    return apart <= (int64_t)NEAR;
}

/* Whether two processes, this one among them, say that the wall clock was set by so much. */
static bool is_step(int64_t offset, uint64_t told)
{
    bool agreed;

    pthread_mutex_lock(&step_lock);
    agreed = step.agreed && is_near(offset, step.offset);
    for (unsigned i = 0; i < OFFSETS_KEPT && !agreed; i++) {
        if (step.seen[i].start == 0 || step.seen[i].start == told || !is_near(offset, step.seen[i].offset))
            continue;
        agreed = step.agreed = true;
        step.offset = offset;
    }
    if (!agreed) {
        step.seen[step.next].offset = offset;
        step.seen[step.next].start = told;
        step.next = (step.next + 1) % OFFSETS_KEPT;
    }
    pthread_mutex_unlock(&step_lock);
    return agreed;
}

/* Whether a process that began at boot time start is the one that is told to have begun at wall time told. */
static bool is_meant(uint64_t told, uint64_t start)
{
    int64_t offset = (int64_t)(told - start);

    return told != 0 && (is_near(offset, (int64_t)(clock_wall() - clock_boot())) || is_step(offset, told));
}

static void copy_escaped(char *target, size_t size, const char *bytes, size_t count)
{
    struct text text = {0};
    size_t used;

    show_written(&text, bytes, count);
    used = text.used < size ? text.used : size - 1;
    /* Not through the middle of a character. */
    while (used < text.used && used > 0 && ((unsigned char)text_string(&text)[used] & 0xC0) == 0x80)
        used--;
    memcpy(target, text_string(&text), used);
    target[used] = '\0';
    text_free(&text);
}

static bool is_plain(const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)word[i];

        if (byte < 0x80 &&
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./~-", byte) == NULL)
            return false;
    }
    return length > 0;
}

static void add_word(struct text *text, const char *word, size_t length)
{
    if (is_plain(word, length)) {
        show_written(text, word, length);
        return;
    }
    text_add(text, "'");
    while (length > 0) {
        const char *quote = memchr(word, '\'', length);
        size_t piece = quote == NULL ? length : (size_t)(quote - word);

        show_written(text, word, piece);
        if (quote != NULL)
            text_add(text, "'\\''");
        word += quote == NULL ? piece : piece + 1;
        length -= quote == NULL ? piece : piece + 1;
    }
    text_add(text, "'");
}

static void read_command(int process, struct text *command)
{
    char buffer[PROCESS_COMMAND_MAX + 2];
    ssize_t got = read_file(process, "cmdline", buffer, sizeof(buffer));
    size_t size = got < 0 ? 0 : (size_t)got;
    bool cut = size > PROCESS_COMMAND_MAX;

    if (cut)
        size = PROCESS_COMMAND_MAX;
    /* A program that writes over its own command line leaves NULs behind. */
    while (size > 1 && buffer[size - 1] == '\0' && buffer[size - 2] == '\0')
        size--;
    for (size_t at = 0; at < size;) {
        size_t length = strnlen(buffer + at, size - at);

        if (at > 0)
            text_add(command, " ");
        add_word(command, buffer + at, length);
        at += length + 1;
    }
    if (cut)
        text_add(command, "...");
}

/* The path of what runs, without the system's word that it is deleted; empty: it may not be looked at. */
static void read_program(int process, struct text *program)
{
    char path[PROCESS_PROGRAM_MAX + sizeof(DELETED)];
    ssize_t size = readlinkat(process, "exe", path, sizeof(path) - 1);

    if (size <= 0)
        return;
    path[size] = '\0';
    if ((size_t)size > strlen(DELETED) && strcmp(path + size - strlen(DELETED), DELETED) == 0)
        path[(size_t)size - strlen(DELETED)] = '\0';
    show_written_path(program, path);
}

static enum process_executable read_executable(int process, const char *program)
{
    struct stat runs, lies;

    if (program == NULL || program[0] != '/')
        return PROCESS_EXECUTABLE_UNKNOWN;
    if (stat(program, &lies) != 0)
        return errno == ENOENT || errno == ENOTDIR ? PROCESS_EXECUTABLE_DELETED : PROCESS_EXECUTABLE_UNKNOWN;
    if (process < 0 || fstatat(process, "exe", &runs, 0) != 0)
        return PROCESS_EXECUTABLE_UNKNOWN;
    return runs.st_dev == lies.st_dev && runs.st_ino == lies.st_ino ? PROCESS_EXECUTABLE_SAME
                                                                    : PROCESS_EXECUTABLE_REPLACED;
}

static bool is_unit(const char *name, size_t length)
{
    static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t suffix = strlen(suffixes[i]);

        if (length > suffix && memcmp(name + length - suffix, suffixes[i], suffix) == 0)
            return true;
    }
    return false;
}

/* The innermost unit on the way to the control group: cgroups(7), /proc/pid/cgroup. */
static void read_unit(int process, char unit[PROCESS_NAME_MAX])
{
    char buffer[CGROUP_MAX];
    char *rest = NULL;

    if (read_file(process, "cgroup", buffer, sizeof(buffer)) <= 0)
        return;
    for (char *line = strtok_r(buffer, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        const char *path = strchr(line, '/');

        if (path == NULL || (strncmp(line, "0::", 3) != 0 && strstr(line, ":name=systemd:") == NULL))
            continue;
        while (*path == '/') {
            size_t length = strcspn(path + 1, "/");

            if (is_unit(path + 1, length))
                copy_escaped(unit, PROCESS_NAME_MAX, path + 1, length);
            path += 1 + length;
        }
        if (unit[0] != '\0')
            return;
    }
}

/* Opens the parent of an open process. That is the parent's folder if the child still has it afterwards. */
static int open_parent(int child, const struct stat_line *line, struct stat_line *parent)
{
    struct stat_line again;
    int process;

    if (line->parent == 0)
        return -1;
    process = open_process(line->parent);
    if (process < 0)
        return -1;
    if (read_stat(process, parent) && parent->start <= line->start && read_stat(child, &again) &&
        again.parent == line->parent)
        return process;
    close(process);
    return -1;
}

static void read_parents(int process, struct stat_line line, struct process_facts *facts)
{
    int child = fcntl(process, F_DUPFD_CLOEXEC, 0);

    while (child >= 0 && facts->parent_count < PROCESS_PARENTS_MAX) {
        struct process_parent *parent = &facts->parents[facts->parent_count];
        struct stat_line above;
        int next = open_parent(child, &line, &above);

        if (next < 0)
            break;
        *parent = (struct process_parent){.pid = line.parent};
        copy_escaped(parent->name, sizeof(parent->name), above.name, strlen(above.name));
        read_program(next, &parent->program);
        facts->parent_count++;
        close(child);
        child = next;
        line = above;
    }
    if (child >= 0)
        close(child);
}

void process_facts_read(const struct process_key *key, struct process_facts *facts)
{
    int process = open_process(key->pid);
    struct stat_line line;

    if (process >= 0 && (!read_stat(process, &line) || !is_meant(key->start, line.start))) {
        close(process);
        process = -1;
    }
    facts->executable = read_executable(process, key->program);
    if (process < 0)
        return;
    facts->known = true;
    read_parents(process, line, facts);
    read_unit(process, facts->unit);
    read_command(process, &facts->command);
    close(process);
}
