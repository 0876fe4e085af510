/* SPDX-License-Identifier: MIT */
/*
 * random_test.c - random rules as a model, written as text in one of many ways, parsed and compiled.
 *
 * Three things must agree on random connections: the model, asked directly by the words of docs/rules.md; the image,
 * asked by policy_match; and the image of the printed rules. The printed rules must have the same ids, and print to
 * themselves. Addresses are few, so that ranges touch, overlap and end where the address space does.
 */
#include "policy_fixture.h"

#include <ctype.h>

#include "core/path_text.h"
#include "policy/diff.h"
#include "policy/match.h"
#include "policy/sids.h"

#define ROUNDS      1500u
#define RULES       12u
#define CONNECTIONS 40u

static const char *const paths[] = {"/a/b", "/a/c", "/a/b/c", "/x", "/a/*", "/a b\"\\\n"};
static const char *const patterns[] = {"/a/*", "/a/**", "/*", "/?", "/a/", "/**/c", "/a/[b]?", "/*\\*"};
static const char *const host_names[] = {"a.b",       "*.b",          "*.a.b",   "c.a.b",
                                         "localhost", "3com.example", "*.9.org", "1.2.c"};
static const char *const probe_names[] = {"a.b",       "c.a.b",        "b",       "xa.b", "d.c.a.b",
                                          "localhost", "3com.example", "x.9.org", "a.b.c"};
static const uint8_t protocols[] = {1, 6, 17, 58, 132, 255};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct span {
    bool v6;
    unsigned low, high; /* places in the small universe */
};

struct end {
    bool given, any, negated, has_ports, any_port;
    unsigned count, port_count;
    struct span spans[4];
    unsigned ports[4][2];
    unsigned names; /* instead of spans */
};

struct model {
    unsigned action, direction; /* 0: not written */
    unsigned family, paths, patterns, users, protocols, until, icmp_types;
    bool log, raw, plain_port;
    struct end to, from;
};

static unsigned below(unsigned limit)
{
    return (unsigned)random() % limit;
}

static bool once_in(unsigned n)
{
    return below(n) == 0;
}

/* --- The small universe ----------------------------------------------------------------------- */

/* Sixteen addresses of each family: the first four, the last four, eight between. */
static void address_at(bool v6, unsigned place, uint8_t address[16])
{
    memset(address, 0, 16);
    if (v6) {
        memset(address, place >= 12 ? 0xff : 0, 16);
        if (place >= 4 && place < 12)
            address[0] = 0xfd;
        address[15] = (uint8_t)(place >= 12 ? 0xf0 + place : place);
    } else {
        memset(address, place >= 12 ? 0xff : 0, 4);
        if (place >= 4 && place < 12)
            address[0] = 10;
        address[3] = (uint8_t)(place >= 12 ? 0xf0 + place : place);
    }
}

static unsigned port_at(unsigned place)
{
    static const uint16_t list[] = {0, 1, 22, 23, 80, 443, 1000, 2000, 65534, 65535};

    return list[place % COUNT(list)];
}
#define PORTS 10u

/* --- Making --------------------------------------------------------------------------------- */

static void make_end(struct end *end, unsigned family)
{
    end->given = true;
    end->any = once_in(4);
    end->negated = !end->any && once_in(3);
    end->count = end->any ? 0 : 1 + below(4);
    for (unsigned i = 0; i < end->count; i++) {
        struct span *span = &end->spans[i];

        span->v6 = family == 0 ? once_in(2) : family == 6;
        span->low = below(16);
        span->high = once_in(2) ? span->low : span->low + below(16 - span->low);
    }
}

static void make_names(struct end *end)
{
    *end = (struct end){.given = true, .names = 1 + below((1u << COUNT(host_names)) - 1)};
}

