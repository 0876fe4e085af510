/* SPDX-License-Identifier: MIT */
/*
 * gate_queue.c - NFQUEUE: packets in, verdicts out.
 *
 * Messages are read in batches, so that a burst costs few system calls and a single packet costs one. The connection
 * tracking entry is not asked for: kernels without its glue refuse the whole configuration. F_FAIL_OPEN is never set: a
 * full queue drops, and TCP sends again.
 */
#include "gate_private.h"

#include "host/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define COPY_RANGE     PACKET_CUT_FROM
#define MESSAGE_MAX    1024 /* COPY_RANGE and all attributes */
#define BATCH          32
#define RECEIVE_BUFFER (32 * 1024 * 1024)

struct gate_queue_batch {
    struct mmsghdr headers[BATCH];
    struct iovec pieces[BATCH];
    uint8_t buffers[BATCH][MESSAGE_MAX] __attribute__((aligned(8)));
};

int gate_queue_verdict(struct gate_queue *queue, uint32_t id, uint32_t verdict)
{
    struct {
        struct nlmsghdr message;
        struct nfgenmsg netfilter;
        struct nlattr attribute;
        struct nfqnl_msg_verdict_hdr verdict;
    } request = {
        .message = {.nlmsg_len = sizeof(request),
                    .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT,
                    .nlmsg_flags = NLM_F_REQUEST,
                    .nlmsg_seq = ++queue->sequence},
        .netfilter = {.version = NFNETLINK_V0, .res_id = htons(queue->number)},
        .attribute = {.nla_len = sizeof(request.attribute) + sizeof(request.verdict), .nla_type = NFQA_VERDICT_HDR},
        .verdict = {.verdict = htonl(verdict), .id = htonl(id)},
    };

    return mnl_socket_sendto(queue->socket, &request, sizeof(request)) < 0 ? -errno : 0;
}

/* False for anything but a whole packet message. */
static bool take_apart(const uint8_t *bytes, size_t size, struct gate_queued *queued)
{
    const struct nlmsghdr *message = (const void *)bytes;
    const struct nlattr *attribute;
    bool found = false;

    memset(queued, 0, sizeof(*queued));
    if (!mnl_nlmsg_ok(message, (int)size) || message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
        return false;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
    {
        const void *payload = mnl_attr_get_payload(attribute);
        size_t length = mnl_attr_get_payload_len(attribute);

        switch (mnl_attr_get_type(attribute)) {
        case NFQA_PACKET_HDR:
            if (length < sizeof(struct nfqnl_msg_packet_hdr))
                return false;
            queued->id = ntohl(((const struct nfqnl_msg_packet_hdr *)payload)->packet_id);
            queued->inbound = ((const struct nfqnl_msg_packet_hdr *)payload)->hook == NF_INET_LOCAL_IN;
            found = true;
            break;
        case NFQA_IFINDEX_INDEV: /* one or the other, by the hook */
        case NFQA_IFINDEX_OUTDEV:
            if (length == 4)
                queued->interface_index = ntohl(mnl_attr_get_u32(attribute));
            break;
        case NFQA_PAYLOAD:
            queued->data = payload;
            queued->size = length;
            break;
        default:
            break;
        }
    }
    return found;
}

/*
 * Takes the kernel's answer to the configuration. When the rules are already there, packets can come first, some of
 * them without bytes since copying was not yet set: they are sent round again.
 */
static int await_answer(struct gate_queue *queue, uint32_t sequence)
{
    uint8_t bytes[4096] __attribute__((aligned(8)));

    for (int i = 0; i < 65536; i++) {
        ssize_t got = mnl_socket_recvfrom(queue->socket, bytes, sizeof(bytes));
        const struct nlmsghdr *reply = (const void *)bytes;
        struct gate_queued queued;

        if (got < 0)
            return -errno;
        if ((size_t)got < sizeof(*reply))
            continue;
        if (reply->nlmsg_type == NLMSG_ERROR && reply->nlmsg_seq == sequence)
            return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(reply))->error;
        if (take_apart(bytes, (size_t)got, &queued))
            gate_queue_verdict(queue, queued.id, NF_REPEAT);
    }
    return -EBUSY;
}

/* Binds and configures in one message, so that there is no moment with half of it. */
static int bind_queue(struct gate_queue *queue, uint32_t length)
{
    uint8_t bytes[512] __attribute__((aligned(8)));
    struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
    struct nfqnl_msg_config_cmd command = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_UNSPEC)};
    struct nfqnl_msg_config_params copy = {.copy_range = htonl(COPY_RANGE), .copy_mode = NFQNL_COPY_PACKET};
    struct nfgenmsg *netfilter;

    message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    message->nlmsg_seq = ++queue->sequence;
    netfilter = mnl_nlmsg_put_extra_header(message, sizeof(*netfilter));
    netfilter->nfgen_family = AF_UNSPEC;
    netfilter->version = NFNETLINK_V0;
    netfilter->res_id = htons(queue->number);
    mnl_attr_put(message, NFQA_CFG_CMD, sizeof(command), &command);
    mnl_attr_put(message, NFQA_CFG_PARAMS, sizeof(copy), &copy);
    mnl_attr_put_u32(message, NFQA_CFG_QUEUE_MAXLEN, htonl(length));
    mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
    mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
    if (mnl_socket_sendto(queue->socket, message, message->nlmsg_len) < 0)
        return -errno;
    return await_answer(queue, message->nlmsg_seq);
}

