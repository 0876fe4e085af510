/* SPDX-License-Identifier: MIT */
/*
 * names.c - see names.h. Numbers as IANA has them; of several names of a number, the first one is printed.
 */
#include "policy/names.h"

#include <string.h>

struct name {
    const char *text;
    uint16_t number;
};

static const struct name protocols[] = {
    {"icmp", 1},  {"igmp", 2},  {"ipip", 4},   {"tcp", 6},    {"udp", 17},    {"dccp", 33},
    {"gre", 47},  {"esp", 50},  {"ah", 51},    {"icmp6", 58}, {"icmpv6", 58}, {"ipv6-icmp", 58},
    {"ospf", 89}, {"pim", 103}, {"vrrp", 112}, {"l2tp", 115}, {"sctp", 132},  {"udplite", 136},
};

static const struct name services[] = {
    {"ftp-data", 20},      {"ftp", 21},           {"ssh", 22},           {"telnet", 23},         {"smtp", 25},
    {"time", 37},          {"whois", 43},         {"tacacs", 49},        {"domain", 53},         {"dns", 53},
    {"bootps", 67},        {"bootpc", 68},        {"tftp", 69},          {"gopher", 70},         {"finger", 79},
    {"http", 80},          {"kerberos", 88},      {"pop3", 110},         {"sunrpc", 111},        {"ident", 113},
    {"nntp", 119},         {"ntp", 123},          {"epmap", 135},        {"netbios-ns", 137},    {"netbios-dgm", 138},
    {"netbios-ssn", 139},  {"imap", 143},         {"snmp", 161},         {"snmp-trap", 162},     {"bgp", 179},
    {"irc", 194},          {"ldap", 389},         {"https", 443},        {"microsoft-ds", 445},  {"smb", 445},
    {"kpasswd", 464},      {"submissions", 465},  {"isakmp", 500},       {"exec", 512},          {"login", 513},
    {"shell", 514},        {"syslog", 514},       {"printer", 515},      {"dhcpv6-client", 546}, {"dhcpv6-server", 547},
    {"rtsp", 554},         {"submission", 587},   {"ipp", 631},          {"ldaps", 636},         {"dns-over-tls", 853},
    {"rsync", 873},        {"ftps-data", 989},    {"ftps", 990},         {"imaps", 993},         {"pop3s", 995},
    {"socks", 1080},       {"openvpn", 1194},     {"ms-sql-s", 1433},    {"l2f", 1701},          {"pptp", 1723},
    {"radius", 1812},      {"mqtt", 1883},        {"ssdp", 1900},        {"nfs", 2049},          {"docker", 2375},
    {"etcd-client", 2379}, {"etcd-server", 2380}, {"mysql", 3306},       {"rdp", 3389},          {"stun", 3478},
    {"svn", 3690},         {"nats", 4222},        {"ipsec-nat-t", 4500}, {"xmpp-client", 5222},  {"xmpp-server", 5269},
    {"mdns", 5353},        {"llmnr", 5355},       {"postgresql", 5432},  {"amqp", 5672},         {"vnc", 5900},
    {"winrm", 5985},       {"x11", 6000},         {"redis", 6379},       {"ircs-u", 6697},       {"http-alt", 8080},
    {"mqtts", 8883},       {"git", 9418},         {"memcached", 11211},  {"mongodb", 27017},     {"wireguard", 51820},
};

static const struct name icmp_types[] = {
    {"echo-reply", 0},         {"unreachable", 3},          {"source-quench", 4},        {"redirect", 5},
    {"echo-request", 8},       {"router-advertisement", 9}, {"router-solicitation", 10}, {"time-exceeded", 11},
    {"parameter-problem", 12}, {"timestamp-request", 13},   {"timestamp-reply", 14},
};

static const struct name icmp6_types[] = {
    {"unreachable", 1},
    {"packet-too-big", 2},
    {"time-exceeded", 3},
    {"parameter-problem", 4},
    {"echo-request", 128},
    {"echo-reply", 129},
    {"multicast-query", 130},
    {"multicast-report", 131},
    {"multicast-done", 132},
    {"router-solicitation", 133},
    {"router-advertisement", 134},
    {"neighbour-solicitation", 135},
    {"neighbor-solicitation", 135},
    {"neighbour-advertisement", 136},
    {"neighbor-advertisement", 136},
    {"redirect", 137},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const struct name *names;
    size_t count;
} tables[] = {
    [NAMES_PROTOCOL] = {protocols, COUNT(protocols)},
    [NAMES_SERVICE] = {services, COUNT(services)},
    [NAMES_ICMP] = {icmp_types, COUNT(icmp_types)},
    [NAMES_ICMP6] = {icmp6_types, COUNT(icmp6_types)},
};

