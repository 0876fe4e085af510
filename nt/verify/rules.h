/* SPDX-License-Identifier: MIT */
/*
 * rules.h - every rule that the verifier knows, in one table.
 *
 * A row is ROW(id, severity, rule, page, advice): the id that nt_violate names; what holds in a driver that keeps the
 * rule, as one sentence; the page of Microsoft's documentation by its title (a routine's page: its name and header);
 * and what to do instead. docs/verifier-rules.md is made from it (tools/check-rules), and the reports of lab/ print
 * it. An id is for ever: people name it in their suppressions and CI.
 *
 * When you add a row: the nt_violate that raises it, a planted driver in tests/lab/planted/, and run
 * tools/check-rules --write.
 */
#ifndef NT_VERIFY_RULES_H
#define NT_VERIFY_RULES_H

#include <stddef.h>

enum nt_severity {
    NT_NOTE,    /* worth knowing; never fails a run */
    NT_WARNING, /* fails a run only if asked to */
    NT_ERROR
};

struct nt_rule {
    const char *id;
    enum nt_severity severity;
    const char *rule;
    const char *page;
    const char *advice;
};

/* NULL: there is no such rule. Any thread, any IRQL. */
const struct nt_rule *nt_rule_find(const char *id);

/* The index-th of the table, in its order; NULL beyond it. */
const struct nt_rule *nt_rule_at(size_t index);

const char *nt_severity_name(enum nt_severity severity); /* "error" ... */

/* IRQL and waiting */
#define NT_RULES_IRQL(ROW)                                                                                             \
    ROW("irql-too-high", ERROR, "A routine is called at a higher IRQL than its page allows.",                          \
        "Managing Hardware Priorities",                                                                                \
        "Call it before the spin lock is taken or after it is released, or move the call to a work item "              \
        "(IoQueueWorkItem), which runs at PASSIVE_LEVEL.")                                                             \
    ROW("irql-too-low", ERROR, "A routine is called at a lower IRQL than its page requires.",                          \
        "Managing Hardware Priorities",                                                                                \
        "Raise the IRQL first, or use the variant of the routine that raises it itself (KeAcquireSpinLock instead "    \
        "of KeAcquireSpinLockAtDpcLevel).")                                                                            \
    ROW("irql-changed", ERROR, "A routine of the driver returns at the IRQL it was called at.",                        \
        "Managing Hardware Priorities",                                                                                \
        "Give back each spin lock and each KeRaiseIrql on every path out of the routine, error paths included; "       \
        "restore the saved IRQL, not a constant.")                                                                     \
    ROW("irql-invalid", ERROR, "An IRQL lies between PASSIVE_LEVEL and HIGH_LEVEL.", "KeRaiseIrql (wdm.h)",            \
        "Pass one of the named levels, or the value that was saved. A wild number is most often an uninitialized "     \
        "KIRQL variable.")                                                                                             \
    ROW("irql-lower-raises", ERROR, "KeLowerIrql and the release of a lock only lower the IRQL.",                      \
        "KeLowerIrql (wdm.h)",                                                                                         \
        "Pass the IRQL that the matching acquire or KeRaiseIrql saved. Keep it in a variable of its own for each "     \
        "lock: a shared one is overwritten by the other processor.")                                                   \
    ROW("irql-raise-lowers", ERROR, "KeRaiseIrql does not go below the current IRQL.", "KeRaiseIrql (wdm.h)",          \
        "Look at KeGetCurrentIrql first, or lower with KeLowerIrql. Code that may already run at DISPATCH_LEVEL "      \
        "need not raise.")                                                                                             \
    ROW("irql-lowered-under-lock", ERROR, "The IRQL stays at DISPATCH_LEVEL while a spin lock is held.",               \
        "Introduction to Spin Locks",                                                                                  \
        "Release locks in the opposite order of taking them, and give the outermost one the IRQL saved first. "        \
        "Never call KeLowerIrql between acquire and release.")                                                         \
    ROW("wait-at-dispatch", ERROR, "No thread waits at DISPATCH_LEVEL or above, unless the timeout is zero.",          \
        "KeWaitForSingleObject (wdm.h)",                                                                               \
        "Do not wait here: classifyFn, DPCs and code under a spin lock cannot. Pend the operation "                    \
        "(FwpsPendOperation0) or queue a work item, and go on when the answer comes.")                                 \
    ROW("pageable-at-dispatch", ERROR, "Pageable code and data are touched below DISPATCH_LEVEL only.",                \
        "When Should Code and Data be Pageable",                                                                       \
        "Take the routine out of the paged section, and its data from non-paged pool; or reach it through a work "     \
        "item. PAGED_CODE() says in a checked build where it happens.")                                                \
    ROW("pend-keeps-irql", ERROR,                                                                                      \
        "FwpsPendOperation0 does not change the IRQL: the rest of classifyFn runs where it ran before.",               \
        "FwpsPendOperation0 (fwpsk.h)",                                                                                \
        "Return from classifyFn right after the pend, and do what needs PASSIVE_LEVEL in a work item or a thread, "    \
        "which then calls FwpsCompleteOperation0.")

