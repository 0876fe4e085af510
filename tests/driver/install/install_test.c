/* SPDX-License-Identifier: MIT */
/*
 * install_test.c - the objects of `gatehouse install` beside the driver's own, on our engine: who decides when.
 *
 * The oracle is pages Filter Arbitration, Object Management and WFP Operation (win32 desktop-src/FWP).
 * install_objects.c is the file that gatehouse.exe has, called through the kernel's routines of the same names. The
 * engine is one whose BFE runs; for the time before that, the boot-time filters are added again as plain ones, alone.
 */
#include "tests/driver/driver_fixture.h"

#include "agent/install_objects.h"
#include "tests/driver/load.h"

#include <fwpmk.h>
#include <gatehouse/objects.h>

static const GUID provider = GATEHOUSE_KEY_PROVIDER;
static const GUID sublayer = GATEHOUSE_KEY_SUBLAYER;

/* --- Shorthands --- */

static bool left;
static const char *what;

static uint32_t set(enum install_mode mode)
{
    left = false;
    return install_objects_set(mode, &left, &what);
}

static struct install_found found(void)
{
    struct install_found result = {INSTALL_NONE, 99};

    assert_int_equal(install_objects_read(&result, &what), 0);
    return result;
}

static struct wfp_counts counts(void)
{
    struct wfp_counts result;

    wfp_count(&result);
    return result;
}

static struct fixture_connection *try(const struct fixture_connect *how)
{
    static struct fixture_connection connection;

    memset(&connection, 0, sizeof(connection));
    fixture_connect_to(&connection, fixture_endpoint(), how);
    return &connection;
}

static enum wfp_outcome outcome(const struct fixture_connect *how)
{
    return try(how)->first.outcome;
}

/* What leaves from other ports than the fixture's 40000. */
static enum wfp_outcome outcome_of(int ip_version, int protocol, uint16_t local_port, uint16_t remote_port)
{
    struct wfp_ale_connect connect = {.ip_version = (UINT8)ip_version,
                                      .protocol = (UINT8)protocol,
                                      .local_port = local_port,
                                      .remote_port = remote_port,
                                      .endpoint = fixture_endpoint()};
    struct wfp_decision decision;

    connect.remote_address[0] = ip_version == 6 ? 0xff : 255;
    wfp_ale_connect(&connect, NULL, NULL, &decision);
    return decision.outcome;
}

#define V4       (&(struct fixture_connect){.remote_last = 1})
#define V6       (&(struct fixture_connect){.ip_version = 6, .remote_last = 1})
#define UDP      (&(struct fixture_connect){.protocol = 17, .remote_last = 1, .remote_port = 53})
#define LOOPBACK (&(struct fixture_connect){.remote_last = 2, .flags = FWP_CONDITION_FLAG_IS_LOOPBACK})
#define LOOPBACK_V6                                                                                                    \
    (&(struct fixture_connect){.ip_version = 6, .remote_last = 2, .flags = FWP_CONDITION_FLAG_IS_LOOPBACK})

static void assert_all_pass(void)
{
    assert_int_equal(outcome(V4), WFP_PERMIT);
    assert_int_equal(outcome(V6), WFP_PERMIT);
    assert_int_equal(outcome(UDP), WFP_PERMIT);
    assert_int_equal(outcome(LOOPBACK), WFP_PERMIT);
}

/* DHCP and neighbour discovery pass, and nothing that only resembles them. */
static void assert_always_passes(enum wfp_outcome other, enum wfp_outcome other_protocol)
{
    static const uint16_t passes[] = {133, 135, 136, 143}, does_not[] = {128, 134, 137};

    assert_int_equal(outcome_of(4, 17, 68, 67), WFP_PERMIT);
    assert_int_equal(outcome_of(4, 17, 68, 68), other);
    assert_int_equal(outcome_of(4, 17, 67, 67), other);
    assert_int_equal(outcome_of(4, 6, 68, 67), other);
    assert_int_equal(outcome_of(6, 17, 546, 547), WFP_PERMIT);
    assert_int_equal(outcome_of(6, 17, 546, 546), other);
    assert_int_equal(outcome_of(4, 17, 546, 547), other);
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++)
        assert_int_equal(outcome_of(6, 58, passes[i], 0), WFP_PERMIT);
    for (size_t i = 0; i < sizeof(does_not) / sizeof(does_not[0]); i++)
        assert_int_equal(outcome_of(6, 58, does_not[i], 0), other_protocol);
    assert_int_equal(outcome_of(4, 58, 135, 0), other_protocol);
}