bool names_number(enum names_table table, const char *text, size_t length, uint16_t *number)
{
    for (size_t i = 0; i < tables[table].count; i++) {
        const char *name = tables[table].names[i].text;

        if (strncmp(name, text, length) == 0 && name[length] == '\0') {
            *number = tables[table].names[i].number;
            return true;
        }
    }
    return false;
}

const char *names_of(enum names_table table, uint16_t number)
{
    for (size_t i = 0; i < tables[table].count; i++) {
        if (tables[table].names[i].number == number)
            return tables[table].names[i].text;
    }
    return NULL;
}

const char *names_at(enum names_table table, size_t place)
{
    return place < tables[table].count ? tables[table].names[place].text : NULL;
}

#define NEAR_MAX 32u

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters to change, add, take out or swap with their neighbour. */
static unsigned distance(const char *one, size_t one_length, const char *other, size_t other_length)
{
    unsigned rows[3][NEAR_MAX + 1];

    for (size_t j = 0; j <= other_length; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= one_length; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= other_length; j++) {
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + (one[i - 1] != other[j - 1]));
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[one_length % 3][other_length];
}

/* Better than *best? Short words must be nearer. */
static void try_near(const char *text, size_t length, const char *word, const char **found, unsigned *best)
{
    size_t word_length = strlen(word);
    unsigned far, limit = length < 3 ? 0 : length < 6 ? 1 : 2;

    if (length > NEAR_MAX || word_length > NEAR_MAX)
        return;
    far = distance(text, length, word, word_length);
    if (far <= limit && far < *best) {
        *best = far;
        *found = word;
    }
}

const char *names_near(const char *text, size_t length, const char *const *words)
{
    const char *found = NULL;
    unsigned best = UINT32_MAX;

    for (; *words != NULL; words++)
        try_near(text, length, *words, &found, &best);
    return found;
}

const char *names_near_in(enum names_table table, const char *text, size_t length)
{
    const char *found = NULL;
    unsigned best = UINT32_MAX;

    for (size_t i = 0; i < tables[table].count; i++)
        try_near(text, length, tables[table].names[i].text, &found, &best);
    return found;
}

const char *names_meant(const char *text, size_t length, bool near_too)
{
    static const char *const pairs[][2] = {
        {"accept", "permit"},
        {"allow", "permit"},
        {"pass", "permit"},
        {"deny", "block"},
        {"drop", "block"},
        {"refuse", "block"},
        {"reject", "block"},
        {"prompt", "ask"},
        {"app", "program"},
        {"application", "program"},
        {"exe", "program"},
        {"path", "program"},
        {"process", "program"},
        {"uid", "user"},
        {"gid", "group"},
        {"service", "unit"},
        {"protocol", "proto"},
        {"dst", "to"},
        {"destination", "to"},
        {"remote", "to"},
        {"src", "from"},
        {"source", "from"},
        {"local", "from"},
        {"dport", "port"},
        {"ports", "port"},
        {"inbound", "in"},
        {"incoming", "in"},
        {"outbound", "out"},
        {"outgoing", "out"},
        {"ip", "inet"},
        {"ip4", "inet"},
        {"ipv4", "inet"},
        {"v4", "inet"},
        {"ip6", "inet6"},
        {"ipv6", "inet6"},
        {"v6", "inet6"},
        {"icmp6-type", "icmp-type"},
        {"everything", "all"},
        {"logged", "log"},
        {"define", "set"},
        {"table", "set"},
        {"load", "include"},
    };

    const char *found = NULL, *near = NULL;
    unsigned best = near_too ? UINT32_MAX : 1;

    for (size_t i = 0; i < COUNT(pairs); i++) {
        try_near(text, length, pairs[i][0], &near, &best);
        if (near == pairs[i][0])
            found = pairs[i][1];
    }
    return found;
}