/* Locks */
#define NT_RULES_LOCK(ROW)                                                                                             \
    ROW("lock-recursion", ERROR, "A thread does not take a lock that it holds.",                                       \
        "Preventing Errors and Deadlocks While Using Spin Locks",                                                      \
        "On Windows this hangs the processor. Split the routine into one that takes the lock and one that expects "    \
        "it held, and call the second from inside.")                                                                   \
    ROW("lock-order", ERROR, "Two locks are taken in the same order everywhere.",                                      \
        "Preventing Errors and Deadlocks While Using Spin Locks",                                                      \
        "Two processors that take them in opposite orders hang each other. Write one order down and keep it, or "      \
        "release the first before taking the second.")                                                                 \
    ROW("lock-foreign-release", ERROR, "A lock is released by the thread that took it.", "KeReleaseSpinLock (wdm.h)",  \
        "Acquire and release in the same routine. To hand work to another thread use an event, a semaphore or a "      \
        "work item, not a lock.")                                                                                      \
    ROW("lock-kind", ERROR,                                                                                            \
        "A spin lock is used with one family of routines only: plain, queued, reader-writer or interlocked list.",     \
        "Queued Spin Locks",                                                                                           \
        "Use KeAcquireInStackQueuedSpinLock with its own release everywhere for this lock, or the plain pair "         \
        "everywhere.")                                                                                                 \
    ROW("lock-left", ERROR, "A routine of the driver holds no lock when it returns.", "Introduction to Spin Locks",    \
        "Release on every path out, error paths included. One single exit label behind the release keeps this "        \
        "true.")                                                                                                       \
    ROW("lock-not-held", ERROR, "Only a lock that is held is released.", "KeReleaseSpinLock (wdm.h)",                  \
        "Look for a path that releases twice, or that jumps to the release without having taken the lock.")            \
    ROW("lock-freed", ERROR, "The memory of a lock lives until nobody holds or awaits it.",                            \
        "Providing Storage for Spin Locks and Protected Data",                                                         \
        "Free the block after the last user is gone: count references, or wait with rundown protection, and "          \
        "release the lock before the free.")                                                                           \
    ROW("deadlock", ERROR, "Some thread can always go on.", "Preventing Errors and Deadlocks While Using Spin Locks",  \
        "Each thread listed waits for something that only another one of them could give. Break the circle: take "     \
        "locks in one order, and never wait for an answer while holding what the answering side needs.")               \
    ROW("no-progress", ERROR, "A step of the machine ends after a bounded amount of work.",                            \
        "KeWaitForSingleObject (wdm.h)",                                                                               \
        "A loop polls for something that nobody will do while it polls, or retries without end. Wait on an event "     \
        "instead, and bound the retries.")                                                                             \
    ROW("semaphore-limit", ERROR, "A semaphore is never released beyond its limit.", "KeReleaseSemaphore (wdm.h)",     \
        "Release once for each item that is really queued, or use a larger limit or an event. Beyond the limit "       \
        "KeReleaseSemaphore raises an exception, which nobody catches at DISPATCH_LEVEL.")

