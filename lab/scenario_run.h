/* SPDX-License-Identifier: MIT */
/*
 * scenario_run.h - runs a scenario in the world that is linked, and what its parts share.
 *
 * scenario_run.c runs a whole file, compares and records; scenario_steps.c has the steps of the platform (load,
 * connect, packets, time) and the table of all; scenario_clients.c those that speak Gatehouse's protocol;
 * scenario_rules.c those about rules; scenario_raw.c those that speak any.
 *
 * An explorer does not call scenario_run: it makes a run, and performs each step from a fiber of its own choosing.
 * Nothing here remembers a "current step": run_perform may be under way on several fibers of one thread at once, also
 * of one run, as long as no two of them are about the same client or connection, load and unload are alone, and
 * the fibers change only inside calls of the world. The trace then has the events of all of them together. A step
 * that cannot be done yet is asked for first (run_ready).
 */
#ifndef LAB_SCENARIO_RUN_H
#define LAB_SCENARIO_RUN_H

#include "gatehouse/protocol.h"
#include "lab/scenario_trace.h"

#define RUN_READS_MAX 20u    /* calls of one client under way */
#define RUN_WAIT_MS   30000u /* for what has to come; with a real clock */
#define RUN_MESSAGE   130000u
#define RUN_EXPLORED  8192u /* the same for an explorer's: it is filled with bytes once a read */

enum run_result {
    RUN_SAME,    /* every event was as expected */
    RUN_DIFFERS, /* told */
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
    bool unguarded;          /* no driver was loaded when it was made */
    enum world_outcome told; /* what its program heard last; 0: nothing */
};

/* A call of a client under way. */
struct run_call {
    struct world_call *call;
    const struct scenario_step *step; /* send, message, rules, rule; NULL: a read of Gatehouse's protocol */
    bool kept;                        /* somebody looks at it: it is not collected */
};

struct run_client {
    struct world_device *device; /* NULL: not open */
    bool seed, decides, observes;
    bool raw, port; /* speaks bytes; a communication port */
    struct run_call reads[RUN_READS_MAX];
    size_t read_count;
    uint64_t messages[RUN_READS_MAX]; /* got and not replied to, the oldest first */
    size_t message_count;
};

struct run_variable {
    bool set;
    uint64_t value;
};

struct run {
    const struct scenario *scenario;
    struct trace trace;
    struct run_connection *connections;
    struct run_client clients[SCENARIO_CLIENTS_MAX];
    struct run_variable variables[SCENARIO_VARIABLES_MAX];
    uint64_t filters[SCENARIO_FILTERS_MAX];
    bool filter_there[SCENARIO_FILTERS_MAX];
    bool loaded[WORLD_DRIVERS_MAX];
    struct world_device *watch; /* the runner's own observer; NULL: no driver has Gatehouse's device */
    struct world_call *watch_read;
    struct gatehouse_policy policy;
    bool quiet;
    struct world_error error; /* why a step returned false */
    /* Waits after a call was begun; NULL: world_settle. An explorer has its own. */
    void (*settle)(void *context);
    void *settle_context;
};

struct run_options {
    bool record;        /* the events that came take the place of those expected; else they are compared */
    bool only_compared; /* a file that expects no events is compared with nothing, and rules only if it names some */
    bool tell_steps;    /* each step and its events, on stdout, as they come */
    bool to_state;      /* the run ends at the first state step, or else before the last unload; the state is written */
    bool quiet;         /* nothing is compared or told, no state written */
    bool irql_given;    /* classifyFn's at first */
    enum world_irql irql;
};

enum run_result scenario_run(struct scenario *scenario, const struct run_options *options);

/* What a run that was abandoned held on to (nt/verify/scheduler.h); the memory is lost. */
void scenario_run_forget(void);

/* The file as it reads with these events; NULL-terminated; the caller frees it. */
char *scenario_text(const struct scenario *scenario);

/* The same into a file. false: it cannot be written; told on stderr. */
bool scenario_save(const struct scenario *scenario, const char *path);

/* --- Piece by piece ------------------------------------------------------------------------- */

/* Starts the world. NULL: *error says why. The scenario outlives the run. */
struct run *run_new(const struct scenario *scenario, struct world_error *error);

/* Closes and unloads without a word what the scenario left, and ends the world. */
void run_free(struct run *run);

/* false: a step cannot be done (run->error). What came of it is in the trace then. */
bool run_perform(struct run *run, const struct scenario_step *step);

/* false: the step needs an id, a message or a variable that is not there (yet): run_perform would leave it out. */
bool run_ready(const struct run *run, const struct scenario_step *step);

/* Adds what came since the last time to the trace. */
bool run_collect(struct run *run);

/* --- Between the parts. A function that returns false has set run->error. --- */

bool run_wrong(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
void run_settle(struct run *run);
bool run_is_loaded(const struct run *run);

/* After load, before unload. */
bool clients_begin(struct run *run);
bool clients_end(struct run *run);
/* Adds what came to the trace. */
bool clients_collect(struct run *run);
/* Closes everything without a word: the run is over. */
void clients_abandon(struct run *run);

bool clients_status(struct run *run, struct gatehouse_status *status);

typedef bool run_step(struct run *run, const struct scenario_step *step);
run_step step_client, step_read, step_cancel, step_answer, step_policy, step_status, step_leave;

run_step step_rules, step_rule, step_list, step_name, step_exit;
/* Answered: a load, or one rule. */
void rules_done(struct run *run, uint32_t client, const struct run_call *call, uint32_t status);

run_step step_open, step_send, step_port, step_message, step_reply;
bool raw_ready(const struct run *run, const struct scenario_step *step);
/* A send or message that has ended. */
void raw_done(struct run *run, uint32_t client, const struct run_call *call, uint32_t status, const uint8_t *bytes,
              size_t size);
/* Closes or kills a raw client. */
bool raw_leave(struct run *run, const struct scenario_step *step);

/* A call that ends by itself. output: at least output_size bytes; *information at most that. */
bool client_control(struct run *run, struct world_device *device, uint32_t code, const void *input, size_t input_size,
                    void *output, size_t output_size, uint32_t *status, size_t *information);

/* Decides of a connection: what its program was told. */
void connection_told(struct run_connection *connection, const struct world_decision *decision);

#endif
