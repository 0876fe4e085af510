/* SPDX-License-Identifier: MIT */
/*
 * nt.h - what a process that hosts drivers calls. Drivers never include it.
 *
 * The routines a driver calls are in the WDK-spelled headers beside this folder (ntddk.h, wdmsec.h
 * ...). This header is the other side: load a driver, open its device, send it I/O, turn its clock.
 *
 * Who runs what. A DPC queued by KeInsertQueueDpc runs on the queueing thread as soon as its IRQL
 * falls below DISPATCH_LEVEL. Timer DPCs and work items run in nt_pump(), on the thread that calls
 * it; a thread that hosts nothing else may be given to nt_runner_start() instead. A pump thread
 * that waits (KeWaitForSingleObject) goes on pumping while it waits, so a driver's unload can wait
 * for its own work item. Work items then run on helper threads, each in turn with the pump thread:
 * one of them runs until it waits, or the pump thread is in nt_pump(). So what a host of one thread
 * shares with its callbacks (nt_call_done, wfp/) needs no lock for them.
 *
 * IRQL is per thread and starts at PASSIVE_LEVEL. Every routine checks it against its row in
 * nt/ke/irql_table.h (source: req.irql of the DDI pages); a violation goes to the handler below.
 */
#ifndef NT_NT_H
#define NT_NT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ntddk.h>

/* --- Violations ---------------------------------------------------------------------------- */

struct nt_violation {
    const char *rule;    /* short id: "irql-too-high", "lock-recursion", "irp-completed-twice" ... */
    const char *routine; /* the NT or WFP routine called */
    KIRQL irql;          /* of the calling thread */
    const char *detail;  /* one sentence */
};

/* NULL restores the default: print rule, routine, IRQL, detail and the stack to stderr, then abort(). */
typedef void nt_violation_handler(const struct nt_violation *violation);
void nt_set_violation_handler(nt_violation_handler *handler);

