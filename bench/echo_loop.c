/* SPDX-License-Identifier: MIT */
/*
 * echo_loop.c - the least a program can do with NFQUEUE: accept each packet as it comes.
 *
 *   echo_loop QUEUE
 *
 * What gatehoused is measured against. It looks at nothing, remembers nothing and asks nobody: one
 * recvmsg and one sendmsg for each packet. It prints "ready PID" when the queue is bound.
 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define COPY_RANGE 128 /* as much of a packet as a firewall needs */

struct loop {
    struct mnl_socket *socket;
    uint16_t queue;
    char out[256];
};

static struct nlmsghdr *message_begin(struct loop *loop, uint16_t type)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(loop->out);
    struct nfgenmsg *body;

    message->nlmsg_type = (uint16_t)((NFNL_SUBSYS_QUEUE << 8) | type);
    message->nlmsg_flags = NLM_F_REQUEST;
    body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->nfgen_family = AF_UNSPEC;
    body->version = NFNETLINK_V0;
    body->res_id = htons(loop->queue);
    return message;
}

static int message_send(struct loop *loop, const struct nlmsghdr *message)
{
    return mnl_socket_sendto(loop->socket, message, message->nlmsg_len) < 0 ? -1 : 0;
}

static int loop_bind(struct loop *loop)
{
    const struct nfqnl_msg_config_cmd bind = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET)};
    const struct nfqnl_msg_config_params params = {.copy_range = htonl(COPY_RANGE), .copy_mode = NFQNL_COPY_PACKET};
    struct nlmsghdr *message = message_begin(loop, NFQNL_MSG_CONFIG);

    mnl_attr_put(message, NFQA_CFG_CMD, sizeof(bind), &bind);
    if (message_send(loop, message) != 0)
        return -1;
    message = message_begin(loop, NFQNL_MSG_CONFIG);
    mnl_attr_put(message, NFQA_CFG_PARAMS, sizeof(params), &params);
    mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
    mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
    return message_send(loop, message);
}

static int packet_accept(const struct nlmsghdr *message, void *context)
{
    struct loop *loop = context;
    struct nfqnl_msg_verdict_hdr verdict = {.verdict = htonl(NF_ACCEPT)};
    const struct nlattr *attribute;
    struct nlmsghdr *answer;

    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attribute) == NFQA_PACKET_HDR)
            verdict.id = ((const struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attribute))->packet_id;
    }
    answer = message_begin(loop, NFQNL_MSG_VERDICT);
    mnl_attr_put(answer, NFQA_VERDICT_HDR, sizeof(verdict), &verdict);
    return message_send(loop, answer) == 0 ? MNL_CB_OK : MNL_CB_ERROR;
}

int main(int argc, char **argv)
{
    static char in[65536];
    struct loop loop = {.queue = argc == 2 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0};
    unsigned port;

    loop.socket = mnl_socket_open(NETLINK_NETFILTER);
    if (loop.socket == NULL || mnl_socket_bind(loop.socket, 0, MNL_SOCKET_AUTOPID) != 0 || loop_bind(&loop) != 0) {
        perror("echo_loop");
        return 1;
    }
    port = mnl_socket_get_portid(loop.socket);
    printf("ready %d\n", getpid());
    fflush(stdout);
    for (;;) {
        ssize_t size = mnl_socket_recvfrom(loop.socket, in, sizeof(in));
        if (size <= 0 || mnl_cb_run(in, (size_t)size, 0, port, packet_accept, &loop) == MNL_CB_ERROR) {
            perror("echo_loop");
            return 1;
        }
    }
}
