/* SPDX-License-Identifier: MIT */
/*
 * scenario_rules.c - see scenario_run.h: a client loads, adds, removes and lists rules; processes end.
 *
 * The driver answers a load when the new rules are in force, which may be later than its step.
 */
#include "lab/scenario_messages.h"

#include <stdlib.h>
#include <string.h>

#include "core/rule_image.h"
#include "policy/print.h"

#define PIECE 32768u /* of an image, in one call */

static const char *client_name(const struct run *run, const struct scenario_step *step)
{
    return run->scenario->clients.text[step->subject];
}

static bool is_usable(struct run *run, const struct scenario_step *step)
{
    const struct run_client *client = &run->clients[step->subject];

    if (client->device == NULL || client->raw || client->seed)
        return run_wrong(run, "%s is no open client of Gatehouse", client_name(run, step));
    return client->read_count < RUN_READS_MAX ||
           run_wrong(run, "%s has %u calls under way: more are not counted", client_name(run, step), RUN_READS_MAX);
}

static const char *word_of(const struct scenario_step *step)
{
    return step->kind == STEP_RULES ? "rules" : "rule";
}

/* The last call of a load, or the only one of a rule: its end is an event. */
static bool start(struct run *run, const struct scenario_step *step, uint32_t code, const void *input, size_t size)
{
    struct run_client *client = &run->clients[step->subject];
    struct run_call call = {.step = step};
    const void *bytes;
    uint32_t status;
    size_t information;

    if (!world_call_start(client->device, code, input, size, 0, &call.call, &run->error))
        return false;
    client->reads[client->read_count++] = call;
    run_settle(run);
    if (run->settle == NULL && client->device != NULL)
        (void)world_call_done(call.call, RUN_WAIT_MS, &status, &bytes, &information);
    return true;
}

void rules_done(struct run *run, uint32_t index, const struct run_call *call, uint32_t status)
{
    char room[16];

    trace_add(&run->trace, TRACE_CLIENT, index, "%s %s %s", word_of(call->step), run->scenario->clients.text[index],
              status_name(status, room));
}

/* Everything before the commit. *status: the first that is not 0. */
static bool send_image(struct run *run, const struct scenario_step *step, uint32_t *status)
{
    struct run_client *client = &run->clients[step->subject];
    const struct scenario_image *image = step->image;
    struct gatehouse_rules_begin begin = {GATEHOUSE_PROTOCOL_VERSION, (uint32_t)image->size, 0, 0};
    size_t size;

    if (!client_control(run, client->device, GATEHOUSE_IOCTL_RULES_BEGIN, &begin, sizeof(begin), NULL, 0, status,
                        &size))
        return false;
    for (size_t at = 0; *status == 0 && at < image->size && client->device != NULL; at += PIECE) {
        size_t left = image->size - at;

        if (!client_control(run, client->device, GATEHOUSE_IOCTL_RULES_PUT, (const char *)image->bytes + at,
                            left < PIECE ? left : PIECE, NULL, 0, status, &size))
            return false;
    }
    return true;
}

bool step_rules(struct run *run, const struct scenario_step *step)
{
    uint32_t status = 0;
    char room[16];

    if (!is_usable(run, step) || !send_image(run, step, &status))
        return false;
    if (status == 0 && run->clients[step->subject].device != NULL)
        return start(run, step, GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0);
    trace_add(&run->trace, TRACE_STEP, 0, "rules %s %s", client_name(run, step), status_name(status, room));
    return true;
}

bool step_rule(struct run *run, const struct scenario_step *step)
{
    const struct scenario_image *image = step->image;
    const struct gatehouse_rule *rule = rule_image_first_rule(image->bytes);

    if (!is_usable(run, step))
        return false;
    if (rule == NULL || rule_image_next_rule(image->bytes, rule) != NULL)
        return run_wrong(run, "one rule is added or removed at a time");
    if (step->kind == STEP_RULE_ADD)
        return start(run, step, GATEHOUSE_IOCTL_RULES_ADD, image->bytes, image->size);
    return start(run, step, GATEHOUSE_IOCTL_RULES_REMOVE, &rule->id, sizeof(rule->id));
}

/* --- list --- */

