/* SPDX-License-Identifier: MIT */
/*
 * gate_sockets.c - the sockets of this namespace, through sock_diag.
 *
 * Used at three rare moments: at the first open, to leave connected UDP sockets alone; to end a connection; and when
 * close events were lost, to find which sockets are gone.
 */
#include "gate_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define STATE_ESTABLISHED 1
#define STATE_LISTEN      10
#define ALL_STATES        0xffffffffu

struct request {
    struct nlmsghdr message;
    struct inet_diag_req_v2 body;
};

int gate_sockets_open(void)
{
    const struct timeval limit = {.tv_sec = 2};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static int send_request(int fd, struct request *request)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    request->message.nlmsg_len = sizeof(*request);
    if (sendto(fd, request, sizeof(*request), 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
        return -errno;
    return 0;
}

/* Gives every socket of one family and protocol to take. */
static int list(int fd, int family, int protocol, uint32_t states,
                int (*take)(void *context, int protocol, const struct inet_diag_msg *), void *context)
{
    struct request request = {
        .message = {.nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = (uint8_t)family, .sdiag_protocol = (uint8_t)protocol, .idiag_states = states}};
    static uint8_t bytes[32768] __attribute__((aligned(8)));
    int code = send_request(fd, &request);

    while (!code) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        int left = (int)got;

        if (got < 0)
            return -errno;
        for (struct nlmsghdr *message = (void *)bytes; NLMSG_OK(message, (unsigned)left);
             message = NLMSG_NEXT(message, left)) {
            if (message->nlmsg_type == NLMSG_DONE)
                return 0;
            if (message->nlmsg_type == NLMSG_ERROR)
                return ((struct nlmsgerr *)NLMSG_DATA(message))->error;
            code = take(context, protocol, NLMSG_DATA(message));
        }
    }
    return code;
}

static uint64_t cookie_of(const struct inet_diag_msg *socket)
{
    return (uint64_t)socket->id.idiag_cookie[1] << 32 | socket->id.idiag_cookie[0];
}

struct adoption {
    int flows;
    uint32_t generation;
};

static int adopt_one(void *context, int protocol, const struct inet_diag_msg *socket)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const struct adoption *adoption = context;
    const uint8_t *remote = (const void *)socket->id.idiag_dst;
    struct gate_flow_state state = {.generation = adoption->generation, .verdict = GATE_PERMIT};
    struct gate_flow_key key = {.cookie = cookie_of(socket),
                                .remote_port = socket->id.idiag_dport,
                                .protocol = (uint8_t)protocol,
                                .ip_version = 4};

    if (socket->idiag_family == AF_INET) {
        memcpy(key.remote_address, remote, 4);
    } else if (!memcmp(remote, mapped, sizeof(mapped))) {
        memcpy(key.remote_address, remote + 12, 4);
    } else {
        key.ip_version = 6;
        memcpy(key.remote_address, remote, 16);
    }
    return bpf_map_update_elem(adoption->flows, &key, &state, BPF_ANY) ? -errno : 0;
}

int gate_sockets_adopt(int flows, uint32_t generation, struct gate_error *error)
{
    struct adoption adoption = {.flows = flows, .generation = generation};
    int fd = gate_sockets_open(), code = fd < 0 ? fd : 0;

    if (!code)
        code = list(fd, AF_INET, IPPROTO_UDP, 1u << STATE_ESTABLISHED, adopt_one, &adoption);
    if (!code)
        code = list(fd, AF_INET6, IPPROTO_UDP, 1u << STATE_ESTABLISHED, adopt_one, &adoption);
    if (fd >= 0)
        close(fd);
    /* Without UDP in sock_diag there is nothing to adopt: those sockets are asked about like new ones. */
    if (code == -ENOENT || code == -EPROTONOSUPPORT)
        code = 0;
    return code ? gate_fail(error, code, "cannot list the UDP sockets that are already connected: %s", strerror(-code))
                : 0;
}

union answer {
    struct nlmsghdr message;
    uint8_t bytes[1024];
};

