/* SPDX-License-Identifier: MIT */
/*
 * host.h - a driver among the real connections of this network namespace: one loop, the device's socket, the gate, the
 * feed, and signals. gatehoused is one, `wfplab live` another.
 *
 * The driver is the caller's: start_driver and stop_driver load and unload it with nt_driver_load or its like. The gate
 * comes last, so that the first held packet finds everything in place, and the driver goes while the gate still works:
 * unloading completes what is held, and those verdicts must get out.
 *
 * One thread starts, runs and stops a host; it is the pump of nt/. A process has at most one at a time. What a driver
 * or a client of its device ends on other threads is brought to this one (feed.h, device_server.h).
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "host/feed.h"
#include "host/gate.h"
#include "host/name_servers.h"

struct host;

struct host_settings {
    const char *socket_path; /* where the device is served; NULL: nowhere */
    const char *device;      /* its name as user mode spells it */
    uint16_t queue;          /* of struct gate_options, as the two below */
    bool dead_open;          /* while no gatehoused lives, undecided connections pass */
    uint32_t deadline_ms;
    /* Whose answers give names to connections; NULL, or NAME_SERVERS_NONE: nobody's. With SYSTEM systemd-resolved's
     * too. */
    const struct name_servers *name_servers;
    /* 0, or -errno, told. stop_driver comes also after a start that failed, and takes back what there is. */
    int (*start_driver)(void *context);
    void (*stop_driver)(void *context);
    /*
     * On SIGHUP; then only the end of the terminal that it was started on ends host_run, which else SIGHUP does. NULL:
     * SIGHUP ends it. turn: in each turn of the loop; NULL: nothing to do.
     */
    void (*hangup)(void *context);
    void (*turn)(void *context);
    /* Before and after each wait for something to happen; NULL: nobody needs to know. */
    void (*sleeping)(void *context, bool sleeps);
    void *context;
};

/* settings are copied. 0, or -errno, told: then nothing is left. SIGINT and SIGTERM end host_run from now on. */
int host_start(const struct host_settings *settings, struct host **host);

/* There is something for the next turn. Any thread, between start and stop; context: the host. */
void host_wake(void *context);

/* Until such a signal: 0; or until something failed for good: -errno, told. */
int host_run(struct host *host);

/* Takes everything out again: socket, driver, gate, its pins and rules. */
void host_stop(struct host *host);

/* Any time between start and stop. */
void host_count(const struct host *host, struct feed_counts *counts);

#endif
