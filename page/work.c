/* SPDX-License-Identifier: MIT */
/*
 * work.c - see work.h.
 */
#include "page/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

struct item {
    struct item *prev, *next;
    uint64_t number;
    work_call *call;
    json_t *input;
    unsigned status;
    struct text output;
};

struct work {
    const struct work_places *places;
    pthread_t thread;
    bool started, ending;
    int done_event;
    unsigned waiting_count;
    struct item *waiting, *done;
    pthread_mutex_t queue, names;
    pthread_cond_t more;
};

static void free_item(struct item *item)
{
    json_decref(item->input);
    text_free(&item->output);
    free(item);
}

/* NULL: it is over. */
static struct item *next_item(struct work *work)
{
    struct item *item = NULL;

    pthread_mutex_lock(&work->queue);
    while (work->waiting == NULL && !work->ending)
        pthread_cond_wait(&work->more, &work->queue);
    if (!work->ending) {
        item = work->waiting;
        DL_DELETE(work->waiting, item);
        work->waiting_count--;
    }
    pthread_mutex_unlock(&work->queue);
    return item;
}

static void *run(void *context)
{
    struct work *work = context;
    const uint64_t one = 1;
    struct item *item;

    while ((item = next_item(work)) != NULL) {
        item->status = item->call(work, item->input, &item->output);
        pthread_mutex_lock(&work->queue);
        DL_APPEND(work->done, item);
        pthread_mutex_unlock(&work->queue);
        (void)!write(work->done_event, &one, sizeof(one));
    }
    return NULL;
}

/* Signals are the loop's: its waits end by them. */
static bool start(struct work *work)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    work->started = pthread_create(&work->thread, NULL, run, work) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return work->started;
}

enum agent_result work_new(const struct work_places *places, struct work **work, struct problem *problem)
{
    struct work *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->places = places;
    pthread_mutex_init(&made->queue, NULL);
    pthread_mutex_init(&made->names, NULL);
    pthread_cond_init(&made->more, NULL);
    made->done_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->done_event < 0 || !start(made)) {
        work_free(made);
        return problem_set(problem, AGENT_FAILED, "cannot start a thread: %s.", strerror(errno));
    }
    *work = made;
    return AGENT_OK;
}

void work_free(struct work *work)
{
    struct item *item, *after;

    if (work == NULL)
        return;
    pthread_mutex_lock(&work->queue);
    work->ending = true;
    pthread_cond_signal(&work->more);
    pthread_mutex_unlock(&work->queue);
    if (work->started)
        pthread_join(work->thread, NULL);
    DL_CONCAT(work->waiting, work->done);
    DL_FOREACH_SAFE(work->waiting, item, after)
    free_item(item);
    if (work->done_event >= 0)
        close(work->done_event);
    pthread_cond_destroy(&work->more);
    pthread_mutex_destroy(&work->names);
    pthread_mutex_destroy(&work->queue);
    free(work);
}

bool work_put(struct work *work, uint64_t number, work_call *call, const json_t *input)
{
    struct item *item = calloc(1, sizeof(*item));
    bool put;

    if (item == NULL || (item->input = json_deep_copy(input)) == NULL) {
        free(item);
        return false;
    }
    item->number = number;
    item->call = call;
    pthread_mutex_lock(&work->queue);
    put = work->waiting_count < WORK_MAX;
    if (put) {
        DL_APPEND(work->waiting, item);
        work->waiting_count++;
        pthread_cond_signal(&work->more);
    }
    pthread_mutex_unlock(&work->queue);
    if (!put)
        free_item(item);
    return put;
}

int work_descriptor(const struct work *work)
{
    return work->done_event;
}

bool work_take(struct work *work, uint64_t *number, unsigned *status, struct text *output)
{
    struct item *item;
    uint64_t count;

    (void)!read(work->done_event, &count, sizeof(count));
    pthread_mutex_lock(&work->queue);
    item = work->done;
    if (item != NULL)
        DL_DELETE(work->done, item);
    pthread_mutex_unlock(&work->queue);
    if (item == NULL)
        return false;
    *number = item->number;
    *status = item->output.failed ? 500 : item->status;
    text_clear(output);
    text_add_bytes(output, text_string(&item->output), item->output.failed ? 0 : item->output.used);
    free_item(item);
    return true;
}

const struct work_places *work_places(const struct work *work)
{
    return work->places;
}

void work_lock(struct work *work)
{
    pthread_mutex_lock(&work->names);
}

void work_unlock(struct work *work)
{
    pthread_mutex_unlock(&work->names);
}

const char *work_word(const struct json_t *input, const char *name)
{
    return json_string_value(json_object_get(input, name));
}

unsigned work_refuse(struct text *output, unsigned status, const char *sentence)
{
    json_t *body = json_pack("{s:s}", "sentence", sentence);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

    text_clear(output);
    text_add(output, text == NULL ? "{}" : text);
    free(text);
    json_decref(body);
    return status;
}

unsigned work_fail(struct text *output, enum agent_result result, const struct problem *problem)
{
    unsigned status = 500;

    if (result == AGENT_USAGE)
        status = 422;
    else if (result == AGENT_REFUSED)
        status = 409;
    else if (result == AGENT_UNREACHABLE || result == AGENT_LOST)
        status = 503;
    return work_refuse(output, status, problem->sentence);
}
