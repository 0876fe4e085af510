/* SPDX-License-Identifier: MIT */
/*
 * explore_options.c - see explore_options.h: takes out its own options and leaves the rest to options.c.
 */
#include "lab/explore_options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS        10000u
#define PREEMPTIONS 3u

struct parsing {
    int count, at;
    char **text;
    char **rest;
    int rest_count;
    struct explore_arguments *read;
};

static bool wrong(const char *about, const char *sentence)
{
    fprintf(stderr, "wfplab: %s: %s\n", about, sentence);
    return false;
}

/* "--name VALUE" or "--name=VALUE"; NULL: it is another word, or its value is missing (then *missing). */
static const char *value_of(struct parsing *parsing, const char *name, bool *missing)
{
    const char *word = parsing->text[parsing->at];
    size_t size = strlen(name);

    if (strncmp(word, name, size) != 0 || (word[size] != 0 && word[size] != '='))
        return NULL;
    if (word[size] == '=')
        return word + size + 1;
    if (parsing->at + 1 < parsing->count && parsing->text[parsing->at + 1] != NULL)
        return parsing->text[++parsing->at];
    *missing = true;
    return NULL;
}

static bool number_of(const char *name, const char *value, uint64_t most, uint64_t *number)
{
    char *end;

    *number = strtoull(value, &end, 10);
    if (*value >= '0' && *value <= '9' && *end == 0 && *number <= most)
        return true;
    fprintf(stderr, "wfplab: %s: expected a number from 0 to %llu, found \"%s\".\n", name, (unsigned long long)most,
            value);
    return false;
}

static bool read_strategy(struct explore_arguments *read, const char *value)
{
    read->search.mixed = strcmp(value, "mixed") == 0;
    read->strategy_given = true;
    if (read->search.mixed || (plan_strategy_of(value, &read->search.strategy) && read->search.strategy != NT_REPLAY))
        return true;
    return wrong("--strategy", "expected mixed, random, priorities, exhaustive or run-on.");
}

/* true: the word was one of ours; *good tells whether it was right. */
static bool read_number(struct parsing *parsing, bool *good)
{
    static const struct {
        const char *name;
        uint64_t most;
    } numbers[] = {{"--runs", UINT64_MAX >> 1},
                   {"--seconds", 86400},
                   {"--seed", UINT64_MAX},
                   {"--preemptions", 1000},
                   {"--jobs", LAB_WORKERS_MAX}};
    struct explore_arguments *read = parsing->read;
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        bool missing = false;
        const char *value = value_of(parsing, numbers[i].name, &missing);

        if (value == NULL && !missing)
            continue;
        *good = value == NULL ? wrong(numbers[i].name, "it needs a number behind it.")
                              : number_of(numbers[i].name, value, numbers[i].most, &number);
        if (i == 0)
            read->search.runs = number, read->runs_given = true;
        else if (i == 1)
            read->search.seconds = (unsigned)number;
        else if (i == 2)
            read->search.seed = number, read->seed_given = true;
        else if (i == 3)
            read->search.preemptions = (unsigned)number;
        else
            read->search.jobs = (unsigned)number;
        return true;
    }
    return false;
}

static bool read_word(struct parsing *parsing)
{
    struct explore_arguments *read = parsing->read;
    const char *word = parsing->text[parsing->at], *value;
    bool good = true, missing = false;

    if (strcmp(word, "--no-faults") == 0) {
        read->search.faults = false;
    } else if (strcmp(word, "--no-shrink") == 0) {
        read->shrink = false;
    } else if (strcmp(word, "--all") == 0) {
        read->search.all = true;
    } else if ((value = value_of(parsing, "--strategy", &missing)) != NULL) {
        good = read_strategy(read, value);
    } else if (!missing && (value = value_of(parsing, "--out", &missing)) != NULL) {
        read->out = value;
    } else if (!missing && (value = value_of(parsing, "--events", &missing)) != NULL) {
        read->search.events = fopen(value, "w");
        good = read->search.events != NULL || wrong(value, "this file for --events cannot be written.");
    } else if (!missing && !read_number(parsing, &good)) {
        parsing->rest[parsing->rest_count++] = parsing->text[parsing->at];
    }
    return missing ? wrong(word, "it needs a value behind it.") : good;
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > (long)LAB_WORKERS_MAX ? LAB_WORKERS_MAX : (unsigned)count;
}

static bool read_words(struct parsing *parsing)
{
    for (; parsing->at < parsing->count; parsing->at++)
        if (!read_word(parsing))
            return false;
    return options_read(parsing->rest_count, parsing->rest, &parsing->read->options) == OPTIONS_GOOD;
}

bool explore_arguments_read(int count, char **arguments, struct explore_arguments *read)
{
    struct parsing parsing = {.count = count, .text = arguments, .read = read};
    bool good;

    memset(read, 0, sizeof(*read));
    read->shrink = true;
    read->search = (struct explore_options){
        .seed = 1, .runs = RUNS, .strategy = NT_RANDOM_WALK, .mixed = true, .preemptions = PREEMPTIONS, .faults = true};
    parsing.rest = calloc((size_t)count + 1, sizeof(*parsing.rest));
    if (parsing.rest == NULL)
        abort();
    good = read_words(&parsing);
    free(parsing.rest);
    if (!good)
        return false;
    if (read->options.scenario_count > 1)
        return wrong(read->options.scenarios[1], "one scenario at a time is explored.");
    if (read->search.seconds != 0 && !read->runs_given)
        read->search.runs = UINT64_MAX;
    if (read->search.events != NULL)
        read->search.jobs = 1; /* one file, in order */
    else if (read->search.jobs == 0)
        read->search.jobs = processors();
    /* 0: no limit, as for run */
    read->search.hang_ms =
        read->options.seconds > 1000000 || read->options.seconds == 0 ? UINT_MAX : read->options.seconds * 1000;
    read->search.strict = read->options.strict;
    read->search.irql_given = read->options.irql_given;
    read->search.irql = read->options.irql;
    return true;
}
