/* SPDX-License-Identifier: MIT */
/*
 * oracle_test.c - the filter engine, `rules explain`, the verdict cache of the kernel and a plain reference agree.
 *
 * A random policy is made as data (reference_random.c) and given to the product as text: parser, compiler, driver and
 * engine as they are. Then each random connection is decided four times: by the reference, by a classify of the engine,
 * by policy_match (what explain prints), and by the cache (cache.c) when an earlier decision stands in it. The action
 * and the rule must be the same. A difference prints policy, connection and both answers, and fails.
 *
 *     oracle-test [CASES [SEED]]     default: 200,000; GATEHOUSE_FULL: ten times as many
 */
#include "tests/driver/driver_fixture.h"

#include <arpa/inet.h>
#include <inttypes.h>

#include "core/path_text.h"
#include "core/rule_image.h"
#include "core/sha256.h"
#include "gatehouse/objects.h"
#include "gatehouse/rules.h"
#include "policy/match.h"
#include "policy/policy.h"
#include "tests/oracle/cache.h"
#include "tests/oracle/held.h"
#include "tests/oracle/reference.h"
#include "wfp/packet.h"

#define CONNECTIONS   100 /* of one policy */
#define SIDS_MAX      24
#define NAME_POLICIES 50 /* with the same names known; then a new driver knows none */

static uint64_t cases = 200000, seed = 1;

/* --- Who: app id and token of a connection -------------------------------------------------- */

struct who {
    uint16_t path[1024];
    FWP_BYTE_BLOB app_id, user;
    struct policy_sid sids[SIDS_MAX];
    unsigned sid_count;
    SID_AND_ATTRIBUTES attributes[SIDS_MAX];
    SID_AND_ATTRIBUTES_HASH hash;
    TOKEN_ACCESS_INFORMATION token;
};

static void add_sid(struct who *who, uint8_t authority, unsigned count, const uint32_t *parts)
{
    struct policy_sid *sid = &who->sids[who->sid_count];

    assert_true(who->sid_count < SIDS_MAX);
    memset(sid, 0, sizeof(*sid));
    sid->bytes[0] = 1;
    sid->bytes[1] = (uint8_t)count;
    sid->bytes[7] = authority;
    memcpy(sid->bytes + 8, parts, count * sizeof(parts[0]));
    sid->size = 8 + count * sizeof(parts[0]);
    who->attributes[who->sid_count++].Sid = (PSID)sid->bytes;
}

/* kind 80: a unit, 81: a control group (gatehouse/rules.h). */
static void add_hashed(struct who *who, uint32_t kind, const char *text, size_t size)
{
    uint8_t digest[SHA256_SIZE];
    uint32_t parts[6] = {kind};

    sha256_of(text, size, digest);
    memcpy(parts + 1, digest, 20);
    add_sid(who, 5, 6, parts);
}

static bool is_unit(const char *name, size_t size)
{
    static const char *const suffixes[] = {".service", ".scope", ".slice"};

    for (unsigned i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t length = strlen(suffixes[i]);
        if (size > length && !memcmp(name + size - length, suffixes[i], length))
            return true;
    }
    return false;
}

static void add_cgroups(struct who *who, const char *path)
{
    add_hashed(who, 81, "/", 1);
    for (const char *at = path; *at == '/' && at[1];) {
        size_t length = strcspn(at + 1, "/");

        if (is_unit(at + 1, length))
            add_hashed(who, 80, at + 1, length);
        add_hashed(who, 81, path, (size_t)(at + 1 + length - path));
        at += 1 + length;
    }
}

static void who_is(struct who *who, const struct reference_connection *from)
{
    uint32_t user[2] = {1, from->uid}, group[2] = {2, from->gid};
    size_t size = 0;

    memset(who, 0, sizeof(*who));
    if (from->program) {
        assert_true(path_text_from_bytes((const uint8_t *)from->program, strlen(from->program), (uint8_t *)who->path,
                                         sizeof(who->path) - 2, &size));
        who->app_id.data = (UINT8 *)who->path;
        who->app_id.size = (UINT32)size + 2;
    }
    add_sid(who, 22, 2, user);
    add_sid(who, 22, 2, group);
    add_cgroups(who, from->cgroup);
    who->hash.SidCount = who->sid_count;
    who->hash.SidAttr = who->attributes;
    who->token.SidHash = &who->hash;
    who->user.data = (UINT8 *)&who->token;
    who->user.size = sizeof(who->token);
}

/* --- The product: text, image, driver ------------------------------------------------------- */

struct loaded {
    struct policy_image image;
    struct policy_sets sets;
    uint64_t ids[REFERENCE_RULES_MAX];
    int count;
};

