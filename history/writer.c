/* SPDX-License-Identifier: MIT */
/*
 * writer.c - see writer.h.
 */
#include "history/writer.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "history/file.h"
#include "history/store.h"

#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS  30000
#define RETRY_LAST_MS  50 /* it is about to end: few tries are left */
#define AGE_EACH_MS    3600000
/* Old ones go when the clock ran evenly for so long: one that is set by mistake takes nothing out at once. */
#define CLOCK_TRUST_MS 600000
#define CLOCK_STEP_MS  60000
#define DAY            (86400ll * 1000000)

/* A record with its texts behind it. */
struct waiting {
    TAILQ_ENTRY(waiting) in_queue;
    size_t size;
    struct history_record record;
    char texts[];
};
TAILQ_HEAD(waiting_list, waiting);

struct writer {
    const char *path;
    struct history_limits limits;
    void (*say)(const char *sentence);
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work, done; /* on CLOCK_MONOTONIC */
    struct waiting_list queue;
    size_t queued, queued_bytes;
    uint64_t added, settled; /* records; settled: written, or lost */
    uint64_t lost;           /* since trouble began */
    bool stop;
    int64_t give_up; /* monotonic ms; after stop */

    /* The thread's own. */
    struct store store;
    struct waiting *batch[WRITER_BATCH];
    const struct history_record *records[WRITER_BATCH];
    size_t batch_count;
    enum history_trouble trouble; /* that was told */
    int64_t pause, aged, steady_since, clock_offset;
};

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_until(struct writer *writer, pthread_cond_t *condition, int64_t until)
{
    struct timespec then = {until / 1000, until % 1000 * 1000000};

    pthread_cond_timedwait(condition, &writer->mutex, &then);
}

/* --- Who adds ------------------------------------------------------------------------------------------------ */

