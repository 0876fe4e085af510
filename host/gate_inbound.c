/* SPDX-License-Identifier: MIT */
/*
 * gate_inbound.c - packets that come in: who listens for them, and what was said of them (bpf/inbound.bpf.c).
 *
 * The kernel says which socket would get a packet (sock_diag, one look-up by tuple, as its own delivery would do it),
 * that socket's cookie says who bound it. Sockets that were bound before the programs were there are found once, by an
 * iterator over all open files; where that does not load, their programs are not known.
 *
 * A kernel that refuses the whole object leaves connections that go out as they are: gate_inbound_watch then says that
 * nothing that comes in can be looked at.
 */
#include "gate_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "bpf/inbound.skel.h"
#pragma GCC diagnostic pop

#include "bpf/gate_inbound.h"
#include "host/packet.h"

#define STATE_LISTEN 10
#define GRACE_MS     2000u

struct gate_inbound {
    struct inbound_bpf *skeleton;
    int accepts, bound, waiting, diag;
    char directory[GATE_PIN_DIR_SIZE];
    struct gate_state *state;
    uint16_t queue;
    bool bypass;
};

/* --- Programs -------------------------------------------------------------------------------------- */

static const char *const own_maps[] = {"gate_ends"};

static void pin_path(char *path, size_t size, const char *directory, const char *name)
{
    snprintf(path, size, "%s/%s", directory, name);
}

/* Those of the gate, and ours, which are kept like them; but not what each object has for itself. */
static int pin_maps(struct inbound_bpf *skeleton, const char *directory)
{
    char path[GATE_PIN_DIR_SIZE + 40];
    struct bpf_map *map;

    bpf_object__for_each_map(map, skeleton->obj)
    {
        const char *name = bpf_map__name(map);

        if (strncmp(name, "gate_", 5) != 0 || !strcmp(name, "gate_scratch") || !strcmp(name, "gate_programs"))
            continue;
        pin_path(path, sizeof(path), directory, name);
        if (bpf_map__set_pin_path(map, path))
            return -EINVAL;
    }
    return 0;
}

static int try_load(struct gate_inbound *inbound, const struct gate_load *load, bool with_iterator, bool with_ends)
{
    struct inbound_bpf *skeleton = inbound_bpf__open();
    int code;

    if (!skeleton)
        return -errno;
    bpf_program__set_autoload(skeleton->progs.gate_exec, false);
    bpf_program__set_autoload(skeleton->progs.gate_find_bound, with_iterator);
    bpf_program__set_autoload(skeleton->progs.gate_unbind, with_ends);
    bpf_program__set_autoload(skeleton->progs.gate_unbind_plain, !with_ends);
    skeleton->rodata->netns_cookie = load->netns_cookie;
    skeleton->rodata->undecided_limit_ns = ((uint64_t)load->options->deadline_ms + GRACE_MS) * 1000000;
    skeleton->rodata->host_mount_namespace = load->host_mount_namespace;
    skeleton->rodata->dead_open = load->options->dead_open;
    code = pin_maps(skeleton, load->directory);
    if (!code)
        code = inbound_bpf__load(skeleton);
    if (code)
        inbound_bpf__destroy(skeleton);
    else
        inbound->skeleton = skeleton;
    return code;
}

static int load_programs(struct gate_inbound *inbound, const struct gate_load *load)
{
    int code = try_load(inbound, load, true, true);

    if (code)
        code = try_load(inbound, load, false, true);
    if (code)
        code = try_load(inbound, load, false, false);
    return code;
}

static int attach_programs(const struct gate_inbound *inbound, const struct gate_load *load, struct gate_error *error)
{
    const struct inbound_bpf *skeleton = inbound->skeleton;
    const struct bpf_program *const matches[] = {skeleton->progs.xt_in_permit,      skeleton->progs.xt_in_pend,
                                                 skeleton->progs.xt_echo_permit,    skeleton->progs.xt_echo_pend,
                                                 skeleton->progs.xt_echo_in_permit, skeleton->progs.xt_echo_in_pend,
                                                 skeleton->progs.xt_raw_permit,     skeleton->progs.xt_raw_pend};
    int code = 0;

    for (size_t i = 0; !code && i < sizeof(matches) / sizeof(matches[0]); i++)
        code = gate_program_pin(matches[i], load->directory, error);
    if (!code)
        code = gate_program_attach(skeleton->progs.gate_bind4, BPF_CGROUP_INET4_POST_BIND, load, error);
    if (!code)
        code = gate_program_attach(skeleton->progs.gate_bind6, BPF_CGROUP_INET6_POST_BIND, load, error);
    if (!code)
        code = gate_program_attach(skeleton->progs.gate_create, BPF_CGROUP_INET_SOCK_CREATE, load, error);
    if (!code)
        code =
            gate_program_attach(bpf_program__fd(skeleton->progs.gate_unbind) >= 0 ? skeleton->progs.gate_unbind
                                                                                  : skeleton->progs.gate_unbind_plain,
                                BPF_CGROUP_INET_SOCK_RELEASE, load, error);
    return code;
}

