/* SPDX-License-Identifier: MIT */
/*
 * scenario_world.h - the seam between a scenario's interpreter and where its driver runs.
 *
 * A world is a machine with a filter engine, a stack that brings connections to it, a driver that is
 * loaded and unloaded, and devices that clients open. One backend is linked to a runner:
 *   lab/world_engine.c               nt/ and wfp/ in this process, a virtual clock; drivers from lab/world_drivers.h
 *   tests/scenario/world_windows.c  a Windows program: devices by the system, the engine by its control
 *                                    device; it lacks what "Rare things" has
 *
 * The seam knows no protocol of a driver: device names and control codes come from the interpreter
 * (scenario_clients.c, scenario_raw.c). It is plain C17 and includes no header of any system.
 *
 * Everything is called from one thread (under a scheduler: from any of its fibers), and nothing calls back: what
 * happens meanwhile is kept by the world and asked for (world_next_done, world_call_done, world_next_violation). A
 * function that returns false says in *error why the world itself failed (not the driver): the run ends there.
 */
#ifndef SCENARIO_WORLD_H
#define SCENARIO_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_PATH_MAX 511u /* characters of a program's path */
#define WORLD_SID_MAX  68u

struct world_error {
    char text[400]; /* one sentence */
};

/* How the interpreter waits. */
enum world_clock {
    WORLD_CLOCK_VIRTUAL, /* time stands still between world_advance; after each call everything has happened */
    WORLD_CLOCK_REAL     /* what a call caused may still be on its way when it returns */
};
enum world_clock world_clock(void);

/* Before everything else, and after it. world_end undoes all that is left, the loaded driver included. */
bool world_start(struct world_error *error);
void world_end(void);

/* Instead of world_end, after a run that was abandoned: nothing of the machine is there any more. */
void world_forget(void);

/* Virtual: turns the clock by so much and runs what became due. Real: sleeps. */
void world_advance(uint32_t milliseconds);

/*
 * Until everything that was begun has ended or waits. world_call_start and its likes only begin: a driver may wait in
 * its dispatch routine. What nothing but time would move goes on in world_advance.
 */
void world_settle(void);

/* After each step, when it has settled: what comes late comes now. */
void world_step_ended(void);

/* --- Drivers ------------------------------------------------------------------------------ */

#define WORLD_DRIVERS_MAX 8u
#define WORLD_NAME_MAX    31u

/* How many there are to load, and what each is called. */
size_t world_driver_count(void);
const char *world_driver_name(size_t driver);

/* A value under the service's Parameters. */
struct world_setting {
    const char *name;
    uint32_t value;
    const char *text; /* a REG_SZ; NULL: a DWORD */
};

/* A new folder as drivers spell it, for this run: one that is there after a reboot, or one that is not. NULL: this
 * world has none. */
const char *world_folder(bool kept);

/* *status: what DriverEntry answered; the driver is loaded if it is 0. */
bool world_load(size_t driver, const struct world_setting *settings, size_t count, uint32_t *status,
                struct world_error *error);

/* left: what the last of them left in the engine, "" for nothing; room bytes. */
bool world_unload(size_t driver, char *left, size_t room, struct world_error *error);

/* --- The stack ---------------------------------------------------------------------------- */

/* An endpoint number that no connection of this engine ever had. */
uint64_t world_endpoint(void);

struct world_connect {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t protocol;   /* IPPROTO_* */
    uint16_t local_port;
    uint16_t remote_port;
    uint8_t local_address[16]; /* network byte order; IPv4 in the first four bytes */
    uint8_t remote_address[16];
    uint64_t endpoint;
    bool has_process;
    bool loopback;
    uint64_t process_id;
    uint16_t program[WORLD_PATH_MAX + 1]; /* UTF-16 with its NUL; empty: the platform names no program */
    uint8_t user_sid[WORLD_SID_MAX];
    uint8_t user_sid_size; /* 0: the platform names no user */
};

enum world_outcome { WORLD_PERMIT = 1, WORLD_BLOCK = 2, WORLD_PENDED = 3 };
enum world_decided_by { WORLD_BY_CALLOUT, WORLD_BY_FILTER, WORLD_BY_DEFAULT };

struct world_decision {
    enum world_outcome outcome;
    enum world_decided_by by; /* DEFAULT: no filter matched */
    uint64_t flow;            /* with PERMIT: the flow that lives now */
};

/* connection is the caller's number for it, which world_next_done gives back when it is PENDED. */
bool world_connect(const struct world_connect *connect, uint64_t connection, struct world_decision *decision,
                   struct world_error *error);