static void assert_closed(void)
{
    assert_int_equal(outcome(V4), WFP_BLOCK);
    assert_int_equal(outcome(V6), WFP_BLOCK);
    assert_int_equal(outcome(UDP), WFP_BLOCK);
    assert_int_equal(outcome(LOOPBACK), WFP_PERMIT);
    assert_int_equal(outcome(LOOPBACK_V6), WFP_PERMIT);
    assert_always_passes(WFP_BLOCK, WFP_BLOCK);
}

/* Not fixture_unload: what install added stays. */
static void unload(void)
{
    driver_unload();
    nt_set_clock(NULL);
}

static int finish(void **state)
{
    struct wfp_counts after = counts();

    (void)state;
    assert_int_equal(after.sessions + after.providers + after.sublayers + after.callouts + after.filters, 0);
    wfp_reset();
    return 0;
}

/* --- Who decides --- */

/* Before the driver, with it, after it, and after uninstall. */
static void closed_mode_gives_way_to_the_driver_only(void **state)
{
    static struct fixture_connection permitted, blocked, permitted_v6;
    struct gatehouse_request request;
    struct nt_file *decider;

    (void)state;
    assert_all_pass();
    assert_int_equal(set(INSTALL_CLOSED), 0);
    assert_closed();

    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    fixture_connect_to(&permitted, fixture_endpoint(), V4);
    assert_pended(&permitted);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_SCOPE_CONNECTION, 0), 0);
    assert_decided(&permitted, WFP_PERMIT);
    fixture_connect_to(&permitted_v6, fixture_endpoint(), V6);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_SCOPE_CONNECTION, 0), 0);
    assert_decided(&permitted_v6, WFP_PERMIT);
    fixture_connect_to(&blocked, fixture_endpoint(), V4);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_SCOPE_CONNECTION, 0), 0);
    assert_decided(&blocked, WFP_BLOCK);
    nt_file_close(decider);

    unload();
    assert_closed();
    assert_int_equal(set(INSTALL_NONE), 0);
    assert_false(left);
    assert_all_pass();
}

/* A remembered answer is a filter of the driver's: it outweighs the closed mode, and goes with the driver. */
static void remembered_answers_outweigh_the_closed_mode(void **state)
{
    static struct fixture_connection first;
    struct gatehouse_request request;
    struct nt_file *decider;

    (void)state;
    assert_int_equal(set(INSTALL_CLOSED), 0);
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    fixture_connect_to(&first, fixture_endpoint(), V4);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_SCOPE_PROGRAM, 0), 0);
    assert_decided(&first, WFP_PERMIT);
    nt_pump();
    assert_int_equal(outcome(V4), WFP_PERMIT);
    nt_file_close(decider);
    unload();
    assert_closed();
    assert_int_equal(set(INSTALL_NONE), 0);
}

/* While the driver is loaded, all but what always passes is its own: also loopback, when it is told to hold that. */
static void loopback_is_the_drivers(void **state)
{
    const struct nt_registry_value hold[] = {{"HoldLoopback", 1}, {"NoDecider", GATEHOUSE_NO_DECIDER_BLOCK}};

    (void)state;
    assert_int_equal(set(INSTALL_CLOSED), 0);
    fixture_load(NULL, 0);
    assert_int_equal(outcome(LOOPBACK), WFP_PERMIT);
    assert_int_equal(outcome_of(4, 1, 8, 0), WFP_PERMIT); /* the driver asks about TCP and UDP alone */
    unload();
    assert_int_equal(outcome_of(4, 1, 8, 0), WFP_BLOCK);
    fixture_load(hold, 2);
    assert_int_equal(outcome(LOOPBACK), WFP_BLOCK);
    assert_int_equal(outcome_of(4, 17, 68, 67), WFP_PERMIT);
    unload();
    assert_int_equal(set(INSTALL_NONE), 0);
}

