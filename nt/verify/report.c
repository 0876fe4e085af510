/* SPDX-License-Identifier: MIT */
/*
 * report.c - makes a report of a violation; see report.h.
 *
 * A report is too large for a fiber's or a signal handler's stack, so each real thread has one. What was handed over is
 * remembered by a hash of 64 bits, in a table that may fill up: then repeats are handed over again.
 */
#include "nt/verify/report.h"

#include <stdio.h>
#include <string.h>

#include "nt/internal.h"
#include "nt/verify/stack.h"

#define SEEN_MAX 8192u

struct seen {
    uint64_t hash; /* 0: empty */
    uint32_t count;
};

static nt_report_handler *handler_now;
static void *handler_context;
static struct seen seen[SEEN_MAX];
static uint32_t seen_count;
static bool lock;
static __thread struct nt_report building;
static __thread struct nt_rule unlisted;

void nt_set_report_handler(nt_report_handler *handler, void *context)
{
    __atomic_store_n(&handler_now, NULL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&handler_context, context, __ATOMIC_SEQ_CST);
    __atomic_store_n(&handler_now, handler, __ATOMIC_SEQ_CST);
}

const char *nt_beginning_name(enum nt_beginning what)
{
    static const char *const names[NT_BEGINNINGS] = {
        [NT_BEGAN_NOTHING] = "nothing began",
        [NT_BEGAN_LOCK] = "the lock was taken",
        [NT_BEGAN_BLOCK] = "the block was allocated",
        [NT_FREED_BLOCK] = "the block was freed",
        [NT_BEGAN_IRP] = "the IRP was kept",
        [NT_COMPLETED_IRP] = "the IRP was completed",
        [NT_BEGAN_OPERATION] = "the operation was pended",
        [NT_COMPLETED_OPERATION] = "the operation was completed",
        [NT_BEGAN_OBJECT] = "the object was made",
        [NT_BEGAN_CLASSIFY] = "the classify ran",
        [NT_BEGAN_WAIT] = "another one waits",
        [NT_ABOUT_ROUTINE] = "the routine that returned begins",
    };
    return names[what];
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = mix(hash, (unsigned char)*text);
    return hash;
}

static uint64_t hash_report(const struct nt_report *report)
{
    uint64_t hash = mix_text(mix_text(1, report->rule->id), report->routine);
    for (uint32_t index = 0; index < report->broke.count; index++)
        hash = mix(hash, (uintptr_t)report->broke.frames[index]);
    /* What a routine did is found out where each one of its kind returns to. */
    if (report->began_what == NT_ABOUT_ROUTINE)
        hash = mix(hash, (uintptr_t)report->began.frames[0]);
    return hash != 0 ? hash : 1;
}

/* Where hash is or belongs; NULL: the table is full. */
static struct seen *seen_at(uint64_t hash)
{
    for (uint32_t probe = 0; probe < SEEN_MAX; probe++) {
        struct seen *slot = &seen[(hash + probe) % SEEN_MAX];
        if (slot->hash == hash || slot->hash == 0)
            return slot;
    }
    return NULL;
}

/* true: for the first time. */
static bool count_report(uint64_t hash)
{
    bool first = true;
    nt_verify_lock(&lock);
    struct seen *slot = seen_at(hash);
    if (slot != NULL && slot->hash == hash) {
        slot->count++;
        first = false;
    } else if (slot != NULL && seen_count < SEEN_MAX * 3 / 4) {
        *slot = (struct seen){hash, 1};
        seen_count++;
    }
    nt_verify_unlock(&lock);
    return first;
}

uint32_t nt_report_count(const struct nt_report *report)
{
    uint64_t hash = hash_report(report);
    nt_verify_lock(&lock);
    const struct seen *slot = seen_at(hash);
    uint32_t count = slot != NULL && slot->hash == hash ? slot->count : 0;
    nt_verify_unlock(&lock);
    return count;
}

static const struct nt_rule *rule_of(const char *id)
{
    const struct nt_rule *rule = nt_rule_find(id);
    if (rule == NULL) {
        unlisted = (struct nt_rule){id, NT_ERROR, "This rule has no row in nt/verify/rules.h.", "",
                                    "Add its row, or mend the id where the rule is checked."};
        rule = &unlisted;
    }
    return rule;
}

static void copy_held_locks(struct nt_report *report, const struct nt_verify_self *self)
{
    report->held = self->held < NT_HELD_MAX ? self->held : NT_HELD_MAX;
    for (uint32_t index = 0; index < report->held; index++) {
        struct nt_held_lock *held = &report->locks[index];
        held->known = nt_find_beginning(NT_BEGAN_LOCK, self->locks[index], &held->taken);
    }
}

static void fill_began(struct nt_report *report, const struct nt_verify_self *self)
{
    report->began_what = NT_BEGAN_NOTHING;
    report->began.count = 0;
    if (self->about != NT_BEGAN_NOTHING &&
        nt_find_beginning((enum nt_beginning)self->about, self->about_key, &report->began))
        report->began_what = (enum nt_beginning)self->about;
    if (report->began_what == NT_BEGAN_NOTHING && self->about_routine != NULL) {
        report->began_what = NT_ABOUT_ROUTINE;
        report->began.count = 1;
        report->began.frames[0] = (const char *)self->about_routine + 1; /* as if a call stood at its first byte */
    }
}

/* What costs more than the stack, only when the report is handed over. */
static void fill_report(struct nt_report *report, const struct nt_violation *violation)
{
    const struct nt_verify_self *self = &nt_self.verify;
    report->irql = violation->irql;
    snprintf(report->detail, sizeof report->detail, "%s", violation->detail);
    nt_number_addresses(report->detail);
    report->time = nt_now();
    report->fiber = self->name;
    report->spin_locks = nt_self.spin_locks;
    copy_held_locks(report, self);
    report->connection = self->about_connection;
    report->event_count = nt_history(report->connection, report->events, NT_EVENTS_MAX);
    for (size_t index = 0; index < report->event_count; index++)
        nt_number_addresses(report->events[index].text);
}

bool nt_report_violation(const struct nt_violation *violation, const void *frame)
{
    struct nt_verify_self *self = &nt_self.verify;
    nt_report_handler *handler = __atomic_load_n(&handler_now, __ATOMIC_ACQUIRE);
    struct nt_report *report = &building;
    bool first = false;
    if (handler != NULL) {
        report->rule = rule_of(violation->rule);
        report->routine = violation->routine;
        if (self->about_stack != NULL)
            report->broke = *self->about_stack;
        else
            nt_stack_take_from(frame, &report->broke);
        fill_began(report, self);
        first = count_report(hash_report(report));
        if (first)
            fill_report(report, violation);
    }
    self->about = NT_BEGAN_NOTHING;
    self->about_connection = 0;
    self->about_stack = NULL;
    if (first)
        handler(__atomic_load_n(&handler_context, __ATOMIC_ACQUIRE), report);
    return handler != NULL;
}

void nt_reports_clear(void)
{
    nt_verify_lock(&lock);
    memset(seen, 0, sizeof seen);
    seen_count = 0;
    nt_verify_unlock(&lock);
}

void nt_verify_clear(void)
{
    nt_beginnings_clear();
    nt_history_clear();
    nt_numbers_clear();
    nt_self.verify.held = 0;
    nt_self.verify.about = NT_BEGAN_NOTHING;
    nt_self.verify.about_connection = 0;
    nt_self.verify.about_stack = NULL;
    nt_self.verify.about_routine = NULL;
}
