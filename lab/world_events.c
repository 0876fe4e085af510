/* SPDX-License-Identifier: MIT */
/*
 * world_events.c - see world_events.h.
 */
#include "lab/world_events.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DONE       4096u
#define MAX_VIOLATIONS 16u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct done {
    uint64_t connection;
    struct world_decision decision;
} dones[MAX_DONE];
static size_t done_first, done_count;

/* Flows authorized again on their own. */
static struct world_decision agains[MAX_DONE];
static size_t again_first, again_count;

static char violations[MAX_VIOLATIONS][100];
static size_t violation_count;

void world_keep_done(uint64_t connection, const struct world_decision *decision)
{
    pthread_mutex_lock(&lock);
    if (done_count == MAX_DONE) {
        fprintf(stderr, "more than %u connections ended in one step\n", MAX_DONE);
        abort();
    }
    dones[(done_first + done_count++) % MAX_DONE] = (struct done){connection, *decision};
    pthread_mutex_unlock(&lock);
}

bool world_next_done(uint64_t *connection, struct world_decision *decision)
{
    bool found;

    pthread_mutex_lock(&lock);
    found = done_count != 0;
    if (found) {
        *connection = dones[done_first].connection;
        *decision = dones[done_first].decision;
        done_first = (done_first + 1) % MAX_DONE;
        done_count--;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void world_keep_reauthorized(const struct world_decision *decision)
{
    pthread_mutex_lock(&lock);
    if (again_count < MAX_DONE)
        agains[again_count++] = *decision;
    pthread_mutex_unlock(&lock);
}

bool world_next_reauthorized(struct world_decision *decision)
{
    bool found;

    pthread_mutex_lock(&lock);
    found = again_first < again_count;
    if (found)
        *decision = agains[again_first++];
    else
        again_first = again_count = 0;
    pthread_mutex_unlock(&lock);
    return found;
}

void world_keep_violation(const char *rule, const char *routine)
{
    pthread_mutex_lock(&lock);
    if (violation_count < MAX_VIOLATIONS)
        snprintf(violations[violation_count++], sizeof(violations[0]), "%s %s", rule, routine);
    pthread_mutex_unlock(&lock);
}

bool world_next_violation(char *text, size_t room)
{
    bool found;

    pthread_mutex_lock(&lock);
    found = violation_count != 0;
    if (found) {
        snprintf(text, room, "%s", violations[0]);
        violation_count--;
        memmove(violations[0], violations[1], violation_count * sizeof(violations[0]));
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void world_drop_decisions(void)
{
    pthread_mutex_lock(&lock);
    done_first = done_count = again_first = again_count = 0;
    pthread_mutex_unlock(&lock);
}

void world_drop_violations(void)
{
    pthread_mutex_lock(&lock);
    violation_count = 0;
    pthread_mutex_unlock(&lock);
}