/* A driver that refuses everything still lets the machine get its addresses; the open mode blocks nothing itself. */
static void open_mode_only_lets_pass(void **state)
{
    const struct nt_registry_value strict[] = {{"NoDecider", GATEHOUSE_NO_DECIDER_BLOCK}};

    (void)state;
    assert_int_equal(set(INSTALL_OPEN), 0);
    assert_all_pass();
    assert_always_passes(WFP_PERMIT, WFP_PERMIT);
    fixture_load(strict, 1);
    assert_int_equal(outcome(V4), WFP_BLOCK);
    assert_always_passes(WFP_BLOCK, WFP_PERMIT); /* the driver asks about TCP and UDP alone */
    unload();
    assert_all_pass();
    assert_int_equal(set(INSTALL_NONE), 0);
}

/* Another product's hard block stays a block, its hard permit a permit: below it a plain block is no veto. */
static void other_sublayers_arbitrate_as_before(void **state)
{
    static wchar_t name[] = L"other";
    FWPM_SUBLAYER0 other = {.subLayerKey = {1, 2, 3, {4}}, .displayData.name = name, .weight = 0xffff};
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .subLayerKey = other.subLayerKey,
                           .flags = FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT,
                           .action.type = FWP_ACTION_PERMIT};
    HANDLE session;
    UINT64 id;

    (void)state;
    assert_int_equal(set(INSTALL_CLOSED), 0);
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session), 0);
    assert_int_equal(FwpmSubLayerAdd0(session, &other, NULL), 0);
    assert_int_equal(FwpmFilterAdd0(session, &filter, NULL, &id), 0);
    assert_int_equal(outcome(V4), WFP_PERMIT);
    assert_int_equal(FwpmFilterDeleteById0(session, id), 0);
    filter.flags = 0;
    assert_int_equal(FwpmFilterAdd0(session, &filter, NULL, &id), 0);
    assert_int_equal(outcome(V4), WFP_BLOCK);
    assert_int_equal(FwpmFilterDeleteById0(session, id), 0);
    filter.action.type = FWP_ACTION_BLOCK;
    assert_int_equal(FwpmFilterAdd0(session, &filter, NULL, &id), 0);
    assert_int_equal(outcome(LOOPBACK), WFP_BLOCK);
    assert_int_equal(FwpmFilterDeleteById0(session, id), 0);
    assert_int_equal(FwpmSubLayerDeleteByKey0(session, &other.subLayerKey), 0);
    assert_int_equal(FwpmEngineClose0(session), 0);
    assert_int_equal(set(INSTALL_NONE), 0);
}

/* --- Before BFE runs --- */

static FWPM_FILTER0 **list(HANDLE session, UINT32 *count)
{
    FWPM_FILTER0 **filters = NULL;
    HANDLE listing;

    assert_int_equal(FwpmFilterCreateEnumHandle0(session, NULL, &listing), 0);
    assert_int_equal(FwpmFilterEnum0(session, listing, 100, &filters, count), 0);
    assert_int_equal(FwpmFilterDestroyEnumHandle0(session, listing), 0);
    return filters;
}

/* Leaves only the boot-time filters, and has them enforced, as the kernel does until BFE runs. */
static void go_back_to_boot(HANDLE session)
{
    UINT32 count = 0, boot_time = 0;
    FWPM_FILTER0 **filters = list(session, &count);

    for (UINT32 i = 0; i < count; i++) {
        assert_int_equal(FwpmFilterDeleteById0(session, filters[i]->filterId), 0);
        if ((filters[i]->flags & FWPM_FILTER_FLAG_BOOTTIME) == 0)
            continue;
        filters[i]->flags &= ~(UINT32)FWPM_FILTER_FLAG_BOOTTIME;
        assert_int_equal(FwpmFilterAdd0(session, filters[i], NULL, NULL), 0);
        boot_time++;
    }
    assert_int_equal(boot_time, 7);
    assert_int_equal(count, 14);
    FwpmFreeMemory0((void **)&filters);
}