static void make_ports(struct end *end)
{
    end->has_ports = true;
    end->any_port = once_in(8);
    end->port_count = end->any_port ? 0 : 1 + below(4);
    for (unsigned i = 0; i < end->port_count; i++) {
        end->ports[i][0] = below(PORTS);
        end->ports[i][1] = once_in(2) ? end->ports[i][0] : end->ports[i][0] + below(PORTS - end->ports[i][0]);
    }
}

static void make_ends(struct model *m)
{
    bool to = once_in(2), from = once_in(3);

    if (to && from && m->direction == 0)
        from = false;
    if (to)
        make_end(&m->to, m->family);
    if (to && m->direction != GATEHOUSE_RULE_IN && once_in(3))
        make_names(&m->to);
    if (from)
        make_end(&m->from, m->family);
    if (to && once_in(3))
        make_ports(&m->to);
    if (from && once_in(3))
        make_ports(&m->from);
    if (!m->to.has_ports && (m->direction != 0 || !from) && once_in(4)) {
        m->plain_port = true;
        make_ports(&m->to);
    }
}

static struct model make_rule(void)
{
    struct model m = {.action = 1 + below(3), .direction = once_in(2) ? 1 + below(2) : 0, .until = below(12)};

    m.family = once_in(5) ? 4 : once_in(5) ? 6 : 0;
    m.paths = once_in(3) ? below(1u << COUNT(paths)) : 0;
    m.patterns = once_in(4) ? below(1u << COUNT(patterns)) : 0;
    m.users = once_in(4) ? 1 + below(3) : 0;
    m.log = once_in(4);
    m.raw = once_in(8);
    make_ends(&m);
    if (m.to.has_ports || m.from.has_ports)
        m.protocols = once_in(2) ? 1u << (1 + below(2)) : 0;
    else if (once_in(4))
        m.protocols = below(1u << COUNT(protocols));
    if (m.protocols == 1 && once_in(2))
        m.icmp_types = 1 + below(7);
    return m;
}

/* --- Writing -------------------------------------------------------------------------------- */

static void gap(FILE *to)
{
    static const char *const gaps[] = {" ", " ", " ", "  ", "\t", " \\\n  "};

    fputs(gaps[below(COUNT(gaps))], to);
}

