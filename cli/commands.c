/* SPDX-License-Identifier: MIT */
/*
 * commands.c - wires the options to the decider library. See commands.h.
 */
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/decide.h"
#include "agent/event_log.h"
#include "agent/flow_watch.h"
#include "agent/install.h"
#include "agent/program_path.h"
#include "agent/resolvers.h"
#include "agent/exceptions.h"
#include "agent/session.h"
#include "agent/show.h"
#include "agent/transport.h"
#include "cli/ask_command.h"
#include "cli/filter_command.h"
#include "cli/people.h"
#include "cli/rules_command.h"
#include "cli/say.h"

static const char *socket_path(const struct options *options)
{
    return options->socket == NULL ? transport_default_path() : options->socket;
}

static struct session make_session(const struct options *options)
{
    return (struct session){.path = socket_path(options), .once = options->once, .say = say};
}

static enum agent_result add_exception(struct exceptions *exceptions, const char *written, struct problem *problem)
{
    char resolved[PROGRAM_PATH_MAX];
    enum program_path_kind kind;
    enum agent_result result = program_path_resolve(written, resolved, &kind, problem);

    if (result != AGENT_OK)
        return result;
    say_program_path(written, resolved, kind, "that program is excepted.", "it is excepted once there is one.");
    return exceptions_add(exceptions, resolved, problem);
}

/* The one rule that nobody wrote is said aloud. */
static void keep_resolvers(struct exceptions *exceptions)
{
    struct resolver resolvers[RESOLVERS_MAX];
    unsigned count = resolvers_read(resolvers);
    char sentence[RESOLVERS_MAX * 48 + 128] =
        "looking up names stays permitted (--no-lookups blocks it too): port 53 of";

    for (unsigned i = 0; i < count; i++) {
        size_t used = strlen(sentence);
        struct text address = {0};

        show_address(&address, resolvers[i].ip_version, resolvers[i].address, 0);
        snprintf(sentence + used, sizeof(sentence) - used, " %s%s", text_string(&address), i + 1 < count ? "," : ".");
        text_free(&address);
    }
    exceptions_set_resolvers(exceptions, resolvers, count);
    if (count > 0)
        say(sentence);
}

static enum agent_result decide(const struct options *options, enum gatehouse_verdict verdict, struct problem *problem)
{
    struct decide_settings settings = {.quiet = options->quiet, .json = options->json};
    struct session session = make_session(options);
    struct decide *decider = NULL;
    struct exceptions exceptions;
    enum agent_result result = AGENT_OK;

    exceptions_init(&exceptions, verdict);
    settings.exceptions = &exceptions;
    for (unsigned i = 0; i < options->except_count && result == AGENT_OK; i++)
        result = add_exception(&exceptions, options->except[i], problem);
    if (result != AGENT_OK)
        goto out;
    if (verdict == GATEHOUSE_VERDICT_BLOCK && !options->no_lookups)
        keep_resolvers(&exceptions);
    decider = decide_new(&settings);
    if (decider == NULL)
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    else
        result = session_run(&session, decide_work, decider, problem);
out:
    decide_free(decider);
    exceptions_cleanup(&exceptions);
    return result;
}

static enum agent_result ask(const struct options *options, struct problem *problem)
{
    struct session session = make_session(options);

    return ask_command_run(options, &session, problem);
}

static enum agent_result status(const struct options *options, struct problem *problem)
{
    struct show_state state;
    struct text text = {0};
    enum agent_result result = watch_status(socket_path(options), &state, problem);

    if (result != AGENT_OK)
        return result;
    if (options->json) {
        show_status_json(&text, &state);
        text_add(&text, "\n");
    } else {
        show_status(&text, &state);
    }
    return say_output(&text, problem);
}

static bool unwritten; /* for another reason than that nobody reads */

/* False, and so the end of watching, once nobody reads any more. */
static bool print_event(const char *line, size_t size)
{
    errno = 0;
    if (fwrite(line, 1, size, stdout) == size && fputc('\n', stdout) != EOF && fflush(stdout) == 0)
        return true;
    unwritten = errno != EPIPE && errno != 0;
    return false;
}

static enum agent_result printed(enum agent_result result, struct problem *problem)
{
    if (result == AGENT_OK && unwritten)
        return problem_set(problem, AGENT_FAILED, "cannot write the output: is there room?");
    return result;
}

static enum agent_result watch(const struct options *options, struct problem *problem)
{
    enum agent_result result = AGENT_OK;

    if (options->event_log)
        result = event_log_open(problem);
    if (result == AGENT_OK)
        result =
            watch_run(socket_path(options), options->json, options->event_log ? event_log_tell : print_event, problem);
    event_log_close();
    return printed(result, problem);
}

static enum agent_result policy(const struct options *options, struct problem *problem)
{
    struct gatehouse_policy now;
    struct text text = {0};
    enum agent_result result = watch_policy(socket_path(options), &options->policy, &now, problem);

    if (result != AGENT_OK)
        return result;
    if (options->json) {
        show_policy_json(&text, &now);
        text_add(&text, "\n");
    } else {
        show_policy(&text, &now);
    }
    return say_output(&text, problem);
}

/* The report is shown also when the command failed; then it says what was reached. */
static enum agent_result install(const struct options *options, struct problem *problem)
{
    struct install_settings settings = options->install;
    struct report report = {0};
    struct text text = {0};
    enum agent_result result, shown;

    settings.policy = options->policy;
    result = options->command == OPTIONS_INSTALL ? install_run(&settings, &report, problem)
                                                 : uninstall_run(settings.dry_run, &report, problem);
    if (report.count == 0)
        return result;
    if (options->json)
        report_show_json(&report, &text);
    else
        report_show(&report, &text);
    shown = say_output(&text, result == AGENT_OK ? problem : NULL);
    return result == AGENT_OK ? shown : result;
}

enum agent_result command_run(const struct options *options, struct problem *problem)
{
    switch (options->command) {
    case OPTIONS_PERMIT:
        return decide(options, GATEHOUSE_VERDICT_PERMIT, problem);
    case OPTIONS_BLOCK:
        return decide(options, GATEHOUSE_VERDICT_BLOCK, problem);
    case OPTIONS_ASK:
        return ask(options, problem);
    case OPTIONS_STATUS:
        return status(options, problem);
    case OPTIONS_WATCH:
        return watch(options, problem);
    case OPTIONS_POLICY:
        return policy(options, problem);
    case OPTIONS_FILTER:
        return filter_command_run(options, socket_path(options), problem);
    case OPTIONS_RULES:
        return rules_command_run(options, socket_path(options), problem);
    case OPTIONS_FLOWS:
        return printed(flow_watch_run(socket_path(options), options->json, options->follow, print_event, problem),
                       problem);
    case OPTIONS_RUN:
        return people_run(options, socket_path(options), problem);
    case OPTIONS_NOTIFY:
        return people_notify(options, problem);
    case OPTIONS_UI:
        return people_ui(options, socket_path(options), problem);
    case OPTIONS_LOG:
    case OPTIONS_TOP:
    case OPTIONS_APPS:
    case OPTIONS_SHOW:
    case OPTIONS_EXPORT:
    case OPTIONS_WHY:
        return people_past(options, socket_path(options), problem);
    case OPTIONS_LEARN:
    case OPTIONS_IMPORT:
        return people_learn(options, problem);
    case OPTIONS_INSTALL:
    case OPTIONS_UNINSTALL:
        return install(options, problem);
    default:
        return problem_set(problem, AGENT_USAGE, "a command is missing: see 'gatehouse --help'.");
    }
}