/* After the hooks are there, so that nobody falls between. What the hooks wrote stands. */
static void find_bound(const struct inbound_bpf *skeleton)
{
    struct bpf_link *link;
    char ignored[256];
    int fd;

    if (bpf_program__fd(skeleton->progs.gate_find_bound) < 0)
        return;
    link = bpf_program__attach_iter(skeleton->progs.gate_find_bound, NULL);
    if (libbpf_get_error(link))
        return;
    fd = bpf_iter_create(bpf_link__fd(link));
    while (fd >= 0 && (read(fd, ignored, sizeof(ignored)) > 0 || errno == EAGAIN))
        ;
    if (fd >= 0)
        close(fd);
    bpf_link__destroy(link);
}

static int open_diag(void)
{
    const struct timeval limit = {.tv_sec = 2};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

struct gate_inbound *gate_inbound_open(const struct gate_load *load, struct gate_state *state, bool adopted)
{
    struct gate_inbound *inbound = calloc(1, sizeof(*inbound));
    struct gate_error ignored = {0};

    if (!inbound)
        return NULL;
    inbound->state = state;
    inbound->queue = load->options->queue;
    inbound->bypass = load->options->dead_open;
    snprintf(inbound->directory, sizeof(inbound->directory), "%s", load->directory);
    inbound->diag = open_diag();
    for (size_t i = 0; !adopted && i < sizeof(own_maps) / sizeof(own_maps[0]); i++) {
        char path[GATE_PIN_DIR_SIZE + 40];

        pin_path(path, sizeof(path), load->directory, own_maps[i]);
        unlink(path);
    }
    if (inbound->diag < 0 || load_programs(inbound, load) || attach_programs(inbound, load, &ignored)) {
        gate_inbound_close(inbound);
        return NULL;
    }
    inbound->accepts = bpf_map__fd(inbound->skeleton->maps.gate_accepts);
    inbound->bound = bpf_map__fd(inbound->skeleton->maps.gate_bound);
    inbound->waiting = bpf_map__fd(inbound->skeleton->maps.gate_waiting);
    find_bound(inbound->skeleton);
    return inbound;
}

bool gate_inbound_knows(const struct gate_inbound *inbound, const char *name)
{
    return inbound && bpf_object__find_program_by_name(inbound->skeleton->obj, name);
}

void gate_inbound_close(struct gate_inbound *inbound)
{
    if (!inbound)
        return;
    if (inbound->skeleton)
        inbound_bpf__destroy(inbound->skeleton);
    if (inbound->diag >= 0)
        close(inbound->diag);
    free(inbound);
}

int gate_inbound_ring(const struct gate_inbound *inbound)
{
    return bpf_map__fd(inbound->skeleton->maps.gate_ends);
}

/* --- Who gets the packet --------------------------------------------------------------------------- */

struct request {
    struct nlmsghdr message;
    struct inet_diag_req_v2 body;
};

/* One look-up. False: there is no such socket. */
static bool ask(struct gate_inbound *inbound, struct request *request, uint64_t *cookie, uint8_t *state)
{
    union {
        struct nlmsghdr message;
        uint8_t bytes[8192];
    } answer;
    const struct inet_diag_msg *found;
    static uint32_t sequence;
    ssize_t got;

    request->message.nlmsg_len = sizeof(*request);
    request->message.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request->message.nlmsg_flags = NLM_F_REQUEST;
    request->message.nlmsg_seq = ++sequence;
    request->body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request->body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (send(inbound->diag, request, sizeof(*request), 0) < 0)
        return false;
    do
        got = recv(inbound->diag, &answer, sizeof(answer), 0);
    while (got >= (ssize_t)sizeof(answer.message) && answer.message.nlmsg_seq != request->message.nlmsg_seq);
    if (got < (ssize_t)NLMSG_LENGTH(sizeof(*found)) || answer.message.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    found = NLMSG_DATA(&answer.message);
    *cookie = (uint64_t)found->id.idiag_cookie[1] << 32 | found->id.idiag_cookie[0];
    *state = found->idiag_state;
    return true;
}

/* Fills the request's ends. UDP's look-up takes the packet's source for the socket's own end, as it always did. */
static struct request request_of(const struct gate_tuple *tuple, uint32_t interface_index)
{
    struct request request = {.body = {.sdiag_family = tuple->ip_version == 4 ? AF_INET : AF_INET6,
                                       .sdiag_protocol = tuple->protocol,
                                       .idiag_states = ~0u,
                                       .id.idiag_if = interface_index}};
    struct inet_diag_sockid *id = &request.body.id;
    size_t size = tuple->ip_version == 4 ? 4 : 16;
    bool stream = tuple->protocol == IPPROTO_TCP;

    memcpy(stream ? id->idiag_src : id->idiag_dst, tuple->local_address, size);
    memcpy(stream ? id->idiag_dst : id->idiag_src, tuple->remote_address, size);
    *(stream ? &id->idiag_sport : &id->idiag_dport) = tuple->local_port;
    *(stream ? &id->idiag_dport : &id->idiag_sport) = tuple->remote_port;
    return request;
}

static bool find_stream(struct gate_inbound *inbound, const struct gate_tuple *tuple, uint64_t *cookie, uint8_t *state)
{
    struct request request = request_of(tuple, 0);

    return ask(inbound, &request, cookie, state);
}

/* Which socket the kernel would deliver it to. A SYN for a connection that is over goes to the listener. */
static bool find_socket(struct gate_inbound *inbound, const struct gate_tuple *tuple, uint32_t interface_index,
                        uint64_t *cookie)
{
    struct request request = request_of(tuple, interface_index);
    uint8_t state;

    if (!ask(inbound, &request, cookie, &state))
        return false;
    if (tuple->protocol != IPPROTO_TCP || state == STATE_LISTEN)
        return true;
    memset(request.body.id.idiag_dst, 0, sizeof(request.body.id.idiag_dst));
    request.body.id.idiag_dport = 0;
    return ask(inbound, &request, cookie, &state) && state == STATE_LISTEN;
}

static void swap_ends(struct gate_tuple *tuple)
{
    struct gate_tuple before = *tuple;

    memcpy(tuple->local_address, before.remote_address, sizeof(tuple->local_address));
    memcpy(tuple->remote_address, before.local_address, sizeof(tuple->remote_address));
    tuple->local_port = before.remote_port;
    tuple->remote_port = before.local_port;
}

bool gate_inbound_packet(struct gate_inbound *inbound, const struct gate_queued *queued, struct gate_tuple *tuple,
                         struct gate_packet *packet, struct gate_caller *caller)
{
    struct gate_bound bound;
    uint32_t sequence = 0;

    memset(caller, 0, sizeof(*caller));
    if (!inbound || !packet_parse(queued->data, queued->size, tuple) || !packet_is_whole(queued->data, queued->size) ||
        !packet_headers(queued->data, queued->size, &packet->ip_header_size, &packet->transport_header_size))
        return false;
    swap_ends(tuple);
    if (tuple->protocol == IPPROTO_TCP)
        memcpy(&sequence, queued->data + packet->ip_header_size + 4, sizeof(sequence));
    packet->sequence = sequence;
    packet->inbound = true;
    packet->nobody = !find_socket(inbound, tuple, queued->interface_index, &packet->cookie);
    if (!packet->nobody && !bpf_map_lookup_elem(inbound->bound, &packet->cookie, &bound))
        *caller = bound.caller;
    return true;
}

bool gate_inbound_echo(struct gate_inbound *inbound, const struct gate_queued *queued, struct gate_tuple *tuple,
                       struct gate_packet *packet, struct gate_caller *caller)
{
    struct gate_pended pended = {0};

    memset(caller, 0, sizeof(*caller));
    if (!inbound || !packet_echo(queued->data, queued->size, tuple, &packet->ip_header_size))
        return false;
    packet->transport_header_size = 8;
    packet->inbound = queued->inbound;
    packet->tuple_keyed = packet->echo = true;
    if (queued->inbound) {
        swap_ends(tuple); /* ports: the identifier stays local */
        tuple->local_port = tuple->remote_port;
        tuple->remote_port = 0;
        return true;
    }
    tuple->remote_port = htons(GATE_ECHO_OUT);
    if (!bpf_map_lookup_elem(inbound->waiting, tuple, &pended)) {
        packet->cookie = pended.cookie;
        packet->raw = pended.raw == GATE_BOUND_RAW;
        *caller = pended.caller;
    }
    packet->sequence = (uint32_t)packet->cookie;
    return true;
}

bool gate_inbound_raw_owner(struct gate_inbound *inbound, uint64_t cookie, struct gate_caller *caller)
{
    struct gate_bound bound;

    if (!inbound || !cookie || bpf_map_lookup_elem(inbound->bound, &cookie, &bound) || !bound.raw)
        return false;
    *caller = bound.caller;
    return true;
}

bool gate_inbound_raw(struct gate_inbound *inbound, const struct gate_queued *queued, struct gate_tuple *tuple,
                      struct gate_packet *packet, struct gate_caller *caller)
{
    struct gate_pended pended;

    memset(caller, 0, sizeof(*caller));
    if (!inbound || queued->inbound || !packet_raw(queued->data, queued->size, tuple) ||
        bpf_map_lookup_elem(inbound->waiting, tuple, &pended))
        return false;
    tuple->ip_version &= (uint8_t)~GATE_KEY_RAW;
    packet->tuple_keyed = true;
    packet->cookie = pended.cookie;
    packet->sequence = (uint32_t)pended.cookie;
    packet->raw = pended.raw != GATE_BOUND_OTHER;
    *caller = pended.caller;
    return true;
}

/* --- Verdicts -------------------------------------------------------------------------------------- */

static struct gate_tuple tuple_of(const struct gate_peer *peer)
{
    struct gate_tuple tuple = {.local_port = htons(peer->local_port),
                               .remote_port = htons(peer->remote_port),
                               .protocol = peer->protocol,
                               .ip_version = peer->ip_version};
    size_t size = (peer->ip_version & ~GATE_KEY_RAW) == 4 ? 4 : 16;

    memcpy(tuple.local_address, peer->local_address, size);
    memcpy(tuple.remote_address, peer->remote_address, size);
    return tuple;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int gate_inbound_decide(struct gate_inbound *inbound, const struct gate_peer *peer, enum gate_answer answer)
{
    struct gate_tuple tuple = tuple_of(peer);
    struct gate_accept accept = {.since = now_ns(),
                                 .generation = inbound->state->generation,
                                 .verdict = answer == GATE_ANSWER_BLOCK ? GATE_BLOCK : GATE_PERMIT,
                                 .sequence = peer->sequence,
                                 .is = answer == GATE_ANSWER_ONCE ? GATE_ACCEPT_ONCE : GATE_ACCEPT_FLOW};

    return bpf_map_update_elem(inbound->accepts, &tuple, &accept, BPF_ANY) ? -errno : 0;
}

int gate_inbound_forget(struct gate_inbound *inbound, const struct gate_peer *peer)
{
    struct gate_tuple tuple = tuple_of(peer);

    return bpf_map_delete_elem(inbound->accepts, &tuple) && errno != ENOENT ? -errno : 0;
}

bool gate_inbound_is_established(struct gate_inbound *inbound, const struct gate_peer *peer)
{
    struct gate_tuple tuple = tuple_of(peer);
    uint64_t cookie;
    uint8_t state;

    return find_stream(inbound, &tuple, &cookie, &state) && state != STATE_LISTEN;
}

/* A socket that nobody is known to have bound gets an entry for its end. */
int gate_inbound_tell_end(struct gate_inbound *inbound, uint64_t cookie)
{
    struct gate_bound bound = {0};

    if (!bpf_map_lookup_elem(inbound->bound, &cookie, &bound) && bound.waited)
        return 0;
    bound.waited = 1;
    return bpf_map_update_elem(inbound->bound, &cookie, &bound, BPF_ANY) ? -errno : 0;
}

int gate_inbound_watch(struct gate_inbound *inbound, enum gate_watched what, bool on, struct gate_error *error)
{
    int code;

    if (!inbound && on)
        return gate_fail(
            error, -EOPNOTSUPP,
            "the kernel refuses the eBPF programs for what comes in and for ICMP (Linux 6.1 or newer has all "
            "they need): rules for these are not applied");
    if (!inbound)
        return 0;
    if (what == GATE_WATCH_RAW)
        return 0; /* its rules are among the others */
    if (what != GATE_WATCH_INBOUND)
        return gate_rules_echo(inbound->directory, inbound->queue, inbound->bypass, what == GATE_WATCH_ECHO, on, error);
    if (on)
        __atomic_store_n(&inbound->state->inbound, 1, __ATOMIC_RELEASE);
    code = gate_rules_inbound(inbound->directory, inbound->queue, inbound->bypass, on, error);
    if (!on)
        __atomic_store_n(&inbound->state->inbound, 0, __ATOMIC_RELEASE);
    return code;
}
