/* SPDX-License-Identifier: MIT */
/*
 * reference_random.c - random policies and connections, and a policy's text.
 */
#include "reference.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

uint32_t reference_below(struct reference_random *random, uint32_t bound)
{
    uint64_t mixed = random->state += 0x9e3779b97f4a7c15ull;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)(((mixed ^ (mixed >> 31)) >> 32) * bound >> 32);
}

static bool one_in(struct reference_random *random, uint32_t count)
{
    return reference_below(random, count) == 0;
}

static const char *const programs[] = {
    "/usr/bin/curl",     "/usr/bin/curlx",        "/usr/bin/cur",          "/usr/sbin/nginx",
    "/opt/t/a",          "/opt/telemetry/bin/up", "/opt/telemetry/up2",    "/data/a b/tool",
    "/opt/t/\xc3\xa9/x", "/usr/lib/x/y/z",        "/opt/telemetryx/bin/up"};
static const char *const patterns[] = {
    "/opt/telemetry/**", "/opt/*/a", "/usr/bin/*", "/usr/bin/cur?",
    "/opt/telemetry/",   "/**/up*",  "/usr/**/z",  "/opt/t/?/x",
};
static const char *const cgroups[] = {"/",
                                      "/system.slice",
                                      "/system.slice/nginx.service",
                                      "/user.slice/user-1.slice/app.scope",
                                      "/system.slice/nginx.service/worker",
                                      "/system.slicex"};
static const char *const units[] = {"nginx.service", "system.slice", "app.scope", "ssh.service"};
static const char *const named_cgroups[] = {"/system.slice", "/system.slice/nginx.service", "/user.slice", "/other"};
static const uint16_t ports[] = {0, 1, 22, 53, 79, 80, 81, 443, 1023, 1024, 5353, 8080, 32768, 65534, 65535};
static const char *const addresses[] = {"10.0.0.1",      "10.255.255.255",
                                        "11.0.0.0",      "192.168.1.1",
                                        "192.168.1.2",   "192.0.2.7",
                                        "203.0.113.7",   "203.0.113.8",
                                        "9.255.255.255", "172.16.0.1",
                                        "0.0.0.1",       "255.255.255.254",
                                        "127.0.0.2",     "fd00::1",
                                        "fd00::2",       "fdff:ffff::",
                                        "2001:db8::1",   "2001:db8::2",
                                        "2001:db8:1::",  "fe80::1",
                                        "ff02::1",       "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"};
static const char *const networks[] = {"10.0.0.0/8",     "192.168.0.0/16", "192.168.1.0/30", "203.0.113.7/32",
                                       "0.0.0.0/0",      "128.0.0.0/1",    "fd00::/8",       "2001:db8::/32",
                                       "2001:db8::/127", "::/0",           "192.0.2.0/25",   "172.16.0.0/12"};
static const char *const ranges[][2] = {{"10.0.0.1", "11.0.0.0"},
                                        {"192.168.1.1", "192.168.1.2"},
                                        {"0.0.0.0", "9.255.255.255"},
                                        {"2001:db8::1", "2001:db8:1::"},
                                        {"fd00::", "fd00::1"}};

static const char *const names[REFERENCE_NAMES_MAX] = {"example.org",       "www.example.org",  "a.b.example.org",
                                                       "example.net",       "xexample.org",     "org",
                                                       "cdn-1.example.net", "xn--bcher-kva.org"};
static const char *const name_patterns[] = {"example.org", "*.example.org", "*.b.example.org",   "*.org",
                                            "example.net", "*.example.net", "cdn-1.example.net", "xn--bcher-kva.org",
                                            "other.org"};

static int address_bytes(const char *text, uint8_t *bytes)
{
    memset(bytes, 0, 16);
    if (inet_pton(AF_INET, text, bytes) == 1)
        return 4;
    inet_pton(AF_INET6, text, bytes);
    return 6;
}

