/* SPDX-License-Identifier: MIT */
/*
 * gate_adopt.c - finds the TCP connections that live and began under this gate or one before it, and who began them.
 *
 * The kernel lists the sockets (sock_diag); who called connect() is known by the cookie: from the verdict cache's
 * array, from where that put it aside, or, decided by the host, from the owners. What has no such record did not begin
 * with a connect() here. One piece of the list at a time: the caller has other work to do in between.
 */
#include "gate_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define STATE_SYN_SENT 2
/* ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT: its program still has it. */
#define LIVING (1u << 1 | 1u << 2 | 1u << 4 | 1u << 5 | 1u << 8)

static int ask(int fd, int family)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct {
        struct nlmsghdr message;
        struct inet_diag_req_v2 body;
    } request = {.message = {.nlmsg_len = sizeof(request),
                             .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                             .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .body = {.sdiag_family = (uint8_t)family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = LIVING}};

    return sendto(fd, &request, sizeof(request), 0, (const void *)&kernel, sizeof(kernel)) < 0 ? -errno : 0;
}

int gate_adoption_start(struct gate_adoption *adoption)
{
    gate_adoption_stop(adoption);
    adoption->fd = gate_sockets_open();
    if (adoption->fd < 0)
        return adoption->fd;
    adoption->family = AF_INET;
    return ask(adoption->fd, AF_INET);
}

void gate_adoption_stop(struct gate_adoption *adoption)
{
    if (adoption->fd >= 0)
        close(adoption->fd);
    adoption->fd = -1;
}

/*
 * The record of a socket that the verdict cache permitted. A copy that the kernel makes while the record changes can be
 * of two: then the next one differs, since the cookie is taken away before anything else changes.
 */
static bool find_cached(const struct gate_maps *maps, uint64_t cookie, struct gate_caller *caller)
{
    uint32_t place = cookie & (GATE_DECIDED - 1);
    struct gate_decided decided, again;

    if (!bpf_map_lookup_elem(maps->decided, &place, &decided) && decided.cookie == cookie &&
        decided.protocol == IPPROTO_TCP && !bpf_map_lookup_elem(maps->decided, &place, &again) &&
        !memcmp(&decided, &again, sizeof(decided))) {
        *caller = decided.caller;
        return true;
    }
    return !bpf_map_lookup_elem(maps->spilled, &cookie, caller);
}

/* Who called the connect() of a TCP socket. *cached: the verdict cache knew the answer. */
static bool find_caller(const struct gate_maps *maps, uint64_t cookie, struct gate_caller *caller, bool *cached)
{
    struct gate_flow_key own = {.cookie = cookie};
    struct gate_owner_state owner;

    *cached = find_cached(maps, cookie, caller);
    if (*cached)
        return true;
    if (bpf_map_lookup_elem(maps->owners, &own, &owner) || owner.cookie != cookie)
        return false;
    *caller = owner.caller;
    return true;
}

static void take_address(struct gate_live *live, const void *local, const void *remote, uint8_t version)
{
    unsigned size = version == 4 ? 4 : 16;

    live->flow.ip_version = version;
    memcpy(live->local_address, local, size);
    memcpy(live->flow.remote_address, remote, size);
}

static bool is_local(const struct gate_maps *maps, const struct gate_live *live)
{
    static const uint8_t one[16] = {[15] = 1};
    const uint8_t *remote = live->flow.remote_address;
    uint32_t ignored;

    if (live->flow.ip_version == 4 ? remote[0] == 127 : !memcmp(remote, one, sizeof(one)))
        return true;
    return !memcmp(remote, live->local_address, 16) || !bpf_map_lookup_elem(maps->local, remote, &ignored);
}

/* Its first packet was not permitted yet: it will come, or come again, and be decided then. */
static bool is_undecided(const struct gate_maps *maps, const struct inet_diag_msg *socket, const struct gate_live *live)
{
    struct gate_flow_key key = {.cookie = live->flow.cookie,
                                .remote_port = socket->id.idiag_dport,
                                .protocol = live->flow.protocol,
                                .ip_version = live->flow.ip_version};
    struct gate_flow_state state;

    if (socket->idiag_state != STATE_SYN_SENT || live->cached)
        return false;
    memcpy(key.remote_address, live->flow.remote_address, 16);
    return bpf_map_lookup_elem(maps->flows, &key, &state) || state.verdict != GATE_PERMIT;
}

static void take_socket(const struct gate_maps *maps, const struct inet_diag_msg *socket, gate_adoption_take *take,
                        void *context)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *local = (const void *)socket->id.idiag_src, *remote = (const void *)socket->id.idiag_dst;
    struct gate_live live;
    struct gate_caller caller;

    memset(&live, 0, sizeof(live)); /* with what is between the members: flows are compared as bytes */
    live.flow.protocol = IPPROTO_TCP;
    live.flow.cookie = (uint64_t)socket->id.idiag_cookie[1] << 32 | socket->id.idiag_cookie[0];
    live.flow.remote_port = ntohs(socket->id.idiag_dport);
    live.local_port = ntohs(socket->id.idiag_sport);
    if (!find_caller(maps, live.flow.cookie, &caller, &live.cached))
        return;
    if (socket->idiag_family == AF_INET)
        take_address(&live, local, remote, 4);
    else if (!memcmp(remote, mapped, sizeof(mapped)))
        take_address(&live, local + 12, remote + 12, 4);
    else
        take_address(&live, local, remote, 6);
    if (is_undecided(maps, socket, &live))
        return;
    live.loopback = is_local(maps, &live);
    take(context, &live, &caller);
}

int gate_adoption_step(struct gate_adoption *adoption, const struct gate_maps *maps, gate_adoption_take *take,
                       void *context)
{
    static uint8_t bytes[32768] __attribute__((aligned(8)));
    ssize_t got;
    int left;

    if (adoption->fd < 0)
        return 0;
    got = recv(adoption->fd, bytes, sizeof(bytes), 0);
    left = (int)got;
    if (got < 0)
        return -errno;
    for (struct nlmsghdr *message = (void *)bytes; NLMSG_OK(message, (unsigned)left);
         message = NLMSG_NEXT(message, left)) {
        if (message->nlmsg_type == NLMSG_ERROR)
            return ((struct nlmsgerr *)NLMSG_DATA(message))->error;
        if (message->nlmsg_type == NLMSG_DONE && adoption->family == AF_INET) {
            int code = ask(adoption->fd, adoption->family = AF_INET6);

            return code ? code : 1;
        }
        if (message->nlmsg_type == NLMSG_DONE) {
            gate_adoption_stop(adoption);
            return 0;
        }
        take_socket(maps, NLMSG_DATA(message), take, context);
    }
    return 1;
}