/* The boot-time filters alone close the machine as the persistent ones do; where BFE runs, they are not enforced. */
static void boot_time_filters_close_as_the_persistent_ones(void **state)
{
    UINT32 count = 0;
    FWPM_FILTER0 **filters;
    HANDLE session;

    (void)state;
    assert_int_equal(set(INSTALL_CLOSED), 0);
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session), 0);
    filters = list(session, &count);
    for (UINT32 i = 0; i < count; i++) {
        assert_int_equal(filters[i]->action.type & FWP_ACTION_FLAG_CALLOUT, 0); /* no callout is there at boot */
        if ((filters[i]->flags & FWPM_FILTER_FLAG_PERSISTENT) != 0)
            assert_int_equal(FwpmFilterDeleteById0(session, filters[i]->filterId), 0);
    }
    FwpmFreeMemory0((void **)&filters);
    assert_all_pass();
    assert_int_equal(set(INSTALL_CLOSED), 0);
    go_back_to_boot(session);
    assert_closed();
    assert_int_equal(FwpmEngineClose0(session), 0);
    assert_int_equal(set(INSTALL_NONE), 0);
}

/* --- Adding and removing --- */

static void count_object(void *context, const struct install_object *object)
{
    unsigned *kinds = context;

    kinds[0] += strcmp(object->kind, "filter") != 0;
    kinds[1] += strcmp(object->kind, "filter") == 0;
    kinds[2] += strcmp(object->lifetime, "boot-time") == 0;
    assert_true(object->name[0] != '\0');
}

static void the_list_is_what_is_added(void **state)
{
    static const unsigned filters[] = {0, 3, 14};

    (void)state;
    for (int mode = INSTALL_NONE; mode <= INSTALL_CLOSED; mode++) {
        unsigned kinds[3] = {0};

        install_objects_list((enum install_mode)mode, count_object, kinds);
        assert_int_equal(set((enum install_mode)mode), 0);
        assert_int_equal(counts().filters, kinds[1]);
        assert_int_equal(kinds[1], filters[mode]);
        assert_int_equal(counts().providers + counts().sublayers, kinds[0]);
        assert_int_equal(kinds[2], mode == INSTALL_CLOSED ? 7 : 0);
        assert_int_equal(found().mode, mode);
        assert_int_equal(found().filters, kinds[1]);
    }
    assert_int_equal(set(INSTALL_NONE), 0);
}

/* From every mode to every mode, twice: the same objects each time. */
static void every_change_of_mode(void **state)
{
    static const size_t filters[] = {0, 3, 14};

    (void)state;
    for (int from = INSTALL_NONE; from <= INSTALL_CLOSED; from++) {
        for (int to = INSTALL_NONE; to <= INSTALL_CLOSED; to++) {
            assert_int_equal(set((enum install_mode)from), 0);
            for (int again = 0; again < 2; again++) {
                assert_int_equal(set((enum install_mode)to), 0);
                assert_int_equal(counts().filters, filters[to]);
                assert_int_equal(found().mode, to);
            }
        }
    }
    assert_int_equal(set(INSTALL_NONE), 0);
}

