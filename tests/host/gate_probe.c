/* SPDX-License-Identifier: MIT */
/*
 * gate_probe - the gate without a driver: prints what it is shown, does what it is told.
 *
 * Usage: gate_probe open [queue=N] [deadline=MS] [length=N] [dead=open|closed] [policy=hold|permit|block] [quiet]
 *        gate_probe remove
 *        gate_probe echo N         binds queue N and accepts everything: the bare loop to compare with
 *
 * Open prints one JSON object a line: ready, packet, damaged, closed, counts. It reads lines from standard input:
 *   permit ID | block ID     decides the flow of that held packet and sends the packet round again
 *   repeat ID | drop ID      without a verdict | drops it
 *   flow ID permit|block     decides only
 *   destroy ID               ends its connection
 *   policy hold|permit|block for packets to come
 *   generation | counts | quit
 */
#include "host/gate.h"
#include "host/gate_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#define HELD_MAX 65536

enum policy { POLICY_HOLD, POLICY_PERMIT, POLICY_BLOCK };

struct held {
    uint32_t id;
    struct gate_flow flow;
    uint8_t local_address[16];
    uint16_t local_port;
};

struct probe {
    struct gate *gate;
    enum policy policy;
    bool quiet, done;
    unsigned long packets;
    struct held held[HELD_MAX];
};

static struct probe probe;

static void print_bytes(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        if (byte < 32 || byte > 126 || byte == '"' || byte == '\\')
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
}

static void print_packet(const struct gate_packet *packet)
{
    char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
    int family = packet->ip_version == 4 ? AF_INET : AF_INET6;
    const struct gate_owner *owner = &packet->owner;

    inet_ntop(family, packet->local_address, local, sizeof(local));
    inet_ntop(family, packet->remote_address, remote, sizeof(remote));
    printf("{\"event\":\"packet\",\"id\":%u,\"version\":%u,\"protocol\":%u,\"local\":\"%s\",\"local_port\":%u,"
           "\"remote\":\"%s\",\"remote_port\":%u,\"cookie\":%" PRIu64 ",\"interface\":%u,\"loopback\":%s,\"stale\":%s,"
           "\"closed\":%s,\"size\":%zu,\"flags\":%u,\"pid\":%u,\"start\":%" PRIu64
           ",\"uid\":%u,\"gid\":%u,\"device\":%" PRIu64 ",\"inode\":%" PRIu64
           ",\"generation\":%u,\"mounts\":%u,\"cgroup\":%" PRIu64 ",\"path\":\"",
           packet->id, packet->ip_version, packet->protocol, local, packet->local_port, remote, packet->remote_port,
           packet->cookie, packet->interface_index, packet->loopback ? "true" : "false",
           packet->known_stale ? "true" : "false", packet->closed ? "true" : "false", packet->data_size, owner->flags,
           owner->pid, owner->start_boottime_ns, owner->uid, owner->gid, owner->exe_device, owner->exe_inode,
           owner->exe_generation, owner->mount_namespace, owner->cgroup);
    print_bytes(owner->path, owner->path_size);
    printf("\",\"comm\":\"");
    print_bytes(owner->comm, strnlen(owner->comm, sizeof(owner->comm)));
    printf("\"}\n");
}

static void decide(const struct held *held, bool permit)
{
    int code = gate_decide(probe.gate, &held->flow, permit, NULL);

    if (code)
        printf("{\"event\":\"error\",\"text\":\"decide: %s\"}\n", strerror(-code));
}

static void on_packet(void *context, const struct gate_packet *packet)
{
    struct held *held = &probe.held[packet->id % HELD_MAX];

    (void)context;
    held->id = packet->id;
    held->flow.cookie = packet->cookie;
    held->flow.ip_version = packet->ip_version;
    held->flow.protocol = packet->protocol;
    held->flow.remote_port = packet->remote_port;
    memcpy(held->flow.remote_address, packet->remote_address, sizeof(held->flow.remote_address));
    memcpy(held->local_address, packet->local_address, sizeof(held->local_address));
    held->local_port = packet->local_port;
    probe.packets++;
    if (probe.policy != POLICY_HOLD) {
        decide(held, probe.policy == POLICY_PERMIT);
        gate_repeat(probe.gate, packet->id);
    }
    if (!probe.quiet)
        print_packet(packet);
}

static void on_damaged(void *context, uint32_t id)
{
    (void)context;
    printf("{\"event\":\"damaged\",\"id\":%u}\n", id);
}

static void on_closed(void *context, uint64_t cookie)
{
    (void)context;
    if (!probe.quiet)
        printf("{\"event\":\"closed\",\"cookie\":%" PRIu64 "}\n", cookie);
}

static void print_counts(void)
{
    struct gate_counts counts;
    int code = gate_count(probe.gate, &counts);

    printf("{\"event\":\"counts\",\"code\":%d,\"packets\":%lu,\"datagrams_blocked\":%" PRIu64
           ",\"queue_dropped\":%" PRIu64 ",\"queue_user_dropped\":%" PRIu64 ",\"events_lost\":%" PRIu64 "}\n",
           code, probe.packets, code ? 0 : counts.datagrams_blocked, code ? 0 : counts.queue_dropped,
           code ? 0 : counts.queue_user_dropped, code ? 0 : counts.events_lost);
}

