/* SPDX-License-Identifier: MIT */
/*
 * answer.c - see answer.h. Called after each classifyFn, at its IRQL, without locks.
 *
 * pend-in-reauthorization. The page leaves open what to return after STATUS_FWP_CANNOT_PEND; the only answer that is
 * certainly not meant is the one that belongs to a pended operation: BLOCK with ABSORB and the right cleared. Nobody
 * will be asked again, the connection is dropped without a trace. A warning, as a driver may want just that. See
 * pend.c.
 */
#include "wfp/answer.h"
#include "wfp/history.h"
#include "wfp/net_buffer.h"

#include <nt/nt.h>

static void violate(const struct wfp_question *question, const char *rule, const char *detail)
{
    nt_about_connection(question->frame->authorization->flow.key);
    nt_violate(rule, "classifyFn", "%s", detail);
}

static void violate_pend(const struct wfp_question *question, const char *rule, const char *detail)
{
    nt_about(NT_BEGAN_OPERATION, question->frame->context);
    violate(question, rule, detail);
}

void wfp_return_check(const char *routine, KIRQL irql, unsigned locks)
{
    unsigned held = nt_spin_locks_held();

    if (held > locks)
        nt_violate("lock-left", routine, "returned with %u spin locks held that it took", held - locks);
    else if (KeGetCurrentIrql() != irql)
        nt_violate("irql-changed", routine, "entered at IRQL %u, left at %u", irql, KeGetCurrentIrql());
    nt_put_right(irql, locks);
}

/* Inbound, nobody has a clone of it or a reference to it, and nobody sends it again. */
static BOOLEAN is_lost(const struct wfp_authorization *authorization)
{
    return authorization->packet != NULL && authorization->facts.protocol != 6 &&
           atomic_load(&authorization->packet->root->holders) == 1;
}

/* A driver that returns PERMIT has forgotten all three; that is told once. */
static void check_pended(const struct wfp_question *question, FWPS_CLASSIFY_OUT0 *out)
{
    if (out->actionType != FWP_ACTION_BLOCK) {
        violate_pend(question, "pend-not-blocked",
                     "after FwpsPendOperation0 return BLOCK with ABSORB and clear ACTION_WRITE");
    } else {
        if ((out->flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) == 0)
            violate_pend(question, "pend-not-absorbed",
                         "after FwpsPendOperation0 BLOCK needs FWPS_CLASSIFY_OUT_FLAG_ABSORB");
        if ((out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
            violate_pend(question, "pend-right-kept",
                         "after FwpsPendOperation0 clear ACTION_WRITE, or a later callout may permit");
    }
    if (NT_VERIFYING && is_lost(question->frame->authorization))
        violate_pend(question, "datagram-lost", "the packet was not cloned before classifyFn returned");
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

static BOOLEAN looks_pended(const FWPS_CLASSIFY_OUT0 *out)
{
    return out->actionType == FWP_ACTION_BLOCK && (out->flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) != 0 &&
           (out->rights & FWPS_RIGHT_ACTION_WRITE) == 0;
}

void wfp_answer_check(const struct wfp_question *question, FWPS_CLASSIFY_OUT0 *out)
{
    BOOLEAN had_right = question->had_right;

    wfp_return_check("classifyFn", question->irql, question->locks);
    if (question->frame->authorization->packet != NULL)
        wfp_net_buffer_check(question->frame->authorization->packet);
    if (out->outContext != 0 || out->filterId != 0 || out->reserved != 0)
        violate(question, "classify-out-touched", "outContext, filterId and reserved are the engine's");
    if (question->frame->pends != question->frame->slot_pends)
        check_pended(question, out);
    else if (NT_VERIFYING && question->frame->refused == WFP_REFUSED && looks_pended(out))
        violate(question, "pend-in-reauthorization",
                "FwpsPendOperation0 said STATUS_FWP_CANNOT_PEND and the answer is that of a pended operation: nothing "
                "is held, the connection is blocked");
    if ((out->flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) != 0 && out->actionType != FWP_ACTION_BLOCK)
        violate(question, "absorb-without-block", "ABSORB goes with FWP_ACTION_BLOCK only");
    if (!had_right && (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        violate(question, "right-taken", "ACTION_WRITE was not there and was set");
    if (!had_right && out->actionType != question->action && out->actionType != FWP_ACTION_BLOCK) {
        violate(question, "action-without-right", "without ACTION_WRITE only BLOCK over PERMIT may be written");
        out->actionType = question->action;
    }
}
