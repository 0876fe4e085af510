/* SPDX-License-Identifier: MIT */
/*
 * driver_fixture.h - what the driver's tests share: load, turn the clock, connect, be a client.
 *
 * The driver is reached as a host and a client reach it: nt/nt.h and wfp/ale.h. Any violation that
 * nt/ or wfp/ reports ends the test program.
 */
#ifndef TESTS_DRIVER_FIXTURE_H
#define TESTS_DRIVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <nt/nt.h>

#include "gatehouse/protocol.h"
#include "gatehouse/status.h"
#include "tests/lib/threads.h"
#include "wfp/ale.h"

#define MS 10000ull

DRIVER_INITIALIZE DriverEntry;

/* Loads with these Parameters (NULL: defaults) under a virtual clock. unload checks that nothing is left anywhere. */
NTSTATUS fixture_try_load(const struct nt_registry_value *values, size_t count);
void fixture_load(const struct nt_registry_value *values, size_t count);
void fixture_unload(void);
/* The same for tests with the system's clock and a pump thread. */
void fixture_load_real_time(const struct nt_registry_value *values, size_t count);

/* Turns the virtual clock and runs what became due. */
void fixture_advance(uint64_t ticks);
uint64_t fixture_now(void);

/* How long a test waits for what has to come: the machine may be busy. Less where a routine was made to fail
 * (fault_each.c): there it need not come at all. */
unsigned fixture_patience_ms(void);

/* --- Clients --- */

struct nt_file *fixture_open(uint64_t process_id);
struct nt_file *fixture_open_as(uint64_t process_id, uint32_t role); /* with HELLO, which has to succeed */

/* One call: may wait. The buffer's bytes are the output once done. */
struct fixture_call {
    struct nt_call *call;
    _Atomic int done;
    NTSTATUS status;
    size_t information;
    uint8_t buffer[70000];
};
void fixture_start(struct fixture_call *call, struct nt_file *file, uint32_t code, size_t output_size);
void fixture_start_with(struct fixture_call *call, struct nt_file *file, uint32_t code, const void *input,
                        size_t input_size, size_t output_size);
/* Waits for done, then puts the call. */
NTSTATUS fixture_finish(struct fixture_call *call);
void fixture_cancel(struct fixture_call *call);

/* A call that has to end by itself at once. */
NTSTATUS fixture_control(struct nt_file *file, uint32_t code, const void *input, size_t input_size, void *output,
                         size_t output_size, size_t *information);

uint32_t fixture_decide(struct nt_file *file, uint64_t id, uint32_t verdict, uint32_t scope, uint32_t lifetime_ms);
/* What nobody but an observer on its own handle sees; file NULL: opens one for the moment. */
struct gatehouse_status fixture_status(struct nt_file *file);
NTSTATUS fixture_set_policy(struct nt_file *file, uint32_t deadline_ms, uint32_t undecided, uint32_t no_decider);

/* Reads one batch; returns how many, copies their headers. 0 if nothing is there (the read is cancelled). */
unsigned fixture_get(struct nt_file *file, struct gatehouse_request *requests, unsigned limit);

/* --- Connections --- */

struct fixture_connection {
    struct wfp_decision first; /* what wfp_ale_connect answered */
    struct wfp_decision final; /* what done got, or first if it was not pended */
    _Atomic int done;          /* how often done ran */
    UINT64 endpoint;
};

struct fixture_connect {
    int ip_version; /* 0: 4 */
    int protocol;   /* 0: TCP */
    uint16_t remote_port;
    uint8_t remote_last; /* last byte of the remote address */
    uint64_t process_id;
    const char *program; /* NULL: /bin/app; "": none */
    bool no_process;
    uint32_t flags;
    const FWP_BYTE_BLOB *user;
    const FWP_BYTE_BLOB *package;
    bool inbound; /* to port 40000 of the program, with a packet */
};

UINT64 fixture_endpoint(void); /* a new one */
void fixture_connect_to(struct fixture_connection *connection, UINT64 endpoint, const struct fixture_connect *how);
/* A new endpoint, 10.0.0.1:40000 -> 192.0.2.1:443. */
void fixture_connect(struct fixture_connection *connection);

#define assert_pended(c)                                                                                               \
    do {                                                                                                               \
        thread_settle();                                                                                               \
        assert_int_equal((c)->first.outcome, WFP_PENDED);                                                              \
        assert_int_equal((c)->done, 0);                                                                                \
    } while (0)
#define assert_decided(c, outcome_)                                                                                    \
    do {                                                                                                               \
        thread_settle();                                                                                               \
        assert_true((c)->first.outcome != WFP_PENDED || (c)->done == 1);                                               \
        assert_int_equal((c)->final.outcome, outcome_);                                                                \
    } while (0)

/* Repeatable. */
uint32_t fixture_random(uint32_t below);

#endif
