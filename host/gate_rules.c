/* SPDX-License-Identifier: MIT */
/*
 * gate_rules.c - the netfilter rules, through iptables and ip6tables.
 *
 * Chains of our own in the filter table: one, reached from the top of OUTPUT, where a program sees each packet (two
 * where it cannot know the device). Calling it costs some 100 ns, a comparison of nf_tables' own 10, one that leads
 * somewhere (it counts, in other memory) several times that: so TCP packets that start nothing match none of the two
 * jumps, unless a raw socket that is watched was seen to make some by hand. What neither of them can read (a later
 * fragment made by hand, broken extension headers) is left to the guard, which drops what may start something. A second
 * chain for what starts something that is not permitted, and a third for what else raw sockets send while that is
 * watched (and one more for INPUT while packets that come in are). They go on to one another, so that a RETURN leads
 * back to OUTPUT. The jumps have no such match: a rule with a pinned program could not be named to take it out again.
 * Each family is changed by one iptables-restore, which the kernel commits as a whole: there is no moment without rules
 * when they are replaced. A blocked SYN is answered with a reset, not with an ICMP error: the kernel limits how many
 * ICMP errors it sends a second, and a limited one would leave the program waiting.
 *
 * Every command has a time limit (gate_command.c). When you change the rules, gate_rules_remove needs no change: it
 * takes out the chain and every jump to it.
 */
#include "gate_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHAIN     "gatehouse"
#define CHAIN_NEW CHAIN "-new" /* what starts something that is not permitted */
#define CHAIN_RAW CHAIN "-raw" /* what else raw sockets send */

#define AIDE_GONE "the process of gatehoused that starts iptables was killed: restart gatehoused"

struct family {
    const char *command, *restore;
    const char *refusal; /* for datagrams */
    const char *echo;    /* matches echo requests */
    const char *echo_refusal;
    const char *probe; /* this file exists when the kernel has the family */
};

static const struct family families[] = {
    {"iptables", "iptables-restore", "icmp-port-unreachable", "-p icmp -m icmp --icmp-type 8", "icmp-admin-prohibited",
     "/proc/thread-self/net/route"},
    {"ip6tables", "ip6tables-restore", "icmp6-port-unreachable", "-p ipv6-icmp -m icmp6 --icmpv6-type 128",
     "icmp6-adm-prohibited", "/proc/thread-self/net/if_inet6"},
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* The child's words in one line. */
static const char *one_line(char *text)
{
    for (char *c = text; c && *c; c++)
        if (*c == '\n')
            *c = ' ';
    return text ? text : "";
}

struct place {
    const char *from, *chain;
};
static const struct place place_out = {"OUTPUT", CHAIN}, place_in = {"INPUT", CHAIN "-in"},
                          place_echo = {"OUTPUT", CHAIN "-echo"}, place_echo_in = {"INPUT", CHAIN "-echo-in"},
                          place_raw = {"OUTPUT", CHAIN_RAW}; /* no jump leads there any more */
static const struct place *const places[] = {&place_out, &place_in, &place_echo, &place_echo_in, &place_raw};

/* True for a line of -S that leads to our chain. */
static bool is_jump(const char *line, const struct place *place)
{
    char start[16], end[24];
    size_t length = strlen(line), end_length;

    snprintf(start, sizeof(start), "-A %s ", place->from);
    snprintf(end, sizeof(end), " -j %s", place->chain);
    end_length = strlen(end);
    return !strncmp(line, start, strlen(start)) && length > end_length && !strcmp(line + length - end_length, end);
}

/* Writes a delete line for each jump to our chain into lines, and whether the chain is there. */
static int list_jumps(const struct family *family, const struct place *place, char *lines, size_t size, bool *chain,
                      struct gate_error *error)
{
    char *const arguments[] = {(char *)family->command, "-w", "5", "-t", "filter", "-S", NULL};
    char *text, *rest = NULL;
    size_t used = 0;
    int code = gate_command_run(arguments, NULL, &text);

    lines[0] = 0;
    *chain = false;
    if (code == 127)
        code = gate_fail(error, -ENOENT, "%s was not found: install the package iptables", family->command);
    else if (code == -EPIPE)
        code = gate_fail(error, code, AIDE_GONE);
    else if (code)
        code = gate_fail(error, code < 0 ? code : -EIO, "%s cannot list the filter table: %.200s", family->command,
                         one_line(text));
    for (char *line = code || !text ? NULL : strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!strncmp(line, "-N ", 3) && !strcmp(line + 3, place->chain))
            *chain = true;
        if ((is_jump(line, place) || (place == &place_out && is_jump(line, &place_raw))) &&
            used + strlen(line) + 2 < size)
            used += (size_t)snprintf(lines + used, size - used, "-D%s\n", line + 2);
    }
    free(text);
    return code;
}