/* A half of an installation, and a filter that another of our commands added for good. */
static void removes_what_is_half_there(void **state)
{
    static wchar_t name[] = L"more";
    FWPM_PROVIDER0 only = {.providerKey = provider, .displayData.name = name, .flags = FWPM_PROVIDER_FLAG_PERSISTENT};
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .flags = FWPM_FILTER_FLAG_PERSISTENT,
                           .providerKey = (GUID *)&provider,
                           .subLayerKey = sublayer,
                           .action.type = FWP_ACTION_BLOCK};
    HANDLE session;

    (void)state;
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session), 0);
    assert_int_equal(FwpmProviderAdd0(session, &only, NULL), 0);
    assert_int_equal(found().mode, INSTALL_NONE);
    assert_int_equal(set(INSTALL_NONE), 0);
    assert_int_equal(counts().providers, 0);

    assert_int_equal(set(INSTALL_OPEN), 0);
    assert_int_equal(FwpmFilterAdd0(session, &filter, NULL, NULL), 0);
    assert_int_equal(set(INSTALL_CLOSED), 0); /* an upgrade leaves it alone */
    assert_int_equal(found().filters, 15);
    assert_int_equal(set(INSTALL_NONE), 0);
    assert_false(left);
    assert_int_equal(counts().filters, 0);
    assert_int_equal(FwpmEngineClose0(session), 0);
}

/* The driver cannot be unloaded: the machine is opened all the same, and uninstall says what stays. */
static void a_loaded_driver_keeps_the_sublayer(void **state)
{
    (void)state;
    assert_int_equal(set(INSTALL_CLOSED), 0);
    fixture_load(NULL, 0);
    assert_int_equal(set(INSTALL_NONE), 0);
    assert_true(left);
    assert_int_equal(counts().providers, 1);
    unload();
    assert_all_pass();
    assert_int_equal(set(INSTALL_NONE), 0);
    assert_false(left);
}

/* Objects that a driver without an installation has made end with it, so nothing can be installed on them. */
static void refuses_beside_a_driver_that_came_first(void **state)
{
    (void)state;
    fixture_load(NULL, 0);
    assert_int_equal(found().mode, INSTALL_NONE);
    assert_int_not_equal(set(INSTALL_CLOSED), 0);
    assert_int_equal(found().mode, INSTALL_NONE);
    fixture_unload();
}

/* Provider and sublayer that nobody uses and that end with the engine are made again, for good. */
static void replaces_what_would_not_stay(void **state)
{
    static wchar_t name[] = L"short";
    FWPM_PROVIDER0 only = {.providerKey = provider, .displayData.name = name};
    FWPM_SUBLAYER0 layer = {.subLayerKey = sublayer, .displayData.name = name, .providerKey = (GUID *)&provider};
    HANDLE session;

    (void)state;
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session), 0);
    assert_int_equal(FwpmProviderAdd0(session, &only, NULL), 0);
    assert_int_equal(FwpmSubLayerAdd0(session, &layer, NULL), 0);
    assert_int_equal(FwpmEngineClose0(session), 0);
    assert_int_equal(set(INSTALL_CLOSED), 0);
    assert_int_equal(found().mode, INSTALL_CLOSED);
    assert_closed();
    assert_int_equal(set(INSTALL_NONE), 0);
}

static void add_short_lived(HANDLE session)
{
    static wchar_t name[] = L"short";
    FWPM_PROVIDER0 only = {.providerKey = provider, .displayData.name = name};
    FWPM_SUBLAYER0 layer = {.subLayerKey = sublayer, .displayData.name = name, .providerKey = (GUID *)&provider};

    assert_int_equal(FwpmProviderAdd0(session, &only, NULL), 0);
    assert_int_equal(FwpmSubLayerAdd0(session, &layer, NULL), 0);
}

/* As `gatehouse filter add` makes them, before the driver comes and again while it is there. Whoever goes last takes
 * provider and sublayer along, for they would stay until Windows ends. */
static void the_driver_takes_along_what_nobody_uses(void **state)
{
    static wchar_t name[] = L"added by hand";
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .subLayerKey = sublayer,
                           .action.type = FWP_ACTION_PERMIT};
    HANDLE session;
    UINT64 id;

    (void)state;
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session), 0);
    add_short_lived(session);
    fixture_load(NULL, 0);
    unload();
    assert_int_equal(counts().providers + counts().sublayers, 0);

    fixture_load(NULL, 0);
    assert_int_equal(FwpmFilterAdd0(session, &filter, NULL, &id), 0);
    unload();
    assert_int_equal(counts().providers + counts().sublayers, 2);
    fixture_load(NULL, 0);
    assert_int_equal(FwpmFilterDeleteById0(session, id), 0);
    unload();
    assert_int_equal(counts().providers + counts().sublayers, 0);
    assert_int_equal(FwpmEngineClose0(session), 0);
}