static void write_address(FILE *to, bool v6, unsigned place)
{
    uint8_t a[16];

    address_at(v6, place, a);
    if (!v6)
        fprintf(to, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
    else if (a[1] == 0)
        fprintf(to, "%02x%02x::%x", a[0], a[1], a[15]);
    else
        fprintf(to, "ffff:ffff:ffff:ffff:ffff:FFFF:255.255.255.%u", a[15]);
}

static void write_span(FILE *to, const struct span *span)
{
    uint8_t low[16], high[16];

    address_at(span->v6, span->low, low);
    address_at(span->v6, span->high, high);
    if (span->low % 4 == 0 && span->high == span->low + 3) {
        write_address(to, span->v6, span->low + below(4));
        fprintf(to, "/%u", span->v6 ? 126 : 30);
    } else if (span->low == 0 && span->high == 15 && once_in(2)) {
        fputs(span->v6 ? "::/0" : "0.0.0.0/0", to);
    } else {
        write_address(to, span->v6, span->low);
        if (span->high != span->low || once_in(4)) {
            fputs(once_in(2) ? "-" : " - ", to);
            write_address(to, span->v6, span->high);
        }
    }
}

static void separate(FILE *to, unsigned i)
{
    static const char *const signs[] = {", ", " ", ",", ",\n    "};

    if (i != 0)
        fputs(signs[below(COUNT(signs))], to);
}

static void write_ports(FILE *to, const struct end *end)
{
    fputs("port ", to);
    if (end->any_port) {
        fputs("any", to);
        return;
    }
    if (end->port_count != 1)
        fputs("{ ", to);
    for (unsigned i = 0; i < end->port_count; i++) {
        unsigned low = port_at(end->ports[i][0]), high = port_at(end->ports[i][1]);

        separate(to, i);
        if (low == high && low == 443)
            fputs("https", to);
        else if (low == high)
            fprintf(to, "%u", low);
        else
            fprintf(to, "%u-%u", low, high);
    }
    if (end->port_count != 1)
        fputs(" }", to);
}

static void write_names(FILE *to, const struct end *end)
{
    unsigned written = 0;
    bool braces = (end->names & (end->names - 1)) != 0 || once_in(4);

    fputs(braces ? "{ " : "", to);
    for (unsigned i = 0; i < COUNT(host_names); i++) {
        bool quoted = strchr(host_names[i], '.') == NULL || host_names[i][0] == '1' || once_in(4);

        if ((end->names >> i & 1) == 0)
            continue;
        separate(to, written++);
        fputs(quoted ? "\"" : "", to);
        for (const char *c = host_names[i]; *c != '\0'; c++)
            fputc(once_in(4) ? toupper((unsigned char)*c) : *c, to);
        fputs(quoted ? "\"" : "", to);
    }
    fputs(braces ? " }" : "", to);
}

static void write_end(FILE *to, const char *word, const struct end *end, bool ports)
{
    fprintf(to, "%s ", word);
    if (end->names != 0)
        write_names(to, end);
    if (end->any)
        fputs("any", to);
    if (end->negated)
        fputs(once_in(2) ? "! " : "!", to);
    if (end->count > 1 || (end->count == 1 && once_in(4))) {
        fputs("{", to);
        for (unsigned i = 0; i < end->count; i++) {
            separate(to, i);
            write_span(to, &end->spans[i]);
        }
        fputs(once_in(4) ? ", }" : " }", to);
    } else if (end->count == 1) {
        write_span(to, &end->spans[0]);
    }
    if (ports && end->has_ports) {
        fputs(" ", to);
        write_ports(to, end);
    }
}

static void write_quoted(FILE *to, const char *path, bool pattern)
{
    fputc('"', to);
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '\n')
            fputs("\\n", to);
        else if (*c == '"' || (*c == '\\' && !pattern) || (!pattern && *c == '*'))
            fprintf(to, "\\%c", *c);
        else
            fputc(*c, to);
    }
    fputc('"', to);
}

static void write_programs(FILE *to, const struct model *m)
{
    unsigned written = 0;

    if (m->paths == 0 && m->patterns == 0)
        return;
    gap(to);
    fputs("program { ", to);
    for (unsigned i = 0; i < COUNT(patterns); i++) {
        if ((m->patterns >> i & 1) != 0) {
            separate(to, written++);
            write_quoted(to, patterns[i], true);
        }
    }
    for (unsigned i = 0; i < COUNT(paths); i++) {
        if ((m->paths >> i & 1) != 0) {
            separate(to, written++);
            write_quoted(to, paths[i], false);
        }
    }
    fputs(" }", to);
}

static void write_protocols(FILE *to, const struct model *m)
{
    static const char *const names[] = {"icmp", "tcp", "17", "icmp6", "sctp", "255"};
    unsigned written = 0;

    if (m->protocols == 0)
        return;
    gap(to);
    fputs("proto {", to);
    for (unsigned i = 0; i < COUNT(protocols); i++) {
        if ((m->protocols >> i & 1) != 0) {
            separate(to, written++);
            fputs(names[i], to);
        }
    }
    fputs("}", to);
    if (m->icmp_types != 0)
        fprintf(to, " icmp-type { %s %s %s }", (m->icmp_types & 1) != 0 ? "echo-request" : "",
                (m->icmp_types & 2) != 0 ? "0" : "", (m->icmp_types & 4) != 0 ? "3" : "");
}

static const char *until_words(unsigned until)
{
    static const char *const words[] = {"for 1 second", "for 10 minutes", "for 36 hours", "until exit", "until reboot"};

    return until < COUNT(words) ? words[until] : "";
}

