/* SPDX-License-Identifier: MIT */
/*
 * main.c - wfplab: runs callout drivers on nt/ and wfp/ and says which rules they break. See docs/lab.md.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lab/commands.h"
#include "lab/rules_command.h"
#include "policy/names.h"

/* What every command says of the words that it takes. */
#define DRIVERS                                                                                                        \
    "DRIVER is a C file, a folder of C files, a shared object (.so) or a Windows driver file (.sys); 8 at most.\n"
#define COMPILER                                                                                                       \
    "  --with FILE        a further C file, or a folder, of the driver named before it\n"                              \
    "  -I DIR, -D NAME    for the compiler ($CC, else cc)\n"
#define IRQL "  --irql LEVEL       of classifyFn at first: passive, dispatch (else) or alternate\n"

static const char run_help[] =
    "wfplab run DRIVER... [SCENARIO...]\n"
    "\n"
    "Runs each scenario on a new machine: the steps one after the other, each until everything is quiet. Says which\n"
    "rules the drivers broke, and which events differ from those in the file.\n"
    "\n" DRIVERS
    "SCENARIO is a .scenario file (docs/scenarios.md); without one: load, connect with TCP and UDP, a minute, unload.\n"
    "\n" COMPILER "  --asan             C drivers with AddressSanitizer\n" IRQL
    "  --trace            prints each step with its events\n"
    "  --record           writes the events that came into the scenario files\n"
    "  --json             reports as JSON, one object a line\n"
    "  --sarif FILE       reports as SARIF 2.1.0 into a file\n"
    "  --strict           warnings and notes fail the run, too\n"
    "  --limit SECONDS    of real time for a run: 10; 0 for none\n";

static const char state_help[] =
    "wfplab state DRIVER... [SCENARIO]\n"
    "\n"
    "Runs one scenario to its first step state, or else to its last unload, and prints what the engine holds then.\n"
    "\n" DRIVERS "\n" COMPILER IRQL "  --json             as JSON\n"
    "  --limit SECONDS    of real time for the run: 10; 0 for none\n";

static const char explore_help[] =
    "wfplab explore DRIVER... [SCENARIO]\n"
    "\n"
    "Runs one scenario many times: connections, clients and machine at the same time, in another order each time, and\n"
    "with calls that fail. Ends at the first rule that is broken, makes the scenario as short as it can, and writes "
    "it\n"
    "into a file for replay.\n"
    "\n" DRIVERS "\n" COMPILER IRQL "                     without it explore tries all three\n"
    "  --runs N           schedules at most: 10000\n"
    "  --seconds N        of real time at most; 0, as without it: no limit\n"
    "  --seed N           another seed, other schedules: 1\n"
    "  --strategy NAME    mixed (else: random and priorities in turn), random, priorities, exhaustive or run-on\n"
    "  --preemptions N    of priorities and exhaustive: 3\n"
    "  --jobs N           processes that search: as many as there are processors\n"
    "  --limit SECONDS    of real time for a run: 10; 0 for none\n"
    "  --no-faults        no call fails\n"
    "  --all              goes on after a find, until 32 rules and routines were found\n"
    "  --no-shrink        writes all steps\n"
    "  --out FILE         where to; RULE.scenario in this folder without it\n"
    "  --strict           warnings and notes are finds, too\n"
    "  --json             as JSON, one object a line\n";

static const char replay_help[] =
    "wfplab replay DRIVER... SCENARIO\n"
    "\n"
    "Runs a scenario once as the \"#! \" lines in its file say: what explore wrote. The options say otherwise.\n"
    "\n" DRIVERS "\n" COMPILER IRQL "  --seed N, --strategy NAME, --preemptions N\n"
    "                     another schedule, as for explore\n"
    "  --trace            prints each point of the schedule: number, time, who, routine\n"
    "  --strict           warnings and notes fail the run, too\n"
    "  --json             reports as JSON, one object a line\n"
    "  --limit SECONDS    of real time for the run: 10; 0 for none\n";

