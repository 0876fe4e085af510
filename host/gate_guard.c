/* SPDX-License-Identifier: MIT */
/*
 * gate_guard.c - notices when the packet rules are touched by others, and says when to look after them.
 *
 * Rules of nf_tables tell by netlink; those of the older kind do not, and then the guard in the kernel does, when it
 * drops what should have met a rule. A look costs two child processes: it comes at once, but not often, and less often
 * the longer nothing was wrong.
 */
#include "gate_private.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define REST_LEAST_MS 200u
#define REST_MOST_MS  800u /* within a second the rules are back */

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int open_netlink(void)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    const int group = NFNLGRP_NFTABLES;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);

    if (fd >= 0 && (bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
                    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int gate_watch_open(struct gate_watch *watch)
{
    watch->netlink = open_netlink(); /* a kernel without nf_tables has nothing to tell */
    watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    watch->rest_ms = REST_LEAST_MS;
    return watch->timer < 0 ? -errno : 0;
}

void gate_watch_close(struct gate_watch *watch)
{
    if (watch->netlink >= 0)
        close(watch->netlink);
    if (watch->timer >= 0)
        close(watch->timer);
    watch->netlink = watch->timer = -1;
}

/* Something in a table called filter, where ours are, was added or is gone. */
static bool concerns_us(const struct nlmsghdr *message)
{
    const struct nfgenmsg *head = NLMSG_DATA(message);
    const struct nlattr *attribute = (const void *)(head + 1);
    unsigned kind = message->nlmsg_type & 0xff;

    if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || message->nlmsg_len < NLMSG_LENGTH(sizeof(*head)))
        return false;
    if (kind != NFT_MSG_NEWRULE && kind != NFT_MSG_DELRULE && kind != NFT_MSG_DELCHAIN && kind != NFT_MSG_DELTABLE)
        return false;
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*head)) + sizeof(*attribute) + sizeof("filter"))
        return false;
    /* The name of the table is the first attribute of all four. */
    return (attribute->nla_type & NLA_TYPE_MASK) != 1 || !strcmp((const char *)(attribute + 1), "filter");
}

static bool read_netlink(int fd)
{
    uint8_t bytes[16384] __attribute__((aligned(8)));
    bool concerned = false;

    for (unsigned i = 0; i < 64; i++) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        int left = (int)got;

        if (got < 0)
            return concerned || errno == ENOBUFS;
        for (const struct nlmsghdr *message = (const void *)bytes; NLMSG_OK(message, (unsigned)left);
             message = NLMSG_NEXT(message, left))
            concerned = concerned || concerns_us(message);
    }
    return true;
}

void gate_watch_doubt(struct gate_watch *watch)
{
    uint64_t now = now_ms(), due = watch->looked_ms + watch->rest_ms;
    struct itimerspec when = {.it_value = {.tv_nsec = 1}};

    if (watch->due)
        return;
    watch->due = true;
    if (watch->looked_ms && due > now)
        when.it_value =
            (struct timespec){.tv_sec = (time_t)((due - now) / 1000), .tv_nsec = (due - now) % 1000 * 1000000};
    timerfd_settime(watch->timer, 0, &when, NULL);
}

void gate_watch_hurry(struct gate_watch *watch)
{
    const struct itimerspec at_once = {.it_value = {.tv_nsec = 1}};

    watch->due = true;
    timerfd_settime(watch->timer, 0, &at_once, NULL);
}

bool gate_watch_read(struct gate_watch *watch)
{
    uint64_t count;

    if (watch->netlink >= 0 && read_netlink(watch->netlink))
        gate_watch_doubt(watch);
    if (read(watch->timer, &count, sizeof(count)) != sizeof(count))
        return false;
    watch->due = false;
    return true;
}

void gate_watch_looked(struct gate_watch *watch, bool stood)
{
    watch->looked_ms = now_ms();
    watch->rest_ms = !stood ? REST_LEAST_MS : watch->rest_ms * 2 > REST_MOST_MS ? REST_MOST_MS : watch->rest_ms * 2;
}