static void write_ends(FILE *to, const struct model *m)
{
    /* At once behind an end it would be that end's. */
    if (m->plain_port) {
        gap(to);
        write_ports(to, &m->to);
    }
    if (m->to.given) {
        gap(to);
        write_end(to, "to", &m->to, !m->plain_port);
    }
    if (m->from.given) {
        gap(to);
        write_end(to, "from", &m->from, true);
    }
}

static void write_rule(FILE *to, const struct model *m)
{
    static const char *const actions[] = {"", "permit", "block", "ask"};
    static const char *const users[] = {"", "root", "1000", "{ alice, \"root\" }"};
    static const char *const directions[] = {"", " out", " in"};
    static const char *const families[] = {"", "", "", "", " inet", "", " inet6"};
    bool all = !m->to.given && !m->from.given && !m->plain_port && m->paths == 0 && m->patterns == 0 && m->users == 0 &&
               m->protocols == 0;
    bool log_first = once_in(2);

    fprintf(to, "%s%s%s%s%s", actions[m->action], all ? " all" : "", m->log && log_first ? " log" : "",
            directions[m->direction], m->log && !log_first ? " log" : "");
    write_programs(to, m);
    if (m->users != 0)
        fprintf(to, " user %s", users[m->users]);
    write_ends(to, m);
    write_protocols(to, m);
    fprintf(to, "%s%s %s%s\n", families[m->family], m->raw ? " raw" : "", until_words(m->until),
            once_in(4) ? " # comment \" {" : "");
}

/* --- The model asked -------------------------------------------------------------------------- */

/* By the words of core/path_pattern.h, recursively. */
static bool glob(const char *pattern, const char *path)
{
    if (pattern[0] == '\0')
        return path[0] == '\0';
    if (pattern[0] == '*' && pattern[1] == '*')
        return glob(pattern + 2, path) || (path[0] != '\0' && glob(pattern, path + 1));
    if (pattern[0] == '*')
        return glob(pattern + 1, path) || (path[0] != '\0' && path[0] != '/' && glob(pattern, path + 1));
    if (path[0] == '\0')
        return false;
    if (pattern[0] == '?')
        return path[0] != '/' && glob(pattern + 1, path + 1);
    if (pattern[0] == '\\')
        return pattern[1] == path[0] && glob(pattern + 2, path + 1);
    return pattern[0] == path[0] && glob(pattern + 1, path + 1);
}

static bool program_matches(const struct model *m, const char *path)
{
    bool matches = m->paths == 0 && m->patterns == 0;

    for (unsigned i = 0; i < COUNT(paths); i++)
        matches = matches || ((m->paths >> i & 1) != 0 && strcmp(paths[i], path) == 0);
    for (unsigned i = 0; i < COUNT(patterns); i++)
        matches = matches ||
                  ((m->patterns >> i & 1) != 0 && glob(strcmp(patterns[i], "/a/") == 0 ? "/a/**" : patterns[i], path));
    return matches;
}

static bool end_matches(const struct end *end, bool v6, unsigned place)
{
    bool inside = false;

    if (!end->given || end->any || end->names != 0)
        return true;
    for (unsigned i = 0; i < end->count; i++)
        inside = inside || (end->spans[i].v6 == v6 && end->spans[i].low <= place && place <= end->spans[i].high);
    return inside != end->negated;
}

static bool ports_match(const struct end *end, unsigned place)
{
    bool inside = !end->has_ports || end->any_port;

    for (unsigned i = 0; i < end->port_count; i++)
        inside = inside || (end->ports[i][0] <= place && place <= end->ports[i][1]);
    return inside;
}

struct probe {
    struct policy_connection connection;
    unsigned local, remote, local_port, remote_port, program;
    unsigned users;
    uint8_t path[64];
    struct policy_sid sids[2];
    const char *names[2];
};

static bool protocol_matches(const struct model *m, const struct policy_connection *c)
{
    static const uint8_t types[] = {8, 0, 3};
    bool found = m->protocols == 0, typed = m->icmp_types == 0;

    for (unsigned i = 0; i < COUNT(protocols); i++)
        found = found || ((m->protocols >> i & 1) != 0 && protocols[i] == c->protocol);
    for (unsigned i = 0; i < COUNT(types); i++)
        typed = typed || ((m->icmp_types >> i & 1) != 0 && types[i] == c->icmp_type);
    return found && typed;
}

