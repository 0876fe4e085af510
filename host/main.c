/* SPDX-License-Identifier: MIT */
/*
 * main.c - gatehoused: its command line, and its driver on a host (host.h).
 *
 * Of the driver it knows DriverEntry and nothing else: settings go in as registry values.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ntddk.h>

#include "gatehouse/objects.h"
#include "gatehouse/protocol.h"
#include "host/check.h"
#include "host/confine.h"
#include "host/gate.h"
#include "host/host.h"
#include "host/log.h"
#include "host/notify.h"
#include "host/options.h"
#include "host/rules_load.h"
#include "host/state.h"
#include "nt/nt.h"
#include "pe/loader.h"
#include "wfp/ale.h"

#define DEVICE "\\\\.\\Gatehouse"

DRIVER_INITIALIZE DriverEntry;

enum exit_code { EXIT_ENDED = 0, EXIT_USAGE = 1, EXIT_NO_START = 2, EXIT_FAILED = 3 };

struct gatehoused {
    struct host_options options;
    struct state state;
    struct name_servers name_servers;
    struct nt_driver *driver;
    struct pe_driver *driver_file; /* instead of driver, with --driver */
    struct rules_load *rules;      /* while it runs */
};

static void driver_print(void *context, ULONG component, ULONG level, const char *text)
{
    size_t size = strlen(text);

    (void)context, (void)component, (void)level;
    while (size && text[size - 1] == '\n')
        size--;
    log_trace("driver: %.*s", (int)size, text);
}

static int start_driver_file(struct gatehoused *self, const struct nt_registry_value *values, size_t value_count)
{
    struct pe_error error = {""};

    if (self->options.settings.special_pool && !nt_special_pool_start(PE_SPECIAL_POOL_PAGES, FALSE)) {
        log_say("there is no address space for the special pool; start it without --special-pool.");
        return -ENOMEM;
    }
    if (!pe_driver_load(self->options.settings.driver, "Gatehouse", values, value_count, &self->driver_file, &error)) {
        log_say("%s", error.text);
        return -EIO;
    }
    log_tell("runs the driver file %s%s", self->options.settings.driver,
             self->options.settings.special_pool ? " on special pool" : "");
    return 0;
}

/* What objects.h promises of the driver that is built in; of a file nobody knows what it is. */
static void tell_promises(void)
{
    static const GUID rule[] = {GATEHOUSE_KEY_CALLOUT_RULE_CONNECT_V4, GATEHOUSE_KEY_CALLOUT_RULE_CONNECT_V6};
    static const GUID log[] = {GATEHOUSE_KEY_CALLOUT_LOG_CONNECT_V4, GATEHOUSE_KEY_CALLOUT_LOG_CONNECT_V6};
    const UINT64 fields =
        1ull << FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID | 1ull << FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_USER_ID;

    for (unsigned i = 0; i < 2; i++) {
        wfp_callout_looks(&rule[i], fields, TRUE);
        wfp_callout_looks(&log[i], fields, FALSE);
    }
}

static int load_driver(struct gatehoused *self)
{
    struct settings *settings = &self->options.settings;
    char kept[sizeof(self->state.kept) + 16], until_reboot[sizeof(self->state.until_reboot) + 16];
    struct nt_registry_value values[] = {
        {"DeadlineMs", settings->deadline_ms, NULL},     {"Undecided", settings->undecided, NULL},
        {"NoDecider", settings->no_decider, NULL},       {"Capacity", settings->capacity, NULL},
        {"HoldLoopback", settings->hold_loopback, NULL}, {"RulesFolder", 0, kept},
        {"RulesVolatileFolder", 0, until_reboot},
    };

    if (!state_nt_path(self->state.kept, kept, sizeof(kept)) ||
        !state_nt_path(self->state.until_reboot, until_reboot, sizeof(until_reboot))) {
        log_say("the driver has no name for the folder %s: name another with --state.", self->state.kept);
        return -EINVAL;
    }
    if (settings->verbose)
        nt_set_debug_sink(driver_print, NULL);
    if (settings->driver[0])
        return start_driver_file(self, values, sizeof(values) / sizeof(values[0]));
    tell_promises();
    NTSTATUS status =
        nt_driver_load("Gatehouse", DriverEntry, values, sizeof(values) / sizeof(values[0]), &self->driver);
    if (NT_SUCCESS(status))
        return 0;
    log_say("the driver did not start: DriverEntry returned 0x%08X.", (unsigned)status);
    return -EIO;
}