static const char live_help[] =
    "wfplab live DRIVER... [--for SECONDS]\n"
    "\n"
    "Real connections of this network namespace go through the drivers, with the verifier on, until SIGINT or "
    "SIGTERM.\n"
    "As root; what it put into the namespace is taken out again.\n"
    "\n" DRIVERS "\n" COMPILER "  --answer permit|block\n"
    "                     answers what is held; --device NAME, --port NAME, --ask TEXT, --reply TEXT: how\n"
    "  --socket PATH      serves the driver's device there\n"
    "  --set NAME=NUMBER  a parameter of the drivers\n"
    "  --unverified       without the verifier, to compare\n"
    "  --strict           warnings and notes fail the run, too\n"
    "  --json             reports as JSON, one object a line\n";

static const char rules_help[] = "wfplab rules [--json] [RULE...]\n"
                                 "\n"
                                 "Prints the rules that are checked, or these: what each says, what to do, and "
                                 "Microsoft's page. docs/verifier-rules.md\n"
                                 "is the same.\n";

static const struct command {
    const char *name, *line;
    int (*run)(int count, char **arguments);
    const char *help;
} commands[] = {
    {"run", "DRIVER... [SCENARIO...]   runs scenarios; says which rules the drivers broke", command_run, run_help},
    {"state", "DRIVER... [SCENARIO]    prints what the engine holds in the middle of a scenario", command_state,
     state_help},
    {"explore", "DRIVER... [SCENARIO]  searches schedules and failing calls for a broken rule", command_explore,
     explore_help},
    {"replay", "DRIVER... SCENARIO     runs what explore found again, exactly so", command_replay, replay_help},
    {"live", "DRIVER... [--for SECONDS] real connections of this network namespace go through the drivers (root)",
     command_live, live_help},
    {"rules", "[--json] [RULE...]      what is checked, with the page and what to do", command_rules, rules_help},
};

static const char exit_codes[] =
    "\n"
    "Exit code: 0 nothing was found; 1 a rule was broken or an event differs; 2 what was asked for cannot be used; 3\n"
    "the lab itself failed.\n";

int command_rules(int count, char **arguments)
{
    return lab_rules_command(count, (const char *const *)arguments, stdout, stderr);
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int tell_commands(void)
{
    fputs("wfplab runs callout drivers on Gatehouse's own NT kernel and filter engine, and says which rules they "
          "break.\n\n",
          stdout);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        printf("wfplab %s %s\n", commands[i].name, commands[i].line);
    printf(
        "\n%sSCENARIO is a .scenario file (docs/scenarios.md). wfplab COMMAND --help says more; wfplab --version.\n%s",
        DRIVERS, exit_codes);
    return LAB_CLEAN;
}

/* Nothing found, and nobody told of what was: a full disk, or a driver that closed the file. */
static int told(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    fputs("wfplab: stdout cannot be written, so what was found is not told.\n", stderr);
    return LAB_FAILED;
}

/* Else the first file that is opened would be where the output goes. */
static void open_standard_streams(void)
{
    int file = open("/dev/null", O_RDWR);

    while (file >= 0 && file <= STDERR_FILENO)
        file = dup(file);
    if (file >= 0)
        close(file);
}

static int tell_no_command(const char *word)
{
    const char *names[sizeof(commands) / sizeof(commands[0]) + 1] = {NULL}, *near;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        names[i] = commands[i].name;
    near = names_near(word, strlen(word), names);
    fprintf(stderr, "wfplab: there is no command \"%s\"%s%s%s; see wfplab --help.\n", word,
            near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    return LAB_USAGE;
}

int main(int argc, char **argv)
{
    open_standard_streams();
    if (argc > 1 && (asks_for_help(argv[1]) || (argc == 2 && strcmp(argv[1], "help") == 0)))
        return told(tell_commands());
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return told(puts("wfplab " GATEHOUSE_VERSION) < 0 ? LAB_FAILED : LAB_CLEAN);
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        for (int k = 2; k < argc; k++) {
            if (!asks_for_help(argv[k]))
                continue;
            printf("%s%s", commands[i].help, exit_codes);
            return told(LAB_CLEAN);
        }
        return told(commands[i].run(argc - 2, argv + 2));
    }
    if (argc > 1)
        return tell_no_command(argv[1]);
    fprintf(stderr, "wfplab: no command; see wfplab --help.\n");
    return LAB_USAGE;
}
