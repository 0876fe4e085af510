/* SPDX-License-Identifier: MIT */
/*
 * server_fuzz.c - rows of messages to gatehoused's socket, on the driver and the engine.
 *
 * The server listens at a socket of its own in a new folder; up to three clients connect, send messages (each: a byte
 * for the client, two for the length, then its bytes, or a step of time or a hang-up) and read what comes. What must
 * hold of each answer: it has a head, says its length, is no longer than was asked for, and its tag is one that this
 * client sent and was not answered yet. In the end the driver unloads and leaves nothing.
 */
#include "fwpuclnt/server.h"
#include "gatehouse/protocol.h"
#include "host/device_server.h"
#include "host/log.h"
#include "tests/fuzz/fuzz.h"
#include "wfp/ale.h"

#include <nt/nt.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS      3u
#define TAGS_MAX     128u
#define MESSAGES_MAX 100u
#define MS           10000ull

DRIVER_INITIALIZE DriverEntry;

struct peer {
    int fd; /* -1: not connected */
    unsigned count;
    uint32_t tags[TAGS_MAX], rooms[TAGS_MAX];
    bool answered[TAGS_MAX];
};

static struct loop loop;
static struct device_server *server;
static struct peer peers[CLIENTS];
static char folder[64], path[96];
static uint64_t clock_now;

static uint64_t read_clock(void)
{
    return clock_now;
}

/* There is one thread. */
static void no_wake(void *context)
{
    (void)context;
}

static void platform_status(void *context, struct gatehouse_platform_status *status)
{
    (void)context;
    status->packets_seen = 1;
}

static void check_answer(struct peer *peer, const uint8_t *message, size_t size)
{
    struct gatehouse_answer answer;
    unsigned i = 0;

    fuzz_check(size >= sizeof(answer));
    memcpy(&answer, message, sizeof(answer));
    fuzz_check(size - sizeof(answer) == answer.information);
    while (i < peer->count &&
           (peer->answered[i] || peer->tags[i] != answer.tag || (answer.information > peer->rooms[i])))
        i++;
    fuzz_check(i < peer->count);
    peer->answered[i] = true;
}

static void turn(void)
{
    static uint8_t message[GATEHOUSE_MESSAGE_MAX];

    for (unsigned i = 0; i < 50 && loop_turn(&loop, false) > 0; i++)
        device_server_tidy(server);
    (void)device_server_tidy(server);
    for (unsigned i = 0; i < CLIENTS; i++) {
        ssize_t size;

        while (peers[i].fd >= 0 && (size = recv(peers[i].fd, message, sizeof(message), MSG_DONTWAIT)) != -1) {
            if (size == 0) {
                close(peers[i].fd);
                peers[i].fd = -1;
                break;
            }
            check_answer(&peers[i], message, (size_t)size);
        }
    }
}