static int restore(const struct family *family, const char *rules, struct gate_error *error)
{
    char *const arguments[] = {(char *)family->restore, "--noflush", "-w", "5", NULL};
    char *text;
    int code = gate_command_run(arguments, rules, &text);

    if (code == 127)
        code = gate_fail(error, -ENOENT, "%s was not found: install the package iptables", family->restore);
    else if (code == -EPIPE)
        code = gate_fail(error, code, AIDE_GONE);
    else if (code == -ETIMEDOUT)
        code = gate_fail(error, code, "%s did not finish within %d seconds", family->restore, GATE_COMMAND_MS / 1000);
    else if (code)
        code = gate_fail(error, code < 0 ? code : -EIO,
                         "%s refuses the rules; the kernel must have the matches bpf and tcp and the targets NFQUEUE "
                         "and REJECT (CONFIG_NETFILTER_XT_MATCH_BPF, _TARGET_NFQUEUE): %.300s",
                         family->restore, one_line(text));
    free(text);
    return code;
}

#define JUMP_OF_ALL "-I OUTPUT 1 -j " CHAIN "\n"
#define JUMPS_OF_STARTS                                                                                                \
    "-I OUTPUT 1 ! -p tcp -j " CHAIN "\n-I OUTPUT 1 -p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -j " CHAIN "\n"

/* The rules for what goes out, as text. jumps: lines that delete the old ones. */
static void write_rules(const struct family *family, const struct gate_rules *ask, const char *jumps, char *rules,
                        size_t size)
{
    const char *bypassed = ask->dead_open ? " --queue-bypass" : "", *at = ask->directory;
    static const char *const other[] = {"! -o lo ", "_other"}, *const lo[] = {"-o lo ", "_lo"}, *const any[] = {"", ""};
    const char *const *const sides[2] = {ask->deep ? any : other, ask->deep ? NULL : lo};
    size_t used = (size_t)snprintf(
        rules, size, "*filter\n:" CHAIN " - [0:0]\n:" CHAIN_NEW " - [0:0]\n:" CHAIN_RAW " - [0:0]\n%s", jumps);

    for (unsigned i = 0; i < 2 && sides[i]; i++)
        used += (size_t)snprintf(rules + used, size - used,
                                 "-A " CHAIN " %s-m bpf --object-pinned %s/xt_gate%s -g " CHAIN_NEW "\n"
                                 "-A " CHAIN_NEW " %s-m bpf --object-pinned %s/xt_pend%s -j NFQUEUE --queue-num %u%s\n",
                                 sides[i][0], at, sides[i][1], sides[i][0], at, sides[i][1], (unsigned)ask->queue,
                                 bypassed);
    if (ask->raw)
        used += (size_t)snprintf(rules + used, size - used,
                                 "-A " CHAIN_NEW " -m bpf --object-pinned %s/xt_rest -g " CHAIN_RAW "\n"
                                 "-A " CHAIN_RAW " -m bpf --object-pinned %s/xt_raw_permit -j RETURN\n"
                                 "-A " CHAIN_RAW " -m bpf --object-pinned %s/xt_raw_pend -j NFQUEUE --queue-num %u%s\n"
                                 "-A " CHAIN_RAW " -j DROP\n",
                                 at, at, at, (unsigned)ask->queue, bypassed);
    snprintf(rules + used, size - used,
             "-A " CHAIN_NEW " -p tcp -j REJECT --reject-with tcp-reset\n"
             "-A " CHAIN_NEW " -p udp -j REJECT --reject-with %s\n"
             "%s"
             "%s"
             "COMMIT\n",
             family->refusal, ask->all ? JUMP_OF_ALL : JUMPS_OF_STARTS, ask->raw ? "" : "-X " CHAIN_RAW "\n");
}