/* Pool and memory */
#define NT_RULES_POOL(ROW)                                                                                             \
    ROW("pool-tag-mismatch", ERROR, "A block is freed with the tag it was allocated with.",                            \
        "ExFreePoolWithTag (wdm.h)",                                                                                   \
        "Use one tag constant for the allocation and the free of one kind of block. If the block is not ours to "      \
        "free, call the free routine that belongs to its maker.")                                                      \
    ROW("pool-tag-zero", ERROR, "A pool tag is not zero.", "ExAllocatePool2 (wdm.h)",                                  \
        "Use a four-character tag of printable letters. It names the driver in every leak and crash.")                 \
    ROW("pool-zero-size", ERROR, "An allocation asks for at least one byte.", "ExAllocatePool2 (wdm.h)",               \
        "Find out why the computed size is 0 and leave early: an empty block hides the error until somebody "          \
        "writes to it.")                                                                                               \
    ROW("pool-flags", ERROR, "The flags of an allocation name exactly one kind of pool.", "ExAllocatePool2 (wdm.h)",   \
        "Use POOL_FLAG_NON_PAGED for what classifyFn, DPCs or code under a spin lock touch, POOL_FLAG_PAGED for "      \
        "the rest.")                                                                                                   \
    ROW("pool-double-free", ERROR, "A block is freed once.", "ExFreePoolWithTag (wdm.h)",                              \
        "Decide who owns the block at each moment: take it out of its list or set the pointer to NULL under the "      \
        "lock, then free what was taken out.")                                                                         \
    ROW("pool-not-allocated", ERROR, "Only the address that an allocation gave is freed as pool.",                     \
        "ExFreePoolWithTag (wdm.h)",                                                                                   \
        "Keep the pointer as it came from the allocation; do not free a member, a stack variable or somebody "         \
        "else's memory.")                                                                                              \
    ROW("pool-overrun", ERROR, "Nothing is written or read behind the end of a block.",                                \
        "Special Pool Memory Corruption Detection in Driver Verifier",                                                 \
        "Check offset and length against the allocated size, in this order and without overflow, before the "          \
        "access. Count in bytes or in characters, not in both.")                                                       \
    ROW("pool-underrun", ERROR, "Nothing is written or read before the start of a block.",                             \
        "Special Pool Memory Corruption Detection in Driver Verifier",                                                 \
        "Look for an index or an offset that became negative, or a header subtracted from a pointer that has "         \
        "none.")                                                                                                       \
    ROW("pool-use-after-free", ERROR, "A block is not touched after it was freed.", "ExFreePoolWithTag (wdm.h)",       \
        "Take the object out of every list and let every user go before the free: a reference count that each "        \
        "thread, DPC and pended operation holds makes it certain.")                                                    \
    ROW("pool-freed-in-use", ERROR, "No armed timer, queued DPC or awaited object lies in memory that is freed.",      \
        "Timer Objects",                                                                                               \
        "Call KeCancelTimer and KeFlushQueuedDpcs, and make sure that nobody waits, before the block with the "        \
        "object is freed.")                                                                                            \
    ROW("uninitialised-to-user", ERROR, "What goes to user mode was written by the driver.",                           \
        "Failure to Initialize Output Buffers",                                                                        \
        "Zero the buffer or the structure first, padding included, and set Information to what was really "            \
        "written: the rest are bytes of the kernel's memory.")                                                         \
    ROW("access-fault", ERROR, "A driver touches only memory that is there.",                                          \
        "Errors in Referencing User-Space Addresses",                                                                  \
        "Check pointers and lengths before the access. The faulting address beside the stack tells a NULL member, "    \
        "a freed block or a wild index.")