/* One line of the kernel's table of queues in this namespace; false when the queue is not in it. */
static bool read_line(uint16_t number, unsigned *port, uint64_t *dropped, uint64_t *user_dropped)
{
    FILE *table = fopen("/proc/thread-self/net/netfilter/nfnetlink_queue", "re");
    unsigned queue, owner, total, mode, range;
    uint64_t full, user;
    bool found = false;

    if (!table)
        return false;
    while (!found && fscanf(table, "%u %u %u %u %u %" SCNu64 " %" SCNu64 " %*u %*d", &queue, &owner, &total, &mode,
                            &range, &full, &user) == 7) {
        if (queue != number)
            continue;
        *port = owner;
        *dropped = full;
        *user_dropped = user;
        found = true;
    }
    fclose(table);
    return found;
}

static int explain_bind(int code, uint16_t number, struct gate_error *error)
{
    uint64_t dropped, user_dropped;
    unsigned port;

    if (read_line(number, &port, &dropped, &user_dropped))
        return gate_fail(error, -EBUSY,
                         "NFQUEUE %u of this network namespace is already taken by process %u: stop it or "
                         "choose another queue",
                         (unsigned)number, port);
    if (code == -EPERM)
        return gate_fail(error, code, "no right to bind NFQUEUE %u: CAP_NET_ADMIN is needed, run as root",
                         (unsigned)number);
    return gate_fail(error, code, "cannot bind NFQUEUE %u (CONFIG_NETFILTER_NETLINK_QUEUE): %s", (unsigned)number,
                     strerror(-code));
}

static void prepare_batch(struct gate_queue_batch *batch)
{
    for (size_t i = 0; i < BATCH; i++) {
        batch->pieces[i].iov_base = batch->buffers[i];
        batch->pieces[i].iov_len = MESSAGE_MAX;
        batch->headers[i].msg_hdr.msg_iov = &batch->pieces[i];
        batch->headers[i].msg_hdr.msg_iovlen = 1;
    }
}

int gate_queue_open(struct gate_queue *queue, const struct gate_options *options, struct gate_error *error)
{
    const int buffer = RECEIVE_BUFFER, one = 1;
    const struct timeval limit = {.tv_sec = 2};
    int fd, code;

    queue->number = options->queue;
    queue->batch = calloc(1, sizeof(*queue->batch));
    if (!queue->batch)
        return gate_fail(error, -ENOMEM, "out of memory");
    prepare_batch(queue->batch);
    queue->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!queue->socket || mnl_socket_bind(queue->socket, 0, MNL_SOCKET_AUTOPID) < 0)
        return gate_fail(error, -errno, "the kernel has no netfilter netlink (CONFIG_NETFILTER_NETLINK): %s",
                         strerror(errno));
    fd = mnl_socket_get_fd(queue->socket);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    code = bind_queue(queue, options->queue_length);
    return code ? explain_bind(code, options->queue, error) : 0;
}

void gate_queue_close(struct gate_queue *queue)
{
    if (queue->socket)
        mnl_socket_close(queue->socket);
    free(queue->batch);
    memset(queue, 0, sizeof(*queue));
}

int gate_queue_read(struct gate_queue *queue, unsigned limit, void (*take)(void *context, const struct gate_queued *),
                    void *context)
{
    struct gate_queue_batch *batch = queue->batch;
    unsigned done = 0;

    while (done < limit) {
        unsigned wanted = limit - done < BATCH ? limit - done : BATCH;
        int got = recvmmsg(mnl_socket_get_fd(queue->socket), batch->headers, wanted, MSG_DONTWAIT, NULL);

        if (got < 0)
            return errno == EAGAIN || errno == EINTR || done ? (int)done : -errno;
        for (int i = 0; i < got; i++) {
            struct gate_queued queued;

            if (take_apart(batch->buffers[i], batch->headers[i].msg_len, &queued))
                take(context, &queued);
        }
        done += (unsigned)got;
        if ((unsigned)got < wanted)
            break;
    }
    return (int)done;
}

int gate_queue_count(uint16_t number, uint64_t *dropped, uint64_t *user_dropped)
{
    unsigned port;

    return read_line(number, &port, dropped, user_dropped) ? 0 : -ENOENT;
}
