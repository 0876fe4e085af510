/* SPDX-License-Identifier: MIT */
/*
 * adopt.c - see adopt.h.
 *
 * A connection is a flow of the engine only while it is asked about: whoever permitted it without the engine will do so
 * after the next change, too, and nobody would tell when it ends.
 */
#include "host/adopt.h"

#include <errno.h>
#include <string.h>

#include "host/log.h"
#include "wfp/ale.h"

static void end_connection(struct adopt *adopt, const struct gate_live *live)
{
    int result = gate_destroy_socket(adopt->gate, &live->flow, live->local_address, live->local_port);

    if (result < 0 && result != -ENOENT)
        log_say("a connection that the new policy blocks could not be ended: %s.", strerror(-result));
}

static void adopt_one(void *context, const struct gate_live *live)
{
    struct adopt *adopt = context;
    struct wfp_decision decision = {.outcome = WFP_PERMIT};
    BOOLEAN reauthorized = FALSE;
    const FWP_BYTE_BLOB *package;

    if (adopt->is_known(adopt->context, &live->flow) || !adopt->package(adopt->context, live, &package))
        return;
    identity_fill(adopt->identity, &live->owner);
    struct wfp_ale_connect connect = {
        .ip_version = live->flow.ip_version,
        .protocol = live->flow.protocol,
        .local_port = live->local_port,
        .remote_port = live->flow.remote_port,
        .endpoint = live->flow.cookie,
        .has_process = TRUE,
        .process_id = live->owner.pid,
        .process_start = adopt->identity->process_start,
        .app_id = adopt->identity->app_id.size ? &adopt->identity->app_id : NULL,
        .user = adopt->identity->user.size ? &adopt->identity->user : NULL,
        .package = package,
        .condition_flags = live->loopback ? FWP_CONDITION_FLAG_IS_LOOPBACK : 0,
    };
    memcpy(connect.local_address, live->local_address, 16);
    memcpy(connect.remote_address, live->flow.remote_address, 16);
    UINT64 flow = wfp_ale_adopt(&connect);
    if (!flow) {
        log_say("out of memory: a live connection was not held against the new policy.");
        return;
    }
    wfp_ale_flow_packet(flow, FALSE, NULL, &decision, &reauthorized);
    if (decision.outcome == WFP_PERMIT)
        wfp_ale_flow_end(flow);
    else if (live->cached || !decision.looked.all)
        end_connection(adopt, live);
}

void adopt_start(struct adopt *adopt)
{
    int result = gate_adopt_start(adopt->gate);

    adopt->under_way = result == 0;
    if (result < 0)
        log_say("live connections cannot be listed: %s; those that the cache permitted keep their verdict.",
                strerror(-result));
}

bool adopt_step(struct adopt *adopt)
{
    int result = adopt->under_way ? gate_adopt_step(adopt->gate, adopt_one, adopt) : 0;

    adopt->under_way = result > 0;
    if (result < 0)
        log_say("live connections cannot be listed: %s; some keep their verdict.", strerror(-result));
    return adopt->under_way;
}
