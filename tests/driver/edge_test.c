/* SPDX-License-Identifier: MIT */
/*
 * edge_test.c - orders of events that do not happen every day, made to happen: a policy that changes
 * while connections wait, a verdict while the first classify still runs, an endpoint that closes
 * inside it, a verdict table that overflows while a flow gets its context; and the user of a request.
 */
#include "driver_fixture.h"

#include <ntifs.h>

#include "tests/lib/threads.h"
#include <time.h>

#define HELD 150

/* docs/protocol.md: SET_POLICY is for a decider or an observer. What waits while nobody decides gets the new policy's
 * verdict at once; deadlines already given stay. */
static void policy_changes_while_held(void **state)
{
    static struct fixture_connection held[HELD];
    struct fixture_connection late;
    struct nt_file *observer;

    (void)state;
    for (uint32_t policy = GATEHOUSE_NO_DECIDER_PERMIT; policy <= GATEHOUSE_NO_DECIDER_BLOCK; policy++) {
        enum wfp_outcome outcome = policy == GATEHOUSE_NO_DECIDER_PERMIT ? WFP_PERMIT : WFP_BLOCK;

        fixture_load(NULL, 0);
        observer = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER);
        for (int i = 0; i < HELD; i++)
            fixture_connect(&held[i]);
        assert_int_equal(fixture_set_policy(observer, 1000, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_NO_DECIDER_HOLD), 0);
        fixture_advance(2000 * MS);
        for (int i = 0; i < HELD; i++)
            assert_pended(&held[i]);
        assert_int_equal(fixture_set_policy(observer, 1000, GATEHOUSE_VERDICT_BLOCK, policy), 0);
        for (int i = 0; i < HELD; i++)
            assert_decided(&held[i], outcome);
        fixture_connect(&late);
        assert_int_equal(late.first.outcome, outcome);
        assert_int_equal(fixture_status(observer).refused_no_decider, HELD + 1);
        nt_file_close(observer);
        fixture_unload();
    }
}

/* A seed client decides IPv4 only: what waits of IPv6 is nobody's, what waits of IPv4 is its own. */
static void policy_changes_beside_a_seed_decider(void **state)
{
    struct fixture_connection v4, v6;
    static struct fixture_call get;
    struct nt_file *seed, *observer;

    (void)state;
    fixture_load(NULL, 0);
    fixture_connect_to(&v6, fixture_endpoint(), &(struct fixture_connect){.ip_version = 6});
    fixture_connect(&v4);
    seed = fixture_open(2);
    fixture_start(&get, seed, IOCTL_WFP_GET_NEXT_REQUEST, 24);
    assert_int_equal(fixture_finish(&get), STATUS_SUCCESS);
    observer = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER);
    assert_int_equal(fixture_set_policy(observer, 1000, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_NO_DECIDER_PERMIT), 0);
    assert_decided(&v6, WFP_PERMIT);
    assert_pended(&v4);
    nt_file_close(seed);
    assert_decided(&v4, WFP_PERMIT);
    nt_file_close(observer);
    fixture_unload();
}

/* --- A verdict that comes while the first classify still runs --- */

static _Atomic bool inside; /* the classify has offered its request and waits for the verdict */
static _Atomic bool decided;
static uint64_t offered_id;

static void wait_for(_Atomic bool *flag)
{
    for (unsigned ms = 0; ms < fixture_patience_ms() && !*flag; ms++)
        thread_sleep(1000);
}

/* Runs inside park(), on the connecting thread: no assertion may end the case here. */
static void offered_inside(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct gatehouse_request request;

    (void)context;
    if (status == STATUS_SUCCESS && information >= sizeof(request)) {
        memcpy(&request, output, sizeof(request));
        offered_id = request.id;
    }
    inside = true;
    wait_for(&decided);
}

static void block_inside(void *file)
{
    uint32_t status;

    wait_for(&inside);
    status = fixture_decide(file, offered_id, GATEHOUSE_VERDICT_BLOCK, 0, 0);
    decided = true; /* whatever came of it: the connecting thread waits in the driver */
    assert_int_equal(status, 0);
}

/* A socket tries again where it was permitted before and refused by the peer; this time it is blocked, so early that
 * the reauthorization comes after the request is gone. The old permit must not answer it. */
