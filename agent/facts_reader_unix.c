/* SPDX-License-Identifier: MIT */
/*
 * facts_reader_unix.c - see facts_reader.h.
 *
 * Two threads to begin with: one has the turn and reads, the other waits for it. Who has the turn for too long loses
 * it: the one that waits takes it and starts another to wait. A thread that comes back late delivers what it has and
 * waits with the others. All of them, and whoever uses the reader, hold a share of it; the last one frees it.
 */
#define _GNU_SOURCE
#include "agent/facts_reader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct job {
    struct job *next;
    uint64_t id;
    struct process_key key;
    char program[]; /* of the key */
};

struct result {
    struct result *next;
    struct facts_answer answer;
};

struct facts_reader {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct job *jobs, **jobs_end;
    struct result *results, **results_end;
    unsigned waiting;
    unsigned threads;
    unsigned idle; /* of them, those that wait for the turn */
    unsigned shares;
    unsigned turn; /* counts turns; the present one belongs to whoever took that number */
    bool taken;
    struct timespec taken_at;
    bool closing;
    int descriptor;
};

static struct timespec after(struct timespec time, int milliseconds)
{
    time.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    time.tv_sec += milliseconds / 1000 + time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

/* Gives a share back, with the lock held; unlocks. */
static void leave(struct facts_reader *reader)
{
    bool last = --reader->shares == 0;

    pthread_mutex_unlock(&reader->lock);
    if (!last)
        return;
    while (reader->jobs != NULL) {
        struct job *job = reader->jobs;

        reader->jobs = job->next;
        free(job);
    }
    while (reader->results != NULL) {
        struct result *result = reader->results;

        reader->results = result->next;
        if (result->answer.facts != NULL)
            process_facts_free(result->answer.facts);
        free(result->answer.facts);
        free(result);
    }
    close(reader->descriptor);
    pthread_cond_destroy(&reader->changed);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}

static void deliver(struct facts_reader *reader, struct result *result)
{
    uint64_t one = 1;

    result->next = NULL;
    pthread_mutex_lock(&reader->lock);
    *reader->results_end = result;
    reader->results_end = &result->next;
    (void)!write(reader->descriptor, &one, sizeof(one));
    pthread_mutex_unlock(&reader->lock);
}

static void work(struct facts_reader *reader, const struct job *job)
{
    struct process_facts *facts = calloc(1, sizeof(*facts));
    struct result *first = calloc(1, sizeof(*first));
    struct result *second;

    if (facts == NULL || first == NULL) {
        free(facts);
        free(first);
        return;
    }
    process_facts_read(&job->key, facts);
    first->answer = (struct facts_answer){.id = job->id, .facts = facts};
    first->answer.whole = job->program[0] != '/' || package_owner_known(job->program, first->answer.package);
    second = first->answer.whole ? NULL : calloc(1, sizeof(*second));
    deliver(reader, first);
    if (second == NULL)
        return;
    second->answer = (struct facts_answer){.id = job->id, .whole = true};
    (void)package_owner_find(job->program, second->answer.package);
    deliver(reader, second);
}

/* With the lock held: a job, and the turn; NULL: the reader closes. */
static struct job *wait_for_turn(struct facts_reader *reader, unsigned *mine)
{
    struct job *job;

    reader->idle++;
    while (!reader->closing && (reader->jobs == NULL || reader->taken)) {
        struct timespec until = after(reader->taken_at, FACTS_READER_PATIENCE_MS);
        unsigned turn = reader->turn;

        if (reader->jobs == NULL)
            pthread_cond_wait(&reader->changed, &reader->lock);
        else if (pthread_cond_timedwait(&reader->changed, &reader->lock, &until) == ETIMEDOUT && reader->turn == turn)
            reader->taken = false; /* whoever has it is left behind */
    }
    reader->idle--;
    if (reader->closing)
        return NULL;
    job = reader->jobs;
    reader->jobs = job->next;
    if (reader->jobs == NULL)
        reader->jobs_end = &reader->jobs;
    reader->waiting--;
    *mine = ++reader->turn;
    reader->taken = true;
    clock_gettime(CLOCK_MONOTONIC, &reader->taken_at);
    return job;
}

static void add_thread(struct facts_reader *reader);

static void *run(void *argument)
{
    struct facts_reader *reader = argument;
    struct job *job;
    unsigned mine;

    pthread_mutex_lock(&reader->lock);
    while ((job = wait_for_turn(reader, &mine)) != NULL) {
        if (reader->idle == 0)
            add_thread(reader);
        pthread_mutex_unlock(&reader->lock);
        work(reader, job);
        free(job);
        pthread_mutex_lock(&reader->lock);
        if (reader->taken && reader->turn == mine)
            reader->taken = false;
        pthread_cond_broadcast(&reader->changed);
    }
    reader->threads--;
    leave(reader);
    return NULL;
}

/* With the lock held. Signals stay with the thread that made the reader. */
static void add_thread(struct facts_reader *reader)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    if (reader->threads > FACTS_READER_THREADS_MAX || pthread_attr_init(&attributes) != 0)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, run, reader) == 0) {
        reader->threads++;
        reader->shares++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

struct facts_reader *facts_reader_new(struct problem *problem)
{
    struct facts_reader *reader = calloc(1, sizeof(*reader));
    pthread_condattr_t monotonic;

    if (reader == NULL) {
        problem_set(problem, AGENT_FAILED, "out of memory.");
        return NULL;
    }
    reader->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reader->descriptor < 0) {
        problem_set(problem, AGENT_FAILED, "cannot make an eventfd: %s.", strerror(errno));
        free(reader);
        return NULL;
    }
    pthread_mutex_init(&reader->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reader->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    reader->jobs_end = &reader->jobs;
    reader->results_end = &reader->results;
    reader->shares = 1;
    return reader;
}

void facts_reader_free(struct facts_reader *reader)
{
    if (reader == NULL)
        return;
    pthread_mutex_lock(&reader->lock);
    reader->closing = true;
    pthread_cond_broadcast(&reader->changed);
    leave(reader);
}

int facts_reader_descriptor(const struct facts_reader *reader)
{
    return reader->descriptor;
}

bool facts_reader_ask(struct facts_reader *reader, uint64_t id, const struct process_key *key)
{
    const char *program = key->program == NULL ? "" : key->program;
    size_t length = strlen(program);
    struct job *job = malloc(sizeof(*job) + length + 1);
    bool taken = false;

    if (job == NULL)
        return false;
    *job = (struct job){.id = id, .key = *key};
    memcpy(job->program, program, length + 1);
    job->key.program = job->program;
    pthread_mutex_lock(&reader->lock);
    if (reader->idle == 0)
        add_thread(reader);
    if (reader->waiting < FACTS_READER_WAITING_MAX && reader->threads > 0) {
        *reader->jobs_end = job;
        reader->jobs_end = &job->next;
        reader->waiting++;
        taken = true;
        pthread_cond_broadcast(&reader->changed);
    }
    pthread_mutex_unlock(&reader->lock);
    if (!taken)
        free(job);
    return taken;
}

bool facts_reader_take(struct facts_reader *reader, struct facts_answer *answer)
{
    struct result *result;
    uint64_t count;

    pthread_mutex_lock(&reader->lock);
    result = reader->results;
    if (result != NULL)
        reader->results = result->next;
    if (reader->results == NULL) {
        reader->results_end = &reader->results;
        (void)!read(reader->descriptor, &count, sizeof(count));
    }
    pthread_mutex_unlock(&reader->lock);
    if (result == NULL)
        return false;
    *answer = result->answer;
    free(result);
    return true;
}
