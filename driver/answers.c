/* SPDX-License-Identifier: MIT */
/*
 * answers.c - see answers.h. Program references are counted under pend_lock.
 */
#include "driver/answers.h"

#include "core/rule_writer.h"
#include "driver/decisions.h"
#include "driver/holds.h"
#include "driver/names.h"
#include "driver/rule_edits.h"

#define WALK_STEPS 512u /* entries looked at under one hold of pend_lock */

/* What an answer is about, and the request that it answers. */
struct subject {
    struct client *client;
    const struct gatehouse_decision *decision;
    struct program *program; /* one reference */
    uint32_t scope;
    struct destination to;
    uint16_t name_size; /* 0: none is known */
    uint8_t name[GATEHOUSE_NAME_MAX];
    struct name_program name_program; /* for SCOPE_PROGRAM_NAME */
    struct list_link claimed;         /* gets the request if it was won */
};

static void program_put(struct program *program)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    program_table_put(&driver_pends()->programs, program);
    KeReleaseSpinLock(&driver_pend_lock, irql);
}

/* pend_lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static void subject_take(struct subject *subject, const struct pend_entry *entry)
{
    program_reference(entry->program);
    subject->program = entry->program;
    subject->to = connection_destination(&entry->connection);
    if (entry->name != NULL) {
        subject->name_size = entry->name->path_size;
        RtlCopyMemory(subject->name, entry->name->path, entry->name->path_size);
    }
}

/* 0: *subject is set. */
static uint32_t subject_of(struct client *client, const struct gatehouse_decision *decision, struct subject *subject)
{
    struct pend_entry *entry = NULL;
    uint32_t refusal;
    KIRQL irql;

    subject->client = client;
    subject->decision = decision;
    subject->scope = decision->scope;
    subject->name_size = 0;
    list_init(&subject->claimed);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    refusal = decisions_refusal(pend_table_find(driver_pends(), decision->id, &client->hand, &entry));
    if (refusal == 0 && entry->program == NULL)
        refusal = GATEHOUSE_E_BAD_SCOPE;
    if (refusal == 0 && decision->scope == GATEHOUSE_SCOPE_PROGRAM_NAME && entry->name == NULL)
        refusal = GATEHOUSE_E_NO_NAME;
    if (refusal == 0)
        subject_take(subject, entry);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    if (refusal == 0 && subject->scope == GATEHOUSE_SCOPE_PROGRAM_NAME)
        subject->name_program = name_program_of(subject->program->path, subject->program->path_size);
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
    struct rule_answer answer = {subject->program->path,
                                 subject->program->path_size,
                                 NULL,
                                 GATEHOUSE_RULE_PERMIT,
                                 (uint8_t)decision->until,
                                 decision->lifetime_ms,
                                 false,
                                 NULL,
                                 0};

    if (subject->scope == GATEHOUSE_SCOPE_PROGRAM_DESTINATION || subject->scope == GATEHOUSE_SCOPE_PROGRAM_PORT)
        answer.to = &subject->to;
    answer.any_address = subject->scope == GATEHOUSE_SCOPE_PROGRAM_PORT;
    if (subject->scope == GATEHOUSE_SCOPE_PROGRAM_NAME) {
        answer.name = subject->name;
        answer.name_size = subject->name_size;
    }
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

/* --- Everything else that is held and covered ------------------------------------------------ */

/* For the scopes that have no index. An answer is about what goes out. */
static BOOLEAN covers(const struct subject *subject, const struct pend_entry *entry)
{
    struct destination to = connection_destination(&entry->connection);
    UINT16 layer = entry->connection.layer;

    if (layer != FWPS_LAYER_ALE_AUTH_CONNECT_V4 && layer != FWPS_LAYER_ALE_AUTH_CONNECT_V6)
        return FALSE;
    if (subject->scope == GATEHOUSE_SCOPE_PROGRAM_PORT)
        return to.protocol == subject->to.protocol && to.port == subject->to.port;
    if (entry->name != NULL && entry->name->path_size == subject->name_size &&
        memcmp(entry->name->path, subject->name, subject->name_size) == 0)
        return TRUE;
    return names_match(&subject->name_program, &to, subject->name, subject->name_size);
}

/* NULL: none, or the steps are used up. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static struct pend_entry *walk_covered(const struct subject *subject, struct pend_walk *walk, uint32_t *steps)
{
    while (*steps < WALK_STEPS) {
        struct pend_entry *entry = pend_walk_next(driver_pends(), walk);

        if (entry == NULL)
            return NULL;
        ++*steps;
        if (covers(subject, entry))
            return entry;
    }
    return NULL;
}

_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static struct pend_entry *next_covered(const struct subject *subject, struct pend_walk *walk, uint32_t *steps)
{
    if (subject->scope == GATEHOUSE_SCOPE_PROGRAM)
        return pend_table_covered(driver_pends(), subject->program, NULL);
    if (subject->scope == GATEHOUSE_SCOPE_PROGRAM_DESTINATION)
        return pend_table_covered(driver_pends(), subject->program, &subject->to);
    return walk_covered(subject, walk, steps);
}

/* A batch at a time. */
_Requires_no_locks_held_
static void decide_covered(const struct subject *subject, enum gatehouse_verdict verdict)
{
    struct pend_walk walk;
    uint32_t count, steps;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    pend_walk_begin(driver_pends(), &walk, subject->program);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    do {
        struct list_link claimed;

        list_init(&claimed);
        steps = 0;
        KeAcquireSpinLock(&driver_pend_lock, &irql);
        for (count = 0; count < DRIVER_BATCH; count++) {
            struct pend_entry *entry = next_covered(subject, &walk, &steps);
            if (entry == NULL)
                break;
            (void)pend_table_claim(driver_pends(), entry, verdict, GATEHOUSE_BY_ANSWER, &claimed);
        }
        KeReleaseSpinLock(&driver_pend_lock, irql);
        holds_complete(&claimed);
    } while (count == DRIVER_BATCH || steps == WALK_STEPS);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    pend_walk_end(driver_pends(), &walk);
    KeReleaseSpinLock(&driver_pend_lock, irql);
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
