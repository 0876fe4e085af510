/* SPDX-License-Identifier: MIT */
/*
 * gate_events.c - what the eBPF programs tell besides packets: ends of sockets, refusals, answers of name servers.
 */
#include "gate_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf/gate_inbound.h"
#include "bpf/gate_names.h"

void gate_fill_owner(struct gate *gate, const struct gate_caller *caller, struct gate_owner *owner)
{
    owner->path = "";
    if (!(caller->flags & GATE_CALLER_KNOWN))
        return;
    owner->flags =
        caller->flags & (GATE_OWNER_KNOWN | GATE_OWNER_OTHER_MOUNTS | GATE_OWNER_DELETED | GATE_OWNER_PATH_CUT);
    owner->pid = caller->pid;
    owner->start_boottime_ns = caller->start_boottime_ns;
    owner->uid = caller->uid;
    owner->gid = caller->gid;
    owner->exe_inode = caller->exe_inode;
    owner->exe_generation = caller->exe_generation;
    owner->mount_namespace = caller->mount_namespace;
    owner->cgroup = caller->cgroup;
    memcpy(owner->comm, caller->comm, sizeof(owner->comm));
    memcpy(owner->program, caller->program, sizeof(owner->program));
    owner->groups = caller->groups;
    gate_images_find(gate->images, gate->programs.maps.images, caller, owner);
}

void gate_fill_member(struct gate *gate, const struct gate_caller *caller, struct gate_owner *owner)
{
    gate_fill_owner(gate, caller, owner);
    if (caller->flags & GATE_CALLER_KNOWN)
        gate_group_sets_find(gate->groups, gate->programs.maps.groups, caller, owner);
}

static void fill_filter(const struct gate *gate, uint32_t hits, uint8_t filter[16])
{
    gate_hits_key(gate->hits, hits, filter);
}

static void take_refusal(struct gate *gate, const struct gate_refusal *refusal)
{
    struct gate_refused_flow told = {.key = refusal->key, .count = refusal->count};

    if (!gate->handlers->refused)
        return;
    fill_filter(gate, refusal->hits, told.filter);
    gate_fill_owner(gate, &refusal->caller, &told.owner);
    gate->handlers->refused(gate->context, &told);
}

static void take_event(void *context, const void *data, size_t size)
{
    struct gate *gate = context;
    const struct gate_event *event = data;

    if (size >= sizeof(struct gate_refusal) && event->cookie == GATE_COOKIE_OF_REFUSAL)
        take_refusal(gate, data);
    else if (size >= sizeof(*event) && event->cookie == GATE_COOKIE_OF_GUARD)
        gate_watch_doubt(&gate->watch);
    else if (size >= sizeof(*event) && event->cookie == GATE_COOKIE_OF_RAW)
        gate_watch_hurry(&gate->watch);
    else if (size >= sizeof(*event) && gate->handlers->socket_closed)
        gate->handlers->socket_closed(gate->context, event->cookie);
}

static void take_end(void *context, const void *data, size_t size)
{
    struct gate *gate = context;
    const struct gate_end *end = data;
    struct gate_stream_end told = {0};

    if (size < sizeof(*end))
        return;
    if (end->is == GATE_END_BOUND) {
        if (gate->handlers->socket_closed)
            gate->handlers->socket_closed(gate->context, end->cookie);
        return;
    }
    told.cookie = end->cookie;
    told.inbound = end->inbound;
    told.bytes_out = end->bytes_out;
    told.bytes_in = end->bytes_in;
    gate_fill_owner(gate, &end->caller, &told.owner);
    fill_filter(gate, end->caller.hits, told.filter);
    told.peer.ip_version = end->tuple.ip_version;
    told.peer.protocol = end->tuple.protocol;
    told.peer.local_port = ntohs(end->tuple.local_port);
    told.peer.remote_port = ntohs(end->tuple.remote_port);
    memcpy(told.peer.local_address, end->tuple.local_address, sizeof(told.peer.local_address));
    memcpy(told.peer.remote_address, end->tuple.remote_address, sizeof(told.peer.remote_address));
    if (gate->handlers->stream_ended)
        gate->handlers->stream_ended(gate->context, &told);
}