static const char *copy_text(char **at, const char *text)
{
    char *copy = *at;
    size_t size = text ? strlen(text) + 1 : 0;

    if (!text)
        return NULL;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

static struct waiting *copy_record(const struct history_record *record)
{
    const char *texts[] = {record->program, record->name, record->rule, record->place, record->who};
    size_t size = sizeof(struct waiting);
    struct waiting *copy;
    char *at;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        size += texts[i] ? strlen(texts[i]) + 1 : 0;
    copy = malloc(size);
    if (!copy)
        return NULL;
    copy->size = size;
    copy->record = *record;
    at = copy->texts;
    copy->record.program = copy_text(&at, record->program);
    copy->record.name = copy_text(&at, record->name);
    copy->record.rule = copy_text(&at, record->rule);
    copy->record.place = copy_text(&at, record->place);
    copy->record.who = copy_text(&at, record->who);
    return copy;
}

void writer_add(struct writer *writer, const struct history_record *record)
{
    struct waiting *copy = copy_record(record);

    pthread_mutex_lock(&writer->mutex);
    writer->added++;
    if (copy && writer->queued < WRITER_QUEUE_RECORDS && writer->queued_bytes + copy->size <= WRITER_QUEUE_BYTES) {
        TAILQ_INSERT_TAIL(&writer->queue, copy, in_queue);
        writer->queued_bytes += copy->size;
        if (writer->queued++ == 0)
            pthread_cond_signal(&writer->work);
        copy = NULL;
    } else {
        writer->settled++;
        writer->lost++;
    }
    pthread_mutex_unlock(&writer->mutex);
    free(copy);
}

bool writer_flush(struct writer *writer, int timeout_ms)
{
    int64_t until = now_ms(CLOCK_MONOTONIC) + timeout_ms;
    uint64_t target;
    bool reached;

    pthread_mutex_lock(&writer->mutex);
    target = writer->added;
    while (writer->settled < target && now_ms(CLOCK_MONOTONIC) < until)
        wait_until(writer, &writer->done, until);
    reached = writer->settled >= target;
    pthread_mutex_unlock(&writer->mutex);
    return reached;
}

/* --- The thread ---------------------------------------------------------------------------------------------- */

static void tell(struct writer *writer, const char *sentence)
{
    if (writer->say)
        writer->say(sentence);
}

/* Once for each kind of trouble, and once when it is over. */
static void tell_trouble(struct writer *writer, enum history_trouble trouble)
{
    char sentence[HISTORY_PATH_MAX + 512];
    uint64_t lost;

    pthread_mutex_lock(&writer->mutex);
    lost = writer->lost;
    if (trouble == HISTORY_FINE)
        writer->lost = 0;
    pthread_mutex_unlock(&writer->mutex);
    if (trouble == writer->trouble && (trouble != HISTORY_FINE || !lost))
        return;
    if (trouble == writer->trouble)
        snprintf(sentence, sizeof(sentence), "the history %s lost %llu records: they came faster than it is written.",
                 writer->path, (unsigned long long)lost);
    else if (trouble != HISTORY_FINE)
        snprintf(sentence, sizeof(sentence),
                 "the history %s cannot be written: %s; connections are decided as before, and this is tried again.",
                 writer->path, writer->store.file.why);
    else
        snprintf(sentence, sizeof(sentence), "the history %s is written again; %llu records were lost.", writer->path,
                 (unsigned long long)lost);
    writer->trouble = trouble;
    tell(writer, sentence);
}

/* Somebody's file is moved only where a history is expected. */
static bool may_put_aside(const char *path)
{
    size_t size = strlen(path);

    return size > 3 && strcmp(path + size - 3, ".db") == 0;
}

static enum history_trouble put_aside(struct writer *writer)
{
    char sentence[2 * HISTORY_PATH_MAX + 256];
    enum history_trouble trouble;

    store_close(&writer->store);
    if (!may_put_aside(writer->path))
        return HISTORY_DAMAGED;
    trouble = history_file_put_aside(&writer->store.file, writer->path);
    if (trouble != HISTORY_FINE)
        return trouble;
    snprintf(sentence, sizeof(sentence), "the history %s was damaged; it is kept as %s.damaged, and a new one begins.",
             writer->path, writer->path);
    tell(writer, sentence);
    return store_open(&writer->store, writer->path);
}

static enum history_trouble open_store(struct writer *writer)
{
    enum history_trouble trouble;

    if (writer->store.file.db && !history_file_replaced(&writer->store.file))
        return HISTORY_FINE;
    store_close(&writer->store);
    trouble = store_open(&writer->store, writer->path);
    return trouble == HISTORY_DAMAGED ? put_aside(writer) : trouble;
}

/* The clock of the wall runs as the one since boot does, for long enough. */
static bool clock_steady(struct writer *writer)
{
    int64_t boot = now_ms(CLOCK_BOOTTIME), offset = now_ms(CLOCK_REALTIME) - boot;

    if (llabs(offset - writer->clock_offset) > CLOCK_STEP_MS)
        writer->steady_since = boot;
    writer->clock_offset = offset;
    return boot - writer->steady_since >= CLOCK_TRUST_MS;
}

static enum history_trouble keep_bounds(struct writer *writer)
{
    int64_t boot = now_ms(CLOCK_BOOTTIME);
    enum history_trouble trouble;
    bool more = false;

    trouble = store_drop_above(&writer->store, writer->limits.bytes, &more);
    while (trouble == HISTORY_FINE && more)
        trouble = store_drop_above(&writer->store, writer->limits.bytes, &more);
    if (trouble != HISTORY_FINE || !clock_steady(writer) || (writer->aged && boot - writer->aged < AGE_EACH_MS))
        return trouble;
    more = true;
    while (trouble == HISTORY_FINE && more)
        trouble = store_drop_before(&writer->store, now_ms(CLOCK_REALTIME) * 1000 - writer->limits.days * DAY, &more);
    writer->aged = boot;
    return trouble;
}

static void take_batch(struct writer *writer)
{
    struct waiting *waiting;

    while (writer->batch_count < WRITER_BATCH && (waiting = TAILQ_FIRST(&writer->queue)) != NULL) {
        TAILQ_REMOVE(&writer->queue, waiting, in_queue);
        writer->queued--;
        writer->queued_bytes -= waiting->size;
        writer->records[writer->batch_count] = &waiting->record;
        writer->batch[writer->batch_count++] = waiting;
    }
}

static enum history_trouble write_batch(struct writer *writer)
{
    enum history_trouble trouble = open_store(writer);

    if (trouble == HISTORY_FINE)
        trouble = store_add(&writer->store, writer->records, writer->batch_count);
    if (trouble == HISTORY_DAMAGED && writer->store.file.db) {
        trouble = put_aside(writer);
        if (trouble == HISTORY_FINE)
            trouble = store_add(&writer->store, writer->records, writer->batch_count);
    }
    return trouble;
}

/* It is written, or given up: then it counts as lost. */
static void settle(struct writer *writer, bool written)
{
    size_t count = writer->batch_count;

    for (size_t i = 0; i < count; i++)
        free(writer->batch[i]);
    writer->batch_count = 0;
    pthread_mutex_lock(&writer->mutex);
    writer->settled += count;
    writer->lost += written ? 0 : count;
    pthread_cond_broadcast(&writer->done);
    pthread_mutex_unlock(&writer->mutex);
}

/* false: the thread is to end. Waits for work; with a batch that could not be written, for its next try. */
static bool await(struct writer *writer)
{
    bool on;

    pthread_mutex_lock(&writer->mutex);
    if (writer->batch_count > 0)
        wait_until(writer, &writer->work, now_ms(CLOCK_MONOTONIC) + (writer->stop ? RETRY_LAST_MS : writer->pause));
    while (writer->batch_count == 0 && writer->queued == 0 && !writer->stop)
        pthread_cond_wait(&writer->work, &writer->mutex);
    on = writer->batch_count > 0 || writer->queued > 0;
    take_batch(writer);
    pthread_mutex_unlock(&writer->mutex);
    return on;
}

static bool given_up(struct writer *writer)
{
    bool gone;

    pthread_mutex_lock(&writer->mutex);
    gone = writer->stop && now_ms(CLOCK_MONOTONIC) >= writer->give_up;
    pthread_mutex_unlock(&writer->mutex);
    return gone;
}

static void try_later(struct writer *writer)
{
    writer->pause = writer->pause ? writer->pause * 2 : RETRY_FIRST_MS;
    if (writer->pause > RETRY_MOST_MS)
        writer->pause = RETRY_MOST_MS;
}

static void *run(void *context)
{
    struct writer *writer = context;

    tell_trouble(writer, open_store(writer)); /* for readers, a file stands there from the beginning */
    while (await(writer)) {
        enum history_trouble trouble = write_batch(writer), bounds = HISTORY_FINE;

        if (trouble == HISTORY_FINE) {
            settle(writer, true);
            writer->pause = 0;
            bounds = keep_bounds(writer);
        } else if (given_up(writer)) {
            settle(writer, false);
            break;
        } else {
            try_later(writer);
        }
        tell_trouble(writer, trouble != HISTORY_FINE ? trouble : bounds);
    }
    store_close(&writer->store);
    return NULL;
}

static void free_writer(struct writer *writer)
{
    struct waiting *waiting;

    while ((waiting = TAILQ_FIRST(&writer->queue)) != NULL) {
        TAILQ_REMOVE(&writer->queue, waiting, in_queue);
        free(waiting);
    }
    pthread_cond_destroy(&writer->work);
    pthread_cond_destroy(&writer->done);
    pthread_mutex_destroy(&writer->mutex);
    free(writer);
}

static int start_thread(struct writer *writer)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's */
    error = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct writer *writer_start(const char *path, const struct history_limits *limits, void (*say)(const char *sentence))
{
    struct writer *writer = calloc(1, sizeof(*writer));
    pthread_condattr_t monotonic;

    if (!writer)
        return NULL;
    writer->path = path;
    writer->limits = *limits;
    writer->say = say;
    TAILQ_INIT(&writer->queue);
    writer->steady_since = now_ms(CLOCK_BOOTTIME);
    writer->clock_offset = now_ms(CLOCK_REALTIME) - writer->steady_since;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->work, &monotonic);
    pthread_cond_init(&writer->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (start_thread(writer) == 0)
        return writer;
    free_writer(writer);
    return NULL;
}

void writer_stop(struct writer *writer, int timeout_ms)
{
    pthread_mutex_lock(&writer->mutex);
    writer->stop = true;
    writer->give_up = now_ms(CLOCK_MONOTONIC) + timeout_ms;
    pthread_cond_broadcast(&writer->work);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    free_writer(writer);
}
