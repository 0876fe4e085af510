/* SPDX-License-Identifier: MIT */
/*
 * describe_unix.c - see describe.h.
 */
#include "agent/describe.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent/clock.h"
#include "agent/facts_reader.h"
#include "agent/port_name.h"
#include "agent/show.h"
#include "core/path_text.h"
#include "policy/names.h"

/* What may be waited at once, and all in all: a tenth of the time that passes is put back. */
#define WAIT_MOST   (250 * CLOCK_MILLISECOND)
#define SAVED_MOST  (500 * CLOCK_MILLISECOND)
#define SHARE       10u
#define COMMAND_MAX 4096u
#define PROGRAM_MAX 512u

struct describe {
    struct facts_reader *reader;
    uint64_t next_id;
    uint64_t saved; /* time that may be waited */
    uint64_t saved_at;
};

struct described {
    struct process_facts *facts; /* NULL: not known */
    char package[PACKAGE_NAME_MAX];
};

struct describe *describe_new(struct problem *problem)
{
    struct describe *describe = calloc(1, sizeof(*describe));

    if (describe == NULL) {
        problem_set(problem, AGENT_FAILED, "out of memory.");
        return NULL;
    }
    describe->reader = facts_reader_new(problem);
    if (describe->reader == NULL) {
        free(describe);
        return NULL;
    }
    describe->saved = SAVED_MOST;
    describe->saved_at = clock_boot();
    return describe;
}

void describe_free(struct describe *describe)
{
    if (describe == NULL)
        return;
    facts_reader_free(describe->reader);
    free(describe);
}

static void drop(struct process_facts *facts)
{
    if (facts != NULL)
        process_facts_free(facts);
    free(facts);
}

/* What comes for others was not waited for any more. */
static bool take_answers(struct describe *describe, uint64_t id, struct described *described)
{
    struct facts_answer answer;
    bool whole = false;

    while (facts_reader_take(describe->reader, &answer)) {
        if (answer.id != id) {
            drop(answer.facts);
            continue;
        }
        if (answer.facts != NULL)
            described->facts = answer.facts;
        memcpy(described->package, answer.package, sizeof(described->package));
        whole = answer.whole;
    }
    return whole;
}

static void wait_for(struct describe *describe, uint64_t id, struct described *described)
{
    uint64_t began = clock_boot();
    uint64_t until, now;

    describe->saved += (began - describe->saved_at) / SHARE;
    if (describe->saved > SAVED_MOST)
        describe->saved = SAVED_MOST;
    until = began + (describe->saved < WAIT_MOST ? describe->saved : WAIT_MOST);
    while (!take_answers(describe, id, described) && (now = clock_boot()) < until) {
        struct pollfd wait = {.fd = facts_reader_descriptor(describe->reader), .events = POLLIN};

        poll(&wait, 1, (int)((until - now) / CLOCK_MILLISECOND + 1));
    }
    now = clock_boot();
    describe->saved_at = now;
    describe->saved -= now - began < describe->saved ? now - began : describe->saved;
}

static bool program_of(const struct request *request, char *program, size_t size)
{
    size_t count = 0;

    if ((request->fixed.flags & GATEHOUSE_REQUEST_NO_PROGRAM) != 0 || request->fixed.path_size == 0 ||
        !path_text_to_bytes(request->path, request->fixed.path_size, (uint8_t *)program, size - 1, &count))
        return false;
    program[count] = '\0';
    return strlen(program) == count;
}

static void put_cut(struct json *json, const char *name, const struct text *text, size_t most)
{
    struct text cut = {0};
    size_t used = text->used;

    if (used == 0 || text->failed)
        return;
    if (used > most) {
        used = most;
        while (used > 0 && ((unsigned char)text->data[used] & 0xC0) == 0x80)
            used--;
    }
    text_add_bytes(&cut, text->data, used);
    if (used < text->used)
        text_add(&cut, "...");
    json_text(json, name, text_string(&cut));
    text_free(&cut);
}

static void put_parents(struct json *json, const struct process_facts *facts)
{
    if (facts->parent_count == 0)
        return;
    json_open_list(json, "parents");
    for (unsigned i = 0; i < facts->parent_count; i++) {
        json_open(json, NULL);
        json_number(json, "pid", facts->parents[i].pid);
        json_text(json, "name", facts->parents[i].name);
        if (facts->parents[i].program.used <= PROGRAM_MAX)
            put_cut(json, "program", &facts->parents[i].program, PROGRAM_MAX);
        json_close(json);
    }
    json_close_list(json);
}

static void put_service(struct json *json, const struct gatehouse_request *fixed)
{
    uint16_t port = show_is_inbound(fixed) ? fixed->local_port : fixed->remote_port;
    const char *service = port_name(fixed->protocol, port);

    /* The desk tells those of the rule language itself. */
    if (service != NULL && names_of(NAMES_SERVICE, port) == NULL)
        json_text(json, "service", service);
}

void describe_request(struct describe *describe, const struct request *request, struct json *json)
{
    char program[PATH_TEXT_BYTES_SIZE(65536u) + 1];
    struct process_key key = {.pid = request->fixed.process_id, .start = request->fixed.process_start};
    struct described described = {0};
    uint64_t id = ++describe->next_id;

    if (program_of(request, program, sizeof(program)))
        key.program = program;
    put_service(json, &request->fixed);
    if ((request->fixed.flags & GATEHOUSE_REQUEST_NO_PROCESS) == 0 && facts_reader_ask(describe->reader, id, &key))
        wait_for(describe, id, &described);
    if (described.package[0] != '\0')
        json_text(json, "package", described.package);
    if (described.facts == NULL)
        return;
    if (described.facts->executable == PROCESS_EXECUTABLE_DELETED ||
        described.facts->executable == PROCESS_EXECUTABLE_REPLACED)
        json_bool(json, "deleted", true);
    if (described.facts->known) {
        put_cut(json, "command", &described.facts->command, COMMAND_MAX);
        put_parents(json, described.facts);
        if (described.facts->unit[0] != '\0')
            json_text(json, "unit", described.facts->unit);
    }
    drop(described.facts);
}
