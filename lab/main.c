/* SPDX-License-Identifier: MIT */
/*
 * main.c - wfplab: runs callout drivers on nt/ and wfp/ and says which rules they break. See docs/lab.md.
 */
#include <stdio.h>
#include <string.h>

#include "lab/commands.h"
#include "lab/rules_command.h"

static const struct command {
    const char *name;
    int (*run)(int count, char **arguments);
} commands[] = {
    {"run", command_run},       {"state", command_state}, {"explore", command_explore},
    {"replay", command_replay}, {"live", command_live},   {"rules", command_rules},
};

int command_rules(int count, char **arguments)
{
    return lab_rules_command(count, (const char *const *)arguments, stdout, stderr);
}

static const char help[] =
    "wfplab run DRIVER... [SCENARIO...]     runs scenarios; says which rules the drivers broke\n"
    "wfplab state DRIVER... SCENARIO        runs one to its first state step, or its end, and prints what is there\n"
    "wfplab live DRIVER... [--for SECONDS]  real connections of this network namespace go through the drivers (root)\n"
    "wfplab explore DRIVER... SCENARIO      searches schedules and failing calls; writes what it finds as a scenario\n"
    "wfplab replay DRIVER... SCENARIO       runs such a scenario again, exactly\n"
    "wfplab rules [--json] [RULE...]        what is checked, with the page and what to do\n"
    "\n"
    "DRIVER is a C file, a folder of C files, a shared object (.so) or a Windows driver file (.sys).\n"
    "SCENARIO is a .scenario file (docs/scenarios.md); without one: load, connect with TCP and UDP, unload.\n"
    "\n"
    "  --with FILE      a further C file, or a folder, of the driver named before it\n"
    "  -I DIR, -D NAME  for the compiler\n"
    "  --asan           C drivers with AddressSanitizer\n"
    "  --irql LEVEL     of classifyFn at first: passive, dispatch (else) or alternate\n"
    "  --trace          prints each step with its events\n"
    "  --record         writes the events that came into the scenario files\n"
    "  --json           reports as JSON on stdout\n"
    "  --sarif FILE     reports as SARIF 2.1.0 into a file\n"
    "  --strict         warnings and notes fail the run, too\n"
    "  --limit SECONDS  of real time for a run: 10; 0 for none\n"
    "\n"
    "live: --answer permit|block   answers what is held; --device NAME, --port NAME, --ask TEXT, --reply TEXT: how\n"
    "      --socket PATH           serves the driver's device there;  --set NAME=NUMBER  a parameter of the drivers\n"
    "      --unverified            without the verifier, to compare\n"
    "of explore:\n"
    "  --runs N, --seconds N, --seed N        how many schedules (10000), how long, which\n"
    "  --strategy NAME, --preemptions N       mixed (else), random, priorities, exhaustive or run-on\n"
    "  --no-faults, --no-shrink, --all        no call fails; as it was found; does not stop at the first\n"
    "  --out FILE                             where the scenario that was found is written\n"
    "\n"
    "Exit code: 0 nothing was found; 1 a rule was broken or an event differs; 2 what was asked for cannot be used; 3\n"
    "the lab itself failed.\n";

/* Nothing found, and nobody told of what was: a full disk, or a driver that closed the file. */
static int told(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    fputs("wfplab: stdout cannot be written, so what was found is not told.\n", stderr);
    return LAB_FAILED;
}

int main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
        fputs(help, stdout);
        return LAB_CLEAN;
    }
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        for (int k = 2; k < argc; k++) {
            if (strcmp(argv[k], "--help") != 0 && strcmp(argv[k], "-h") != 0)
                continue;
            fputs(help, stdout);
            return LAB_CLEAN;
        }
        return told(commands[i].run(argc - 2, argv + 2));
    }
    if (argc > 1)
        fprintf(stderr, "wfplab: there is no command \"%s\"; see wfplab --help.\n", argv[1]);
    else
        fprintf(stderr, "wfplab: no command; see wfplab --help.\n");
    return LAB_USAGE;
}