static void compile(const char *text, size_t size, struct loaded *loaded)
{
    struct policy_system system = {.find_ascii = policy_system_here.find_ascii};
    struct policy *policy = policy_parse_text("random", text, size, &system);
    const struct gatehouse_rule *rule;

    assert_non_null(policy);
    for (unsigned i = 0; i < policy_error_count(policy); i++) {
        char words[POLICY_ERROR_TEXT_MAX];

        if (policy_error(policy, i)->warning)
            continue;
        policy_error_write(policy_error(policy, i), words, sizeof(words));
        fail_msg("the random policy is refused:\n%s", words);
    }
    if (!policy_compile(policy, NULL, &loaded->image))
        fail_msg("the random policy does not compile:\n%s", text);
    policy_free(policy);
    loaded->count = 0;
    for (rule = rule_image_first_rule(loaded->image.bytes); rule != NULL;
         rule = rule_image_next_rule(loaded->image.bytes, rule))
        loaded->ids[loaded->count++] = rule->id;
    assert_true(policy_sets_init(&loaded->sets, loaded->image.bytes));
}

static void load(struct nt_file *file, const struct loaded *loaded)
{
    struct gatehouse_rules_begin begin = {GATEHOUSE_PROTOCOL_VERSION, (uint32_t)loaded->image.size, 0, 0};
    static struct fixture_call commit;
    size_t done = 0, information;

    assert_int_equal(fixture_control(file, GATEHOUSE_IOCTL_RULES_BEGIN, &begin, sizeof(begin), NULL, 0, &information),
                     0);
    while (done < loaded->image.size) {
        size_t piece = loaded->image.size - done < 60000 ? loaded->image.size - done : 60000;

        assert_int_equal(fixture_control(file, GATEHOUSE_IOCTL_RULES_PUT, (const uint8_t *)loaded->image.bytes + done,
                                         piece, NULL, 0, &information),
                         0);
        done += piece;
    }
    fixture_start(&commit, file, GATEHOUSE_IOCTL_RULES_COMMIT, 0);
    assert_int_equal(fixture_finish(&commit), 0);
}

static void learn(struct nt_file *file, const struct reference_fact *fact)
{
    struct {
        struct gatehouse_names header;
        struct gatehouse_name record;
        uint8_t bytes[1024];
    } in = {{GATEHOUSE_PROTOCOL_VERSION, 1}, {0}, {0}};
    size_t information, path_size = 0, name_size = strlen(fact->name);

    if (fact->program)
        assert_true(
            path_text_from_bytes((const uint8_t *)fact->program, strlen(fact->program), in.bytes, 512, &path_size));
    memcpy(in.bytes + path_size, fact->name, name_size);
    in.record = (struct gatehouse_name){.size = (uint32_t)(sizeof(in.record) + path_size + name_size + 7) & ~7u,
                                        .path_size = (uint16_t)path_size,
                                        .name_size = (uint16_t)name_size,
                                        .ip_version = (uint8_t)fact->family};
    memcpy(in.record.address, fact->address, sizeof(in.record.address));
    assert_int_equal(fixture_control(file, GATEHOUSE_IOCTL_NAMES_LEARNED, &in, sizeof(in.header) + in.record.size, NULL,
                                     0, &information),
                     0);
}

/* --- The four answers ----------------------------------------------------------------------- */

struct answer {
    int rule;   /* -1: none */
    int action; /* enum reference_action; the default when no rule decides */
};

static struct answer answer_of(const struct reference_policy *policy, const struct reference_connection *connection,
                               int rule)
{
    bool asked = !connection->inbound && (connection->protocol == 6 || connection->protocol == 17);

    return (struct answer){rule, rule >= 0 ? (int)policy->rules[rule].action
                                 : asked   ? REFERENCE_ASK
                                           : REFERENCE_PERMIT};
}

static int number_of(const struct loaded *loaded, uint64_t id)
{
    for (int i = 0; i < loaded->count; i++)
        if (loaded->ids[i] == id)
            return i;
    return -1;
}

/* The rule that a filter with this key stands for. */
static int rule_of_key(const struct loaded *loaded, const GUID *key)
{
    uint64_t id = 0;

    if (key->Data1 != GATEHOUSE_RULE_KEY_DATA1 || key->Data2 != GATEHOUSE_RULE_KEY_DATA2 ||
        (key->Data3 & 0xff00) != GATEHOUSE_RULE_KEY_DATA3)
        return -1;
    for (int i = 0; i < 8; i++)
        id = id << 8 | key->Data4[i];
    return number_of(loaded, id);
}

