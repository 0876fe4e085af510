/* SPDX-License-Identifier: MIT */
/*
 * questions.c - see questions.h. A person answers a few in a minute and the list is short: scans will do.
 */
#include "agent/questions.h"

#include <stdlib.h>
#include <string.h>

void questions_cleanup(struct questions *questions)
{
    for (unsigned i = 0; i < questions->count; i++)
        free(questions->list[i]);
    *questions = (struct questions){0};
}

static bool take_gone(struct questions *questions, uint64_t id, unsigned *by)
{
    unsigned count = questions->gone_count < QUESTIONS_GONE_MAX ? questions->gone_count : QUESTIONS_GONE_MAX;

    for (unsigned i = 0; i < count; i++) {
        if (questions->gone[i].id == id) {
            *by = questions->gone[i].by;
            return true;
        }
    }
    return false;
}

enum questions_added questions_add(struct questions *questions, const struct request *request, unsigned *by)
{
    struct question *question;
    uint8_t *path;

    if (take_gone(questions, request->fixed.id, by))
        return QUESTIONS_GONE_ALREADY;
    if (questions->count == QUESTIONS_MAX)
        return QUESTIONS_NO_ROOM;
    question = malloc(sizeof(*question) + request->fixed.path_size + request->fixed.name_size);
    if (question == NULL)
        return QUESTIONS_NO_ROOM;
    path = (uint8_t *)(question + 1);
    memcpy(path, request->path, request->fixed.path_size);
    if (request->fixed.name_size > 0)
        memcpy(path + request->fixed.path_size, request->name, request->fixed.name_size);
    *question = (struct question){.request = {request->fixed, path, path + request->fixed.path_size}};
    questions->list[questions->count++] = question;
    return QUESTIONS_ADDED;
}

struct question *questions_find(const struct questions *questions, uint64_t id)
{
    for (unsigned i = 0; i < questions->count; i++) {
        if (questions->list[i]->request.fixed.id == id)
            return questions->list[i];
    }
    return NULL;
}

struct question *questions_next(const struct questions *questions, uint64_t now, uint64_t *next)
{
    uint64_t earliest = 0;

    for (unsigned i = 0; i < questions->count; i++) {
        struct question *question = questions->list[i];

        if (question->asked_from <= now)
            return question;
        if (earliest == 0 || question->asked_from < earliest)
            earliest = question->asked_from;
    }
    if (next != NULL)
        *next = earliest;
    return NULL;
}

void questions_remove(struct questions *questions, struct question *question)
{
    for (unsigned i = 0; i < questions->count; i++) {
        if (questions->list[i] != question)
            continue;
        questions->count--;
        memmove(&questions->list[i], &questions->list[i + 1], (questions->count - i) * sizeof(questions->list[0]));
        free(question);
        return;
    }
}

void questions_note_gone(struct questions *questions, uint64_t id, unsigned by)
{
    unsigned at = questions->gone_count % QUESTIONS_GONE_MAX;

    questions->gone[at].id = id;
    questions->gone[at].by = by;
    questions->gone_count++;
    if (questions->gone_count == 2 * QUESTIONS_GONE_MAX)
        questions->gone_count = QUESTIONS_GONE_MAX;
}

static bool is_same_program(const struct request *one, const struct request *other)
{
    return one->fixed.path_size == other->fixed.path_size && memcmp(one->path, other->path, one->fixed.path_size) == 0;
}

static bool is_same_destination(const struct gatehouse_request *one, const struct gatehouse_request *other)
{
    return one->ip_version == other->ip_version && one->protocol == other->protocol &&
           one->remote_port == other->remote_port &&
           memcmp(one->remote_address, other->remote_address, sizeof(one->remote_address)) == 0;
}

void questions_postpone_covered(struct questions *questions, const struct request *like, bool program, uint64_t from)
{
    for (unsigned i = 0; i < questions->count; i++) {
        const struct request *request = &questions->list[i]->request;

        if (is_same_program(request, like) && (program || is_same_destination(&request->fixed, &like->fixed)))
            questions->list[i]->asked_from = from;
    }
}
