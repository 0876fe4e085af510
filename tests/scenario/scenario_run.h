/* SPDX-License-Identifier: MIT */
/*
 * scenario_run.h - runs a scenario in the world that is linked, and what its parts share.
 *
 * scenario_run.c has the steps of the platform (load, connect, packets, time) and the comparing;
 * scenario_clients.c has the steps that speak Gatehouse's protocol.
 */
#ifndef SCENARIO_RUN_H
#define SCENARIO_RUN_H

#include "gatehouse/protocol.h"
#include "tests/scenario/scenario_trace.h"

#define RUN_READS_MAX 20u   /* reads of one client under way */
#define RUN_WAIT_MS   5000u /* for what has to come; with a real clock */
#define RUN_MESSAGE   130000u

enum run_result {
    RUN_SAME,    /* every event was as expected */
    RUN_DIFFERS, /* told on stderr */
    RUN_BROKEN,  /* the scenario asks what cannot be, or the world failed; told on stderr */
    RUN_SKIPPED  /* needs what this world has not; told on stdout */
};

struct run_connection {
    const struct world_connect *connect; /* NULL: not made yet */
    uint64_t endpoint;
    uint64_t id; /* 0: the driver has told none, or was unloaded */
    uint64_t deadline;
    uint64_t flow;
    bool pended, ended; /* by the stack */
    bool closed;
};

struct run_client {
    struct world_device *device; /* NULL: not open */
    bool seed, decides, observes;
    struct world_call *reads[RUN_READS_MAX];
    size_t read_count;
};

struct run {
    const struct scenario *scenario;
    const struct scenario_step *step;
    struct trace trace;
    struct run_connection *connections;
    struct run_client clients[SCENARIO_CLIENTS_MAX];
    uint64_t filters[SCENARIO_FILTERS_MAX];
    bool filter_there[SCENARIO_FILTERS_MAX];
    bool loaded;
    struct world_device *watch; /* the runner's own observer */
    struct world_call *watch_read;
    struct gatehouse_policy policy;
    struct world_error error; /* why a step returned false */
};

/* Compares, or with record: rewrites the file with the events that came. */
enum run_result scenario_run(struct scenario *scenario, bool record);

/* The file as it reads with these events; NULL-terminated; the caller frees it. */
char *scenario_text(const struct scenario *scenario);

/* --- Between the parts. A function that returns false has set run->error. --- */

bool run_wrong(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* After load, before unload. */
bool clients_begin(struct run *run);
bool clients_end(struct run *run);
/* Adds what came to the trace. */
bool clients_collect(struct run *run);
/* Closes everything without a word: the run is over. */
void clients_abandon(struct run *run);

bool clients_status(struct run *run, struct gatehouse_status *status);

bool step_client(struct run *run);
bool step_read(struct run *run);
bool step_cancel(struct run *run);
bool step_answer(struct run *run);
bool step_policy(struct run *run);
bool step_status(struct run *run);
bool step_leave(struct run *run);

#endif
