/* SPDX-License-Identifier: MIT */
/*
 * gate_alive.c - whose pins a directory holds: those of a running gate, of a namespace that waits for one, or nobody's.
 *
 * A running gate holds a lock on the directory. Only root reaches it, so nobody else can pretend to be a gate; the
 * kernel gives the lock back when the process is gone.
 *
 * The directory also has a pinned link of the network namespace. Such a link does not keep the namespace: the kernel
 * takes it off when the namespace goes, and tells so. That makes pins of a dead namespace certain, which no search
 * through processes and mounts could. The program behind the link lets every lookup of a socket go on as it was.
 */
#include "gate_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#define LINK_SIZE     (GATE_PIN_DIR_SIZE + 24)
#define LOCK_PAUSE_MS 5
#define KILLED_MS     1000 /* one that was killed has its lock some ms more, while the kernel closes its files */

static void link_path(char path[LINK_SIZE], const char *directory)
{
    snprintf(path, LINK_SIZE, "%s/link_" GATE_ALIVE, directory);
}

bool gate_lock_wait(int fd, unsigned ms)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000};

    for (unsigned waited = 0; waited < ms; waited += LOCK_PAUSE_MS) {
        if (!flock(fd, LOCK_EX | LOCK_NB))
            return true;
        if (errno != EWOULDBLOCK)
            return false;
        nanosleep(&pause, NULL);
    }
    errno = EWOULDBLOCK;
    return false;
}

int gate_pins_lock(const char *directory, struct gate_error *error)
{
    struct stat locked, named;
    int code = 0, fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0)
        return gate_fail(error, -errno, "cannot open %s: %s", directory, strerror(errno));
    if (!gate_lock_wait(fd, KILLED_MS))
        code = errno == EWOULDBLOCK
                   ? gate_fail(error, -EBUSY, "another gatehoused guards this network namespace already: end it first")
                   : gate_fail(error, -errno, "cannot lock %s: %s", directory, strerror(errno));
    else if (fstat(fd, &locked) || stat(directory, &named) || locked.st_ino != named.st_ino)
        code = -ENOENT; /* removed between the opening and the lock */
    if (!code)
        return fd;
    close(fd);
    return code;
}

void gate_pins_mark(const char *directory)
{
    static const struct bpf_insn go_on[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_PASS},
        {.code = BPF_JMP | BPF_EXIT},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_SK_LOOKUP);
    char path[LINK_SIZE];
    int program = -1, space = -1, link = -1;

    link_path(path, directory);
    if (!access(path, F_OK))
        return;
    program = bpf_prog_load(BPF_PROG_TYPE_SK_LOOKUP, GATE_ALIVE, "Dual MIT/GPL", go_on,
                            sizeof(go_on) / sizeof(go_on[0]), &options);
    space = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (program >= 0 && space >= 0)
        link = bpf_link_create(program, space, BPF_SK_LOOKUP, NULL);
    if (link >= 0)
        bpf_obj_pin(link, path);
    if (link >= 0)
        close(link);
    if (space >= 0)
        close(space);
    if (program >= 0)
        close(program);
}

bool gate_pins_are_dead(const char *directory)
{
    struct bpf_link_info info = {0};
    uint32_t size = sizeof(info);
    char path[LINK_SIZE];
    bool dead;
    int link;

    link_path(path, directory);
    link = bpf_obj_get(path);
    if (link < 0)
        return false;
    dead = !bpf_obj_get_info_by_fd(link, &info, &size) && info.type == BPF_LINK_TYPE_NETNS && info.netns.netns_ino == 0;
    close(link);
    return dead;
}
