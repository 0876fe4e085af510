/* SPDX-License-Identifier: MIT */
/*
 * options.c - see options.h.
 */
#include "lab/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    int count, at;
    char **text;
};

static enum options_result wrong(const char *about, const char *sentence)
{
    fprintf(stderr, "wfplab: %s: %s\n", about, sentence);
    return OPTIONS_WRONG;
}

/* Of "--name VALUE" and "--name=VALUE"; NULL: told. */
static const char *value_of(struct arguments *arguments, const char *name)
{
    const char *word = arguments->text[arguments->at];
    size_t size = strlen(name);

    if (strlen(word) > size && word[size] == '=')
        return word + size + 1;
    if (strlen(word) > size)
        return word + size; /* -IDIR */
    if (arguments->at + 1 < arguments->count)
        return arguments->text[++arguments->at];
    (void)wrong(name, "it needs a value behind it.");
    return NULL;
}

static bool is(const char *word, const char *name)
{
    size_t size = strlen(name);

    return strncmp(word, name, size) == 0 && (word[size] == 0 || word[size] == '=');
}

static enum options_result read_compile(struct arguments *arguments, struct options *options)
{
    const char *word = arguments->text[arguments->at];
    char name[3] = {word[0], word[1], 0}, *joined;
    const char *value = value_of(arguments, name);

    if (value == NULL)
        return OPTIONS_WRONG;
    if (options->compile_count == DRIVER_OPTIONS_MAX)
        return wrong(word, "there are more than 64 options for the compiler.");
    joined = malloc(strlen(value) + sizeof(name)); /* as long as the program */
    if (joined == NULL)
        abort();
    snprintf(joined, strlen(value) + sizeof(name), "%s%s", name, value);
    options->compile[options->compile_count++] = joined;
    return OPTIONS_GOOD;
}

static enum options_result read_with(struct arguments *arguments, struct options *options)
{
    const char *value = value_of(arguments, "--with");
    struct driver_sources *driver;

    if (value == NULL)
        return OPTIONS_WRONG;
    if (options->driver_count == 0 || driver_kind_of(value) != DRIVER_C)
        return wrong("--with", "it adds a C file or a folder of them to the C driver named before it.");
    driver = &options->drivers[options->driver_count - 1];
    if (driver->count == DRIVER_SOURCES_MAX)
        return wrong("--with", "a driver has more than 64 of them.");
    driver->path[driver->count++] = value;
    return OPTIONS_GOOD;
}

static enum options_result read_irql(struct arguments *arguments, struct options *options)
{
    static const char *const names[] = {"passive", "dispatch", "alternate"};
    const char *value = value_of(arguments, "--irql");

    for (unsigned i = 0; value != NULL && i < 3; i++) {
        if (strcmp(value, names[i]) != 0)
            continue;
        options->irql_given = true;
        options->irql = (enum world_irql)i;
        return OPTIONS_GOOD;
    }
    return value == NULL ? OPTIONS_WRONG : wrong("--irql", "expected passive, dispatch or alternate.");
}

static enum options_result read_seconds(struct arguments *arguments, struct options *options)
{
    const char *value = value_of(arguments, "--limit");
    char *end;
    unsigned long number;

    if (value == NULL)
        return OPTIONS_WRONG;
    number = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != 0 || number > 86400)
        return wrong("--limit", "expected seconds from 0 (no limit) to 86400.");
    options->seconds = (unsigned)number;
    return OPTIONS_GOOD;
}

static enum options_result read_flag(const char *word, struct options *options)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--asan", &options->asan},
                 {"--json", &options->json},
                 {"--strict", &options->strict},
                 {"--trace", &options->trace},
                 {"--record", &options->record}};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(word, flags[i].name) != 0)
            continue;
        *flags[i].flag = true;
        return OPTIONS_GOOD;
    }
    return wrong(word, "there is no such option; see wfplab --help.");
}

static enum options_result read_option(struct arguments *arguments, struct options *options)
{
    const char *word = arguments->text[arguments->at];

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return OPTIONS_HELP;
    if (strncmp(word, "-I", 2) == 0 || strncmp(word, "-D", 2) == 0)
        return read_compile(arguments, options);
    if (is(word, "--with"))
        return read_with(arguments, options);
    if (is(word, "--irql"))
        return read_irql(arguments, options);
    if (is(word, "--limit"))
        return read_seconds(arguments, options);
    if (is(word, "--sarif")) {
        options->sarif = value_of(arguments, "--sarif");
        return options->sarif == NULL ? OPTIONS_WRONG : OPTIONS_GOOD;
    }
    return read_flag(word, options);
}

static bool is_scenario(const char *word)
{
    size_t size = strlen(word);

    return size > 9 && strcmp(word + size - 9, ".scenario") == 0;
}

static enum options_result read_word(const char *word, struct options *options)
{
    if (is_scenario(word)) {
        if (options->scenario_count == OPTIONS_SCENARIOS_MAX)
            return wrong(word, "there are more than 256 scenarios.");
        options->scenarios[options->scenario_count++] = word;
        return OPTIONS_GOOD;
    }
    if (driver_kind_of(word) == DRIVER_NONE)
        return wrong(word, "expected a driver (.c, .so, .sys, or a folder of .c files) or a .scenario file.");
    if (options->driver_count == WORLD_DRIVERS_MAX)
        return wrong(word, "more than 8 drivers cannot be run together.");
    options->drivers[options->driver_count].path[0] = word;
    options->drivers[options->driver_count++].count = 1;
    return OPTIONS_GOOD;
}

enum options_result options_read(int count, char **text, struct options *options)
{
    struct arguments arguments = {count, 0, text};
    enum options_result result = OPTIONS_GOOD;

    *options = (struct options){.seconds = 10};
    for (; arguments.at < count && result == OPTIONS_GOOD; arguments.at++)
        result =
            text[arguments.at][0] == '-' ? read_option(&arguments, options) : read_word(text[arguments.at], options);
    if (result != OPTIONS_GOOD)
        return result;
    if (options->driver_count == 0)
        return wrong("the command line", "it names no driver (.c, .so, .sys, or a folder of .c files).");
    for (size_t i = 0; i < options->driver_count; i++) {
        options->drivers[i].options = options->compile;
        options->drivers[i].option_count = options->compile_count;
        options->drivers[i].asan = options->asan;
    }
    return OPTIONS_GOOD;
}