/*
 * While the pins of one before stand, it was killed or crashed, or takes over: what the driver kept is in force
 * already. Otherwise the file's word counts. Rules with an end are not begun anew by a restart of the machine.
 */
static int start_driver(void *context)
{
    struct gatehoused *self = context;
    int code = load_driver(self);

    if (!code && !gate_stands())
        rules_load_now(DEVICE, self->options.settings.rules, self->state.restarted);
    return code;
}

static void stop_driver(void *context)
{
    struct gatehoused *self = context;

    rules_load_free(self->rules);
    self->rules = NULL;
    if (self->driver)
        nt_driver_unload(self->driver);
    if (self->driver_file)
        pe_driver_unload(self->driver_file);
}

static int remove_all(void)
{
    char error[512] = "";

    if (gate_remove(error, sizeof(error)) < 0) {
        log_say("%s", error);
        return EXIT_FAILED;
    }
    return EXIT_ENDED;
}

/* Started without standard streams, what is opened next would take their numbers and be written to. */
static void open_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) /* takes the lowest number: this one */
            return;
}

static void reload(void *context)
{
    struct gatehoused *self = context;

    if (self->rules)
        rules_load_again(self->rules);
}

static void turn(void *context)
{
    struct gatehoused *self = context;

    if (self->rules)
        rules_load_tidy(self->rules);
}

static int run(struct gatehoused *self)
{
    struct host_settings settings = {
        .socket_path = self->options.settings.socket,
        .device = DEVICE,
        .queue = self->options.settings.queue,
        .dead_open = self->options.settings.dead_open,
        .deadline_ms = self->options.settings.deadline_ms,
        .name_servers = &self->name_servers,
        .start_driver = start_driver,
        .stop_driver = stop_driver,
        .hangup = reload,
        .turn = turn,
        .context = self,
    };
    struct host *host = NULL;
    char error[256] = "";
    int code = EXIT_NO_START;

    name_servers_parse(self->options.settings.name_servers, "/etc/resolv.conf", &self->name_servers);
    if (gate_aide_start(confine_aide, error, sizeof(error))) {
        log_say("%s", error);
        return EXIT_NO_START;
    }
    if (state_open(&self->options.settings, &self->state))
        goto out;
    if (host_start(&settings, &host))
        goto out;
    self->rules = rules_load_new(DEVICE, self->options.settings.rules, host_wake, host);
    if (self->options.settings.confine != CONFINE_NO &&
        confine(self->options.settings.confine == CONFINE_KILL, error, sizeof(error))) {
        log_say("%s", error);
        goto out;
    }
    log_tell("ready; deciders connect at %s", self->options.settings.socket);
    notify("READY=1");
    code = host_run(host) ? EXIT_FAILED : EXIT_ENDED;
    notify("STOPPING=1");
out:
    if (host)
        host_stop(host);
    state_close(&self->state);
    gate_aide_stop();
    return code;
}

int main(int argc, char **argv)
{
    static struct gatehoused self;

    open_standard_streams();
    mallopt(M_MXFAST, 0); /* else each buffer of a call, being large, would make malloc tidy up its fast bins first */
    switch (options_parse(argc, argv, &self.options)) {
    case OPTIONS_DONE:
        return EXIT_ENDED;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    if (self.options.check)
        return check_run(&self.options) ? EXIT_ENDED : EXIT_USAGE;
    log_set_verbose(self.options.settings.verbose);
    if (geteuid() != 0) {
        log_say("it must run as root (it loads eBPF programs and packet rules): start it with sudo.");
        return EXIT_NO_START;
    }
    return self.options.remove ? remove_all() : run(&self);
}