static void take_dns(void *context, const void *data, size_t size)
{
    struct gate *gate = context;
    const struct gate_dns *dns = data;
    struct gate_dns_answer answer = {0};

    if (size < sizeof(*dns) || dns->size > GATE_DNS_MAX)
        return;
    answer.ip_version = dns->ip_version;
    memcpy(answer.server_address, dns->server_address, sizeof(answer.server_address));
    answer.message = dns->message;
    answer.size = dns->size;
    gate_fill_owner(gate, &dns->caller, &answer.owner);
    gate->listener.answer(gate->listener.context, &answer);
}

void gate_listen(struct gate *gate, const struct gate_listener *listener, const struct gate_load *load)
{
    if (!listener)
        return;
    gate->listener = *listener;
    gate->names = gate_names_open(load, take_dns, gate);
}

void gate_look_for_names(struct gate *gate)
{
    gate_names_read(gate->names);
    if (gate->listener.look)
        gate->listener.look(gate->listener.context);
}

uint64_t gate_events_lost(const struct gate *gate)
{
    return __atomic_load_n(&gate->programs.maps.state->events_lost, __ATOMIC_RELAXED);
}

static int watch_ring(const struct gate *gate, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(gate->told, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_ring(struct gate *gate, struct gate_ring *ring, int fd, size_t size, gate_ring_take *take)
{
    int code = gate_ring_open(ring, fd, size, take, gate);

    return code ? code : watch_ring(gate, fd);
}

int gate_events_open(struct gate *gate, struct gate_error *error)
{
    int code;

    gate->told = epoll_create1(EPOLL_CLOEXEC);
    code = gate->told < 0 ? -errno : 0;
    if (!code)
        code = open_ring(gate, &gate->events, gate_programs_ring(&gate->programs), GATE_EVENTS_SIZE, take_event);
    if (!code && gate->names)
        code = watch_ring(gate, gate_names_ring(gate->names));
    if (!code && gate->inbound)
        code = open_ring(gate, &gate->ends, gate_inbound_ring(gate->inbound), GATE_ENDS_SIZE, take_end);
    if (code)
        return gate_fail(error, code, "cannot read the events of the eBPF programs: %s", strerror(-code));
    gate->events_lost = gate_events_lost(gate);
    return 0;
}

void gate_events_close(struct gate *gate)
{
    gate_ring_close(&gate->events);
    gate_ring_close(&gate->ends);
    if (gate->told >= 0)
        close(gate->told);
}

int gate_events_fd(const struct gate *gate)
{
    return gate->told;
}

void gate_read_names(struct gate *gate)
{
    gate_names_read(gate->names);
}

bool gate_sees_names(const struct gate *gate)
{
    return gate->names != NULL;
}

static void sweep_one(void *context, uint64_t cookie)
{
    struct gate *gate = context;

    if (gate->handlers->socket_closed)
        gate->handlers->socket_closed(gate->context, cookie);
}

int gate_read_events(struct gate *gate, const struct gate_handlers *handlers, void *context)
{
    uint64_t lost;
    unsigned got;

    gate->handlers = handlers;
    gate->context = context;
    gate_names_read(gate->names);
    got = gate_ring_read(&gate->events) + gate_ring_read(&gate->ends);
    lost = gate_events_lost(gate);
    if (lost != gate->events_lost) {
        gate->events_lost = lost;
        gate_sockets_sweep(gate->programs.maps.owners, sweep_one, gate);
    }
    return (int)got;
}

void gate_follow(struct gate *gate)
{
    __atomic_add_fetch(&gate->programs.maps.state->turn, 1, __ATOMIC_SEQ_CST);
}

void gate_follow_wake(struct gate *gate)
{
    __atomic_store_n(&gate->programs.maps.state->tell, 1, __ATOMIC_SEQ_CST);
}

bool gate_follow_wakes(const struct gate *gate)
{
    return __atomic_load_n(&gate->programs.maps.state->tell, __ATOMIC_SEQ_CST);
}

bool gate_refused_count(struct gate *gate, const struct gate_refused_key *key, uint64_t *count)
{
    struct gate_refused refused;

    if (bpf_map_lookup_elem(gate->programs.maps.refused, key, &refused))
        return false;
    *count = refused.count;
    return true;
}
