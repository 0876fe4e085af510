/* SPDX-License-Identifier: MIT */
/*
 * udp_sender.c - sends datagrams by one socket, connected or not, and tells what came of each.
 *
 *   udp_sender connected|unconnected|twins ADDRESS PORT [ADDRESS PORT]...
 *
 * For each line "N TEXT" on stdin it sends TEXT to the N-th destination (from 0) and prints
 * "sent ERRNO". A line "?" prints "got TEXT" for each datagram that has come back, "error ERRNO"
 * for an error the socket holds, and then "end". connected and twins have a socket for each
 * destination; the twins share one local port (SO_REUSEPORT). The first line is "ready PID PORT...".
 */
#include "net_address.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define MOST_DESTINATIONS 8

struct sender {
    int fd;
    struct net_address to;
};

static int socket_open(const struct net_address *to, uint16_t local_port)
{
    const int yes = 1;
    struct net_address local = {.size = to->size};
    int fd = socket(to->at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    local.at.any.sa_family = to->at.any.sa_family;
    if (to->at.any.sa_family == AF_INET)
        local.at.v4.sin_port = htons(local_port);
    else
        local.at.v6.sin6_port = htons(local_port);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) != 0 || bind(fd, &local.at.any, local.size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool senders_open(struct sender *senders, int count, const char *how)
{
    for (int i = 0; i < count; i++) {
        bool twin = strcmp(how, "twins") == 0 && i > 0;
        if (strcmp(how, "unconnected") == 0 && i > 0) {
            senders[i].fd = senders[0].fd;
            continue;
        }
        senders[i].fd = socket_open(&senders[i].to, twin ? net_local_port(senders[0].fd) : 0);
        if (senders[i].fd < 0)
            return false;
        if (strcmp(how, "unconnected") != 0 && connect(senders[i].fd, &senders[i].to.at.any, senders[i].to.size) != 0)
            return false;
    }
    return true;
}

static void sender_send(const struct sender *sender, const char *text, bool connected)
{
    ssize_t sent = connected ? send(sender->fd, text, strlen(text), 0)
                             : sendto(sender->fd, text, strlen(text), 0, &sender->to.at.any, sender->to.size);
    printf("sent %d\n", sent < 0 ? errno : 0);
}

static void sender_tell(const struct sender *sender)
{
    char data[2048];
    for (int i = 0; i < 1000; i++) {
        ssize_t size = recv(sender->fd, data, sizeof(data) - 1, MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (size < 0) {
            printf("error %d\n", errno);
            continue;
        }
        data[size] = '\0';
        printf("got %s\n", data);
    }
}

static void senders_serve(const struct sender *senders, int count, bool connected)
{
    char line[1600];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '?') {
            for (int i = 0; i < (connected ? count : 1); i++)
                sender_tell(&senders[i]);
            printf("end\n");
        } else {
            char *text;
            unsigned long index = strtoul(line, &text, 10);
            if (index < (unsigned long)count && *text == ' ')
                sender_send(&senders[index], text + 1, connected);
        }
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    struct sender senders[MOST_DESTINATIONS] = {0};
    int count = (argc - 2) / 2;
    bool right = argc >= 4 && argc % 2 == 0 && count <= MOST_DESTINATIONS;

    for (int i = 0; right && i < count; i++)
        right = net_address_parse(argv[2 + 2 * i], (uint16_t)strtoul(argv[3 + 2 * i], NULL, 10), &senders[i].to);
    if (!right) {
        fprintf(stderr, "usage: udp_sender connected|unconnected|twins ADDRESS PORT [ADDRESS PORT]...\n");
        return 2;
    }
    if (!senders_open(senders, count, argv[1])) {
        perror("udp_sender");
        return 1;
    }
    printf("ready %d", getpid());
    for (int i = 0; i < count; i++)
        printf(" %u", net_local_port(senders[i].fd));
    printf("\n");
    fflush(stdout);
    senders_serve(senders, count, strcmp(argv[1], "unconnected") != 0);
    return 0;
}