static bool direction_matches(const struct model *m, const struct policy_connection *c)
{
    unsigned direction = m->direction;

    if (direction == 0 && (m->to.given || m->plain_port))
        direction = GATEHOUSE_RULE_OUT;
    else if (direction == 0 && m->from.given)
        direction = GATEHOUSE_RULE_IN;
    return direction == 0 || direction == c->direction;
}

static bool ends_match(const struct model *m, const struct probe *p, bool v6, bool in)
{
    return end_matches(&m->to, v6, in ? p->local : p->remote) && end_matches(&m->from, v6, in ? p->remote : p->local) &&
           ports_match(&m->to, in ? p->local_port : p->remote_port) &&
           ports_match(&m->from, in ? p->remote_port : p->local_port);
}

/* One of the probe's names is it, or ends with what stands behind the star. */
static bool names_match(const struct end *end, const struct policy_connection *c)
{
    bool found = end->names == 0;

    for (unsigned i = 0; i < COUNT(host_names); i++) {
        for (unsigned k = 0; (end->names >> i & 1) != 0 && k < c->name_count; k++) {
            size_t size = strlen(c->names[k]), tail = strlen(host_names[i]) - 1;

            found =
                found || strcmp(host_names[i], c->names[k]) == 0 ||
                (host_names[i][0] == '*' && size > tail && strcmp(c->names[k] + size - tail, host_names[i] + 1) == 0);
        }
    }
    return found;
}

static bool model_matches(const struct model *m, const struct probe *p)
{
    const struct policy_connection *c = &p->connection;
    bool ports = (m->to.has_ports && !m->to.any_port) || (m->from.has_ports && !m->from.any_port);

    if (!direction_matches(m, c) || (m->family != 0 && m->family != c->family) || (m->raw && !c->raw))
        return false;
    if (!program_matches(m, paths[p->program]) || (m->users != 0 && (m->users & p->users) == 0))
        return false;
    if (!protocol_matches(m, c) || (ports && c->protocol != 6 && c->protocol != 17))
        return false;
    return ends_match(m, p, c->family == 6, c->direction == GATEHOUSE_RULE_IN) && names_match(&m->to, c);
}

static void make_probe(struct probe *p)
{
    struct policy_connection *c = &p->connection;
    size_t size;

    *p = (struct probe){.local = below(16),
                        .remote = below(16),
                        .local_port = below(PORTS),
                        .remote_port = below(PORTS),
                        .program = below(COUNT(paths)),
                        .users = below(4)};
    c->direction = (uint8_t)(1 + below(2));
    c->family = once_in(2) ? 4 : 6;
    c->protocol = once_in(2) ? (uint8_t)(once_in(2) ? 6 : 17) : protocols[below(COUNT(protocols))];
    c->raw = once_in(4);
    c->has_local = c->has_remote = c->has_local_port = c->has_remote_port = true;
    address_at(c->family == 6, p->local, c->local);
    address_at(c->family == 6, p->remote, c->remote);
    c->local_port = (uint16_t)port_at(p->local_port);
    c->remote_port = (uint16_t)port_at(p->remote_port);
    c->names = p->names;
    c->name_count = below(COUNT(p->names) + 1);
    for (unsigned i = 0; i < c->name_count; i++)
        p->names[i] = probe_names[below(COUNT(probe_names))];
    c->has_icmp_type = c->protocol == 1;
    c->icmp_type = (uint8_t)(c->protocol == 1 ? once_in(2) ? 8 : below(4) : 0);
    assert_true(path_text_from_bytes((const uint8_t *)paths[p->program], strlen(paths[p->program]), p->path,
                                     sizeof(p->path), &size));
    c->program = p->path;
    c->program_size = size;
    c->sids = p->sids;
    for (unsigned i = 0; i < 2; i++) {
        if ((p->users >> i & 1) != 0) {
            p->sids[c->sid_count].size = sid_of_unix(SIDS_UNIX_USER, i == 0 ? 0 : 1000, p->sids[c->sid_count].bytes);
            c->sid_count++;
        }
    }
}