/* Reports through the handler. For wfp/ and other platform parts as well as nt/ itself. */
void nt_violate(const char *rule, const char *routine, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Checks the calling thread's IRQL against [lowest, highest] and reports "irql-too-high"/"irql-too-low". */
void nt_require_irql(const char *routine, KIRQL lowest, KIRQL highest);

/* Asked before "irql-too-high" is reported: true, it reported a rule of its own instead. NULL: none. */
typedef bool nt_irql_hook(const char *routine, KIRQL highest);
void nt_set_irql_hook(nt_irql_hook *hook);

/* How many spin locks the calling thread holds (for rules such as "complete under a lock"). */
unsigned nt_spin_locks_held(void);

/*
 * After a routine of a driver has returned and what it broke was reported: releases the spin locks it left and goes
 * back to irql, so that nothing else is reported because of it. Only while the verifier is on (nt/verify/verify.h).
 */
void nt_put_right(KIRQL irql, unsigned locks);

/* --- Clock --------------------------------------------------------------------------------- */

#define NT_NEVER UINT64_MAX

/* now() gives 100 ns units since boot, counting suspend. NULL restores CLOCK_BOOTTIME. */
void nt_set_clock(uint64_t (*now)(void));
uint64_t nt_now(void);

/* --- Pump: timers and work items ----------------------------------------------------------- */

/* Runs every due timer DPC and every queued work item; returns when the next timer is due (NT_NEVER: none). A work item
 * that waits makes its caller wait: one that never ends never returns. PASSIVE_LEVEL. */
uint64_t nt_pump(void);

/* wake(context) is called, on any thread at any IRQL, when nt_pump() has work earlier than it last returned. NULL:
 * none. */
void nt_set_pump_wake(void (*wake)(void *context), void *context);

/* A thread that pumps and sleeps by itself (tests). Stop waits for it. */
void nt_runner_start(void);
void nt_runner_stop(void);

/* --- Processes ------------------------------------------------------------------------------ */

/* Makes PsGetCurrentProcess[Id] on this thread answer with this process until changed; start in 100 ns since 1601. 0,
 * 0: the host itself. */
void nt_set_current_process(uint64_t process_id, uint64_t start);

/*
 * A process began or ended: runs what drivers registered for it (PsSetCreateProcessNotifyRoutine), at PASSIVE_LEVEL, on
 * this thread, which stands meanwhile for the process that ended, or for the parent. start: in 100 ns since 1601.
 */
void nt_process_created(uint64_t process_id, uint64_t start, uint64_t parent_id);
void nt_process_ended(uint64_t process_id, uint64_t start);

/* --- Drivers -------------------------------------------------------------------------------- */

struct nt_driver;

/* A value under the driver's service key, which RtlQueryRegistryValues finds under "Parameters". */
struct nt_registry_value {
    const char *name; /* ASCII */
    ULONG value;      /* of a REG_DWORD */
    const char *text; /* UTF-8, a REG_SZ then; NULL: it is a REG_DWORD */
};

/* Calls entry at PASSIVE_LEVEL with a DRIVER_OBJECT and a RegistryPath for service. On failure: its status, nothing
 * left loaded. */
NTSTATUS nt_driver_load(const char *service, PDRIVER_INITIALIZE entry, const struct nt_registry_value *values,
                        size_t value_count, struct nt_driver **driver);

/* Calls DriverUnload; then reports what the driver left as violations: "left-device", "left-link", "left-work-item",
 * "left-file",
 * "left-process-notify", "left-thread", "left-timer", "left-dpc", "left-pool". What belongs to which driver is told by
 * the file that its code lies in; what cannot be told so is reported with the last driver. */
void nt_driver_unload(struct nt_driver *driver);

/* Where the code of the driver lies that this thread loads next. Without it, the file that entry lies in counts. */
void nt_next_driver_code(const void *start, size_t size);

/*
 * Whose code runs on this thread: DriverEntry, DriverUnload, a dispatch routine, a work item, a system thread (its
 * creator's), a callout. NULL: the host's. enter gives back who it was before, for when the driver's routine returned.
 */
PDRIVER_OBJECT nt_current_driver(void);
PDRIVER_OBJECT nt_enter_driver(PDRIVER_OBJECT driver);

/* Called after DriverUnload returned, or DriverEntry failed, at PASSIVE_LEVEL: the filter engine says what of this
 * driver is left in it. NULL: none. */
typedef void nt_driver_gone(PDRIVER_OBJECT driver);
void nt_set_driver_gone(nt_driver_gone *gone);

/*
 * Says where the code of driver binaries lies, which follow Microsoft's x64 calling convention: entry,
 * and every routine a driver gives, is called accordingly when it lies there. One range; size 0: none.
 * Set it before the first such driver is loaded.
 */
void nt_set_foreign_code(const void *start, size_t size);

/* --- Files and device control ---------------------------------------------------------------- */

struct nt_file;
struct nt_call;

/* Who opens. A device made with an SDDL that grants administrators only refuses others with STATUS_ACCESS_DENIED. */
struct nt_caller {
    uint64_t process_id;
    BOOLEAN administrator;
};

/* name as user mode spells it: "\\\\.\\Gatehouse". Sends IRP_MJ_CREATE. */
NTSTATUS nt_file_open(const char *name, ACCESS_MASK access, const struct nt_caller *caller, struct nt_file **file);

/* Sends IRP_MJ_CLEANUP, cancels what is still pended of this file, waits for it (bounded; else violation "irp-lost"),
 * sends IRP_MJ_CLOSE. */
void nt_file_close(struct nt_file *file);

/*
 * done is called exactly once for each call, possibly before nt_device_control returns, on any
 * thread at IRQL <= DISPATCH_LEVEL, maybe inside a driver's IoCompleteRequest with the driver's
 * state half changed: it must not call the driver. output is valid during the call only.
 */
typedef void nt_call_done(void *context, NTSTATUS status, const void *output, size_t information);

/* Builds a METHOD_BUFFERED IRP and sends it, at PASSIVE_LEVEL. Checks the code's access bits against the file's. */
void nt_device_control(struct nt_file *file, ULONG code, const void *input, size_t input_size, size_t output_size,
                       nt_call_done *done, void *context, struct nt_call **call);

/* Cancels a call that may have ended already: call is valid until its done ran AND nt_call_put was called. */
void nt_call_cancel(struct nt_call *call);
void nt_call_put(struct nt_call *call);

/* Sends and waits up to timeout_ms, then cancels: for tests and tools. *information set on success. */
NTSTATUS nt_device_control_wait(struct nt_file *file, ULONG code, const void *input, size_t input_size, void *output,
                                size_t output_size, size_t *information, unsigned timeout_ms);

/* --- Filter communication ports -------------------------------------------------------------- */

/* A program's end of a connection: what FilterConnectCommunicationPort and the other routines of fltuser.h work on. */
struct nt_port;

/* name as user mode spells it: "\\\\Port". Calls the driver's connect callback with a copy of context. */
NTSTATUS nt_port_connect(const char *name, const void *context, USHORT size, const struct nt_caller *caller,
                         struct nt_port **port);

/* Ends what waits on it, calls the driver's disconnect callback; also how a program that is killed leaves. */
void nt_port_close(struct nt_port *port);

/* FilterGetMessage, pended: done gets FILTER_MESSAGE_HEADER and the message, once there is one. As nt_device_control's
 * done, it may run within this call and must not call the driver. */
void nt_port_get_message(struct nt_port *port, size_t size, nt_call_done *done, void *context);

/* Ends the oldest waiting get with this context (STATUS_CANCELLED). false: there is none. */
bool nt_port_cancel(struct nt_port *port, const void *context);

/* FilterReplyMessage: FILTER_REPLY_HEADER and the reply. FilterSendMessage: to the driver's message callback. */
NTSTATUS nt_port_reply(struct nt_port *port, const void *reply, size_t size);
NTSTATUS nt_port_send(struct nt_port *port, const void *input, ULONG input_size, void *output, ULONG output_size,
                      ULONG *returned);

/* --- Debug output ----------------------------------------------------------------------------- */

/*
 * Gets each DbgPrint[Ex] message as one NUL-terminated line of text; any thread, any IRQL; it must
 * not call nt/. NULL restores the default: errors go to stderr, the rest nowhere (and is not formatted).
 */
typedef void nt_debug_sink(void *context, ULONG component, ULONG level, const char *text);
void nt_set_debug_sink(nt_debug_sink *sink, void *context);

/* DbgPrintEx with its arguments in a list, which it advances. */
void nt_debug_print(ULONG component, ULONG level, const char *format, va_list *arguments);

/* --- Faults ---------------------------------------------------------------------------------- */

/* Asked before each routine that can fail ("ExAllocatePool2", "IoCreateDevice" ...); TRUE makes it fail. NULL: none.
 * Any thread. */
typedef BOOLEAN nt_fault(const char *routine, void *context);
void nt_set_fault(nt_fault *fault, void *context);
BOOLEAN nt_fails(const char *routine);

/* --- Pool ------------------------------------------------------------------------------------ */

/* Pool bytes and blocks allocated now with this tag (0: all). */
void nt_pool_usage(ULONG tag, size_t *bytes, size_t *blocks);

/*
 * Says that pool with this tag belongs to a platform part (a filter engine), not to a driver: it may outlive every
 * driver and is not "left-pool". At most 8 tags, each may be named again. Any thread, any IRQL.
 */
void nt_pool_keep_tag(ULONG tag);

/* Looks at all freed memory that waits to be used again: what was written there since is "pool-use-after-free" or
 * "irp-used-after-completion". The unload of the last driver does it. emptied: and gives it to malloc. While the
 * verifier is on; PASSIVE_LEVEL. */
void nt_quarantine_check(bool emptied);

/*
 * Special pool: from now on each allocation for which nt_pool_called_from named a caller (while the verifier is on: or
 * that a driver's code asks for, whatever it was compiled with) lies between
 * inaccessible pages and ends at one, and so does each system buffer for such a driver (underrun: begins at one), and
 * is inaccessible after it was freed for as long as the address space lasts: pages in all, set by the first call. When
 * they are used up, allocations come from the ordinary pool, which is told once as a debug message. What is written
 * where access does not fault is found when the block is freed: violations "pool-overrun", "pool-underrun". false:
 * there is no address space. Call it before the first driver is loaded.
 */
bool nt_special_pool_start(size_t pages, BOOLEAN underrun);
void nt_special_pool_stop(void); /* for new allocations */

/* Where the driver called from, until changed: for this thread's next pool routines. NULL: it is no driver binary. */
void nt_pool_called_from(const void *address);

/* The rule that access to this address broke ("pool-use-after-free", "pool-overrun", "pool-underrun"; for a system
 * buffer "irp-used-after-completion"), and the block that was meant: the key of its beginnings. NULL: the address is
 * not of the special pool. For a fault handler. */
const char *nt_special_pool_rule(const void *address, const void **block);

/* Says what access to this address broke, for a fault handler, which may call it. false: it is not of the special pool.
 */
bool nt_special_pool_explain(const void *address, char *text, size_t size);

/* Names a place in a driver's code ("x.sys+0x1234") for reports. false: it is in none. NULL: addresses only. */
typedef bool nt_code_namer(const void *address, char *text, size_t size);
void nt_set_code_namer(nt_code_namer *namer);

#endif