/* Requests (IRPs) */
#define NT_RULES_IRP(ROW)                                                                                              \
    ROW("irp-completed-twice", ERROR, "An IRP is completed once.", "IoCompleteRequest (wdm.h)",                        \
        "Let one place win the IRP: IoSetCancelRoutine(Irp, NULL), which gives the cancel routine back to the "        \
        "winner only, or a cancel-safe queue (IoCsqRemoveNextIrp). Only the winner completes.")                        \
    ROW("irp-completed-cancelable", ERROR, "An IRP has no cancel routine when it is completed.", "Canceling IRPs",     \
        "Call IoSetCancelRoutine(Irp, NULL) first. If it gives NULL, the cancel routine already runs and will "        \
        "complete the IRP: leave it alone.")                                                                           \
    ROW("irp-completed-pending", ERROR, "IoStatus.Status is final when an IRP is completed.", "I/O Status Blocks",     \
        "Set IoStatus.Status to the outcome before IoCompleteRequest. STATUS_PENDING is what the dispatch routine "    \
        "returns, never what an IRP ends with.")                                                                       \
    ROW("irp-completed-under-lock", ERROR, "No spin lock is held while an IRP is completed.",                          \
        "IoCompleteRequest (wdm.h)",                                                                                   \
        "Take the IRP off its list under the lock, release the lock, then complete: completion routines run "          \
        "inside the call and may want the same lock.")                                                                 \
    ROW("irp-information-too-large", ERROR, "IoStatus.Information is not larger than the output buffer.",              \
        "Failure to Check the Size of Buffers",                                                                        \
        "Compare with OutputBufferLength before writing, and report what was written. The I/O manager copies that "    \
        "many bytes to user mode.")                                                                                    \
    ROW("irp-marked-not-pending", ERROR, "After IoMarkIrpPending the dispatch routine returns STATUS_PENDING.",        \
        "IoMarkIrpPending (wdm.h)",                                                                                    \
        "Return STATUS_PENDING on every path behind IoMarkIrpPending, even if the IRP was completed in the "           \
        "meantime; or do not mark it.")                                                                                \
    ROW("irp-pending-unmarked", ERROR, "STATUS_PENDING is returned only for an IRP that IoMarkIrpPending marked.",     \
        "IoMarkIrpPending (wdm.h)",                                                                                    \
        "Call IoMarkIrpPending before the IRP can be seen by another thread, that is before it is queued.")            \
    ROW("irp-not-completed", ERROR, "A dispatch routine completes the IRP or keeps it with STATUS_PENDING.",           \
        "When to Complete an IRP",                                                                                     \
        "Call IoCompleteRequest on every path, error paths included, that does not queue the IRP. Otherwise the "      \
        "caller waits for ever.")                                                                                      \
    ROW("irp-status-mismatch", ERROR, "A dispatch routine returns the status that the IRP was completed with.",        \
        "How to Complete an IRP in a Dispatch Routine",                                                                \
        "Keep the status in a local variable: store it in IoStatus.Status, complete, and return the variable. Do "     \
        "not read the IRP after its completion.")                                                                      \
    ROW("irp-lost", ERROR, "Every IRP that a driver keeps is completed, at the latest soon after it was cancelled.",   \
        "Canceling IRPs",                                                                                              \
        "Give each parked IRP a cancel routine, or keep it in a cancel-safe queue (IoCsqInsertIrp); then a "           \
        "closing program cannot hang.")                                                                                \
    ROW("irp-left-at-cleanup", ERROR, "IRP_MJ_CLEANUP completes what is still queued for the file that is closed.",    \
        "DispatchCleanup Routines",                                                                                    \
        "In the cleanup routine remove every queued IRP of this file object (IoCsqRemoveNextIrp with the file "        \
        "object as context) and complete it with STATUS_CANCELLED.")                                                   \
    ROW("irp-used-after-completion", ERROR, "An IRP is not touched after it was completed.",                           \
        "IoCompleteRequest (wdm.h)",                                                                                   \
        "Read everything that is needed, and release what hangs on the IRP, before IoCompleteRequest. Afterwards "     \
        "the memory may belong to another request.")                                                                   \
    ROW("cancel-lock-kept", ERROR, "A cancel routine releases the cancel spin lock.",                                  \
        "Using the System's Cancel Spin Lock",                                                                         \
        "Call IoReleaseCancelSpinLock(Irp->CancelIrql) first in the cancel routine, before the driver's own lock "     \
        "and before the completion.")                                                                                  \
    ROW("cancel-missed", ERROR, "An IRP that was cancelled before it is parked is not parked.",                        \
        "Implementing a Cancel Routine",                                                                               \
        "After IoSetCancelRoutine look at Irp->Cancel under the same lock. If it is set and "                          \
        "IoSetCancelRoutine(Irp, NULL) gives the routine back, complete with STATUS_CANCELLED. IoCsqInsertIrp "        \
        "does all of it.")