static void connect_peer(struct peer *peer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(peer, 0, sizeof(*peer));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    peer->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    fuzz_check(peer->fd >= 0 && connect(peer->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    turn();
}

/* Small tags, so that some are under way twice; codes that there are. */
static void send_message(struct fuzz_bytes *in, struct peer *peer)
{
    static const uint32_t codes[] = {GATEHOUSE_IOCTL_HELLO,      GATEHOUSE_IOCTL_GET_REQUESTS,
                                     GATEHOUSE_IOCTL_GET_STATUS, GATEHOUSE_IOCTL_READ_EVENTS,
                                     GATEHOUSE_IOCTL_SET_POLICY, GATEHOUSE_IOCTL_SUBMIT_AND_GET,
                                     GATEHOUSE_CALL_CANCEL,      GATEHOUSE_CALL_PLATFORM_STATUS,
                                     GATEHOUSE_CALL_MANAGE,      IOCTL_WFP_GET_NEXT_REQUEST};
    unsigned how = fuzz_byte(in);
    struct gatehouse_call call = {.code = codes[how % 10], .tag = fuzz_byte(in), .output_size = 4096};
    struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, 1 + how / 10 % 2, 0};
    uint8_t message[sizeof(call) + 1024];
    const uint8_t *bytes;
    size_t size = 0;

    if (how >= 200)
        call.output_size = (uint32_t)fuzz_number(in, 4);
    if (how < 200 && call.code == GATEHOUSE_IOCTL_HELLO) {
        memcpy(message + sizeof(call), &hello, sizeof(hello));
        size = sizeof(hello);
    } else if (how >= 60) {
        size = fuzz_take(in, fuzz_below(in, 400), &bytes);
        memcpy(message + sizeof(call), bytes, size);
    }
    call.reserved = how == 255;
    memcpy(message, &call, sizeof(call));
    size += sizeof(call);
    if (how >= 240)
        size = fuzz_take(in, fuzz_below(in, 40), &bytes);
    if (how >= 240)
        memcpy(message, bytes, size);
    if (size == 0 || peer->count == TAGS_MAX)
        return;
    memset(&call, 0, sizeof(call));
    memcpy(&call, message, size < sizeof(call) ? size : sizeof(call));
    peer->tags[peer->count] = call.tag;
    peer->rooms[peer->count++] = call.output_size;
    (void)!send(peer->fd, message, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_decided(void *context, const struct wfp_decision *decision)
{
    (void)context;
    (void)decision;
}

static void perform(struct fuzz_bytes *in, uint64_t *endpoint)
{
    unsigned how = fuzz_byte(in);
    struct peer *peer = &peers[how % CLIENTS];

    if (how >= 240) {
        clock_now += how * 1000 * MS;
        nt_pump();
    } else if (how >= 208) {
        struct wfp_ale_connect connect = {.ip_version = 4, .protocol = 6, .remote_port = 443, .endpoint = ++*endpoint};
        struct wfp_decision decision;

        wfp_ale_connect(&connect, on_decided, NULL, &decision);
    } else if (how >= 200 && peer->fd >= 0) {
        close(peer->fd);
        peer->fd = -1;
    } else if (peer->fd < 0) {
        connect_peer(peer);
    } else {
        send_message(in, peer);
    }
    if (how % 4 != 0)
        turn();
}

static void start(struct nt_driver **driver)
{
    char error[256];

    if (folder[0] == 0) {
        const char *base = getenv("TMPDIR");

        snprintf(folder, sizeof(folder), "%.40s/gate-fuzz-XXXXXX", base != NULL ? base : "/tmp");
        fuzz_check(mkdtemp(folder) != NULL);
        snprintf(path, sizeof(path), "%s/s", folder);
    }
    clock_now = 36000000000ull;
    nt_set_clock(read_clock);
    for (unsigned i = 0; i < CLIENTS; i++)
        peers[i].fd = -1;
    fuzz_check(nt_driver_load("gatehouse", DriverEntry, NULL, 0, driver) == STATUS_SUCCESS);
    fuzz_check(loop_open(&loop) == 0);
    struct device_server_options options = {
        .path = path, .device = "\\\\.\\Gatehouse", .status = platform_status, .wake = no_wake};
    fuzz_check(device_server_start(&loop, &options, &server, error, sizeof(error)) == 0);
}

static void remove_folder(void)
{
    if (folder[0] != 0)
        (void)rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool registered;
    struct fuzz_bytes in = {data, size};
    struct nt_driver *driver;
    struct wfp_counts counts;
    uint64_t endpoint = 0;

    if (!registered)
        atexit(remove_folder);
    registered = true;
    start(&driver);
    for (unsigned count = 0; count < MESSAGES_MAX && in.left != 0; count++)
        perform(&in, &endpoint);
    turn();
    device_server_stop(server);
    loop_close(&loop);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (peers[i].fd >= 0)
            close(peers[i].fd);
    nt_driver_unload(driver);
    wfp_count(&counts);
    fuzz_check(counts.sessions == 0 && counts.pended == 0);
    wfp_reset();
    nt_set_clock(NULL);
    return 0;
}
