/* SPDX-License-Identifier: MIT */
/*
 * scenario_parse_rules.c - see scenario_parse.h: rules, as docs/rules.md has them, names, and what ends processes.
 *
 * The text behind the client's name is a rule file in one line: ";" ends a line of it. It is compiled here (policy/),
 * so that a rule that means nothing is refused before anything runs.
 */
#include "lab/scenario_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

void scenario_image_free(struct scenario_image *image)
{
    if (image != NULL)
        free(image->bytes);
    free(image);
}

/* The first error's sentence, without its place: the line is the scenario's. */
static bool refuse(struct words *words, const struct policy *policy)
{
    const char *sentence = "is no rule";

    for (unsigned i = 0; i < policy_error_count(policy); i++)
        if (!policy_error(policy, i)->warning) {
            sentence = policy_error(policy, i)->sentence;
            break;
        }
    snprintf(words->error->text, sizeof(words->error->text), "%s:%u: %s", words->file, words->line, sentence);
    return false;
}

static bool compile(struct words *words, struct scenario_step *step, uint8_t place)
{
    const struct policy_compile_options options = {.place = place};
    struct policy_image image = {0};
    char text[1024];
    size_t size;
    bool quoted = false;
    const char *rest = words_rest(words, &size);

    for (size_t i = 0; i < size && i < sizeof(text); i++) {
        quoted ^= rest[i] == '"';
        text[i] = rest[i] == ';' && !quoted ? '\n' : rest[i];
    }
    struct policy *policy = policy_parse_text(words->file, text, size < sizeof(text) ? size : sizeof(text), NULL);
    if (policy == NULL)
        abort();
    bool good = !policy_failed(policy) && policy_compile(policy, &options, &image);
    if (!good)
        (void)refuse(words, policy);
    policy_free(policy);
    if (!good)
        return false;
    step->image = calloc(1, sizeof(*step->image));
    if (step->image == NULL)
        abort();
    *step->image = (struct scenario_image){image.bytes, image.size};
    return true;
}

bool parse_rules(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return words_known(words, &scenario->clients, "a client", &step->subject) &&
           compile(words, step, GATEHOUSE_PLACE_FILE);
}

/* rule CLIENT add|remove RULE */
bool parse_rule(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    static const char *const what[] = {"add", "remove", NULL};
    uint32_t which;

    if (!words_known(words, &scenario->clients, "a client", &step->subject) ||
        !words_choice(words, what, "add or remove", &which))
        return false;
    step->kind = which == 0 ? STEP_RULE_ADD : STEP_RULE_REMOVE;
    return compile(words, step, GATEHOUSE_PLACE_TOP);
}

/* name CLIENT PROGRAM ADDRESS NAME: one record, as NAMES_LEARNED takes it. */
bool parse_name(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    struct gatehouse_names header = {GATEHOUSE_PROTOCOL_VERSION, 1};
    struct gatehouse_name record = {0};
    uint16_t path[WORLD_PATH_MAX + 1];
    char name[GATEHOUSE_NAME_MAX + 1];
    uint8_t *bytes;

    if (!words_known(words, &scenario->clients, "a client", &step->subject) || !words_path(words, path) ||
        !words_plain_address(words, &record.ip_version, record.address) ||
        !words_text(words, "a name", name, GATEHOUSE_NAME_MAX))
        return false;
    while (path[record.path_size / 2] != 0)
        record.path_size += 2;
    record.name_size = (uint16_t)strlen(name);
    record.size = (uint32_t)(sizeof(record) + record.path_size + record.name_size + 7) / 8 * 8;
    step->image = calloc(1, sizeof(*step->image));
    bytes = calloc(1, sizeof(header) + record.size);
    if (step->image == NULL || bytes == NULL)
        abort();
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), &record, sizeof(record));
    memcpy(bytes + sizeof(header) + sizeof(record), path, record.path_size);
    memcpy(bytes + sizeof(header) + sizeof(record) + record.path_size, name, record.name_size);
    *step->image = (struct scenario_image){bytes, sizeof(header) + record.size};
    return true;
}

bool parse_exit(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)scenario;
    return words_number(words, 1, UINT32_MAX, "a process id", &step->value);
}
