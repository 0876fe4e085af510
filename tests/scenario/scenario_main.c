/* SPDX-License-Identifier: MIT */
/*
 * scenario_main.c - runs scenario files in the world that is linked.
 *
 *   scenario FILE...             compares; ends with 1 at a difference, 2 when a file or the world is broken,
 *                                77 when every file was skipped
 *   scenario --record FILE...    runs, and writes the events that came into the files
 *   scenario --random FIRST COUNT FOLDER
 *                                makes COUNT scenarios from seeds FIRST ..., runs them and writes them, with
 *                                their events, to FOLDER/SEED.scenario
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenario/scenario_random.h"
#include "lab/scenario_run.h"

static enum run_result run_file(const char *path, bool record)
{
    struct scenario_error error;
    struct scenario *scenario = scenario_read(path, &error);
    enum run_result result;

    if (scenario == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return RUN_BROKEN;
    }
    result = scenario_run(scenario, &(struct run_options){.record = record});
    if (record && result == RUN_SAME && !scenario_save(scenario, path))
        result = RUN_BROKEN;
    if (result == RUN_SAME)
        printf("%s: %u steps, %s\n", path, (unsigned)scenario->count, record ? "recorded" : "every event as expected");
    scenario_free(scenario);
    return result;
}

static enum run_result run_random(uint32_t seed, const char *folder)
{
    char name[32], path[1000];
    struct scenario_error error;
    enum run_result result = RUN_BROKEN;
    char *text = scenario_random(seed);
    struct scenario *scenario;

    snprintf(name, sizeof(name), "%u.scenario", (unsigned)seed);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    scenario = scenario_parse(path, text, strlen(text), &error);
    free(text);
    if (scenario == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return result;
    }
    result = scenario_run(scenario, &(struct run_options){.record = true});
    if (!scenario_save(scenario, path))
        result = RUN_BROKEN;
    scenario_free(scenario);
    return result;
}

static int exit_code(enum run_result result)
{
    return result == RUN_SAME ? 0 : result == RUN_DIFFERS ? 1 : result == RUN_SKIPPED ? 77 : 2;
}

static int run_randoms(int argc, char **argv)
{
    enum run_result result = RUN_SAME;
    char *end;
    unsigned long first, count;

    if (argc != 5)
        return 2;
    first = strtoul(argv[2], &end, 10);
    count = *end == 0 ? strtoul(argv[3], &end, 10) : 0;
    if (*end != 0 || count == 0 || count > 100000)
        return 2;
    for (unsigned long i = 0; i < count && result == RUN_SAME; i++)
        result = run_random((uint32_t)(first + i), argv[4]);
    return exit_code(result);
}

/* The worst of all; skipped only if nothing ran. */
static int run_files(int argc, char **argv, int at, bool record)
{
    enum run_result worst = RUN_SKIPPED;

    for (int i = at; i < argc; i++) {
        enum run_result result = run_file(argv[i], record);

        if (result == RUN_SKIPPED)
            continue;
        if (worst == RUN_SKIPPED || result > worst)
            worst = result;
    }
    return exit_code(worst);
}

int main(int argc, char **argv)
{
    bool record = argc > 1 && strcmp(argv[1], "--record") == 0;
    int code = 2;

    if (argc > 1 && strcmp(argv[1], "--random") == 0)
        code = run_randoms(argc, argv);
    else if (argc > (record ? 2 : 1) && (record || argv[1][0] != '-'))
        return run_files(argc, argv, record ? 2 : 1, record);
    else
        fprintf(stderr, "use: scenario [--record] FILE... | scenario --random FIRST COUNT FOLDER\n");
    return code;
}
