/* SPDX-License-Identifier: MIT */
/*
 * engine_fixture.h - short ways to add objects and connects, and a violation recorder, for the engine's tests.
 */
#ifndef ENGINE_FIXTURE_H
#define ENGINE_FIXTURE_H

#include "tests/lib/sample_callout.h"
#include "wfp/ale.h"

#include <nt/nt.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LAYER_V4 FWPM_LAYER_ALE_AUTH_CONNECT_V4

/* cmocka setup and teardown: a session without transaction; reset at the end, which must find nothing left. */
int engine_setup(void **state);
int engine_teardown(void **state);
extern HANDLE engine; /* the session that engine_setup opened */

/* How often this rule was violated since engine_setup; any rule not asked for fails the test at teardown. */
unsigned violations(const char *rule);

GUID make_key(unsigned n);
GUID add_sublayer(HANDLE session, UINT16 weight);
void add_callout(HANDLE session, const struct sample *sample, const GUID *layer);

struct filter_spec {
    const GUID *layer;    /* NULL: LAYER_V4 */
    const GUID *sublayer; /* NULL: universal */
    UINT64 weight;        /* 0: FWP_EMPTY */
    FWP_ACTION_TYPE action;
    const struct sample *callout;
    UINT32 flags;
    FWPM_FILTER_CONDITION0 *conditions;
    UINT32 count;
};
NTSTATUS try_filter(HANDLE session, const struct filter_spec *spec, UINT64 *id);
UINT64 add_filter(HANDLE session, const struct filter_spec *spec);

/* 10.0.0.1:40000 to 192.0.2.7:443, TCP, process 77 started at 1000, app "\bin\sample". */
struct wfp_ale_connect make_connect(UINT64 endpoint);
struct wfp_decision connect_now(UINT64 endpoint);

/* The last decision that done got, and how often. */
extern struct wfp_decision done_decision;
extern _Atomic(unsigned) done_count;
void on_done(void *context, const struct wfp_decision *decision);

#endif
