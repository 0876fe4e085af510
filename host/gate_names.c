/* SPDX-License-Identifier: MIT */
/*
 * gate_names.c - what name servers answer, copied by bpf/names.bpf.c before its program can read it.
 *
 * A program that has read an answer connects at once. Its answer is in the ring by then; but another processor may have
 * reserved a place before it and still write there, and a ring is read in order. So gate_names_read goes on until the
 * ring is as empty as it was full when it was called, and waits for such a writer: less than a microsecond, unless the
 * machine's own processor was taken away from it.
 *
 * Neither the program nor its ring is pinned: they end with this process, and a start makes new ones.
 */
#include "gate_private.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "bpf/names.skel.h"
#pragma GCC diagnostic pop

#include "bpf/gate_names.h"

#define WRITER_MS 100u /* a writer that takes longer has lost its processor: the packet waits no more */

struct gate_names {
    struct names_bpf *skeleton;
    struct gate_ring ring;
    int link;
};

static int load(struct gate_names *names, const struct gate_load *load)
{
    char path[GATE_PIN_DIR_SIZE + 40];
    int code;

    names->skeleton = names_bpf__open();
    if (!names->skeleton)
        return -errno;
    names->skeleton->rodata->netns_cookie = load->netns_cookie;
    snprintf(path, sizeof(path), "%s/gate_owners", load->directory);
    code = bpf_map__set_pin_path(names->skeleton->maps.gate_owners, path);
    if (!code)
        code = names_bpf__load(names->skeleton);
    if (code)
        return code;
    names->link = bpf_link_create(bpf_program__fd(names->skeleton->progs.gate_dns_answers), load->cgroup,
                                  BPF_CGROUP_INET_INGRESS, NULL);
    return names->link < 0 ? -errno : 0;
}

struct gate_names *gate_names_open(const struct gate_load *gate, gate_ring_take *take, void *context)
{
    struct gate_names *names = calloc(1, sizeof(*names));

    if (!names)
        return NULL;
    names->link = -1;
    if (load(names, gate) || gate_ring_open(&names->ring, gate_names_ring(names), GATE_NAMES_SIZE, take, context)) {
        gate_names_close(names);
        return NULL;
    }
    return names;
}

void gate_names_close(struct gate_names *names)
{
    if (!names)
        return;
    if (names->link >= 0)
        close(names->link);
    gate_ring_close(&names->ring);
    if (names->skeleton)
        names_bpf__destroy(names->skeleton);
    free(names);
}

int gate_names_ring(const struct gate_names *names)
{
    return bpf_map__fd(names->skeleton->maps.gate_names);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool are_read(const struct gate_names *names, unsigned long end)
{
    return (long)(end - *names->ring.consumed) <= 0;
}

void gate_names_read(struct gate_names *names)
{
    unsigned long end;
    uint64_t begun = 0;

    if (!names)
        return;
    end = __atomic_load_n(names->ring.produced, __ATOMIC_ACQUIRE);
    while (!are_read(names, end)) {
        gate_ring_read(&names->ring);
        if (are_read(names, end))
            return;
        if (begun == 0)
            begun = now_ms();
        else if (now_ms() - begun > WRITER_MS)
            return;
        sched_yield();
    }
}

uint64_t gate_names_lost(const struct gate_names *names)
{
    return names ? __atomic_load_n(&names->skeleton->bss->names_lost, __ATOMIC_RELAXED) : 0;
}
