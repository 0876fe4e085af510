/* SPDX-License-Identifier: MIT */
/*
 * engine_fixture.c - see engine_fixture.h.
 */
#include <initguid.h>

#include "tests/lib/engine_fixture.h"

#include <pthread.h>
#include <stdio.h>

#define MAX_RULES 16

HANDLE engine;
struct wfp_decision done_decision;
_Atomic(unsigned) done_count;

static struct {
    char rule[40];
    unsigned count, asked;
} rules[MAX_RULES];
static pthread_mutex_t rules_lock = PTHREAD_MUTEX_INITIALIZER;

static void record(const struct nt_violation *violation)
{
    pthread_mutex_lock(&rules_lock);
    for (int i = 0; i < MAX_RULES; i++) {
        if (rules[i].count == 0)
            snprintf(rules[i].rule, sizeof(rules[i].rule), "%s", violation->rule);
        if (strcmp(rules[i].rule, violation->rule) == 0) {
            rules[i].count++;
            break;
        }
    }
    pthread_mutex_unlock(&rules_lock);
}

unsigned violations(const char *rule)
{
    for (int i = 0; i < MAX_RULES; i++) {
        if (rules[i].count != 0 && strcmp(rules[i].rule, rule) == 0) {
            rules[i].asked = 1;
            return rules[i].count;
        }
    }
    return 0;
}

int engine_setup(void **state)
{
    (void)state;
    memset(rules, 0, sizeof(rules));
    done_count = 0;
    nt_set_violation_handler(record);
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine), STATUS_SUCCESS);
    return 0;
}

int engine_teardown(void **state)
{
    size_t bytes = 0, blocks = 0;
    struct wfp_counts counts;
    int failed = 0;

    (void)state;
    nt_set_fault(NULL, NULL);
    wfp_reset();
    sample_forget_all();
    wfp_count(&counts);
    if (counts.sessions + counts.filters + counts.sublayers + counts.callouts + counts.providers + counts.flows +
            counts.pended + counts.endpoints + counts.registered_callouts !=
        0) {
        print_error("wfp_reset left something\n");
        failed = 1;
    }
    nt_pool_usage('Epfw', &bytes, &blocks);
    if (blocks != 0) {
        print_error("%zu pool blocks left\n", blocks);
        failed = 1;
    }
    for (int i = 0; i < MAX_RULES; i++) {
        if (rules[i].count != 0 && !rules[i].asked) {
            print_error("violation %s, %u times\n", rules[i].rule, rules[i].count);
            failed = 1;
        }
    }
    nt_set_violation_handler(NULL);
    return failed;
}

GUID make_key(unsigned n)
{
    return (GUID){0x77000000u + n, 0x2222, 0x4333, {0x84, 1, 2, 3, 4, 5, 6, 7}};
}

GUID add_sublayer(HANDLE session, UINT16 weight)
{
    static unsigned serial;
    wchar_t name[] = L"sublayer";
    FWPM_SUBLAYER0 sublayer = {.subLayerKey = make_key(++serial), .displayData.name = name, .weight = weight};

    assert_int_equal(FwpmSubLayerAdd0(session, &sublayer, NULL), STATUS_SUCCESS);
    return sublayer.subLayerKey;
}

void add_callout(HANDLE session, const struct sample *sample, const GUID *layer)
{
    wchar_t name[] = L"callout";
    FWPM_CALLOUT0 callout = {
        .calloutKey = sample->key, .displayData.name = name, .applicableLayer = layer == NULL ? LAYER_V4 : *layer};
    UINT32 id = 0;

    assert_int_equal(FwpmCalloutAdd0(session, &callout, NULL, &id), STATUS_SUCCESS);
    if (sample->id != 0)
        assert_int_equal(id, sample->id);
}

NTSTATUS try_filter(HANDLE session, const struct filter_spec *spec, UINT64 *id)
{
    wchar_t name[] = L"filter";
    UINT64 weight = spec->weight;
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .flags = spec->flags,
                           .layerKey = spec->layer == NULL ? LAYER_V4 : *spec->layer,
                           .numFilterConditions = spec->count,
                           .filterCondition = spec->conditions,
                           .action.type = spec->action};

    if (spec->sublayer != NULL)
        filter.subLayerKey = *spec->sublayer;
    if (spec->callout != NULL)
        filter.action.calloutKey = spec->callout->key;
    if (weight != 0) {
        filter.weight.type = FWP_UINT64;
        filter.weight.uint64 = &weight;
    }
    return FwpmFilterAdd0(session, &filter, NULL, id);
}

UINT64 add_filter(HANDLE session, const struct filter_spec *spec)
{
    UINT64 id = 0;

    assert_int_equal(try_filter(session, spec, &id), STATUS_SUCCESS);
    return id;
}

struct wfp_ale_connect make_connect(UINT64 endpoint)
{
    static wchar_t path[] = L"\\bin\\sample";
    static FWP_BYTE_BLOB app_id = {sizeof(path), (UINT8 *)path};

    return (struct wfp_ale_connect){.ip_version = 4,
                                    .protocol = 6,
                                    .local_port = 40000,
                                    .remote_port = 443,
                                    .local_address = {10, 0, 0, 1},
                                    .remote_address = {192, 0, 2, 7},
                                    .endpoint = endpoint,
                                    .has_process = TRUE,
                                    .process_id = 77,
                                    .process_start = 1000,
                                    .app_id = &app_id};
}

void on_done(void *context, const struct wfp_decision *decision)
{
    (void)context;
    done_decision = *decision;
    atomic_fetch_add(&done_count, 1);
}

struct wfp_decision connect_now(UINT64 endpoint)
{
    struct wfp_ale_connect connect = make_connect(endpoint);
    struct wfp_decision decision;

    wfp_ale_connect(&connect, on_done, NULL, &decision);
    return decision;
}
