/* SPDX-License-Identifier: MIT */
/*
 * live_protocol.h - how a program asks a driver what is held, and answers: which device or port, and what bytes.
 *
 * Gatehouse's own protocol, or two steps of the scenario language: `send` twice, or `message` and `reply`
 * (docs/scenarios.md). Those of the drivers that come with Gatehouse are known by their device or port.
 */
#ifndef LAB_LIVE_PROTOCOL_H
#define LAB_LIVE_PROTOCOL_H

#include "lab/scenario.h"

struct live_wish {
    bool answers, permit; /* answers: without the two texts below, one verdict for all */
    const char *device;   /* behind \\.\; NULL: whichever of the known ones is there */
    const char *port;     /* NULL: a device */
    const char *ask,
        *reply; /* "CODE out u64:$id ...", "CODE in u64:$id ..."; of a port: its fields only. NULL: known */
};

struct live_protocol {
    bool permit;
    bool port;      /* name is of a filter communication port, else of a device: \\.\NAME */
    bool gatehouse; /* speaks include/gatehouse/protocol.h, and not the two below */
    char name[SCENARIO_PATH_MAX + 5];
    struct scenario *scenario; /* owns what ask and reply point to */
    const struct scenario_raw *ask, *reply;
};

#define LIVE_PROTOCOLS_MAX 8u

/* Those that may fit, the likeliest first; how many. 0: told on stderr. */
size_t live_protocols_find(const struct live_wish *wish, struct live_protocol *protocols);

#endif