static void a_block_outlives_an_old_permit(void **state)
{
    const struct fixture_connect how = {.remote_last = 9};
    UINT64 endpoint = fixture_endpoint();
    struct fixture_connection first, again;
    struct gatehouse_request request;
    struct nt_file *decider;
    struct nt_call *call;
    struct test_thread thread;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    fixture_connect_to(&first, endpoint, &how);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
    assert_decided(&first, WFP_PERMIT);
    wfp_ale_flow_end(first.final.flow);

    inside = decided = false;
    offered_id = 0;
    nt_device_control(decider, GATEHOUSE_IOCTL_GET_REQUESTS, NULL, 0, 1000, offered_inside, NULL, &call);
    thread_start(&thread, "decider", block_inside, decider);
    fixture_connect_to(&again, endpoint, &how);
    thread_join(&thread);
    nt_call_put(call);
    assert_decided(&again, WFP_BLOCK);
    assert_int_equal(fixture_status(NULL).verdicts, 0);
    nt_file_close(decider);
    fixture_unload();
}

/* --- What happens inside one routine of the system: its fault point runs it --- */

static const char *point;
static void (*happening)(void);

static BOOLEAN happen_once(const char *routine, void *context)
{
    void (*now)(void) = happening;

    (void)context;
    if (now == NULL || strcmp(routine, point) != 0)
        return FALSE;
    happening = NULL;
    now();
    return FALSE;
}

static void happens_in(const char *routine, void (*what)(void))
{
    point = routine;
    happening = what;
    nt_set_fault(happen_once, NULL);
}

static UINT64 closing;

static void close_endpoint(void)
{
    wfp_ale_endpoint_closed(closing);
}

/* The application goes after the operation is pended and before the request is in the table: nobody is asked about
 * it, and it does not wait for its deadline. */
static void endpoint_closes_inside_classify(void **state)
{
    struct fixture_connection gone, other;
    struct gatehouse_request requests[2];
    struct gatehouse_status status;
    struct nt_file *decider;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    closing = fixture_endpoint();
    happens_in("FwpsPendOperation0", close_endpoint);
    fixture_connect_to(&gone, closing, &(struct fixture_connect){.remote_last = 1});
    nt_set_fault(NULL, NULL);
    assert_null(happening);
    fixture_connect(&other);
    assert_decided(&gone, WFP_BLOCK);
    assert_int_equal(fixture_get(decider, requests, 2), 1);
    assert_int_equal(requests[0].endpoint, other.endpoint);
    status = fixture_status(decider);
    assert_true(status.cancelled == 1 && status.held == 1 && status.pended == 2);
    nt_file_close(decider);
    fixture_unload();
}

static UINT64 crowd;

/* One socket to 65,536 ports: as many verdicts as the table has. */
static void evict_everything(void)
{
    struct fixture_connection connection;

    for (uint32_t port = 1; port <= 65536; port++)
        fixture_connect_to(&connection, crowd,
                           &(struct fixture_connect){.remote_last = (uint8_t)(port >> 16),
                                                     .remote_port = (uint16_t)(port == 65536 ? 1 : port)});
}

/* The verdict of a flow makes room for others between its place in the table and FwpsFlowAssociateContext0: the
 * context must not stay, or the callout could never be unregistered (DEVICE_BUSY, page FwpsCalloutUnregisterById0). */
static void verdict_evicted_while_its_context_is_associated(void **state)
{
    const struct nt_registry_value values[] = {{"NoDecider", GATEHOUSE_NO_DECIDER_PERMIT}};
    struct fixture_connection flow;

    (void)state;
    fixture_load(values, 1);
    fixture_connect(&flow);
    crowd = fixture_endpoint();
    happens_in("ExAllocatePool2", evict_everything);
    wfp_ale_flow_established(flow.final.flow);
    nt_set_fault(NULL, NULL);
    assert_null(happening);
    wfp_ale_endpoint_closed(crowd);
    fixture_unload(); /* checks that the callouts are gone, while the flow still lives */
}

/* --- Who connects --- */

struct user {
    TOKEN_ACCESS_INFORMATION token;
    SID_AND_ATTRIBUTES_HASH hash;
    SID_AND_ATTRIBUTES entries[2];
    uint8_t sids[2][GATEHOUSE_SID_MAX];
};

/* S-1-22-1-... with count sub-authorities in all, as hosts on Linux name users; the second SID is a group's. */
static FWP_BYTE_BLOB make_user(struct user *user, uint8_t count, uint32_t last)
{
    memset(user, 0, sizeof(*user));
    for (int i = 0; i < 2; i++) {
        user->sids[i][0] = 1;
        user->sids[i][1] = count;
        user->sids[i][7] = (uint8_t)(22 + i);
        for (uint8_t k = 0; k < count; k++) {
            uint32_t sub = k + 1u == count ? last : k + 1u;
            memcpy(&user->sids[i][8 + 4 * k], &sub, sizeof(sub));
        }
        user->entries[i].Sid = (PSID)user->sids[i];
    }
    user->hash.SidCount = 2;
    user->hash.SidAttr = user->entries;
    user->token.SidHash = &user->hash;
    return (FWP_BYTE_BLOB){sizeof(user->token), (uint8_t *)&user->token};
}

