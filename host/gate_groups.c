/* SPDX-License-Identifier: MIT */
/*
 * gate_groups.c - the further groups of a process.
 *
 * The kernel side gave them a number and keeps the list behind it: read once for each number, into a table with one
 * place for each hash. Where it made no number, since nobody asked, or has no room for so many, /proc tells them, if it
 * is beyond doubt that it is of the same process: that lives afterwards, so it had the pid all the time.
 */
#include "gate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define PLACES 64 /* a power of two */

struct set {
    uint64_t number; /* 0: the place is free */
    struct gate_groups groups;
};

struct gate_group_sets {
    struct set sets[PLACES];
    uint32_t told[GATE_FURTHER_MAX]; /* by /proc */
};

struct gate_group_sets *gate_group_sets_new(void)
{
    return calloc(1, sizeof(struct gate_group_sets));
}

void gate_group_sets_free(struct gate_group_sets *sets)
{
    free(sets);
}

static unsigned long long start_ticks(uint32_t pid)
{
    char name[40], text[1024], *rest;
    unsigned long long ticks = 0;
    size_t size;
    FILE *file;

    snprintf(name, sizeof(name), "/proc/%u/stat", pid);
    file = fopen(name, "re");
    if (!file)
        return 0;
    size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = 0;
    rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                        &ticks) != 1)
        return 0;
    return ticks;
}

bool gate_caller_lives(const struct gate_caller *caller)
{
    return start_ticks(caller->pid) ==
           caller->start_boottime_ns / (1000000000ull / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static unsigned read_numbers(const char *text, uint32_t *numbers, unsigned room)
{
    unsigned count = 0;
    char *end;

    for (; count < room; text = end) {
        unsigned long number = strtoul(text, &end, 10);

        if (end == text)
            break;
        numbers[count++] = (uint32_t)number;
    }
    return count;
}

static unsigned ask_proc(const struct gate_caller *caller, uint32_t told[GATE_FURTHER_MAX])
{
    uint32_t ids[2]; /* real, effective */
    char name[40], *line = NULL;
    unsigned count = 0;
    size_t room = 0;
    FILE *file;

    snprintf(name, sizeof(name), "/proc/%u/status", caller->pid);
    file = fopen(name, "re");
    if (!file)
        return 0;
    while (getline(&line, &room, file) > 0) {
        if (!strncmp(line, "Gid:", 4) && read_numbers(line + 4, ids, 2) == 2)
            told[count++] = ids[1];
        if (!strncmp(line, "Groups:", 7)) {
            count += read_numbers(line + 7, told + count, GATE_FURTHER_MAX - count);
            break;
        }
    }
    free(line);
    fclose(file);
    return gate_caller_lives(caller) ? count : 0;
}

void gate_group_sets_find(struct gate_group_sets *sets, int map, const struct gate_caller *caller,
                          struct gate_owner *owner)
{
    struct set *set = &sets->sets[caller->groups * 0x9e3779b97f4a7c15u >> 58];

    if (caller->groups && caller->groups != GATE_GROUPS_UNKNOWN) {
        if (set->number != caller->groups) {
            set->number = 0;
            if (!bpf_map_lookup_elem(map, &caller->groups, &set->groups) && set->groups.count <= GATE_GROUPS_MAX)
                set->number = caller->groups;
        }
        if (set->number) {
            owner->further = set->groups.gids;
            owner->further_count = set->groups.count;
            return;
        }
    }
    owner->further = sets->told;
    owner->further_count = ask_proc(caller, sets->told);
}
