/* SPDX-License-Identifier: MIT */
/*
 * dns_connect.c - asks a name server and connects to what it says, at once and again and again: as close together as a
 * program can. Prints "ready PID", then, when all is over, how many connects succeeded.
 *
 *   dns_connect SERVER PORT COUNT DOMAIN    names are nN.DOMAIN, N from 0; each has a socket of its own for its
 * question
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_PORT 53
#define WAIT_MS  10000

static size_t put_question(uint8_t *message, unsigned number, const char *domain)
{
    uint8_t *at = message;
    char name[256];

    memcpy(at, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
    at += 12;
    snprintf(name, sizeof(name), "n%u.%s", number, domain);
    for (char *rest = name, *label; (label = strsep(&rest, ".")) != NULL;) {
        *at++ = (uint8_t)strlen(label);
        memcpy(at, label, strlen(label));
        at += strlen(label);
    }
    memcpy(at, "\0\0\1\0\1", 5);
    return (size_t)(at + 5 - message);
}

/* The last four bytes of the answer. False: none came. */
static int ask(const struct sockaddr_in *server, unsigned number, const char *domain, struct in_addr *found)
{
    uint8_t message[512];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd wait = {fd, POLLIN, 0};
    ssize_t got = -1;

    if (connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0 &&
        send(fd, message, put_question(message, number, domain), 0) > 0 && poll(&wait, 1, WAIT_MS) == 1)
        got = recv(fd, message, sizeof(message), 0);
    close(fd);
    if (got > 16)
        memcpy(found, message + got - 4, 4);
    return got > 16;
}

int main(int argc, char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    struct sockaddr_in to = {.sin_family = AF_INET};
    unsigned done = 0, count;

    if (argc != 5 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
        return 2;
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    count = (unsigned)atoi(argv[3]);
    printf("ready %d\n", getpid());
    fflush(stdout);
    for (unsigned i = 0; i < count && ask(&server, i, argv[4], &to.sin_addr); i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        done += connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
        close(fd);
    }
    printf("%u\n", done);
    return 0;
}