/* Without any filter in it nothing but the flag says that somebody installed it. */
static void the_driver_leaves_what_is_there_for_good(void **state)
{
    static wchar_t name[] = L"kept";
    FWPM_PROVIDER0 only = {.providerKey = provider, .displayData.name = name, .flags = FWPM_PROVIDER_FLAG_PERSISTENT};
    FWPM_SUBLAYER0 layer = {.subLayerKey = sublayer, .displayData.name = name, .flags = FWPM_SUBLAYER_FLAG_PERSISTENT};
    HANDLE session;

    (void)state;
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session), 0);
    assert_int_equal(FwpmProviderAdd0(session, &only, NULL), 0);
    assert_int_equal(FwpmSubLayerAdd0(session, &layer, NULL), 0);
    assert_int_equal(FwpmEngineClose0(session), 0);
    fixture_load(NULL, 0);
    unload();
    assert_int_equal(counts().providers + counts().sublayers, 2);
    assert_int_equal(set(INSTALL_NONE), 0);
}

/* --- Each allocation failing --- */

static _Atomic long fail_at;
static _Atomic bool failed;

static BOOLEAN fail_nth(const char *routine, void *context)
{
    (void)routine;
    (void)context;
    if (--fail_at != 0)
        return FALSE;
    failed = true;
    return TRUE;
}

static void sweep(enum install_mode from, enum install_mode to)
{
    static const size_t filters[] = {0, 3, 14};
    bool ended = false;

    for (long n = 1; n < 2000 && !ended; n++) {
        uint32_t error;

        assert_int_equal(set(from), 0);
        fail_at = n;
        failed = false;
        nt_set_fault(fail_nth, NULL);
        error = set(to);
        nt_set_fault(NULL, NULL);
        ended = !failed;
        assert_int_equal(counts().filters, filters[error == 0 ? to : from]);
        assert_int_equal(found().mode, error == 0 ? to : from);
        assert_int_equal(counts().sessions, 0);
        assert_true(error == 0 || what != NULL);
    }
    assert_true(ended);
    assert_int_equal(set(INSTALL_NONE), 0);
}

static void a_failure_changes_nothing(void **state)
{
    (void)state;
    sweep(INSTALL_NONE, INSTALL_CLOSED);
    sweep(INSTALL_OPEN, INSTALL_CLOSED);
    sweep(INSTALL_CLOSED, INSTALL_OPEN);
    sweep(INSTALL_CLOSED, INSTALL_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(closed_mode_gives_way_to_the_driver_only, finish),
        cmocka_unit_test_teardown(remembered_answers_outweigh_the_closed_mode, finish),
        cmocka_unit_test_teardown(loopback_is_the_drivers, finish),
        cmocka_unit_test_teardown(open_mode_only_lets_pass, finish),
        cmocka_unit_test_teardown(other_sublayers_arbitrate_as_before, finish),
        cmocka_unit_test_teardown(boot_time_filters_close_as_the_persistent_ones, finish),
        cmocka_unit_test_teardown(the_list_is_what_is_added, finish),
        cmocka_unit_test_teardown(every_change_of_mode, finish),
        cmocka_unit_test_teardown(removes_what_is_half_there, finish),
        cmocka_unit_test_teardown(a_loaded_driver_keeps_the_sublayer, finish),
        cmocka_unit_test_teardown(refuses_beside_a_driver_that_came_first, finish),
        cmocka_unit_test_teardown(replaces_what_would_not_stay, finish),
        cmocka_unit_test_teardown(the_driver_takes_along_what_nobody_uses, finish),
        cmocka_unit_test_teardown(the_driver_leaves_what_is_there_for_good, finish),
        cmocka_unit_test_teardown(a_failure_changes_nothing, finish),
    };

    return cmocka_run_group_tests_name("install", tests, NULL, NULL);
}