/* Unload */
#define NT_RULES_LEFT(ROW)                                                                                             \
    ROW("left-device", ERROR, "An unloaded driver leaves no device object.", "Non-PnP Driver's Unload Routine",        \
        "Call IoDeleteDevice for each IoCreateDevice in DriverUnload, and on the failing paths of DriverEntry.")       \
    ROW("left-link", ERROR, "An unloaded driver leaves no symbolic link.", "Non-PnP Driver's Unload Routine",          \
        "Call IoDeleteSymbolicLink for each IoCreateSymbolicLink in DriverUnload, and on the failing paths of "        \
        "DriverEntry, before the device is deleted.")                                                                  \
    ROW("left-work-item", ERROR, "An unloaded driver leaves no work item, queued or allocated.",                       \
        "System Worker Threads",                                                                                       \
        "Wait in DriverUnload until the last work item has run (an event that it sets as its last act), then "         \
        "IoFreeWorkItem.")                                                                                             \
    ROW("left-thread", ERROR, "An unloaded driver leaves no running system thread.", "Device-Dedicated Threads",       \
        "Tell the thread to end, and wait for the thread object itself (ObReferenceObjectByHandle, then "              \
        "KeWaitForSingleObject) in DriverUnload.")                                                                     \
    ROW("left-file", ERROR, "An unloaded driver leaves no open file.", "Using Files in a Driver",                      \
        "Call ZwClose for each handle of ZwCreateFile on every path, best in the routine that opened it.")             \
    ROW("left-process-notify", ERROR, "An unloaded driver leaves no process-notify routine.",                          \
        "PsSetCreateProcessNotifyRoutine (ntddk.h)",                                                                   \
        "Call PsSetCreateProcessNotifyRoutine with Remove TRUE in DriverUnload, and on the failing paths of "          \
        "DriverEntry, before what the routine uses is gone: it waits until the routine runs nowhere any more.")        \
    ROW("left-timer", ERROR, "An unloaded driver leaves no armed timer.", "Using Timer Objects",                       \
        "Call KeCancelTimer in DriverUnload, and KeFlushQueuedDpcs behind it, because its DPC may already be on "      \
        "the way.")                                                                                                    \
    ROW("left-dpc", ERROR, "An unloaded driver leaves no queued DPC.", "Guidelines for Writing DPC Routines",          \
        "Call KeFlushQueuedDpcs in DriverUnload after the last place that could queue one is gone.")                   \
    ROW("left-pool", ERROR, "An unloaded driver leaves no pool.", "Non-PnP Driver's Unload Routine",                   \
        "The stack shows where the block was allocated. Free it where its owner ends; in DriverUnload empty every "    \
        "list and table.")                                                                                             \
    ROW("left-port", ERROR, "An unloaded driver leaves no communication port.",                                        \
        "FltCloseCommunicationPort (fltkernel.h)",                                                                     \
        "Call FltCloseCommunicationPort before FltUnregisterFilter, and FltCloseClientPort in the disconnect "         \
        "routine.")                                                                                                    \
    ROW("left-clone", ERROR, "An unloaded driver leaves no clone of a packet, and no reference to one.",               \
        "FwpsFreeCloneNetBufferList0 (fwpsk.h)",                                                                       \
        "Free each clone once: in completionFn when it was injected, else where the packet is blocked; and pair each " \
        "FwpsReferenceNetBufferList0 with FwpsDereferenceNetBufferList0.")                                             \
    ROW("left-injection-handle", ERROR, "An unloaded driver leaves no injection handle.",                              \
        "FwpsInjectionHandleDestroy0 (fwpsk.h)",                                                                       \
        "Call FwpsInjectionHandleDestroy0 in DriverUnload, after the callouts are unregistered; it waits for what is " \
        "being injected.")                                                                                             \
    ROW("left-session", ERROR, "An unloaded driver leaves no open session to the filter engine.",                      \
        "FwpmEngineClose0 (fwpmk.h)", "Call FwpmEngineClose0 for each FwpmEngineOpen0, on failing paths too.")         \
    ROW("left-provider", ERROR, "An unloaded driver leaves no provider that nobody else put there to stay.",           \
        "Object Management",                                                                                           \
        "Add it in a dynamic session, or delete it with FwpmProviderDeleteByKey0 after everything that refers to "     \
        "it.")                                                                                                         \
    ROW("left-filter", ERROR, "An unloaded driver leaves no filter that points to its callouts.",                      \
        "Unloading a Callout Driver",                                                                                  \
        "Add filters in a dynamic session, or delete them with FwpmFilterDeleteById0 before "                          \
        "FwpsCalloutUnregisterById0. A terminating filter without its callout blocks all it matches.")                 \
    ROW("left-sublayer", ERROR, "An unloaded driver leaves no sublayer that nobody else put there to stay.",           \
        "Object Management",                                                                                           \
        "Add it in a dynamic session, or delete it with FwpmSubLayerDeleteByKey0 after its filters.")                  \
    ROW("left-callout", ERROR, "An unloaded driver leaves no callout object in the filter engine's base.",             \
        "Callout Management",                                                                                          \
        "Add it in a dynamic session, or delete it with FwpmCalloutDeleteById0 after the filters that use it.")        \
    ROW("left-registration", ERROR, "An unloaded driver has unregistered every callout.",                              \
        "Unloading a Callout Driver",                                                                                  \
        "Call FwpsCalloutUnregisterById0 for each FwpsCalloutRegister and look at what it returns: "                   \
        "STATUS_DEVICE_BUSY means remove the flow contexts and call again.")                                           \
    ROW("left-flow-context", ERROR, "An unloaded driver leaves no context on a data flow.",                            \
        "Associating Context with a Data Flow",                                                                        \
        "Keep a list of the flows with a context, and call FwpsFlowRemoveContext0 for each before the callout is "     \
        "unregistered; wait for flowDeleteFn where it gives STATUS_PENDING.")                                          \
    ROW("left-operation", ERROR, "Every pended operation is completed before the driver goes.",                        \
        "FwpsCompleteOperation0 (fwpsk.h)",                                                                            \
        "In DriverUnload stop pending first, then take every held operation out of the table and complete it, "        \
        "then unregister. A connection that is never completed hangs for ever.")                                       \
    ROW("unload-with-open-files", ERROR, "A driver is unloaded after the last of its files was closed.",               \
        "Unload Routine Environment",                                                                                  \
        "Close every client first. Windows calls DriverUnload only then, so code that counts on open files during "    \
        "unload never runs.")                                                                                          \
    ROW("no-unload-routine", ERROR, "A driver that is to be unloaded sets DriverObject->DriverUnload.",                \
        "Writing an Unload Routine",                                                                                   \
        "Set DriverUnload in DriverEntry. Without it the service cannot be stopped before the machine restarts.")      \
    ROW("code-after-unload", ERROR, "Nothing calls a driver's code after it was unloaded.",                            \
        "Unload Routine Functionality",                                                                                \
        "Something that points into the driver was left: a timer, a DPC, a work item, a thread, a callout. Stop "      \
        "it and wait for it in DriverUnload.")