/* Sends a request that has one answer. That is of the wanted type; else what the kernel says, below 0. */
static int ask_one(int fd, struct request *request, uint16_t wanted, union answer *answer)
{
    size_t least = wanted == NLMSG_ERROR ? sizeof(struct nlmsgerr) : sizeof(struct inet_diag_msg);
    int code = send_request(fd, request);
    ssize_t got = code ? code : recv(fd, answer, sizeof(*answer), 0);

    if (code || got < 0)
        return code ? code : -errno;
    if (got >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) && answer->message.nlmsg_type == NLMSG_ERROR &&
        (wanted == NLMSG_ERROR || ((struct nlmsgerr *)NLMSG_DATA(&answer->message))->error))
        return ((struct nlmsgerr *)NLMSG_DATA(&answer->message))->error;
    return got >= (ssize_t)NLMSG_LENGTH(least) && answer->message.nlmsg_type == wanted ? 0 : -EPROTO;
}

/* Where no connection has the tuple the kernel finds, and would end, the socket that listens there. */
static int find_connection(int fd, struct request *request)
{
    const struct inet_diag_msg *socket;
    union answer answer;
    int code;

    request->message.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request->message.nlmsg_flags = NLM_F_REQUEST;
    code = ask_one(fd, request, SOCK_DIAG_BY_FAMILY, &answer);
    if (code)
        return code;
    socket = NLMSG_DATA(&answer.message);
    if (socket->idiag_state == STATE_LISTEN)
        return -ENOENT;
    memcpy(request->body.id.idiag_cookie, socket->id.idiag_cookie, sizeof(request->body.id.idiag_cookie));
    return 0;
}

int gate_sockets_destroy(const struct gate_flow *flow, const uint8_t local_address[16], uint16_t local_port)
{
    struct request request = {
        .body = {.sdiag_family = flow->ip_version == 4 ? AF_INET : AF_INET6,
                 .sdiag_protocol = flow->protocol,
                 .idiag_states = ALL_STATES,
                 .id = {.idiag_sport = htons(local_port),
                        .idiag_dport = htons(flow->remote_port),
                        .idiag_cookie = {(uint32_t)flow->cookie, (uint32_t)(flow->cookie >> 32)}}}};
    size_t size = flow->ip_version == 4 ? 4 : 16;
    union answer answer;
    int fd = gate_sockets_open(), code = fd < 0 ? fd : 0;

    if (code)
        return code;
    memcpy(request.body.id.idiag_src, local_address, size);
    memcpy(request.body.id.idiag_dst, flow->remote_address, size);
    if (flow->cookie == GATE_COOKIE_BY_TUPLE)
        code = find_connection(fd, &request);
    request.message.nlmsg_type = SOCK_DESTROY;
    request.message.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    if (!code)
        code = ask_one(fd, &request, NLMSG_ERROR, &answer);
    close(fd);
    return code;
}

struct cookies {
    uint64_t *values;
    size_t count, room;
};

static int add_cookie(void *context, int protocol, const struct inet_diag_msg *socket)
{
    struct cookies *cookies = context;

    (void)protocol;
    if (cookies->count == cookies->room) {
        size_t room = cookies->room ? cookies->room * 2 : 1024;
        uint64_t *more = realloc(cookies->values, room * sizeof(*more));

        if (!more)
            return -ENOMEM;
        cookies->values = more;
        cookies->room = room;
    }
    cookies->values[cookies->count++] = cookie_of(socket);
    return 0;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

static int list_all(struct cookies *cookies)
{
    static const int families[] = {AF_INET, AF_INET6}, protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
    int fd = gate_sockets_open(), code = fd < 0 ? fd : 0;

    for (int i = 0; !code && i < 4; i++)
        code = list(fd, families[i / 2], protocols[i % 2], ALL_STATES, add_cookie, cookies);
    if (fd >= 0)
        close(fd);
    if (!code && cookies->count)
        qsort(cookies->values, cookies->count, sizeof(*cookies->values), compare);
    return code;
}

int gate_sockets_sweep(int owners, void (*closed)(void *context, uint64_t cookie), void *context)
{
    struct cookies alive = {0};
    struct gate_flow_key key, next;
    struct gate_owner_state state;
    int code = list_all(&alive);
    bool more = !code && !bpf_map_get_next_key(owners, NULL, &key);

    for (size_t i = 0; more && i < GATE_OWNERS_MAX; i++) {
        bool own = key.ip_version == 0 && !bpf_map_lookup_elem(owners, &key, &state) && state.pended;

        more = !bpf_map_get_next_key(owners, &key, &next);
        if (own && !(alive.count && bsearch(&key.cookie, alive.values, alive.count, sizeof(uint64_t), compare))) {
            closed(context, key.cookie);
            bpf_map_delete_elem(owners, &key);
        }
        key = next;
    }
    free(alive.values);
    return code;
}
