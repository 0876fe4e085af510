/* SPDX-License-Identifier: MIT */
/*
 * violation.c - reports of broken rules, and the fault hook.
 *
 * The default prints and aborts. A handler of a test may record and return, or longjmp out: nothing
 * here holds a lock while it runs.
 */
#include "nt/foreign.h"
#include "nt/internal.h"
#include "nt/verify/report.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static nt_violation_handler *handler_now;
static nt_fault *fault_now;
static void *fault_context;

void nt_set_violation_handler(nt_violation_handler *handler)
{
    __atomic_store_n(&handler_now, handler, __ATOMIC_RELEASE);
}

static void report_and_abort(const struct nt_violation *violation)
{
    void *frames[48];
    char place[96];
    fprintf(stderr, "nt: violation %s in %s at IRQL %u: %s\n", violation->rule, violation->routine, violation->irql,
            violation->detail);
    int count = backtrace(frames, (int)RTL_NUMBER_OF(frames));
    /* The unwinder ends at the code of a driver binary. */
    if (count > 0 && NT_IS_FOREIGN(frames[count - 1]))
        fprintf(stderr, "nt: called from %s\n", nt_name_code(frames[count - 1], place, sizeof place));
    backtrace_symbols_fd(frames, count, 2);
    abort();
}

void nt_violate(const char *rule, const char *routine, const char *format, ...)
{
    nt_violation_handler *handler = __atomic_load_n(&handler_now, __ATOMIC_ACQUIRE);
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    struct nt_violation violation = {rule, routine, nt_self.irql, detail};
    bool reported = NT_VERIFYING && nt_report_violation(&violation, __builtin_frame_address(0));
    if (handler != NULL)
        handler(&violation);
    else if (!reported)
        report_and_abort(&violation);
}

void nt_report_irql(const char *routine, KIRQL lowest, KIRQL highest)
{
    KIRQL irql = nt_self.irql;
    if (irql > highest && nt_irql_explained(routine, highest))
        return;
    if (irql > highest)
        nt_violate("irql-too-high", routine, "called at IRQL %u; it may be called at %u at most", irql, highest);
    else if (irql < lowest)
        nt_violate("irql-too-low", routine, "called at IRQL %u; it needs %u at least", irql, lowest);
}

void nt_require_irql(const char *routine, KIRQL lowest, KIRQL highest)
{
    nt_report_irql(routine, lowest, highest);
    NT_POINT(routine);
}

VOID nt_paged_code(const char *function)
{
    if (nt_self.irql > APC_LEVEL && !nt_irql_explained(function, APC_LEVEL))
        nt_violate("pageable-at-dispatch", function, "pageable code ran at IRQL %u", nt_self.irql);
}

BOOLEAN nt_assert_failed(const char *expression, const char *file, int line)
{
    nt_violate("assert", "NT_ASSERT", "%s is false at %s:%d", expression, file, line);
    return FALSE;
}

DECLSPEC_NORETURN VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2,
                                    ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4)
{
    NT_ENTER(KeBugCheckEx);
    nt_violate("bug-check", "KeBugCheckEx", "0x%08X (0x%zx, 0x%zx, 0x%zx, 0x%zx)", BugCheckCode,
               (size_t)BugCheckParameter1, (size_t)BugCheckParameter2, (size_t)BugCheckParameter3,
               (size_t)BugCheckParameter4);
    abort();
}

DECLSPEC_NORETURN VOID KeBugCheck(ULONG BugCheckCode)
{
    KeBugCheckEx(BugCheckCode, 0, 0, 0, 0);
}

/* The context is stored first and read last, and stays when the hook goes: who just took that hook, on another thread,
 * still finds its context. */
void nt_set_fault(nt_fault *fault, void *context)
{
    __atomic_store_n(&fault_now, NULL, __ATOMIC_SEQ_CST);
    if (fault == NULL)
        return;
    __atomic_store_n(&fault_context, context, __ATOMIC_SEQ_CST);
    __atomic_store_n(&fault_now, fault, __ATOMIC_SEQ_CST);
}

BOOLEAN nt_fails(const char *routine)
{
    nt_fault *fault = __atomic_load_n(&fault_now, __ATOMIC_ACQUIRE);
    if (fault == NULL)
        return FALSE;
    return fault(routine, __atomic_load_n(&fault_context, __ATOMIC_ACQUIRE));
}