/* Pending a classify */
#define NT_RULES_PEND(ROW)                                                                                             \
    ROW("pend-not-blocked", ERROR, "After FwpsPendOperation0 succeeded, classifyFn returns FWP_ACTION_BLOCK.",         \
        "FwpsPendOperation0 (fwpsk.h)",                                                                                \
        "Set actionType = FWP_ACTION_BLOCK, set FWPS_CLASSIFY_OUT_FLAG_ABSORB and clear FWPS_RIGHT_ACTION_WRITE, "     \
        "then return. The real decision is given in the reauthorization after FwpsCompleteOperation0.")                \
    ROW("pend-not-absorbed", ERROR,                                                                                    \
        "After FwpsPendOperation0 succeeded, classifyFn sets FWPS_CLASSIFY_OUT_FLAG_ABSORB.",                          \
        "FwpsPendOperation0 (fwpsk.h)",                                                                                \
        "Set flags to flags with FWPS_CLASSIFY_OUT_FLAG_ABSORB beside the block; without it the connection is "        \
        "refused and recorded as dropped although it only waits.")                                                     \
    ROW("pend-right-kept", ERROR, "After FwpsPendOperation0 succeeded, classifyFn clears FWPS_RIGHT_ACTION_WRITE.",    \
        "Types of Callouts",                                                                                           \
        "Clear FWPS_RIGHT_ACTION_WRITE in rights, or a filter of lower weight may permit what is being held.")         \
    ROW("pend-in-reauthorization", WARNING,                                                                            \
        "Only the first authorization of a flow is pended, not a reauthorization.", "ALE Reauthorization",             \
        "Test FWP_CONDITION_FLAG_IS_REAUTHORIZE before the pend, and answer from what was decided for this flow. "     \
        "FwpsPendOperation0 gives STATUS_FWP_CANNOT_PEND here: never treat that as held.")                             \
    ROW("pend-wrong-layer", ERROR,                                                                                     \
        "FwpsPendOperation0 is called at the ALE authorize, listen and resource assignment layers only.",              \
        "FwpsPendOperation0 (fwpsk.h)",                                                                                \
        "At redirect and endpoint closure layers use FwpsPendClassify0; at packet layers block with absorb and "       \
        "reinject a clone; at flow established decide at once.")                                                       \
    ROW("pend-without-handle", ERROR,                                                                                  \
        "FwpsPendOperation0 gets the completion handle of this classify, and only if the metadata has one.",           \
        "FwpsPendOperation0 (fwpsk.h)",                                                                                \
        "Test FWPS_METADATA_FIELD_COMPLETION_HANDLE with FWPS_IS_METADATA_FIELD_PRESENT, and decide at once where "    \
        "it is missing.")                                                                                              \
    ROW("pend-outside-classify", ERROR, "FwpsPendOperation0 is called inside classifyFn, on its thread.",              \
        "FwpsPendOperation0 (fwpsk.h)",                                                                                \
        "Pend first, in classifyFn, and then queue the work. The completion handle ends with the classify.")           \
    ROW("pend-under-lock", NOTE, "No spin lock is held in a call to FwpsPendOperation0.",                              \
        "Callout Driver Programming Considerations",                                                                   \
        "Pend first, then take the lock and put the entry into the table; or reserve the entry under the lock, "       \
        "release it, pend, and fill it in.")                                                                           \
    ROW("operation-completed-twice", ERROR, "A pended operation is completed once.",                                   \
        "FwpsCompleteOperation0 (fwpsk.h)",                                                                            \
        "Let one place win: take the entry out of the table under the lock, and complete only what was taken out. "    \
        "The answer, the timeout, the closing client and unload all race for it.")                                     \
    ROW("operation-unknown", ERROR,                                                                                    \
        "FwpsCompleteOperation0 gets the completion context that FwpsPendOperation0 gave.",                            \
        "FwpsCompleteOperation0 (fwpsk.h)",                                                                            \
        "Keep the completionContext that the pend wrote, not the completion handle of the metadata, and complete "     \
        "only if the pend succeeded.")                                                                                 \
    ROW("operation-completed-under-lock", ERROR, "No spin lock is held in a call to FwpsCompleteOperation0.",          \
        "FwpsCompleteOperation0 (fwpsk.h)",                                                                            \
        "Take the entry out under the lock, release the lock, then complete: the reauthorization calls classifyFn "    \
        "on this very stack, and it will want the lock.")                                                              \
    ROW("operation-completed-in-classify", WARNING,                                                                    \
        "An operation is completed after the classifyFn that pended it has returned.",                                 \
        "Processing Classify Callouts Asynchronously",                                                                 \
        "Complete from a work item, a DPC or another thread. Inside the same classifyFn the reauthorization is "       \
        "only put off, and a decision that is already known needs no pend.")                                           \
    ROW("operation-endpoint-dead", NOTE, "An operation is completed before its endpoint is gone.",                     \
        "ALE Endpoint Lifetime Management",                                                                            \
        "Watch the ALE endpoint closure layer, and complete what is held for the endpoint there. Completing after "    \
        "the program died has crashed machines.")                                                                      \
    ROW("operation-too-old", ERROR, "A pended operation is completed within a bounded time.",                          \
        "Processing Classify Callouts Asynchronously",                                                                 \
        "Give each held operation a deadline, with a timer or a thread that completes it with the default "            \
        "decision: user mode may never answer.")

