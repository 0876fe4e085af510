/* SPDX-License-Identifier: MIT */
/*
 * engine_platform.c - what wfp/ asks of nt/ (nt/nt.h) and of the C library, over Wine's kernel.
 *
 * Wine calls no entry point of a native file that is loaded as an import, and drops the file together with the
 * driver that wanted it. This one imports from ntdll.dll, which makes it a library to Wine: it has an entry point,
 * pins itself, and tells at the end of the driver host what the driver left in the engine. The engine itself is
 * prepared in nt_require_irql, with which every routine that a driver may call first begins (FwpmEngineOpen0,
 * FwpsCalloutRegister*): when the entry point is called, the kernel is not there yet.
 */
#include "tests/wine/engine_platform.h"

#include "nt/foreign.h"
#include "nt/leaf.h"
#include "nt/verify/scheduler.h"
#include "tests/wine/engine_device.h"
#include "tests/wine/include/pthread.h"
#include "wfp/ale.h"
#include "windows/start.h"

#include <nt/nt.h>

#include <stdio.h>
#include <stdlib.h>

#define HEAP_TAG 'HpfW'

/* Every driver here is a Windows binary, as the engine is. */
uintptr_t nt_foreign_start, nt_foreign_size;

/* nt/sanitize.h asks by it whether a sanitizer is there, which a weak symbol tells elsewhere. Here it does nothing. */
void __asan_poison_memory_region(void const volatile *address, size_t size);
void __asan_poison_memory_region(void const volatile *address, size_t size)
{
    (void)address, (void)size;
}

#define VIOLATIONS_KEPT 16
static pthread_mutex_t violations_lock = PTHREAD_MUTEX_INITIALIZER;
static UINT32 violations, violations_read;   /* violations_lock */
static char violation[VIOLATIONS_KEPT][240]; /* violations_lock */

/* The linker's: -1, constructors, 0. */
extern void (*const __CTOR_LIST__[])(void);

#define PIN_FOREVER 1
NTSYSAPI NTSTATUS NTAPI LdrAddRefDll(ULONG flags, PVOID module);

static void start(void)
{
    pool_start();
    for (size_t i = 1; __CTOR_LIST__[i] != NULL; i++)
        __CTOR_LIST__[i]();
    if (!NT_SUCCESS(engine_device_create()))
        nt_violate("engine-start", "IoCreateDriver", "the engine's own device could not be made");
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

BOOLEAN NTAPI engine_entry_point(PVOID module, ULONG reason, PVOID reserved)
{
    struct wfp_counts left;

    (void)reserved;
    if (reason == 1)
        (void)LdrAddRefDll(PIN_FOREVER, module);
    if (reason != 0 || once.state == 0)
        return TRUE;
    wfp_count(&left);
    DbgPrint("engine: left sessions=%u providers=%u sublayers=%u callouts=%u filters=%u registered=%u flows=%u "
             "pended=%u violations=%u\n",
             (unsigned)left.sessions, (unsigned)left.providers, (unsigned)left.sublayers, (unsigned)left.callouts,
             (unsigned)left.filters, (unsigned)left.registered_callouts, (unsigned)left.flows, (unsigned)left.pended,
             violations);
    return TRUE;
}

void nt_require_irql(const char *routine, KIRQL lowest, KIRQL highest)
{
    KIRQL irql = KeGetCurrentIrql();

    pthread_once(&once, start);
    if (irql < lowest || irql > highest)
        nt_violate(irql < lowest ? "irql-too-low" : "irql-too-high", routine, "called at IRQL %u", irql);
}

void nt_violate(const char *rule, const char *routine, const char *format, ...)
{
    char detail[160];
    char text[240];
    va_list arguments;

    va_start(arguments, format);
    (void)_vsnprintf(detail, sizeof(detail) - 1, format, arguments);
    va_end(arguments);
    detail[sizeof(detail) - 1] = 0;
    (void)_snprintf(text, sizeof(text) - 1, "%s: %s: %s", rule, routine, detail);
    text[sizeof(text) - 1] = 0;
    DbgPrint("engine: violation %s\n", text);
    pthread_mutex_lock(&violations_lock);
    RtlCopyMemory(violation[violations++ % VIOLATIONS_KEPT], text, sizeof(text));
    if (violations - violations_read > VIOLATIONS_KEPT)
        violations_read = violations - VIOLATIONS_KEPT;
    pthread_mutex_unlock(&violations_lock);
}

UINT32 engine_violations(void)
{
    return violations;
}

void engine_next_violation(char *text, size_t size)
{
    const char *next = "";

    pthread_mutex_lock(&violations_lock);
    if (violations_read != violations)
        next = violation[violations_read++ % VIOLATIONS_KEPT];
    for (size_t i = 0; i < size; i++) {
        text[i] = *next;
        next += *next != 0;
    }
    pthread_mutex_unlock(&violations_lock);
}

/* Wine's threads are real ones: no fiber ever runs. */
bool nt_scheduling;
unsigned nt_leaves;

void nt_short_wait(uint32_t *held)
{
    while (!nt_short_try(held))
        YieldProcessor();
}

bool nt_scheduled(void)
{
    return false;
}

uint32_t nt_schedule_fiber(void)
{
    return 0;
}

bool nt_schedule_until(const struct nt_wait *wait)
{
    (void)wait;
    return false;
}

void nt_schedule_keep(void **(*where)(void))
{
    (void)where;
}

void nt_schedule_point(const char *routine)
{
    (void)routine;
}

/* Wine keeps no count and no process per thread, and nothing here makes routines fail. */
unsigned nt_spin_locks_held(void)
{
    return 0;
}

void nt_set_current_process(uint64_t process_id, uint64_t start)
{
    (void)process_id;
    (void)start;
}

BOOLEAN nt_fails(const char *routine)
{
    (void)routine;
    return FALSE;
}

void nt_pool_keep_tag(ULONG tag)
{
    (void)tag;
}

void *calloc(size_t count, size_t size)
{
    void *memory = ExAllocatePoolWithTag(NonPagedPoolNx, count * size, HEAP_TAG);

    if (memory != NULL)
        RtlZeroMemory(memory, count * size);
    return memory;
}

void free(void *memory)
{
    ExFreePoolWithTag(memory, HEAP_TAG);
}