static void random_network(struct reference_random *random, struct reference_range *range, char *words, size_t size)
{
    const char *network = networks[reference_below(random, COUNT(networks))];
    char address[64];
    const char *slash = strchr(network, '/');
    unsigned bits = 0;

    snprintf(words, size, "%s", network);
    snprintf(address, sizeof(address), "%.*s", (int)(slash - network), network);
    (void)sscanf(slash + 1, "%u", &bits); /* lint-allow: unbounded-copy, one number of ours */
    range->family = address_bytes(address, range->low);
    memcpy(range->high, range->low, 16);
    for (unsigned bit = bits; bit < (range->family == 4 ? 32u : 128u); bit++)
        range->high[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

static void random_range(struct reference_random *random, struct reference_range *range, char *words, size_t size)
{
    uint32_t which = reference_below(random, 3);

    if (which == 0) {
        random_network(random, range, words, size);
    } else if (which == 1) {
        const char *address = addresses[reference_below(random, COUNT(addresses))];

        snprintf(words, size, "%s", address);
        range->family = address_bytes(address, range->low);
        memcpy(range->high, range->low, 16);
    } else {
        const char *const *pair = ranges[reference_below(random, COUNT(ranges))];

        snprintf(words, size, "%s-%s", pair[0], pair[1]);
        range->family = address_bytes(pair[0], range->low);
        address_bytes(pair[1], range->high);
    }
}

static void random_ports(struct reference_random *random, struct reference_end *end)
{
    end->port_count = 1 + (int)reference_below(random, 3);
    for (int i = 0; i < end->port_count; i++) {
        uint16_t a = ports[reference_below(random, COUNT(ports))];
        uint16_t b = one_in(random, 2) ? a : ports[reference_below(random, COUNT(ports))];

        end->port_low[i] = a < b ? a : b;
        end->port_high[i] = a < b ? b : a;
    }
}

static void random_end(struct reference_random *random, struct reference_end *end)
{
    end->given = true;
    end->any = one_in(random, 4);
    if (!end->any) {
        end->negated = one_in(random, 5);
        end->count = 1 + (int)reference_below(random, REFERENCE_LIST_MAX);
        for (int i = 0; i < end->count; i++)
            random_range(random, &end->ranges[i], end->words[i], sizeof(end->words[i]));
    }
    if (one_in(random, 2))
        random_ports(random, end);
}

static void random_who(struct reference_random *random, struct reference_rule *rule)
{
    if (one_in(random, 2)) {
        rule->program_count = 1 + (int)reference_below(random, 3);
        for (int i = 0; i < rule->program_count; i++)
            rule->programs[i] = one_in(random, 3) ? patterns[reference_below(random, COUNT(patterns))]
                                                  : programs[reference_below(random, COUNT(programs))];
    }
    if (one_in(random, 6))
        for (rule->user_count = 0; rule->user_count < 2; rule->user_count++)
            rule->users[rule->user_count] = 1000 + reference_below(random, 4);
    if (one_in(random, 8))
        rule->groups[rule->group_count++] = 100 + reference_below(random, 3);
    if (one_in(random, 8))
        rule->units[rule->unit_count++] = units[reference_below(random, COUNT(units))];
    if (one_in(random, 8))
        rule->cgroups[rule->cgroup_count++] = named_cgroups[reference_below(random, COUNT(named_cgroups))];
}

/* Words that contradict one another are refused by the language; they are not made. */
static void random_where(struct reference_random *random, struct reference_rule *rule)
{
    static const int protocols[] = {6, 17, 1, 58, 47};
    bool with_ports;

    if (one_in(random, 2))
        random_end(random, &rule->to);
    if (one_in(random, 4))
        random_end(random, &rule->from);
    if (!rule->to.given && !rule->from.given && one_in(random, 4)) {
        rule->plain.given = rule->plain.any = true;
        random_ports(random, &rule->plain);
    }
    with_ports = rule->to.port_count || rule->from.port_count || rule->plain.port_count;
    if (one_in(random, 3))
        for (int count = 1 + (int)reference_below(random, 2); rule->protocol_count < count; rule->protocol_count++)
            rule->protocols[rule->protocol_count] = protocols[reference_below(random, with_ports ? 2 : 5)];
    if (one_in(random, 2) || (rule->to.given && rule->from.given))
        *(one_in(random, 2) ? &rule->in : &rule->out) = true;
    if (!with_ports && rule->protocol_count == 0 && one_in(random, 8)) {
        rule->protocols[rule->protocol_count++] = one_in(random, 2) ? 1 : 58;
        rule->icmp_types[rule->icmp_count++] = one_in(random, 2) ? 8 : 128;
    }
}

/* A rule whose addresses leave nothing of its family says nothing: the language refuses it. */
static bool speaks_of(const struct reference_end *end, int family)
{
    if (!end->given || end->any || end->negated || end->name_count)
        return true;
    for (int i = 0; i < end->count; i++)
        if (end->ranges[i].family == family)
            return true;
    return false;
}

/* Addresses become names. */
static void random_names(struct reference_random *random, struct reference_end *end)
{
    end->any = end->negated = false;
    end->count = 0;
    end->name_count = 1 + (int)reference_below(random, 3);
    for (int i = 0; i < end->name_count; i++)
        end->names[i] = name_patterns[reference_below(random, COUNT(name_patterns))];
}

static void random_rule(struct reference_random *random, struct reference_rule *rule, bool with_names)
{
    memset(rule, 0, sizeof(*rule));
    rule->action = (enum reference_action)reference_below(random, 3);
    rule->log = one_in(random, 6);
    if (one_in(random, 30)) {
        rule->all = true;
        return;
    }
    random_who(random, rule);
    random_where(random, rule);
    if (with_names && rule->to.given && !rule->in && one_in(random, 2))
        random_names(random, &rule->to);
    rule->raw = one_in(random, 20);
    if (one_in(random, 8)) {
        rule->family = one_in(random, 2) ? 4 : 6;
        if (!speaks_of(&rule->to, rule->family) || !speaks_of(&rule->from, rule->family))
            rule->family = 0;
    }
    if (!rule->program_count && !rule->user_count && !rule->to.given && !rule->from.given && !rule->plain.given &&
        !rule->protocol_count && !rule->in && !rule->out)
        rule->out = true;
}

void reference_random_policy(struct reference_random *random, struct reference_policy *policy)
{
    bool with_names;

    policy->count = (int)reference_below(random, REFERENCE_RULES_MAX);
    if (one_in(random, 2))
        policy->count = policy->count % 6;
    with_names = one_in(random, 3);
    for (int i = 0; i < policy->count; i++)
        random_rule(random, &policy->rules[i], with_names);
}

static void step(uint8_t *address, int family, int by)
{
    int size = family == 4 ? 4 : 16;

    for (int i = size - 1; i >= 0; i--) {
        uint8_t before = address[i];

        address[i] = (uint8_t)(address[i] + by);
        if ((by > 0 && before != 255) || (by < 0 && before != 0))
            break;
    }
}

/* At, just inside or just outside an edge that some rule has; else one of the world's. */
static void random_address(struct reference_random *random, const struct reference_policy *policy, int family,
                           uint8_t *address)
{
    memset(address, 0, 16);
    if (policy->count && !one_in(random, 3)) {
        const struct reference_rule *rule = &policy->rules[reference_below(random, (uint32_t)policy->count)];
        const struct reference_end *end = one_in(random, 3) ? &rule->from : &rule->to;

        for (int i = 0; i < end->count; i++) {
            if (end->ranges[i].family != family || one_in(random, 3))
                continue;
            memcpy(address, one_in(random, 2) ? end->ranges[i].low : end->ranges[i].high, 16);
            step(address, family, (int)reference_below(random, 3) - 1);
            return;
        }
    }
    while (address_bytes(addresses[reference_below(random, COUNT(addresses))], address) != family)
        ;
}

static uint16_t random_port(struct reference_random *random)
{
    uint16_t port = ports[reference_below(random, COUNT(ports))];

    return one_in(random, 3) ? (uint16_t)(port + reference_below(random, 3) - 1) : port;
}

void reference_random_connection(struct reference_random *random, const struct reference_policy *policy,
                                 struct reference_connection *connection)
{
    static const int protocols[] = {6, 6, 6, 17, 17, 1, 47};

    memset(connection, 0, sizeof(*connection));
    connection->inbound = one_in(random, 3);
    connection->family = one_in(random, 3) ? 6 : 4;
    connection->protocol = protocols[reference_below(random, COUNT(protocols))];
    if (connection->protocol == 1 && connection->family == 6)
        connection->protocol = 58;
    connection->raw = connection->protocol == 47 || one_in(random, 12);
    random_address(random, policy, connection->family, connection->local);
    random_address(random, policy, connection->family, connection->remote);
    if (connection->protocol == 6 || connection->protocol == 17) {
        connection->local_port = random_port(random);
        connection->remote_port = random_port(random);
    }
    if (connection->protocol == 1 || connection->protocol == 58) {
        connection->local_port = one_in(random, 2) ? 8 : 128;
        connection->remote_port = 0;
    }
    connection->program = one_in(random, 15) ? NULL : programs[reference_below(random, COUNT(programs))];
    connection->uid = 999 + reference_below(random, 5);
    connection->gid = 99 + reference_below(random, 4);
    connection->cgroup = cgroups[reference_below(random, COUNT(cgroups))];
}

bool reference_random_fact(struct reference_random *random, struct reference_facts *facts,
                           const struct reference_connection *connection, const struct reference_fact **fact)
{
    struct reference_fact *new = &facts->facts[facts->count];

    if (facts->count == REFERENCE_FACTS_MAX || connection->inbound || !one_in(random, 3))
        return false;
    *new = (struct reference_fact){.program = one_in(random, 8) ? NULL : connection->program,
                                   .name = names[reference_below(random, COUNT(names))],
                                   .family = connection->family};
    memcpy(new->address, connection->remote, sizeof(new->address));
    for (int i = 0; i < facts->count; i++)
        if (facts->facts[i].program == new->program && facts->facts[i].name == new->name &&
            facts->facts[i].family == new->family && !memcmp(facts->facts[i].address, new->address, 16))
            return false;
    facts->count++;
    *fact = new;
    return true;
}

struct writer {
    char *text;
    size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(writer->text + writer->used, writer->size - writer->used, format, arguments);
    va_end(arguments);
    if (length > 0)
        writer->used += (size_t)length;
    if (writer->used >= writer->size)
        writer->used = writer->size - 1;
}

static void put_ports(struct writer *writer, const struct reference_end *end)
{
    if (end->port_count == 0)
        return;
    put(writer, " port %s", end->port_count > 1 ? "{ " : "");
    for (int i = 0; i < end->port_count; i++) {
        put(writer, "%s%u", i ? ", " : "", end->port_low[i]);
        if (end->port_high[i] != end->port_low[i])
            put(writer, "-%u", end->port_high[i]);
    }
    put(writer, "%s", end->port_count > 1 ? " }" : "");
}

static void put_end(struct writer *writer, const char *word, const struct reference_end *end)
{
    if (!end->given)
        return;
    if (word[0])
        put(writer, " %s %s", word, end->any ? "any" : "");
    if (end->name_count) {
        put(writer, "{");
        for (int i = 0; i < end->name_count; i++)
            put(writer, "%s %s", i ? "," : "",
                strcmp(end->names[i], "xn--bcher-kva.org") ? end->names[i]
                                                           : "b\xc3\xbc"
                                                             "cher.org"); /* as people do */
        put(writer, " }");
    } else if (!end->any) {
        put(writer, "%s%s", end->negated ? "! " : "", end->count > 1 ? "{ " : "");
        for (int i = 0; i < end->count; i++)
            put(writer, "%s%s", i ? ", " : "", end->words[i]);
        put(writer, "%s", end->count > 1 ? " }" : "");
    }
    put_ports(writer, end);
}

static void put_words(struct writer *writer, const char *word, int count, const char *const *words)
{
    if (count)
        put(writer, " %s {", word);
    for (int i = 0; i < count; i++)
        put(writer, "%s \"%s\"", i ? "," : "", words[i]);
    if (count)
        put(writer, " }");
}

static void put_numbers(struct writer *writer, const char *word, int count, const unsigned *numbers)
{
    if (count)
        put(writer, " %s {", word);
    for (int i = 0; i < count; i++)
        put(writer, "%s %u", i ? "," : "", numbers[i]);
    if (count)
        put(writer, " }");
}

static void put_rule(struct writer *writer, const struct reference_rule *rule)
{
    static const char *const actions[] = {"permit", "block", "ask"};

    put(writer, "%s", actions[rule->action]);
    if (rule->all)
        put(writer, " all");
    put_words(writer, "program", rule->program_count, rule->programs);
    put_numbers(writer, "user", rule->user_count, rule->users);
    put_numbers(writer, "group", rule->group_count, rule->groups);
    put_words(writer, "unit", rule->unit_count, rule->units);
    put_words(writer, "cgroup", rule->cgroup_count, rule->cgroups);
    put(writer, "%s%s", rule->in ? " in" : "", rule->out ? " out" : "");
    put_numbers(writer, "proto", rule->protocol_count, (const unsigned *)rule->protocols);
    put_end(writer, "to", &rule->to);
    put_end(writer, "from", &rule->from);
    put_end(writer, "", &rule->plain);
    put_numbers(writer, "icmp-type", rule->icmp_count, (const unsigned *)rule->icmp_types);
    if (rule->family)
        put(writer, "%s", rule->family == 4 ? " inet" : " inet6");
    put(writer, "%s%s\n", rule->raw ? " raw" : "", rule->log ? " log" : "");
}

size_t reference_write(const struct reference_policy *policy, char *text, size_t size)
{
    struct writer writer = {text, size, 0};

    text[0] = 0;
    for (int i = 0; i < policy->count; i++)
        put_rule(&writer, &policy->rules[i]);
    return writer.used;
}
