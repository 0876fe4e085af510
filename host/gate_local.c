/* SPDX-License-Identifier: MIT */
/*
 * gate_local.c - tells the verdict cache which addresses are this machine's own, through rtnetlink.
 *
 * The cache guesses by them whether a connection stays on this machine; the packet, which knows, is held against the
 * guess. Only where nothing but addresses says so (no routing rules or local networks of somebody's own) may a blocked
 * connect() be refused before there is a packet.
 */
#include "gate_private.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define PRIORITY_MAIN    32766u
#define PRIORITY_DEFAULT 32767u

struct request {
    struct nlmsghdr message;
    struct rtmsg body;
    struct rtattr attribute;
    uint32_t table;
};

static int open_route(unsigned groups)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    const struct timeval limit = {.tv_sec = 2};
    const int yes = 1;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
        int code = -errno;

        close(fd);
        return code;
    }
    return fd;
}

struct found {
    uint8_t addresses[GATE_LOCAL_MAX][16];
    unsigned count;
    bool plain; /* nothing but addresses says what is local */
};

static void take_route(struct found *found, const struct nlmsghdr *message)
{
    const struct rtmsg *route = NLMSG_DATA(message);
    int left = (int)RTM_PAYLOAD(message);
    unsigned size = route->rtm_family == AF_INET ? 4 : 16;
    const uint8_t *address = NULL;

    if (route->rtm_type != RTN_LOCAL)
        return;
    for (const struct rtattr *attribute = RTM_RTA(route); RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left))
        if (attribute->rta_type == RTA_DST && RTA_PAYLOAD(attribute) == size)
            address = RTA_DATA(attribute);
    if (route->rtm_dst_len != size * 8) {
        if (!(size == 4 && route->rtm_dst_len >= 8 && address && address[0] == 127))
            found->plain = false;
        return;
    }
    if (!address || found->count == GATE_LOCAL_MAX) {
        found->plain = false;
        return;
    }
    memset(found->addresses[found->count], 0, 16);
    memcpy(found->addresses[found->count++], address, size);
}

static void take_rule(struct found *found, const struct nlmsghdr *message)
{
    const struct fib_rule_hdr *rule = NLMSG_DATA(message);
    int left = (int)NLMSG_PAYLOAD(message, sizeof(*rule));
    uint32_t priority = 0;

    for (const struct rtattr *attribute = (const void *)(rule + 1); RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left))
        if (attribute->rta_type == FRA_PRIORITY)
            memcpy(&priority, RTA_DATA(attribute), sizeof(priority));
    if (priority == 0 ? rule->table != RT_TABLE_LOCAL : priority != PRIORITY_MAIN && priority != PRIORITY_DEFAULT)
        found->plain = false;
}

/* Asks for the local table's routes or the rules of one family. */
static int dump(int fd, int family, uint16_t type, struct found *found)
{
    struct request request = {.message = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                              .body = {.rtm_family = (unsigned char)family}};
    uint8_t bytes[32768] __attribute__((aligned(8)));

    request.message.nlmsg_len = NLMSG_LENGTH(sizeof(request.body));
    if (type == RTM_GETROUTE) {
        request.body.rtm_table = RT_TABLE_LOCAL;
        request.body.rtm_type = RTN_LOCAL;
    }
    if (send(fd, &request, request.message.nlmsg_len, 0) < 0)
        return -errno;
    for (;;) {
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
            if (message->nlmsg_type == RTM_NEWROUTE)
                take_route(found, message);
            if (message->nlmsg_type == RTM_NEWRULE)
                take_rule(found, message);
        }
    }
}

static int look(struct found *found)
{
    static const int families[] = {AF_INET, AF_INET6};
    int fd = open_route(0), code = fd < 0 ? fd : 0;

    found->count = 0;
    found->plain = true;
    for (unsigned i = 0; !code && i < 2; i++) {
        code = dump(fd, families[i], RTM_GETROUTE, found);
        if (!code)
            code = dump(fd, families[i], RTM_GETRULE, found);
        if (families[i] == AF_INET6 && (code == -EAFNOSUPPORT || code == -EOPNOTSUPP))
            code = 0; /* a kernel without IPv6 has no addresses of it */
    }
    if (fd >= 0)
        close(fd);
    return code;
}

/* What is no more is left in the map, and only makes for a wrong guess, until the map is full. */
static void tell(const struct gate_maps *maps, const struct found *found)
{
    struct gate_state *state = maps->state;
    uint64_t bits[GATE_LOCAL_BITS / 64] = {0};
    uint8_t key[16];
    uint32_t one = 1;
    bool whole = true;

    while (!bpf_map_get_next_key(maps->local, NULL, key) && !bpf_map_delete_elem(maps->local, key))
        ;
    for (unsigned i = 0; i < found->count; i++) {
        uint32_t bit = gate_local_hash(found->addresses[i]);

        bits[bit / 64] |= UINT64_C(1) << bit % 64;
        if (bpf_map_update_elem(maps->local, found->addresses[i], &one, BPF_ANY))
            whole = false;
    }
    for (unsigned i = 0; i < GATE_LOCAL_BITS / 64; i++)
        __atomic_store_n(&state->local[i], bits[i], __ATOMIC_RELAXED);
    __atomic_store_n(&state->refuse, whole && found->plain, __ATOMIC_SEQ_CST);
}

int gate_local_open(const struct gate_maps *maps)
{
    unsigned groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE | 1u << (RTNLGRP_IPV6_RULE - 1);
    int fd = open_route(groups);

    if (fd < 0)
        maps->state->refuse = 0;
    else
        gate_local_look(maps);
    return fd;
}

void gate_local_look(const struct gate_maps *maps)
{
    static struct found found;

    __atomic_store_n(&maps->state->refuse, 0, __ATOMIC_SEQ_CST); /* until it is known again */
    if (!look(&found))
        tell(maps, &found);
}

bool gate_local_read(int fd)
{
    uint8_t bytes[8192] __attribute__((aligned(8)));
    bool changed = false;

    for (unsigned i = 0; i < 64; i++) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        int left = (int)got;

        if (got < 0 && errno == ENOBUFS)
            changed = true;
        if (got < 0)
            break;
        for (struct nlmsghdr *message = (void *)bytes; NLMSG_OK(message, (unsigned)left);
             message = NLMSG_NEXT(message, left)) {
            const struct rtmsg *route = NLMSG_DATA(message);

            if (message->nlmsg_type == RTM_NEWRULE || message->nlmsg_type == RTM_DELRULE)
                changed = true;
            if ((message->nlmsg_type == RTM_NEWROUTE || message->nlmsg_type == RTM_DELROUTE) &&
                route->rtm_type == RTN_LOCAL)
                changed = true;
        }
    }
    return changed;
}
