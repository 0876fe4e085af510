/* SPDX-License-Identifier: MIT */
/*
 * facts.c - see facts.h.
 */
#include "desk/facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "agent/clock.h"
#include "agent/facts_reader.h"
#include "agent/json.h"
#include "core/path_text.h"
#include "agent/show.h"

#define PATH_BYTES  4097u
#define MEMBERS_MAX 40000u
#define COMMAND_MAX 12000u
/* 100 ns from 1601 to 1970, and a microsecond in these. */
#define UNIX_EPOCH  INT64_C(116444736000000000)
#define MICROSECOND 10

struct facts {
    struct loop *loop;
    struct facts_reader *reader;
    struct loop_watch *watch;
    struct desk *desk;
    facts_past *past;
    void *past_context;
    struct text members; /* being made */
};

/* --- How often before --------------------------------------------------------------------------- */

static void put_past(const struct facts *facts, const struct request *request, struct json *json)
{
    struct history_before before = {0};
    struct text text = {0};

    if (facts->past == NULL || !facts->past(facts->past_context, request, &before))
        return;
    json_open(json, "before");
    json_identifier(json, "permitted", before.permitted);
    json_identifier(json, "blocked", before.blocked);
    if (before.last > 0) {
        show_time_utc(&text, (uint64_t)(before.last * MICROSECOND + UNIX_EPOCH));
        json_text(json, "last", text_string(&text));
        text_free(&text);
    }
    json_close(json);
}

/* --- The process -------------------------------------------------------------------------------- */

static void put_text(struct json *json, const char *name, const struct text *text)
{
    if (text->used > 0 && text->used <= COMMAND_MAX)
        json_text(json, name, text->data);
}

static void put_parents(const struct process_facts *found, struct json *json)
{
    if (found->parent_count == 0)
        return;
    json_open_list(json, "parents");
    for (unsigned i = 0; i < found->parent_count && json->text->used < MEMBERS_MAX; i++) {
        json_open(json, NULL);
        json_number(json, "pid", found->parents[i].pid);
        json_text(json, "name", found->parents[i].name);
        put_text(json, "program", &found->parents[i].program);
        json_close(json);
    }
    json_close_list(json);
}

static void put_process(const struct facts_answer *answer, struct json *json)
{
    const struct process_facts *found = answer->facts;

    if (found != NULL && found->known) {
        put_parents(found, json);
        put_text(json, "command", &found->command);
        if (found->unit[0] != '\0')
            json_text(json, "unit", found->unit);
    }
    if (found != NULL && found->executable == PROCESS_EXECUTABLE_DELETED)
        json_bool(json, "deleted", true);
    if (found != NULL && found->executable == PROCESS_EXECUTABLE_REPLACED)
        json_bool(json, "replaced", true);
    if (answer->whole && answer->package[0] != '\0')
        json_text(json, "package", answer->package);
}

static void describe(struct facts *facts, uint64_t id, bool whole)
{
    desk_described(facts->desk, id, facts->members.failed ? "" : text_string(&facts->members), whole, clock_boot());
    text_clear(&facts->members);
}

static void on_found(void *context, uint32_t events)
{
    struct facts *facts = context;
    struct facts_answer answer;

    (void)events;
    while (facts_reader_take(facts->reader, &answer)) {
        struct json json = {.text = &facts->members};

        put_process(&answer, &json);
        describe(facts, answer.id, answer.whole);
        if (answer.facts != NULL)
            process_facts_free(answer.facts);
        free(answer.facts);
    }
}

/* The path as the system has it, NUL-terminated; NULL: none. */
static const char *path_of(const struct request *request, char path[PATH_BYTES])
{
    size_t used = 0;

    if ((request->fixed.flags & GATEHOUSE_REQUEST_NO_PROGRAM) != 0 || request->fixed.path_size == 0 ||
        !path_text_to_bytes(request->path, request->fixed.path_size, (uint8_t *)path, PATH_BYTES - 1, &used))
        return NULL;
    path[used] = '\0';
    return path;
}

void facts_describe(void *context, uint64_t id, const struct request *request)
{
    struct facts *facts = context;
    struct json json = {.text = &facts->members};
    char path[PATH_BYTES];
    struct process_key key = {
        .pid = request->fixed.process_id, .start = request->fixed.process_start, .program = path_of(request, path)};
    bool looks =
        (request->fixed.flags & GATEHOUSE_REQUEST_NO_PROCESS) == 0 && facts_reader_ask(facts->reader, id, &key);

    put_past(facts, request, &json);
    describe(facts, id, !looks);
}

/* --- Beginning and end -------------------------------------------------------------------------- */

enum agent_result facts_open(struct loop *loop, struct facts **facts, struct problem *problem)
{
    struct facts *made = calloc(1, sizeof(*made));
    enum agent_result result;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->loop = loop;
    made->reader = facts_reader_new(problem);
    result = made->reader == NULL ? AGENT_FAILED
                                  : loop_watch(loop, facts_reader_descriptor(made->reader), EPOLLIN, on_found, made,
                                               &made->watch, problem);
    if (result != AGENT_OK) {
        facts_close(made);
        return result;
    }
    *facts = made;
    return AGENT_OK;
}

void facts_close(struct facts *facts)
{
    if (facts == NULL)
        return;
    loop_unwatch(facts->watch);
    facts_reader_free(facts->reader);
    text_free(&facts->members);
    free(facts);
}

void facts_use(struct facts *facts, struct desk *desk, facts_past *past, void *context)
{
    facts->desk = desk;
    facts->past = past;
    facts->past_context = context;
}