/* The first SID of ALE_USER_ID, whole and alone, also the longest there is (SECURITY_MAX_SID_SIZE); none: size 0. */
static void the_user_is_in_the_request(void **state)
{
    const uint8_t counts[] = {1, 2, 15};
    struct fixture_connection held[4];
    struct gatehouse_request request;
    struct nt_file *decider;
    struct user user;
    FWP_BYTE_BLOB token;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    for (size_t i = 0; i < 4; i++) {
        uint8_t expected[GATEHOUSE_SID_MAX] = {0};
        size_t size = i == 3 ? 0 : 8u + 4u * counts[i];

        if (i < 3)
            token = make_user(&user, counts[i], 1000 + (uint32_t)i);
        memcpy(expected, user.sids[0], size);
        fixture_connect_to(&held[i], fixture_endpoint(),
                           &(struct fixture_connect){.remote_last = 1, .user = i == 3 ? NULL : &token});
        memset(user.sids, 0xEE, sizeof(user.sids)); /* the request has its own copy */
        assert_int_equal(fixture_get(decider, &request, 1), 1);
        assert_int_equal(request.user_sid_size, size);
        assert_memory_equal(request.user_sid, expected, sizeof(expected));
    }
    nt_file_close(decider);
    fixture_unload();
}

/* --- The longest path --- */

#define LONGEST 65534u /* bytes; with its NUL the most a 16-bit count of characters names */

static void connect_with_longest_path(struct fixture_connection *connection)
{
    static uint8_t path[LONGEST + 2];
    FWP_BYTE_BLOB app_id = {sizeof(path), path};
    struct wfp_ale_connect connect = {.ip_version = 4, .protocol = 6, .remote_port = 443, .app_id = &app_id};

    memset(path, 'a', LONGEST);
    connect.endpoint = fixture_endpoint();
    connection->endpoint = connect.endpoint;
    wfp_ale_connect(&connect, NULL, NULL, &connection->first);
    assert_int_equal(connection->first.outcome, WFP_PENDED);
}

/* Reads too small for the first request end with SHORT_OUTPUT and lose nothing; the next read that waits gets it. What
 * does not fit behind it comes with the read after. */
static void longest_path_passes_whole(void **state)
{
    static struct fixture_call small, large;
    struct fixture_connection held, behind;
    struct gatehouse_request request;
    struct nt_file *decider;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    fixture_start(&small, decider, GATEHOUSE_IOCTL_GET_REQUESTS, 300);
    fixture_start(&large, decider, GATEHOUSE_IOCTL_GET_REQUESTS, GATEHOUSE_REQUEST_MAX_SIZE);
    connect_with_longest_path(&held);
    assert_int_equal((uint32_t)fixture_finish(&small), GATEHOUSE_E_SHORT_OUTPUT);
    assert_int_equal(fixture_finish(&large), STATUS_SUCCESS);
    memcpy(&request, large.buffer, sizeof(request));
    assert_int_equal(request.endpoint, held.endpoint);
    assert_int_equal(request.path_size, LONGEST);
    assert_int_equal(request.size, large.information);
    assert_int_equal(large.buffer[sizeof(request) + LONGEST - 1], 'a');

    nt_file_close(decider);
    fixture_connect(&behind);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    fixture_start(&large, decider, GATEHOUSE_IOCTL_GET_REQUESTS, request.size + 100);
    assert_int_equal(fixture_finish(&large), STATUS_SUCCESS);
    assert_int_equal(large.information, request.size);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(request.endpoint, behind.endpoint);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_SCOPE_PROGRAM, 0), 0);
    memcpy(&request, large.buffer, sizeof(request));
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_SCOPE_PROGRAM, 0), 0);
    nt_file_close(decider);
    fixture_unload();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policy_changes_while_held),
        cmocka_unit_test(policy_changes_beside_a_seed_decider),
        cmocka_unit_test(a_block_outlives_an_old_permit),
        cmocka_unit_test(endpoint_closes_inside_classify),
        cmocka_unit_test(verdict_evicted_while_its_context_is_associated),
        cmocka_unit_test(the_user_is_in_the_request),
        cmocka_unit_test(longest_path_passes_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