static enum policy policy_of(const char *word)
{
    return !strcmp(word, "permit") ? POLICY_PERMIT : !strcmp(word, "block") ? POLICY_BLOCK : POLICY_HOLD;
}

static void obey(const char *line)
{
    static const struct gate_handlers handlers = {on_packet, on_damaged, on_closed};
    char word[16] = "", argument[16] = "", verdict[16] = "";
    const struct held *held;
    uint32_t id;

    sscanf(line, "%15s %15s %15s", word, argument, verdict);
    id = (uint32_t)strtoul(argument, NULL, 10);
    held = &probe.held[id % HELD_MAX];
    if (!strcmp(word, "permit") || !strcmp(word, "block")) {
        decide(held, word[0] == 'p');
        gate_repeat(probe.gate, id);
    } else if (!strcmp(word, "flow")) {
        decide(held, verdict[0] == 'p');
    } else if (!strcmp(word, "repeat")) {
        gate_repeat(probe.gate, id);
    } else if (!strcmp(word, "drop")) {
        gate_drop(probe.gate, id);
    } else if (!strcmp(word, "destroy")) {
        printf("{\"event\":\"destroyed\",\"code\":%d}\n",
               gate_destroy_socket(probe.gate, &held->flow, held->local_address, held->local_port));
    } else if (!strcmp(word, "policy")) {
        probe.policy = policy_of(argument);
    } else if (!strcmp(word, "generation")) {
        gate_new_generation(probe.gate);
    } else if (!strcmp(word, "counts")) {
        gate_read_events(probe.gate, &handlers, NULL);
        print_counts();
    } else if (!strcmp(word, "quit")) {
        probe.done = true;
    }
}

/* Whole lines only; a line is short. */
static void read_commands(void)
{
    static char text[65536];
    static size_t used;
    ssize_t got = read(0, text + used, sizeof(text) - 1 - used);
    char *line = text, *end;

    if (got <= 0) {
        probe.done = true;
        return;
    }
    used += (size_t)got;
    text[used] = 0;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        obey(line);
        line = end + 1;
    }
    used -= (size_t)(line - text);
    memmove(text, line, used);
}

static void serve(void)
{
    static const struct gate_handlers handlers = {on_packet, on_damaged, on_closed};
    struct pollfd ready[3] = {{.fd = gate_queue_fd(probe.gate), .events = POLLIN},
                              {.fd = gate_events_fd(probe.gate), .events = POLLIN},
                              {.fd = 0, .events = POLLIN}};

    while (!probe.done) {
        if (poll(ready, 3, -1) < 0 && errno != EINTR)
            break;
        if (ready[0].revents)
            gate_read_queue(probe.gate, 256, &handlers, NULL);
        if (ready[1].revents)
            gate_read_events(probe.gate, &handlers, NULL);
        if (ready[2].revents)
            read_commands();
        fflush(stdout);
    }
}

static void accept_one(void *context, const struct gate_queued *queued)
{
    gate_queue_verdict(context, queued->id, NF_ACCEPT);
}

static int echo(const char *number)
{
    struct gate_options options = {.queue = (uint16_t)strtoul(number, NULL, 10), .queue_length = 65536};
    struct gate_queue queue = {0};
    char text[512] = "";
    struct gate_error error = {text, sizeof(text)};
    struct pollfd ready = {.events = POLLIN};

    if (gate_queue_open(&queue, &options, &error)) {
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    ready.fd = mnl_socket_get_fd(queue.socket);
    printf("{\"event\":\"ready\"}\n");
    fflush(stdout);
    while (poll(&ready, 1, -1) > 0)
        gate_queue_read(&queue, 256, accept_one, &queue);
    return 0;
}

static void read_option(struct gate_options *options, const char *word)
{
    if (!strncmp(word, "queue=", 6))
        options->queue = (uint16_t)strtoul(word + 6, NULL, 10);
    else if (!strncmp(word, "deadline=", 9))
        options->deadline_ms = (uint32_t)strtoul(word + 9, NULL, 10);
    else if (!strncmp(word, "length=", 7))
        options->queue_length = (uint32_t)strtoul(word + 7, NULL, 10);
    else if (!strncmp(word, "dead=", 5))
        options->dead_open = !strcmp(word + 5, "open");
    else if (!strncmp(word, "policy=", 7))
        probe.policy = policy_of(word + 7);
    else if (!strcmp(word, "quiet"))
        probe.quiet = true;
}

int main(int count, char **words)
{
    struct gate_options options = {.queue = GATE_QUEUE_DEFAULT, .deadline_ms = 60000, .queue_length = 131072};
    char error[512] = "";

    if (count == 3 && !strcmp(words[1], "echo"))
        return echo(words[2]);
    if (count == 2 && !strcmp(words[1], "remove")) {
        if (!gate_remove(error, sizeof(error)))
            return 0;
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    if (count < 2 || strcmp(words[1], "open"))
        return 2;
    for (int i = 2; i < count; i++)
        read_option(&options, words[i]);
    if (gate_open(&options, &probe.gate, error, sizeof(error))) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    printf("{\"event\":\"ready\"}\n");
    fflush(stdout);
    serve();
    gate_close(probe.gate);
    return 0;
}
