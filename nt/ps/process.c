/* SPDX-License-Identifier: MIT */
/*
 * process.c - which process a thread stands for.
 *
 * nt_set_current_process only stores two numbers, because a host calls it for each packet; the
 * PEPROCESS is made when a driver asks for it, and stays valid while referenced.
 * Pages: ntddk.h PsGetCurrentProcessId, PsGetProcessId, PsGetProcessCreateTimeQuadPart; wdm.h IoGetCurrentProcess.
 */
#include "nt/internal.h"

#include <stdlib.h>
#include <unistd.h>

#define SYSTEM_PROCESS 4u /* who a fiber stands for until told */

struct _EPROCESS {
    uint64_t id;
    uint64_t start;
};

static struct _OBJECT_TYPE {
    const char *name;
} thread_type = {"Thread"}, process_type = {"Process"};
static POBJECT_TYPE thread_type_pointer = &thread_type, process_type_pointer = &process_type;
POBJECT_TYPE *PsThreadType = &thread_type_pointer;
POBJECT_TYPE *PsProcessType = &process_type_pointer;

void nt_set_current_process(uint64_t process_id, uint64_t start)
{
    nt_self.process_id = process_id;
    nt_self.process_start = start;
}

static uint64_t current_id(void)
{
    static uint64_t own;
    if (nt_self.process_id != 0)
        return nt_self.process_id;
    if (nt_scheduling)
        return SYSTEM_PROCESS;
    uint64_t id = __atomic_load_n(&own, __ATOMIC_RELAXED);
    if (id == 0) {
        id = (uint64_t)getpid();
        __atomic_store_n(&own, id, __ATOMIC_RELAXED);
    }
    return id;
}

PEPROCESS nt_process_new(uint64_t id, uint64_t start)
{
    PEPROCESS process = nt_object_new(NT_OBJECT_PROCESS, sizeof *process, NULL);
    if (process == NULL)
        abort();
    process->id = id;
    process->start = start;
    return process;
}

static PEPROCESS current(void)
{
    PEPROCESS process = nt_self.process;
    uint64_t id = current_id();
    if (process != NULL && process->id == id && process->start == nt_self.process_start)
        return process;
    if (process == NULL || nt_object_references(process) != 1) {
        if (process != NULL)
            nt_object_release(process);
        process = nt_process_new(id, nt_self.process_start);
        nt_self.process = process;
        nt_at_thread_exit();
    }
    process->id = id;
    process->start = nt_self.process_start;
    return process;
}

PEPROCESS PsGetCurrentProcess(VOID)
{
    NT_ENTER(PsGetCurrentProcess);
    return current();
}

PEPROCESS IoGetCurrentProcess(VOID)
{
    NT_ENTER(IoGetCurrentProcess);
    return current();
}

HANDLE PsGetCurrentProcessId(VOID)
{
    NT_ENTER(PsGetCurrentProcessId);
    return (HANDLE)(ULONG_PTR)current_id();
}

HANDLE PsGetProcessId(PEPROCESS Process)
{
    NT_ENTER(PsGetProcessId);
    return (HANDLE)(ULONG_PTR)Process->id;
}

LONGLONG PsGetProcessCreateTimeQuadPart(PEPROCESS Process)
{
    NT_ENTER(PsGetProcessCreateTimeQuadPart);
    return (LONGLONG)Process->start;
}