/* Classifying */
#define NT_RULES_CLASSIFY(ROW)                                                                                         \
    ROW("action-without-right", ERROR,                                                                                 \
        "Without FWPS_RIGHT_ACTION_WRITE classifyFn writes no action, except FWP_ACTION_BLOCK over a permit.",         \
        "Types of Callouts",                                                                                           \
        "Test rights for FWPS_RIGHT_ACTION_WRITE at the top of classifyFn, and return without writing where it is "    \
        "missing. Bookkeeping may go on.")                                                                             \
    ROW("right-taken", ERROR, "classifyFn clears FWPS_RIGHT_ACTION_WRITE but never sets it.", "Types of Callouts",     \
        "Only clear bits of rights. Setting the right overrides somebody else's final decision.")                      \
    ROW("absorb-without-block", ERROR, "FWPS_CLASSIFY_OUT_FLAG_ABSORB goes with FWP_ACTION_BLOCK only.",               \
        "FWPS_CLASSIFY_OUT0 (fwpstypes.h)",                                                                            \
        "Set the flag where the action is set to block, and clear it where the action becomes permit or continue.")    \
    ROW("classify-out-touched", ERROR,                                                                                 \
        "outContext, filterId and reserved of FWPS_CLASSIFY_OUT0 belong to the engine.",                               \
        "FWPS_CLASSIFY_OUT0 (fwpstypes.h)",                                                                            \
        "Write actionType, flags and rights one by one; do not zero or copy the whole structure.")                     \
    ROW("soft-block", NOTE, "A callout that means its block finally clears FWPS_RIGHT_ACTION_WRITE.",                  \
        "Filter Arbitration",                                                                                          \
        "Clear FWPS_RIGHT_ACTION_WRITE together with FWP_ACTION_BLOCK. With the right left set, a filter of "          \
        "another sublayer may permit again.")                                                                          \
    ROW("values-after-classify", ERROR,                                                                                \
        "The values and metadata given to classifyFn are used until it returns, not after.",                           \
        "Processing Classify Callouts",                                                                                \
        "Copy what is needed later, deeply: the bytes behind appId, processPath and IPv6 addresses too. Never "        \
        "store the pointers.")                                                                                         \
    ROW("metadata-without-bit", ERROR, "A metadata field is read only if its bit in currentMetadataValues is set.",    \
        "Metadata fields at each filtering layer",                                                                     \
        "Ask FWPS_IS_METADATA_FIELD_PRESENT for each field, and have an answer for its absence.")                      \
    ROW("decision-not-stored", ERROR,                                                                                  \
        "When a connection is reauthorized after its completion, the decision is there to be found, and holds for "    \
        "later reauthorizations too.",                                                                                 \
        "Processing Classify Callouts Asynchronously",                                                                 \
        "Store the decision under the flow's key before FwpsCompleteOperation0, because the classify comes inside "    \
        "that call; keep it until the flow ends, because every policy change asks again.")                             \
    ROW("filter-without-callout", WARNING, "A terminating filter has its callout registered.", "Callout Management",   \
        "Register the callout before its filter is added, and delete the filter before it is unregistered; or set "    \
        "FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED. Otherwise everything it matches is blocked.")                \
    ROW("classify-under-lock", ERROR,                                                                                  \
        "No spin lock that classifyFn may take is held in a call that makes the engine classify.",                     \
        "Callout Driver Programming Considerations",                                                                   \
        "Release the lock before FwpsCompleteOperation0, before an injection, and before management calls: "           \
        "classifyFn may run inside them, on this thread.")                                                             \
    ROW("management-in-notify", ERROR, "notifyFn makes no management call: one is already on the way.",                \
        "Processing Notify Callouts",                                                                                  \
        "Note what is to be done and do it in a work item, after notifyFn has returned.")                              \
    ROW("net-buffer-misuse", ERROR, "A packet is cloned in its classify, and a clone injected from the IP header on.", \
        "Packet Indication Format",                                                                                    \
        "In classifyFn retreat the packet by ipHeaderSize and transportHeaderSize, clone it, and advance it again. A " \
        "clone is the driver's until it is injected and again from completionFn on; it is freed once.")                \
    ROW("datagram-lost", NOTE, "A datagram whose classify is pended was cloned first.",                                \
        "Processing Classify Callouts Asynchronously",                                                                 \
        "Clone it with FwpsAllocateCloneNetBufferList0 before classifyFn returns, and inject it after the permit. "    \
        "The pended packet itself is thrown away, and UDP does not send it again.")

