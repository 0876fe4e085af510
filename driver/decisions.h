/* SPDX-License-Identifier: MIT */
/*
 * decisions.h - SUBMIT_DECISIONS, SUBMIT_AND_GET and the article's SUBMIT_DECISION.
 *
 * Each decision of a batch stands for itself and has its own status. A decision with a scope wider
 * than the connection becomes a filter first (answers.h) and also decides every other held
 * connection that it covers.
 */
#ifndef DRIVER_DECISIONS_H
#define DRIVER_DECISIONS_H

#include "driver/dispatch.h"

_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler decisions_submit;
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler decisions_submit_and_get;
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler decisions_submit_seed;

/* pend_lock held. Claims id for the client's verdict; 0 or the GATEHOUSE_E_* why not. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
uint32_t decisions_claim_locked(struct client *client, uint64_t id, enum gatehouse_verdict verdict,
                                struct list_link *claimed);

/* Why this id cannot be decided by an owner, as a status of our own; 0 for PEND_OK. */
uint32_t decisions_refusal(enum pend_result result);

#endif
