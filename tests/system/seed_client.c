/* SPDX-License-Identifier: MIT */
/*
 * seed_client.c - the decision program as the article describes it, over the device socket.
 *
 *   seed_client SOCKET permit|block
 *
 * It knows two IOCTLs and two structures, says no HELLO, and decides everything one way. Only
 * device_io_control() differs from the Windows program: there it is DeviceIoControl(). It prints
 * "request ID PID ADDRESS PORT" for each and ends when the device does.
 */
#include <gatehouse/protocol.h>
#include <gatehouse/transport.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct message {
    struct gatehouse_call call;
    unsigned char input[64];
};

struct reply {
    struct gatehouse_answer answer;
    unsigned char output[64];
};

/* One call at a time; true when the device took it. */
static bool device_io_control(int device, uint32_t code, const void *input, size_t input_size, void *output,
                              size_t output_size, size_t *returned)
{
    static uint32_t tag;
    struct message message = {.call = {.code = code, .tag = ++tag, .output_size = (uint32_t)output_size}};
    struct reply reply;
    ssize_t size;

    if (input_size > 0)
        memcpy(message.input, input, input_size);
    if (send(device, &message, sizeof(message.call) + input_size, MSG_NOSIGNAL) < 0)
        return false;
    size = recv(device, &reply, sizeof(reply), 0);
    if (size < (ssize_t)sizeof(reply.answer) || reply.answer.tag != tag)
        return false;
    if (reply.answer.status != 0) {
        printf("status 0x%08X\n", reply.answer.status);
        return false;
    }
    *returned = reply.answer.information;
    if (output_size > 0 && *returned <= output_size)
        memcpy(output, reply.output, *returned);
    return true;
}

static int device_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int device = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(device, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(device);
        return -1;
    }
    return device;
}

int main(int argc, char **argv)
{
    USER_CLASSIFY_REQUEST request = {0};
    USER_CLASSIFY_DECISION decision;
    size_t returned;
    int device;

    if (argc != 3 || (device = device_open(argv[1])) < 0) {
        fprintf(stderr, "seed_client: the device cannot be opened\n");
        return 2;
    }
    printf("ready %d\n", getpid());
    fflush(stdout);
    while (device_io_control(device, IOCTL_WFP_GET_NEXT_REQUEST, NULL, 0, &request, sizeof(request), &returned)) {
        printf("request %llu %llu %08X %u %zu\n", (unsigned long long)request.RequestId,
               (unsigned long long)request.ProcessId, request.RemoteAddressV4, request.RemotePort, returned);
        fflush(stdout);
        decision = (USER_CLASSIFY_DECISION){.RequestId = request.RequestId, .Block = strcmp(argv[2], "block") == 0};
        if (!device_io_control(device, IOCTL_WFP_SUBMIT_DECISION, &decision, sizeof(decision), NULL, 0, &returned))
            break;
    }
    close(device);
    return 0;
}