/* One that was pended and is decided now; false: none (yet). */
bool world_next_done(uint64_t *connection, struct world_decision *decision);

/* A flow (decision->flow) that the stack authorized again on its own; false: none. */
bool world_next_reauthorized(struct world_decision *decision);

/* The flow's first packet; a further one; the socket is closed. Unknown flows and endpoints do no harm. */
bool world_flow_established(uint64_t flow, struct world_error *error);
bool world_flow_packet(uint64_t flow, bool inbound, struct world_decision *decision, bool *reauthorized,
                       struct world_error *error);
bool world_endpoint_closed(uint64_t endpoint, struct world_error *error);

/* A filter that somebody else adds where connects are authorized, in a sublayer that is not the driver's. */
struct world_filter {
    uint8_t ip_version;
    bool block;
    bool has_port;
    uint16_t remote_port;
};
bool world_filter_add(const struct world_filter *filter, uint64_t *id, struct world_error *error);
bool world_filter_delete(uint64_t id, struct world_error *error);

/* --- Devices ------------------------------------------------------------------------------ */

struct world_device;
struct world_call;

/* name as user mode spells it. *status: 0, or why the driver refused (then *device is NULL). An administrator opens it,
 * in a process that world_device_kill can end. */
bool world_device_open(const char *name, struct world_device **device, uint32_t *status, struct world_error *error);

/* Closes the handle with its calls under way, which end and stay valid until world_call_free. The driver may hear of
 * it a little later. */
void world_device_close(struct world_device *device);

/* The same, by ending the process that has it. */
void world_device_kill(struct world_device *device);

/* Sends a METHOD_BUFFERED control code; output_size <= 131072. */
bool world_call_start(struct world_device *device, uint32_t code, const void *input, size_t input_size,
                      size_t output_size, struct world_call **call, struct world_error *error);

/* Has it ended? Waits up to so long with a real clock. *status is an NTSTATUS; *output is valid until world_call_free.
 */
bool world_call_done(struct world_call *call, uint32_t milliseconds, uint32_t *status, const void **output,
                     size_t *information);

/* Asks for the end of a call that may have ended already; the caller waits for it with world_call_done. */
void world_call_cancel(struct world_call *call);

/* An ended call. */
void world_call_free(struct world_call *call);

/* --- Filter communication ports --------------------------------------------------------------- */

/* FilterConnectCommunicationPort; the port is closed and killed as a device is. */
bool world_port_open(const char *name, struct world_device **port, uint32_t *status, struct world_error *error);

/* FilterGetMessage: its output is the message without its header. world_call_message: its number, for the reply. */
bool world_message_start(struct world_device *port, struct world_call **call, struct world_error *error);
uint64_t world_call_message(const struct world_call *call);

/* FilterReplyMessage. */
bool world_reply(struct world_device *port, uint64_t message, const void *bytes, size_t size, uint32_t *status,
                 struct world_error *error);

/* --- Rare things ------------------------------------------------------------------------------ */

/* Of classifyFn from here on. */
enum world_irql { WORLD_IRQL_PASSIVE, WORLD_IRQL_DISPATCH, WORLD_IRQL_ALTERNATE };
bool world_irql(enum world_irql irql, struct world_error *error);

/* Time passes and nothing runs; then timers that are due run, and every flow is to be authorized again. */
bool world_suspend(uint32_t milliseconds, struct world_error *error);
bool world_resume(struct world_error *error);

/* The number-th call of this routine from here on fails. */
bool world_fault(const char *routine, uint32_t number, struct world_error *error);

/* notifyFn hears of deleted filters at once, at the end of the next step, or never. */
enum world_notify { WORLD_NOTIFY_NOW, WORLD_NOTIFY_LATE, WORLD_NOTIFY_NEVER };
bool world_notify(enum world_notify when, struct world_error *error);

/* A process has ended; it had no handle open. */
bool world_process_exit(uint64_t process_id, struct world_error *error);

/* What the engine holds now, for a person to read, to stdout. */
bool world_state(struct world_error *error);

/* A step of the scenario found a rule broken. */
void world_violate(const char *rule, const char *routine, const char *text);

/* A connection's name in reports, by the caller's number for it; the text stays. */
void world_name_connection(uint64_t connection, const char *name);

/* --- Rules broken ------------------------------------------------------------------------- */

/* One rule that the driver broke since the last call: "rule routine"; false: none. Worlds that cannot tell: false. */
bool world_next_violation(char *text, size_t room);

#endif