/* Objects and the rest */
#define NT_RULES_OBJECT(ROW)                                                                                           \
    ROW("assert", ERROR, "What NT_ASSERT states holds.", "NT_ASSERT (ntddk.h)",                                        \
        "The driver's own check failed: the expression and its place stand in the detail.")                            \
    ROW("bug-check", ERROR, "A driver does not stop the machine.", "KeBugCheckEx (ntddk.h)",                           \
        "Return an error instead, and keep the damage to one request. A bug check is for a state in which going "      \
        "on would destroy data.")                                                                                      \
    ROW("handle-invalid", ERROR, "A handle is open when it is used.", "Failure to Validate Object Handles",            \
        "Look for a handle that was closed before, closed twice, never opened because the call failed, or given "      \
        "by user mode without being looked up in its process.")                                                        \
    ROW("object-invalid", ERROR, "An object routine gets a live object that the caller has a reference to.",           \
        "Windows Kernel-Mode Object Manager",                                                                          \
        "Take a reference for each stored pointer (ObReferenceObject) and give back each exactly once "                \
        "(ObDereferenceObject).")                                                                                      \
    ROW("not-initialized", ERROR, "A dispatcher object, timer or DPC is initialized before it is used.",               \
        "Introduction to Kernel Dispatcher Objects",                                                                   \
        "Call KeInitializeEvent, KeInitializeTimer, KeInitializeDpc and their like before anything that can run "      \
        "the code that uses the object.")                                                                              \
    ROW("not-a-system-thread", ERROR, "PsTerminateSystemThread ends only a thread that PsCreateSystemThread made.",    \
        "PsTerminateSystemThread (ntddk.h)",                                                                           \
        "Return from a dispatch routine, a DPC or a work item; end only the driver's own threads with this call.")     \
    ROW("rundown-not-held", ERROR, "Rundown protection is released once for each time it was acquired.",               \
        "Run-Down Protection", "Release only if ExAcquireRundownProtection gave TRUE, on exactly one path.")           \
    ROW("rundown-state", ERROR,                                                                                        \
        "Rundown protection is waited for once, and initialized again only after it has run down.",                    \
        "Run-Down Protection",                                                                                         \
        "Let one thread run the object down. Call ExReInitializeRundownProtection only after "                         \
        "ExWaitForRundownProtectionRelease has returned.")                                                             \
    ROW("work-item-freed-queued", ERROR, "A work item is freed after it has run.", "IoFreeWorkItem (wdm.h)",           \
        "Free it in its own routine as the last act, or after an event that the routine sets.")                        \
    ROW("work-item-queued-twice", ERROR, "A work item is not queued again before it has started.",                     \
        "IoQueueWorkItem (wdm.h)",                                                                                     \
        "Keep a flag, changed with an interlocked operation, that says it is queued, or allocate one for each "        \
        "piece of work.")                                                                                              \
    ROW("device-deleted-twice", ERROR, "A device object is deleted once.", "IoDeleteDevice (wdm.h)",                   \
        "Set the pointer to NULL where the device is deleted, and let DriverUnload and the failing paths of "          \
        "DriverEntry share one clean-up routine.")                                                                     \
    ROW("port-closed-twice", ERROR, "A communication port is closed once.", "FltCloseClientPort (fltkernel.h)",        \
        "Close the client port in the disconnect routine only: FltCloseClientPort sets the pointer to NULL, so "       \
        "give it the shared variable itself.")

#define NT_RULES(ROW)                                                                                                  \
    NT_RULES_IRQL(ROW)                                                                                                 \
    NT_RULES_LOCK(ROW)                                                                                                 \
    NT_RULES_POOL(ROW)                                                                                                 \
    NT_RULES_IRP(ROW)                                                                                                  \
    NT_RULES_LEFT(ROW)                                                                                                 \
    NT_RULES_PEND(ROW)                                                                                                 \
    NT_RULES_CLASSIFY(ROW)                                                                                             \
    NT_RULES_OBJECT(ROW)

#endif
