/* SPDX-License-Identifier: MIT */
/*
 * answers.c - see answers.h. Program references are counted under pend_lock.
 */
#include "driver/answers.h"

#include "core/rule_writer.h"
#include "driver/decisions.h"
#include "driver/holds.h"
#include "driver/rule_edits.h"

/* What an answer is about, and the request that it answers. */
struct subject {
    struct client *client;
    const struct gatehouse_decision *decision;
    struct program *program; /* one reference */
    struct destination to;
    BOOLEAN anywhere;
    struct list_link claimed; /* gets the request if it was won */
};

static const struct destination *subject_destination(const struct subject *subject)
{
    return subject->anywhere ? NULL : &subject->to;
}

static void program_put(struct program *program)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    program_table_put(&driver_pends()->programs, program);
    KeReleaseSpinLock(&driver_pend_lock, irql);
}

/* 0: *subject is set. */
static uint32_t subject_of(struct client *client, const struct gatehouse_decision *decision, struct subject *subject)
{
    struct pend_entry *entry = NULL;
    uint32_t refusal;
    KIRQL irql;

    subject->client = client;
    subject->decision = decision;
    list_init(&subject->claimed);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    refusal = decisions_refusal(pend_table_find(driver_pends(), decision->id, &client->hand, &entry));
    if (refusal == 0 && entry->program == NULL)
        refusal = GATEHOUSE_E_BAD_SCOPE;
    if (refusal == 0) {
        program_reference(entry->program);
        subject->program = entry->program;
        subject->to = connection_destination(&entry->connection);
        subject->anywhere = decision->scope == GATEHOUSE_SCOPE_PROGRAM;
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return refusal;
}

/* In the engine's transaction. */
static uint32_t claim(void *context)
{
    struct subject *subject = context;
    uint32_t refusal;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    refusal = decisions_claim_locked(subject->client, subject->decision->id,
                                     (enum gatehouse_verdict)subject->decision->verdict, &subject->claimed);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return refusal;
}

_IRQL_requires_(PASSIVE_LEVEL)
static struct gatehouse_rules_image *image_of(const struct subject *subject)
{
    const struct gatehouse_decision *decision = subject->decision;
    struct rule_answer answer = {subject->program->path, subject->program->path_size, subject_destination(subject),
                                 GATEHOUSE_RULE_PERMIT,  (uint8_t)decision->until,    decision->lifetime_ms};

    if (decision->verdict == GATEHOUSE_VERDICT_BLOCK)
        answer.action = GATEHOUSE_RULE_BLOCK;
    if (decision->until == 0 && decision->lifetime_ms != GATEHOUSE_LIFETIME_FOREVER)
        answer.until = GATEHOUSE_UNTIL_TIME;
    return rule_image_of_answer(&driver_state.paged, &answer);
}

_IRQL_requires_(PASSIVE_LEVEL)
static uint32_t remember(struct subject *subject)
{
    struct rules_addition addition = {TRUE, claim, subject};
    struct gatehouse_rules_image *image = image_of(subject);
    uint32_t refusal = image == NULL ? GATEHOUSE_E_RULES_FULL : rules_add(image, image->size, &addition);

    return refusal == GATEHOUSE_E_RULES_FULL || refusal == GATEHOUSE_E_RULES_ENGINE ? GATEHOUSE_E_ANSWERS_FULL
                                                                                    : refusal;
}

/* Decides everything else that is held and covered, a batch at a time. */
_Requires_no_locks_held_
static void decide_covered(const struct subject *subject, enum gatehouse_verdict verdict)
{
    uint32_t count;

    do {
        struct list_link claimed;
        KIRQL irql;

        list_init(&claimed);
        KeAcquireSpinLock(&driver_pend_lock, &irql);
        for (count = 0; count < DRIVER_BATCH; count++) {
            struct pend_entry *entry =
                pend_table_covered(driver_pends(), subject->program, subject_destination(subject));
            if (entry == NULL)
                break;
            (void)pend_table_claim(driver_pends(), entry, verdict, GATEHOUSE_BY_ANSWER, &claimed);
        }
        KeReleaseSpinLock(&driver_pend_lock, irql);
        holds_complete(&claimed);
    } while (count == DRIVER_BATCH);
}

_Use_decl_annotations_
uint32_t answers_decide(struct client *client, const struct gatehouse_decision *decision)
{
    struct subject subject;
    uint32_t refusal = subject_of(client, decision, &subject);

    if (refusal != 0)
        return refusal;
    refusal = remember(&subject);
    DRIVER_TRACE("decision submitted: id=%llu verdict=%u scope=%u refusal=%08x\n", (unsigned long long)decision->id,
                 (unsigned)decision->verdict, (unsigned)decision->scope, (unsigned)refusal);
    holds_complete(&subject.claimed);
    if (refusal == 0)
        decide_covered(&subject, (enum gatehouse_verdict)decision->verdict);
    program_put(subject.program);
    return refusal;
}
