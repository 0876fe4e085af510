/* SPDX-License-Identifier: MIT */
/*
 * plan.c - see plan.h. A line is words; each word that begins something has its row here.
 */
#include "lab/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES_A_LINE 16u
#define WORD_MAX       63u

static const char *const strategies[] = {"run-on", "random", "priorities", "exhaustive", "replay"};
static const char *const irqls[] = {"passive", "dispatch", "alternate"};
static const enum world_irql irql_values[] = {WORLD_IRQL_PASSIVE, WORLD_IRQL_DISPATCH, WORLD_IRQL_ALTERNATE};

const char *plan_strategy_name(enum nt_strategy strategy)
{
    return strategies[strategy];
}

bool plan_strategy_of(const char *name, enum nt_strategy *strategy)
{
    for (size_t i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++) {
        if (strcmp(name, strategies[i]) != 0)
            continue;
        *strategy = (enum nt_strategy)i;
        return true;
    }
    return false;
}

static const char *irql_name(enum world_irql irql)
{
    for (size_t i = 0; i < sizeof(irqls) / sizeof(irqls[0]); i++)
        if (irql_values[i] == irql)
            return irqls[i];
    return irqls[1];
}

void plan_write(const struct lab_plan *plan, FILE *to)
{
    fprintf(to, "#! strategy %s seed %llu preemptions %u\n", strategies[plan->strategy], (unsigned long long)plan->seed,
            plan->preemptions);
    fprintf(to, "#! irql %s\n", irql_name(plan->irql));
    for (uint32_t i = 0; i < plan->fault_count; i++)
        fprintf(to, "#! fault %s %u\n", plan->faults[i].routine, plan->faults[i].call);
    for (uint32_t i = 0; i < plan->choice_count; i++)
        fprintf(to, "%s%u:%u%s", i % CHOICES_A_LINE == 0 ? "#! choices " : " ", plan->choices[i].point,
                plan->choices[i].fiber, (i + 1) % CHOICES_A_LINE == 0 || i + 1 == plan->choice_count ? "\n" : "");
}

struct words {
    const char *at;
    char word[WORD_MAX + 1];
};

/* false: no further word, or one that is too long for any. */
static bool next_word(struct words *words)
{
    size_t size = strcspn(words->at += strspn(words->at, " \t\r"), " \t\r");

    if (size == 0 || size > WORD_MAX)
        return false;
    memcpy(words->word, words->at, size);
    words->word[size] = 0;
    words->at += size;
    return true;
}

static bool next_number(struct words *words, uint64_t most, uint64_t *number)
{
    char *end;

    if (!next_word(words) || words->word[0] < '0' || words->word[0] > '9')
        return false;
    errno = 0;
    *number = strtoull(words->word, &end, 10);
    return *end == 0 && errno == 0 && *number <= most;
}

/* Digits at *text, of a number that fits; *text goes behind them. */
static bool digits(const char **text, uint32_t *number)
{
    char *end;
    unsigned long long value;

    if (**text < '0' || **text > '9')
        return false;
    value = strtoull(*text, &end, 10);
    *text = end;
    *number = (uint32_t)value;
    return value <= UINT32_MAX;
}

/* Points may not go back: the scheduler only looks forward. Time may jump and a fiber go on at the same one. */
static bool read_choice(struct lab_plan *plan, const char *word)
{
    const struct nt_choice *last = plan->choice_count == 0 ? NULL : &plan->choices[plan->choice_count - 1];
    struct nt_choice choice;
    struct nt_choice *larger;

    if (!digits(&word, &choice.point) || *word++ != ':' || !digits(&word, &choice.fiber) || *word != 0)
        return false;
    if (last != NULL && (choice.point < last->point || (choice.point == last->point && last->fiber != 0)))
        return false;
    if (plan->choice_count == PLAN_CHOICES_MAX)
        return false;
    larger = realloc(plan->choices, (plan->choice_count + 1) * sizeof(choice));
    if (larger == NULL)
        return false;
    plan->choices = larger;
    plan->choices[plan->choice_count++] = choice;
    return true;
}

static bool read_irql(struct lab_plan *plan, struct words *words)
{
    if (!next_word(words))
        return false;
    for (size_t i = 0; i < sizeof(irqls) / sizeof(irqls[0]); i++) {
        if (strcmp(words->word, irqls[i]) != 0)
            continue;
        plan->irql = irql_values[i];
        return true;
    }
    return false;
}

static bool read_fault(struct lab_plan *plan, struct words *words)
{
    struct plan_fault *fault = &plan->faults[plan->fault_count];
    uint64_t number;

    if (plan->fault_count == PLAN_FAULTS_MAX || !next_word(words))
        return false;
    memcpy(fault->routine, words->word, sizeof(words->word));
    if (!next_number(words, UINT32_MAX, &number) || number == 0)
        return false;
    fault->call = (uint32_t)number;
    plan->fault_count++;
    return true;
}

static bool read_line(struct lab_plan *plan, const char *line)
{
    struct words words = {line, ""};
    uint64_t number = 0;
    bool good = true;

    while (good && next_word(&words)) {
        if (strcmp(words.word, "strategy") == 0) {
            good = next_word(&words) && plan_strategy_of(words.word, &plan->strategy);
        } else if (strcmp(words.word, "seed") == 0) {
            good = next_number(&words, UINT64_MAX, &plan->seed);
        } else if (strcmp(words.word, "preemptions") == 0) {
            good = next_number(&words, 1000, &number);
            plan->preemptions = (uint32_t)number;
        } else if (strcmp(words.word, "irql") == 0) {
            good = read_irql(plan, &words);
        } else if (strcmp(words.word, "fault") == 0) {
            good = read_fault(plan, &words);
        } else if (strcmp(words.word, "choices") == 0) {
            while (good && next_word(&words))
                good = read_choice(plan, words.word);
        } else {
            good = false;
        }
    }
    return good && words.at[strspn(words.at, " \t\r")] == 0;
}

bool plan_read(const struct scenario *scenario, struct lab_plan *plan, struct scenario_error *error)
{
    for (size_t i = 0; i < scenario->source.count; i++) {
        const char *line = scenario->source.text[i];

        if (strncmp(line, "#!", 2) != 0 || line[2] == '/' || read_line(plan, line + 2))
            continue;
        snprintf(error->text, sizeof(error->text),
                 "%s:%zu: expected strategy, seed, preemptions, irql, fault or choices (at ever later points) with "
                 "what belongs to it; found \"%.200s\"",
                 scenario->file, i + 1, line);
        return false;
    }
    return true;
}

bool plan_set_choices(struct lab_plan *plan, const struct nt_choice *choices, size_t count)
{
    struct nt_choice *copy = count <= PLAN_CHOICES_MAX ? malloc((count + 1) * sizeof(*copy)) : NULL;

    if (copy == NULL)
        return false;
    if (count != 0)
        memcpy(copy, choices, count * sizeof(*copy));
    free(plan->choices);
    plan->choices = copy;
    plan->choice_count = (uint32_t)count;
    return true;
}

void plan_free(struct lab_plan *plan)
{
    free(plan->choices);
    plan->choices = NULL;
    plan->choice_count = 0;
}