static int rule_of_filter(const struct loaded *loaded, UINT64 filter)
{
    GUID key;

    return filter != 0 && wfp_filter_key(filter, &key) ? rule_of_key(loaded, &key) : -1;
}

/* As gatehoused does: what objects.h promises of the callouts. */
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

static void done(void *context, const struct wfp_decision *decision)
{
    (void)context, (void)decision;
}

static void classify(const struct reference_connection *from, const struct who *who, struct wfp_decision *decision)
{
    struct wfp_packet packet = {60, from->family == 4 ? 20 : 40, 20};
    struct wfp_ale_connect connect = {
        .ip_version = (UINT8)from->family,
        .protocol = (UINT8)from->protocol,
        .local_port = from->local_port,
        .remote_port = from->remote_port,
        .endpoint = fixture_endpoint(),
        .has_process = TRUE,
        .process_id = 4000,
        .app_id = who->app_id.size ? &who->app_id : NULL,
        .user = &who->user,
        .condition_flags = from->raw ? FWP_CONDITION_FLAG_IS_RAW_ENDPOINT : 0,
        .interface_index = 2,
        .inbound = from->inbound,
        .layer_data = from->inbound ? &packet : NULL,
    };

    memcpy(connect.local_address, from->local, 16);
    memcpy(connect.remote_address, from->remote, 16);
    wfp_ale_connect(&connect, done, NULL, decision);
    if (decision->outcome != WFP_BLOCK)
        wfp_ale_endpoint_closed(connect.endpoint);
}

static struct answer ask_engine(const struct loaded *loaded, const struct wfp_decision *decision)
{
    static const int actions[] = {
        [WFP_PERMIT] = REFERENCE_PERMIT, [WFP_BLOCK] = REFERENCE_BLOCK, [WFP_PENDED] = REFERENCE_ASK};

    return (struct answer){rule_of_filter(loaded, decision->filter_id), actions[decision->outcome]};
}

static struct answer ask_explain(const struct reference_policy *policy, const struct loaded *loaded,
                                 const struct reference_connection *from, const struct who *who)
{
    bool icmp = from->protocol == 1 || from->protocol == 58, ports = from->protocol == 6 || from->protocol == 17;
    struct policy_connection connection = {
        .direction = from->inbound ? GATEHOUSE_RULE_IN : GATEHOUSE_RULE_OUT,
        .family = (uint8_t)from->family,
        .protocol = (uint8_t)from->protocol,
        .raw = from->raw,
        .has_local = true,
        .has_remote = true,
        .has_local_port = ports,
        .has_remote_port = ports,
        .local_port = from->local_port,
        .remote_port = from->remote_port,
        .has_icmp_type = icmp,
        .icmp_type = (uint8_t)from->local_port,
        .program = who->app_id.size ? who->path : NULL,
        .program_size = who->app_id.size ? who->app_id.size - 2 : 0,
        .sids = who->sids,
        .sid_count = who->sid_count,
        .names = from->names,
        .name_count = (unsigned)from->name_count,
    };
    uint32_t number = 0;

    memcpy(connection.local, from->local, 16);
    memcpy(connection.remote, from->remote, 16);
    if (policy_match(loaded->image.bytes, &loaded->sets, &connection, &number, NULL, NULL) == NULL)
        return answer_of(policy, from, -1);
    return answer_of(policy, from, (int)number);
}

/* A held connection is decided as it would be, or waits on where something is not known. False: neither.
 */
static bool held_agrees(const struct reference_policy *policy, const struct loaded *loaded,
                        const struct rule_list *list, const struct reference_connection *from, const struct who *who,
                        struct answer right)
{
    static const int actions[] = {[GATEHOUSE_RULE_PERMIT] = REFERENCE_PERMIT,
                                  [GATEHOUSE_RULE_BLOCK] = REFERENCE_BLOCK,
                                  [GATEHOUSE_RULE_ASK] = REFERENCE_ASK};
    uint64_t id;
    int action = actions[held_ask(list, from, who->app_id.size ? who->path : NULL,
                                  who->app_id.size ? who->app_id.size - 2 : 0, &id)];

    if (action == REFERENCE_ASK)
        return right.action == REFERENCE_ASK || held_is_unknown(policy);
    /* Which rule: the first that is certain; one before it that is not may say the same. */
    return action == right.action && (held_is_unknown(policy) || (id ? number_of(loaded, id) : -1) == right.rule);
}