static int install_family(const struct family *family, const struct gate_rules *ask, struct gate_error *error)
{
    char jumps[2048], rules[8192];
    bool chain;
    int code = list_jumps(family, &place_out, jumps, sizeof(jumps), &chain, error);

    if (code)
        return code;
    write_rules(family, ask, jumps, rules, sizeof(rules));
    return restore(family, rules, error);
}

int gate_rules_install(const struct gate_rules *ask, struct gate_error *error)
{
    int code = 0;

    for (size_t i = 0; !code && i < FAMILIES; i++)
        if (!access(families[i].probe, F_OK))
            code = install_family(&families[i], ask, error);
    return code;
}

/* What a listing of one family has of ours. jumps: those that nobody else's rule of the chain comes before. */
struct standing {
    bool others_in, others_out;
    unsigned jumps[sizeof(places) / sizeof(places[0])];
    unsigned rules, rules_new;
};

static void look_at_line(const char *line, struct standing *found)
{
    bool in = !strncmp(line, "-A INPUT ", 9), out = !strncmp(line, "-A OUTPUT ", 10), ours = false;

    for (size_t i = 0; (in || out) && i < sizeof(places) / sizeof(places[0]); i++) {
        if (!is_jump(line, places[i]))
            continue;
        ours = true;
        if (!(in ? found->others_in : found->others_out))
            found->jumps[i]++;
    }
    found->others_in = found->others_in || (in && !ours);
    found->others_out = found->others_out || (out && !ours);
    if (!strncmp(line, "-A " CHAIN " ", sizeof("-A " CHAIN)))
        found->rules++;
    if (!strncmp(line, "-A " CHAIN_NEW " ", sizeof("-A " CHAIN_NEW)))
        found->rules_new++;
}