/* --- Agreement ------------------------------------------------------------------------------ */

static char *print_all(const struct policy_image *image, const struct policy_sets *sets)
{
    const struct gatehouse_rules_image *header = image->bytes;
    const struct gatehouse_rule *rule = rule_image_first_rule(image->bytes);
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    for (uint32_t i = 0; i < header->rule_count; i++, rule = rule_image_next_rule(image->bytes, rule)) {
        char *line = policy_print_rule(sets, rule, NULL);

        assert_non_null(line);
        assert_null(strchr(line, '\n'));
        fprintf(to, "%s\n", line);
        free(line);
    }
    fclose(to);
    return text;
}

static void same_ids(const struct policy_image *one, const struct policy_image *other, const char *text)
{
    struct policy_difference *list = NULL;
    size_t count = 0;

    assert_true(policy_diff(one->bytes, other->bytes, false, &list, &count));
    if (count != 0)
        print_error("these are not the same when they are parsed again:\n%s", text);
    assert_int_equal(count, 0);
    free(list);
}

static void check_connections(const struct model *models, const struct policy_image *image,
                              const struct policy_sets *sets, const char *text)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        uint32_t expected = 0, number = RULES;
        struct probe probe;

        make_probe(&probe);
        while (expected < RULES && !model_matches(&models[expected], &probe))
            expected++;
        policy_match(image->bytes, sets, &probe.connection, &number, NULL, NULL);
        if (number != expected) {
            const struct gatehouse_rule *rule = rule_image_first_rule(image->bytes);
            uint32_t named = number < expected ? number : expected;
            char why[POLICY_WHY_MAX] = "it matches";

            for (uint32_t k = 0; k < named; k++)
                rule = rule_image_next_rule(image->bytes, rule);
            policy_rule_matches(sets, rule, &probe.connection, why, sizeof(why));
            print_error("rule %u decides, not %u (rule %u: %s):\n", number, expected, named, why);
            fputs(text, stderr);
        }
        assert_int_equal(number, expected);
    }
}

static void one_round(void)
{
    static struct fixture fixture;
    struct model models[RULES];
    struct policy_image image, again;
    struct policy_sets sets, sets_again;
    char *text = NULL, *printed, *printed_again;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    fixture_init(&fixture);
    for (unsigned i = 0; i < RULES; i++) {
        models[i] = make_rule();
        /* Now and then the same again: its id is another. */
        if (i != 0 && once_in(6))
            models[i] = models[i - 1];
        write_rule(to, &models[i]);
    }
    fclose(to);
    image = fixture_compile(&fixture, text);
    assert_int_equal(((const struct gatehouse_rules_image *)image.bytes)->rule_count, RULES);
    assert_true(policy_sets_init(&sets, image.bytes));
    printed = print_all(&image, &sets);
    again = fixture_compile(&fixture, printed);
    assert_true(policy_sets_init(&sets_again, again.bytes));
    printed_again = print_all(&again, &sets_again);
    assert_string_equal(printed, printed_again);
    same_ids(&image, &again, text);
    check_connections(models, &image, &sets, text);
    check_connections(models, &again, &sets_again, text);
    free(text);
    free(printed);
    free(printed_again);
    policy_sets_cleanup(&sets);
    policy_sets_cleanup(&sets_again);
    policy_image_cleanup(&image);
    policy_image_cleanup(&again);
}

static void model_image_and_print_agree(void **state)
{
    (void)state;
    srandom(5);
    for (unsigned i = 0; i < ROUNDS; i++)
        one_round();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_image_and_print_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
