/* SPDX-License-Identifier: MIT */
/*
 * fault.h - makes routines fail that can fail, each once for every call stack that leads to it.
 *
 * A driver's paths behind a failed allocation are its least tested ones. A call stack is known by the places it went
 * through, relative to their files, so it is the same in each run and each process. One run of a scenario fails one
 * call: the first whose stack was never failed before. Behind it the driver takes other ways, which make new stacks:
 * a later run fails the same call again and then one of them, up to four in all. A scenario is run until a run made
 * none that is new:
 *
 *     do {
 *         nt_faults_begin(faults, 0);
 *         run();
 *     } while (nt_faults_end(faults));
 *
 * Only calls count that come from the code of a loaded driver, and of their stacks what lies between the driver's
 * innermost and outermost frame. A driver that is linked in shares its file with the host
 * and the engine, whose calls then count as its own. It uses nt_set_fault (nt/nt.h); the verifier need not be on.
 *
 * When you add a routine that can fail on Windows: ask nt_fails in it, with the name that a driver spells.
 * Pages: Driver Verifier, "Low Resources Simulation", "Systematic Low Resources Simulation".
 */
#ifndef NT_VERIFY_FAULT_H
#define NT_VERIFY_FAULT_H

#include "nt/verify/verify.h"

struct nt_faults;

#define NT_FAULT_CALLS_MAX 4u /* of one run */

struct nt_fault_call {
    const char *routine;
    uint32_t call; /* the how-many-th call of the routine in its run, from 1 */
};

/* One call that was failed. */
struct nt_failed {
    const char *routine;
    uint32_t call; /* the how-many-th call of the routine in its run, from 1 */
    uint64_t site; /* what the stack is known by */
    struct nt_stack stack;
};

/* frames: how many of a stack count, beginning with the driver's innermost; 0: 12. NULL: no memory. It lies in memory
 * that children share with their parent: a child that ended in a run leaves it to the parent to end that run. */
struct nt_faults *nt_faults_new(unsigned frames);
void nt_faults_free(struct nt_faults *faults); /* or NULL */

/* A run begins: its call with the (skip + 1)-th stack that was never failed will fail. The skipped ones may fail later.
 */
void nt_faults_begin(struct nt_faults *faults, unsigned skip);

/* A run begins: the call-th call (from 1) of this routine will fail, whatever its stack. */
void nt_faults_begin_call(struct nt_faults *faults, const char *routine, unsigned call);

/* A call was made to fail in the run that is under way. A driver may then decide otherwise, without a mistake. */
bool nt_faults_happened(void);

/* The same for several, NT_FAULT_CALLS_MAX at most; calls stay until the run has ended. */
void nt_faults_begin_calls(struct nt_faults *faults, const struct nt_fault_call *calls, unsigned count);

/* What failed in the run that was begun last, in order. */
const struct nt_fault_call *nt_faults_of_run(const struct nt_faults *faults, unsigned *count);

/* The run has ended. true: there may be more to fail. */
bool nt_faults_end(struct nt_faults *faults);

/* The calls failed so far, in order; valid until the next run begins. NULL: beyond them. */
const struct nt_failed *nt_faults_at(const struct nt_faults *faults, size_t index);

#endif