/* One piece behind what is there; *whole: there is no more. false: the driver or the world is wrong. */
static bool get_piece(struct run *run, struct world_device *device, struct gatehouse_rules_get *get, char **bytes,
                      bool *whole, uint32_t *status)
{
    char *output = malloc(PIECE);
    struct gatehouse_rules_piece piece = {0};
    size_t size = 0;

    if (output == NULL)
        abort();
    *status = 0;
    bool good = client_control(run, device, GATEHOUSE_IOCTL_RULES_GET, get, sizeof(*get), output, PIECE, status, &size);
    if (good && *status == 0) {
        memcpy(&piece, output, size < sizeof(piece) ? size : sizeof(piece));
        if (size < sizeof(piece) || piece.size != size - sizeof(piece) || get->offset + piece.size > piece.total ||
            (piece.size == 0 && get->offset != piece.total))
            good = run_wrong(run, "RULES_GET answered %u bytes that are no piece", (unsigned)size);
    }
    if (good && *status == 0) {
        bool changed = get->generation != 0 && piece.generation != get->generation;

        get->generation = piece.generation;
        if (changed) { /* from its beginning */
            get->offset = 0;
            free(output);
            return true;
        }
        *bytes = realloc(*bytes, piece.total + 1u);
        if (*bytes == NULL)
            abort();
        memcpy(*bytes + get->offset, output + sizeof(piece), piece.size);
        get->offset += piece.size;
        *whole = get->offset == piece.total;
    }
    free(output);
    return good;
}

static bool tell_rules(struct run *run, const struct scenario_step *step, const char *image, size_t size)
{
    static const char *const places[] = {"file", "added", "answer"};
    struct rule_image_fault fault;
    struct policy_sets sets;

    if (size == 0) {
        trace_add(&run->trace, TRACE_STEP, 0, "list %s empty", client_name(run, step));
        return true;
    }
    if (!rule_image_check(image, size, true, &fault))
        return run_wrong(run, "RULES_GET gave an image that is wrong at %u: %s", (unsigned)fault.offset, fault.reason);
    if (!policy_sets_init(&sets, image))
        abort();
    for (const struct gatehouse_rule *rule = rule_image_first_rule(image); rule != NULL;
         rule = rule_image_next_rule(image, rule)) {
        char *text = policy_rule_text(&sets, rule, NULL);

        trace_add(&run->trace, TRACE_STEP, 0, "list %s %s %.400s", client_name(run, step),
                  rule->place <= GATEHOUSE_PLACE_ASK ? places[rule->place] : "?", text == NULL ? "?" : text);
        free(text);
    }
    if (rule_image_first_rule(image) == NULL)
        trace_add(&run->trace, TRACE_STEP, 0, "list %s empty", client_name(run, step));
    policy_sets_cleanup(&sets);
    return true;
}

/* What is in force, first match first. */
bool step_list(struct run *run, const struct scenario_step *step)
{
    struct gatehouse_rules_get get = {0, 0};
    char *bytes = NULL, room[16];
    uint32_t status = 0;
    bool whole = false, good = is_usable(run, step);

    while (good && !whole && status == 0 && run->clients[step->subject].device != NULL)
        good = get_piece(run, run->clients[step->subject].device, &get, &bytes, &whole, &status);
    if (good && status != 0)
        trace_add(&run->trace, TRACE_STEP, 0, "list %s %s", client_name(run, step), status_name(status, room));
    else if (good && whole)
        good = tell_rules(run, step, bytes, get.offset);
    free(bytes);
    return good;
}

bool step_name(struct run *run, const struct scenario_step *step)
{
    uint32_t status;
    size_t size;
    char room[16];

    if (!is_usable(run, step) || !client_control(run, run->clients[step->subject].device, GATEHOUSE_IOCTL_NAMES_LEARNED,
                                                 step->image->bytes, step->image->size, NULL, 0, &status, &size))
        return false;
    if (status != 0)
        trace_add(&run->trace, TRACE_STEP, 0, "name %s %s", client_name(run, step), status_name(status, room));
    return true;
}

bool step_exit(struct run *run, const struct scenario_step *step)
{
    return world_process_exit(step->value, &run->error);
}
