#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""locks_test TOOLS_FOLDER - check-locks refuses what breaks a rule of IRQL or locks, and takes its mended twin.

Each case is the body of a small driver source, wrong and right, and the words that the report on the wrong one has to
hold; the line named must be the one that ends with WRONG.
"""
import os
import subprocess
import sys
import tempfile

CHECKER = os.path.join(os.path.abspath(sys.argv[1]), 'check-locks')
HEAD = '''/* SPDX-License-Identifier: MIT */
#include <ntddk.h>
#include <fwpsk.h>
#include <fwpmk.h>
#include <fltkernel.h>
#include "core/pend_table.h"

extern KSPIN_LOCK first_lock;
extern CORE_LOCK_AFTER(first_lock) KSPIN_LOCK second_lock;
extern KEVENT answered;
extern HANDLE engine, operation;
struct state {
    _Guarded_by_(first_lock) ULONG count;
    struct pend_table table;
};
extern struct state state;
_Requires_lock_held_(first_lock)
CORE_LOCKED_BY(first_lock)
static inline struct pend_table *table(void) /* _IRQL_requires_max_(DISPATCH_LEVEL) */
{
    return &state.table;
}
'''
CLASSIFY = '''void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *layer_data,
                    const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out);
void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *layer_data,
                    const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
'''
SEND = '    (void)FltSendMessage(NULL, NULL, NULL, 0, NULL, NULL, NULL);'
WAIT = '    (void)KeWaitForSingleObject(&answered, Executive, KernelMode, FALSE, NULL);'
COMPLETE = '    FwpsCompleteOperation0(operation, NULL);'
TAKE = '    KeAcquireSpinLock(&first_lock, &irql);\n'
GIVE = '    KeReleaseSpinLock(&first_lock, irql);\n'
WORK = '_Function_class_(IO_WORKITEM_ROUTINE)\nstatic VOID work(PDEVICE_OBJECT device, PVOID context)\n{\n'
PLAIN = 'static void part(void)\n{\n    KIRQL irql;\n\n'
PASSIVE = '_IRQL_requires_(PASSIVE_LEVEL)\n' + PLAIN
CANCEL = '_Function_class_(DRIVER_CANCEL)\nstatic VOID cancelled(PDEVICE_OBJECT device, PIRP irp)\n{\n'

# name, wrong body, right body, words of the report on the wrong one
CASES = [
    ('FltSendMessage in classifyFn', CLASSIFY + SEND + ' // WRONG\n}', WORK + SEND + '\n}', ['FltSendMessage needs PASSIVE_LEVEL']),
    ('KeWaitForSingleObject in classifyFn', CLASSIFY + WAIT + ' // WRONG\n}', WORK + WAIT + '\n}',
     ['KeWaitForSingleObject needs PASSIVE_LEVEL']),
    ('Fwpm routine in classifyFn', CLASSIFY + '    (void)FwpmFilterDeleteById0(engine, 1); // WRONG\n}',
     WORK + '    (void)FwpmFilterDeleteById0(engine, 1);\n}', ['FwpmFilterDeleteById0 needs PASSIVE_LEVEL']),
    ('a wait in what classifyFn calls', PLAIN.replace('    KIRQL irql;\n\n', '') + WAIT + ' // WRONG\n}\n' + CLASSIFY + '    part();\n}',
     PASSIVE.replace('    KIRQL irql;\n\n', '') + WAIT + '\n}\n' + WORK + '    part();\n}', ['KeWaitForSingleObject needs PASSIVE_LEVEL']),
    ('a PASSIVE_LEVEL part called by classifyFn', PASSIVE + '}\n' + CLASSIFY + '    part(); // WRONG\n}',
     PASSIVE + '}\n' + WORK + '    part();\n}', ['part needs PASSIVE_LEVEL']),
    ('a wait after the lock is released again, in classifyFn', CLASSIFY + '    KIRQL irql;\n' + TAKE + GIVE + WAIT + ' // WRONG\n}',
     WORK + '    KIRQL irql;\n' + TAKE + GIVE + WAIT + '\n}', ['KeWaitForSingleObject needs PASSIVE_LEVEL']),
    ('a wait under a spin lock', PASSIVE + TAKE + WAIT + ' // WRONG\n' + GIVE + '}', PASSIVE + TAKE + GIVE + WAIT + '\n}',
     ['KeWaitForSingleObject', 'with a spin lock held']),
    ('a delay in a DPC', 'static VOID dpc(struct _KDPC *d, PVOID a, PVOID b, PVOID c)\n{\n    LARGE_INTEGER time;\n'
     '    (void)KeDelayExecutionThread(KernelMode, FALSE, &time); // WRONG\n}',
     WORK + '    LARGE_INTEGER time;\n    (void)KeDelayExecutionThread(KernelMode, FALSE, &time);\n}',
     ['KeDelayExecutionThread needs PASSIVE_LEVEL']),
    ('a wait at raised IRQL', PASSIVE + '    KeRaiseIrql(DISPATCH_LEVEL, &irql);\n' + WAIT + ' // WRONG\n    KeLowerIrql(irql);\n}',
     PASSIVE + '    KeRaiseIrql(DISPATCH_LEVEL, &irql);\n    KeLowerIrql(irql);\n' + WAIT + '\n}', ['KeWaitForSingleObject', 'at raised IRQL']),
    ('a lock left by an early return', PLAIN + TAKE + '    if (state.count != 0)\n        return;\n' + GIVE + '} // WRONG',
     PLAIN + TAKE + '    if (state.count != 0)\n        irql = irql;\n' + GIVE + '}', ['first_lock', 'left held']),
    ('a field without its lock', PLAIN + '    state.count++; // WRONG\n}', PLAIN + TAKE + '    state.count++;\n' + GIVE + '}',
     ['count without first_lock']),
    ('a table without its lock', PLAIN + '    (void)pend_table_peek(table(), PEND_ANY); // WRONG\n}',
     PLAIN + TAKE + '    (void)pend_table_peek(table(), PEND_ANY);\n' + GIVE + '}', ['pend_table_peek is called without first_lock']),
    ('a table with the wrong lock', PLAIN + '    KeAcquireSpinLock(&second_lock, &irql);\n'
     '    (void)pend_table_peek(table(), PEND_ANY); // WRONG\n    KeReleaseSpinLock(&second_lock, irql);\n}',
     PLAIN + TAKE + '    (void)pend_table_peek(table(), PEND_ANY);\n' + GIVE + '}', ['pend_table_peek is called without first_lock']),
    ('FwpsCompleteOperation0 under a spin lock', PLAIN + TAKE + COMPLETE + ' // WRONG\n' + GIVE + '}',
     PLAIN + TAKE + GIVE + COMPLETE + '\n}', ['FwpsCompleteOperation0', 'with a spin lock held']),
    ('IoCompleteRequest under a spin lock', PLAIN + TAKE + '    IoCompleteRequest((PIRP)operation, 0); // WRONG\n' + GIVE + '}',
     PLAIN + TAKE + GIVE + '    IoCompleteRequest((PIRP)operation, 0);\n}', ['IofCompleteRequest', 'with a spin lock held']),
    ('locks in the wrong order', PLAIN + '    KeAcquireSpinLock(&second_lock, &irql);\n    KeAcquireSpinLockAtDpcLevel(&first_lock); // WRONG\n'
     '    KeReleaseSpinLockFromDpcLevel(&first_lock);\n    KeReleaseSpinLock(&second_lock, irql);\n}',
     PLAIN + TAKE + '    KeAcquireSpinLockAtDpcLevel(&second_lock);\n    KeReleaseSpinLockFromDpcLevel(&second_lock);\n' + GIVE + '}',
     ['first_lock is taken inside second_lock']),
    ('a lock taken twice', PLAIN + TAKE + '    KeAcquireSpinLockAtDpcLevel(&first_lock); // WRONG\n' + GIVE + '}',
     PLAIN + TAKE + GIVE + '}', ['first_lock is taken twice']),
    ('a lock released that nobody took', PLAIN + '    KeReleaseSpinLock(&first_lock, irql); // WRONG\n}', PLAIN + TAKE + GIVE + '}',
     ['first_lock is released']),
    ('AtDpcLevel at any IRQL', PLAIN + '    KeAcquireSpinLockAtDpcLevel(&first_lock); // WRONG\n'
     '    KeReleaseSpinLockFromDpcLevel(&first_lock);\n}', PLAIN + TAKE + GIVE + '}', ['KeAcquireSpinLockAtDpcLevel is for who holds']),
    ('a cancel routine that keeps the cancel lock', CANCEL + '} // WRONG', CANCEL + '    IoReleaseCancelSpinLock(irp->CancelIrql);\n}',
     ['_Global_cancel_spin_lock_']),
    ('an IRP completed under the cancel lock', CANCEL + '    IoCompleteRequest(irp, 0); // WRONG\n    IoReleaseCancelSpinLock(irp->CancelIrql);\n}',
     CANCEL + '    IoReleaseCancelSpinLock(irp->CancelIrql);\n    IoCompleteRequest(irp, 0);\n}', ['IofCompleteRequest']),
]


def run(body):
    """(exit code, report, line of WRONG)."""
    text = HEAD + body + '\n'
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.endswith('// WRONG')]
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, 'examples'))
        with open(os.path.join(root, 'examples', 'a.c'), 'w', encoding='utf-8') as file:
            file.write(text)
        done = subprocess.run([CHECKER, root], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr, lines[0] if lines else None


def judge(case):
    """None, or what is wrong."""
    _, wrong, right, words = case
    code, output, line = run(wrong)
    if code != 1:
        return f'exit code {code} with the offence: {output.strip()}'
    absent = [word for word in [f'examples/a.c:{line}: locks: ', *words] if word not in output]
    if absent:
        return f'the report lacks {absent}: {output.strip()}'
    code, output, _ = run(right)
    return None if code == 0 else f'exit code {code} without the offence: {output.strip()}'


def main():
    print(f'1..{len(CASES)}')
    failed = 0
    for number, case in enumerate(CASES, 1):
        wrong = judge(case)
        failed += wrong is not None
        print(f'{"not ok" if wrong else "ok"} {number} - check-locks: {case[0]}')
        if wrong:
            print(f'# {wrong}')
    return 1 if failed else 0


sys.exit(main())
