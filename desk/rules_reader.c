/* SPDX-License-Identifier: MIT */
/*
 * rules_reader.c - see rules_reader.h. One thread for each time it is asked: that is seldom.
 */
#define _GNU_SOURCE
#include "desk/rules_reader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct rules_reader {
    struct loop_watch *watch;
    char *socket;
    void (*got)(void *context, struct rule_policy *policy);
    void *context;
    int done; /* an eventfd */
    bool running;
    pthread_t thread;
    /* The thread's, until done says otherwise. */
    struct rule_policy policy;
    bool good;
};

static void *read_rules(void *context)
{
    struct rules_reader *reader = context;
    struct problem problem;
    struct client client = {0};
    uint64_t one = 1;

    reader->good = client_open(&client, reader->socket, GATEHOUSE_ROLE_OBSERVER, &problem) == AGENT_OK &&
                   rule_calls_get(&client, &reader->policy, &problem) == AGENT_OK;
    client_close(&client);
    (void)!write(reader->done, &one, sizeof(one));
    return NULL;
}

static void on_done(void *context, uint32_t events)
{
    struct rules_reader *reader = context;
    uint64_t count;

    (void)events;
    (void)!read(reader->done, &count, sizeof(count));
    pthread_join(reader->thread, NULL);
    reader->running = false;
    if (reader->good)
        reader->got(reader->context, &reader->policy);
    reader->policy = (struct rule_policy){0};
}

enum agent_result rules_reader_new(struct loop *loop, const char *socket,
                                   void (*got)(void *context, struct rule_policy *policy), void *context,
                                   struct rules_reader **reader, struct problem *problem)
{
    struct rules_reader *made = calloc(1, sizeof(*made));
    enum agent_result result = AGENT_FAILED;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->socket = strdup(socket);
    made->got = got;
    made->context = context;
    made->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->socket == NULL || made->done < 0)
        problem_set(problem, AGENT_FAILED, "cannot make an event: %s.", strerror(errno));
    else
        result = loop_watch(loop, made->done, EPOLLIN, on_done, made, &made->watch, problem);
    if (result != AGENT_OK) {
        rules_reader_free(made);
        return result;
    }
    *reader = made;
    return AGENT_OK;
}

void rules_reader_free(struct rules_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->running)
        pthread_join(reader->thread, NULL);
    rule_policy_free(&reader->policy);
    loop_unwatch(reader->watch);
    if (reader->done >= 0)
        close(reader->done);
    free(reader->socket);
    free(reader);
}

void rules_reader_ask(struct rules_reader *reader)
{
    sigset_t all, before;

    if (reader->running)
        return;
    /* Signals are for the loop's thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    reader->running = pthread_create(&reader->thread, NULL, read_rules, reader) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
