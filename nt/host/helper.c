/* SPDX-License-Identifier: MIT */
/*
 * helper.c - threads that run a work item for a pump thread which waits itself.
 *
 * On the waiter's own stack the item could wait for something that the waiter holds, or that an item
 * below it holds, and neither could go on. So it runs on a stack of its own. But a host that pumps on
 * one thread counts on nothing happening beside it: a pump thread and its helpers take turns. Who has the
 * turn runs until it waits or ends; a pump thread also gives it away in nt_pump(). Helpers that want it
 * go first, so an item has ended, or waits, when the wait that it ended returns.
 *
 * A thread that stops pumping leaves its turn for good. Helpers are made when needed, are few, and sleep
 * without a time limit when there is nothing to do. A turn's lock is a leaf.
 */
#include "nt/internal.h"

#include <semaphore.h>
#include <stdlib.h>

#define HELPERS_MAX 8u

struct turn {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool taken;
    uint32_t wanted;     /* by how many helpers */
    uint32_t references; /* its pump thread, and each helper with an item of it */
};

struct helper {
    LIST_ENTRY link; /* while idle, under the pump's lock */
    struct nt_work *work;
    struct turn *turn;
    sem_t given;
};

static LIST_ENTRY idle = {&idle, &idle};
static unsigned helper_count;

static __thread struct turn *turn; /* its own, or of the item it runs */
static __thread bool helps;

static struct turn *turn_new(void)
{
    struct turn *made = calloc(1, sizeof *made);
    if (made == NULL)
        abort();
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    made->references = 1;
    made->taken = true;
    return made;
}

static void turn_put(struct turn *put)
{
    if (__atomic_sub_fetch(&put->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    pthread_cond_destroy(&put->changed);
    pthread_mutex_destroy(&put->lock);
    free(put);
}

static void leave(struct turn *left)
{
    pthread_mutex_lock(&left->lock);
    left->taken = false;
    pthread_cond_broadcast(&left->changed);
    pthread_mutex_unlock(&left->lock);
}

/* Of a helper; it is counted in wanted already. */
static void take_wanted(struct turn *taken)
{
    pthread_mutex_lock(&taken->lock);
    while (taken->taken)
        pthread_cond_wait(&taken->changed, &taken->lock);
    taken->taken = true;
    __atomic_fetch_sub(&taken->wanted, 1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&taken->lock);
}

void nt_turn_leave(void)
{
    if (turn != NULL && (helps || nt_self.pumps))
        leave(turn);
}

void nt_turn_take(void)
{
    if (turn == NULL || (!helps && !nt_self.pumps))
        return;
    pthread_mutex_lock(&turn->lock);
    bool at_once = helps && !turn->taken;
    if (helps && !at_once)
        __atomic_fetch_add(&turn->wanted, 1, __ATOMIC_RELEASE);
    while (!helps && (turn->taken || __atomic_load_n(&turn->wanted, __ATOMIC_ACQUIRE) != 0))
        pthread_cond_wait(&turn->changed, &turn->lock);
    if (!helps || at_once)
        turn->taken = true;
    pthread_mutex_unlock(&turn->lock);
    if (helps && !at_once) {
        /* The pump thread may be outside of nt/, and gives its turn away when it pumps. */
        nt_pump_lock();
        nt_pump_unlock(0);
        take_wanted(turn);
    }
}

bool nt_turn_wanted(void)
{
    return turn != NULL && !helps && __atomic_load_n(&turn->wanted, __ATOMIC_ACQUIRE) != 0;
}

void nt_turn_thread_exit(void)
{
    if (turn == NULL)
        return;
    nt_turn_leave();
    turn_put(turn);
    turn = NULL;
}

static void *help(void *opaque)
{
    struct helper *helper = opaque;
    helps = true;
    for (;;) {
        while (sem_wait(&helper->given) != 0)
            ;
        turn = helper->turn;
        take_wanted(turn);
        helper->work->run(helper->work);
        leave(turn);
        turn_put(turn);
        turn = NULL;
        nt_pump_lock();
        InsertTailList(&idle, &helper->link);
        nt_pump_unlock(0); /* there may be an item that found no helper */
    }
    return NULL;
}

static struct helper *helper_new(void)
{
    struct helper *helper = calloc(1, sizeof *helper);
    pthread_t native;
    if (helper == NULL)
        return NULL;
    sem_init(&helper->given, 0, 0);
    if (pthread_create(&native, NULL, help, helper) != 0) {
        sem_destroy(&helper->given);
        free(helper);
        return NULL;
    }
    pthread_detach(native);
    return helper;
}

/* The pump's lock is held. */
struct helper *nt_helper_take(void)
{
    if (!IsListEmpty(&idle))
        return CONTAINING_RECORD(RemoveHeadList(&idle), struct helper, link);
    struct helper *helper = helper_count < HELPERS_MAX ? helper_new() : NULL;
    if (helper != NULL)
        helper_count++;
    return helper;
}

void nt_helper_give(struct helper *helper, struct nt_work *work)
{
    if (turn == NULL) {
        turn = turn_new();
        nt_at_thread_exit();
    }
    __atomic_fetch_add(&turn->references, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&turn->wanted, 1, __ATOMIC_RELEASE);
    helper->turn = turn;
    helper->work = work;
    sem_post(&helper->given);
}