/* Our jumps come first, and our chain has its rules. Nobody else changes single ones of them. */
static bool family_stands(const struct family *family, const struct gate_rules *ask, unsigned watched)
{
    const unsigned sides = ask->deep ? 1 : 2;
    char *const arguments[] = {(char *)family->command, "-w", "5", "-t", "filter", "-S", NULL};
    struct standing found = {0};
    char *text, *rest = NULL;
    int code = gate_command_run(arguments, NULL, &text);

    for (char *line = code || !text ? NULL : strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        look_at_line(line, &found);
    free(text);
    return code == 0 && found.jumps[0] == (ask->all ? 1 : 2) && found.rules == sides &&
           found.rules_new == sides + ask->raw + 2 && (!(watched & 1u << GATE_WATCH_INBOUND) || found.jumps[1] == 2) &&
           (!(watched & 1u << GATE_WATCH_ECHO) || found.jumps[2] == 1) &&
           (!(watched & 1u << GATE_WATCH_ECHO_IN) || found.jumps[3] == 1);
}

bool gate_rules_stand(const struct gate_rules *ask, unsigned watched)
{
    bool stand = true;

    for (size_t i = 0; i < FAMILIES; i++)
        if (!access(families[i].probe, F_OK) && !family_stands(&families[i], ask, watched))
            stand = false;
    return stand;
}

static int remove_family(const struct family *family, const struct place *place, struct gate_error *error)
{
    char jumps[2048], rules[4096];
    bool chain;
    int code = list_jumps(family, place, jumps, sizeof(jumps), &chain, error);

    if (code)
        return code;
    if (!chain)
        return 0;
    snprintf(rules, sizeof(rules), "*filter\n:%s-new - [0:0]\n%s-F %s\n-X %s\n-F %s-new\n-X %s-new\nCOMMIT\n",
             place->chain, jumps, place->chain, place->chain, place->chain, place->chain);
    return restore(family, rules, error);
}

int gate_rules_remove(struct gate_error *error)
{
    int result = 0;

    for (size_t i = 0; i < FAMILIES; i++) {
        for (size_t k = 0; k < sizeof(places) / sizeof(places[0]) && !access(families[i].probe, F_OK); k++) {
            int code = remove_family(&families[i], places[k], error);

            if (code && !result)
                result = code;
        }
    }
    return result;
}

/* What is blocked is dropped: who asks from outside learns nothing. */
static int install_inbound(const struct family *family, const char *directory, uint16_t queue, bool bypass,
                           struct gate_error *error)
{
    char jumps[2048], rules[8192];
    bool chain;
    int code = list_jumps(family, &place_in, jumps, sizeof(jumps), &chain, error);

    if (code)
        return code;
    snprintf(rules, sizeof(rules),
             "*filter\n"
             ":" CHAIN "-in - [0:0]\n"
             "%s"
             "-A " CHAIN "-in -m bpf --object-pinned %s/xt_in_permit -j RETURN\n"
             "-A " CHAIN "-in -m bpf --object-pinned %s/xt_in_pend -j NFQUEUE --queue-num %u%s\n"
             "-A " CHAIN "-in -j DROP\n"
             "-I INPUT 1 -p udp -j " CHAIN "-in\n"
             "-I INPUT 1 -p tcp -m tcp --syn -j " CHAIN "-in\n"
             "COMMIT\n",
             jumps, directory, directory, (unsigned)queue, bypass ? " --queue-bypass" : "");
    return restore(family, rules, error);
}

int gate_rules_inbound(const char *directory, uint16_t queue, bool dead_open, bool on, struct gate_error *error)
{
    int code = 0;

    for (size_t i = 0; !code && i < FAMILIES; i++) {
        if (access(families[i].probe, F_OK))
            continue;
        code = on ? install_inbound(&families[i], directory, queue, dead_open, error)
                  : remove_family(&families[i], &place_in, error);
    }
    return code;
}

/* A refused request that goes out is told of, so that its program does not wait. */
static int install_echo(const struct family *family, const char *directory, uint16_t queue, bool bypass, bool out,
                        struct gate_error *error)
{
    const struct place *place = out ? &place_echo : &place_echo_in;
    char jumps[2048], rules[8192], refusal[64] = "DROP";
    bool chain;
    int code = list_jumps(family, place, jumps, sizeof(jumps), &chain, error);

    if (code)
        return code;
    if (out)
        snprintf(refusal, sizeof(refusal), "REJECT --reject-with %s", family->echo_refusal);
    snprintf(rules, sizeof(rules),
             "*filter\n"
             ":%s - [0:0]\n"
             "%s"
             "-A %s -m bpf --object-pinned %s/xt_%s_permit -j RETURN\n"
             "-A %s -m bpf --object-pinned %s/xt_%s_pend -j NFQUEUE --queue-num %u%s\n"
             "-A %s -j %s\n"
             "-I %s 1 %s -j %s\n"
             "COMMIT\n",
             place->chain, jumps, place->chain, directory, out ? "echo" : "echo_in", place->chain, directory,
             out ? "echo" : "echo_in", (unsigned)queue, bypass ? " --queue-bypass" : "", place->chain, refusal,
             place->from, family->echo, place->chain);
    return restore(family, rules, error);
}

int gate_rules_echo(const char *directory, uint16_t queue, bool dead_open, bool out, bool on, struct gate_error *error)
{
    int code = 0;

    for (size_t i = 0; !code && i < FAMILIES; i++) {
        if (access(families[i].probe, F_OK))
            continue;
        code = on ? install_echo(&families[i], directory, queue, dead_open, out, error)
                  : remove_family(&families[i], out ? &place_echo : &place_echo_in, error);
    }
    return code;
}