static void show(const char *text, const struct reference_connection *from)
{
    char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
    int family = from->family == 4 ? AF_INET : AF_INET6;

    inet_ntop(family, from->local, local, sizeof(local));
    inet_ntop(family, from->remote, remote, sizeof(remote));
    fputs(text, stderr);
    fprintf(stderr, "%s%s protocol %d, local %s port %u, remote %s port %u, program %s, user %u, group %u, cgroup %s\n",
            from->inbound ? "in" : "out", from->raw ? " raw" : "", from->protocol, local, from->local_port, remote,
            from->remote_port, from->program ? from->program : "none", from->uid, from->gid, from->cgroup);
    for (int i = 0; i < from->name_count; i++)
        fprintf(stderr, "known as %s\n", from->names[i]);
}

static void same(const char *who, struct answer right, struct answer got, const char *text,
                 const struct reference_connection *from)
{
    if (right.rule == got.rule && right.action == got.action)
        return;
    show(text, from);
    fail_msg("rule %d decides (action %d), but %s says rule %d (action %d); numbers from 0", right.rule, right.action,
             who, got.rule, got.action);
}

/* --- The cases ------------------------------------------------------------------------------ */

struct counts {
    uint64_t decided, cached, hits, by_name, held;
};

static void one_policy(struct reference_random *random, struct nt_file *file, struct reference_facts *facts,
                       struct counts *counts)
{
    static struct reference_policy policy;
    static char text[REFERENCE_TEXT_MAX];
    struct loaded loaded;
    struct rule_list list;

    reference_random_policy(random, &policy);
    compile(text, reference_write(&policy, text, sizeof(text)), &loaded);
    assert_int_equal(loaded.count, policy.count);
    load(file, &loaded);
    held_list(loaded.image.bytes, loaded.image.size, &list);
    cache_clear();
    for (int i = 0; i < CONNECTIONS; i++) {
        struct reference_connection connection;
        struct wfp_decision decision;
        struct cached cached;
        const struct reference_fact *fact;
        struct answer right;
        static struct who who;

        reference_random_connection(random, &policy, &connection);
        if (reference_random_fact(random, facts, &connection, &fact))
            learn(file, fact);
        reference_know(facts, &connection);
        right = answer_of(&policy, &connection, reference_decide(&policy, &connection));
        who_is(&who, &connection);
        same("explain", right, ask_explain(&policy, &loaded, &connection, &who), text, &connection);
        if (!held_agrees(&policy, &loaded, &list, &connection, &who, right)) {
            show(text, &connection);
            fail_msg("rule %d decides, but held it would be decided otherwise", right.rule);
        }
        counts->held += !held_is_unknown(&policy) && right.action != REFERENCE_ASK;
        if (cache_ask(&connection, &cached)) {
            struct answer hit = {cached.has_key ? rule_of_key(&loaded, &cached.key) : -1,
                                 cached.permit ? REFERENCE_PERMIT : REFERENCE_BLOCK};
            same("the cache", right, hit, text, &connection);
            counts->hits++;
        }
        classify(&connection, &who, &decision);
        same("the engine", right, ask_engine(&loaded, &decision), text, &connection);
        counts->decided += right.rule >= 0;
        counts->by_name += right.rule >= 0 && policy.rules[right.rule].to.name_count != 0;
        counts->cached += cache_fill(&connection, &decision);
    }
    held_cleanup(&list);
    policy_sets_cleanup(&loaded.sets);
    policy_image_cleanup(&loaded.image);
}

static void all_agree(void **state)
{
    struct reference_random random = {seed};
    struct counts counts = {0};

    (void)state;
    for (uint64_t i = 0; i < cases;) {
        static struct reference_facts facts;
        struct nt_file *file;

        facts.count = 0;
        fixture_load(NULL, 0);
        tell_promises();
        file = fixture_open_as(7, GATEHOUSE_ROLE_OBSERVER);
        for (int policies = 0; policies < NAME_POLICIES && i < cases; policies++, i += CONNECTIONS)
            one_policy(&random, file, &facts, &counts);
        nt_file_close(file);
        fixture_unload();
    }
    print_message("%" PRIu64 " connections, %" PRIu64 " decided by a rule, %" PRIu64 " by its names, %" PRIu64
                  " verdicts kept by the cache, %" PRIu64 " found there, %" PRIu64 " decided while held\n",
                  cases, counts.decided, counts.by_name, counts.cached, counts.hits, counts.held);
    assert_true(counts.by_name > cases / 500);
    assert_true(counts.decided > cases / 4);
    assert_true(counts.hits > cases / 50);
    assert_true(counts.held > cases / 50);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_agree)};

    if (getenv("GATEHOUSE_FULL"))
        cases *= 10;
    if (argc > 1)
        cases = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
