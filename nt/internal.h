/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the folders of nt/ share and nobody else sees.
 *
 * Each thread that runs driver code has an nt_self: its IRQL, how many spin locks it holds, which
 * process it stands for, whether it pumps. The scheduler keeps it for each fiber: a thread-local of nt/ that
 * lasts longer than one routine lies there (those of others: nt_schedule_keep). Host-side locks (pthread
 * mutexes) are leaves: no driver code, no violation and no point runs under them (else: nt/leaf.h). Order
 * where two are held: pump, then a dispatcher bucket, then a processor's DPC queue.
 */
#ifndef NT_INTERNAL_H
#define NT_INTERNAL_H

#include <nt/nt.h>

#include <pthread.h>
#include <stdbool.h>

#include "nt/ke/irql_table.h"
#include "nt/verify/scheduler.h"
#include "nt/verify/self.h"

#define NT_ROW(name, low, high, page) NT_LOW_##name = (low), NT_HIGH_##name = (high),
enum { NT_ROUTINES(NT_ROW) NT_FLT_ROUTINES(NT_ROW) NT_ROW_END };
#undef NT_ROW

struct nt_processor;

/* A range of code: of a driver's file. */
struct nt_code {
    uintptr_t start;
    size_t size;
};

struct nt_thread {
    KIRQL irql;
    bool in_process_notify;
    bool pumps;      /* it runs timers and work items while it waits */
    uint32_t number; /* unique and not 0; see nt_thread_number */
    uint32_t spin_locks;
    uint32_t token; /* of nt_park */
    uint64_t process_id, process_start;
    struct _EPROCESS *process; /* cached object for the two above */
    struct nt_processor *processor;
    struct _ETHREAD *object;
    PDRIVER_OBJECT driver;   /* whose code runs: nt_current_driver */
    PDRIVER_OBJECT loading;  /* the driver whose DriverEntry it runs */
    const void *pool_caller; /* nt_pool_called_from */
    /* For the scheduler, while it waits in KeWaitForSingleObject: */
    const char *waits_in;      /* a lock, NULL: an event like any other */
    const uint32_t *waits_for; /* who has it */
    bool waits_patiently;
    uint32_t recursions; /* locks taken again, which was reported: their next release is not */
    const void *recursed[4];
    struct nt_verify_self verify;
};
extern __thread struct nt_thread nt_self;

/* First line of each routine. */
#define NT_ENTER(name)                                                                                                 \
    do {                                                                                                               \
        if ((int)nt_self.irql < NT_LOW_##name || (int)nt_self.irql > NT_HIGH_##name)                                   \
            nt_report_irql(#name, NT_LOW_##name, NT_HIGH_##name);                                                      \
        NT_POINT(#name);                                                                                               \
    } while (0)
void nt_report_irql(const char *routine, KIRQL lowest, KIRQL highest);

/* host/thread.c */
uint32_t nt_thread_number(void);
void nt_park(uint64_t nanoseconds); /* until nt_unpark or the time is over; UINT64_MAX: no limit */
void nt_unpark(uint32_t *token);
void nt_futex_wait(uint32_t *word, uint32_t value, uint64_t nanoseconds);
void nt_futex_wake(uint32_t *word, int count);
void nt_at_thread_exit(void); /* arranges that nt_self's objects are given back */
void nt_thread_forget(void);  /* gives them back now */

/* verify/scheduler.c */
uint64_t nt_schedule_now(void);
uint64_t nt_schedule_serial(void);                         /* looks random, never twice in a run, the same in each */
bool nt_schedule_flag(const uint32_t *flag, uint64_t due); /* nt_sleep_until of a fiber */
_Noreturn void nt_fiber_exit(void);

/* What nt_reset asks each part to forget, with nobody in it. */
void nt_devices_reset(void);
void nt_dpcs_reset(void);
void nt_drivers_reset(void);
void nt_filters_reset(void);
void nt_opened_reset(void);
void nt_process_notify_reset(void);
void nt_irps_reset(void);
void nt_pool_reset(void);
void nt_pump_reset(void);
void nt_threads_reset(void);
void nt_waiters_reset(void);
void nt_timers_reset(void);
void nt_work_items_reset(void);

/* host/clock.c. A deadline under a clock that a test turns also ends after the same real time. */
struct nt_deadline {
    uint64_t due;  /* nt_now(); NT_NEVER: none */
    uint64_t real; /* CLOCK_MONOTONIC, ns */
};
struct nt_deadline nt_deadline_after(uint64_t interval);
uint64_t nt_deadline_left(const struct nt_deadline *deadline); /* ns to sleep at most; 0: over */
uint64_t nt_interval(const LARGE_INTEGER *time);               /* of an NT timeout, from now */
bool nt_clock_is_real(void);

/* ke/ */
void nt_lower_irql(KIRQL irql); /* and runs the DPCs that waited for it */
bool nt_dpc_enqueue(PKDPC dpc, PVOID argument1, PVOID argument2);
void nt_dpc_drain(void);
void nt_dpcs_report(const struct nt_code *code); /* "left-dpc" for the queued ones (NULL: all); takes them out */
void nt_processor_release(struct nt_processor *processor);
bool nt_is_signaled(const DISPATCHER_HEADER *object);
void nt_unsignal(DISPATCHER_HEADER *object);
void nt_dispatcher_initialize(DISPATCHER_HEADER *object, UCHAR type, size_t size, LONG state);
void nt_signal(DISPATCHER_HEADER *object, LONG adjustment, LONG limit, LONG *previous, bool *over);

#define NT_THREAD_OBJECT             6
#define NT_NOTIFICATION_TIMER_OBJECT 8

/* ke/timer.c: the heap of set timers, under the pump's lock. */
uint64_t nt_timers_next(void);
void nt_timers_tick(uint64_t now);   /* expires one that is due, and runs its DPC: a clock of the scheduler */
bool nt_timers_expire(uint64_t now); /* true: there were some; their DPCs are queued on this thread */

/* host/pump.c: timers and work items under one lock. */
void nt_pump_lock(void);
void nt_pump_unlock(uint64_t due); /* there is work at due now, NT_NEVER: none new */
struct nt_work {
    LIST_ENTRY link;
    void (*run)(struct nt_work *work);
    bool queued;
};
bool nt_sleep_until(const uint32_t *flag, const struct nt_deadline *deadline); /* true: *flag is set */
bool nt_work_queue(struct nt_work *work);                                      /* false: it is queued already */
size_t nt_timer_count(void);
void nt_timers_abandon(void); /* forgets them without touching their memory, which may be gone */
size_t
nt_timers_report(const struct nt_code *code); /* "left-timer" for those with a DPC routine there; takes them out */
/* host/helper.c: a pump thread's turn against the helpers that run work items for it; no-ops for other threads. */
struct helper;
struct helper *nt_helper_take(void); /* under the pump's lock; NULL: all are busy */
void nt_helper_give(struct helper *helper, struct nt_work *work);
void nt_turn_leave(void); /* before this thread sleeps */
void nt_turn_take(void);
bool nt_turn_wanted(void);
void nt_turn_thread_exit(void);

bool nt_pump_begin(void); /* this thread pumps while it waits, until nt_pump_end(what this gave) */
void nt_pump_end(bool before);

/* ob/ */
enum nt_object_type {
    NT_OBJECT_PROCESS = 1,
    NT_OBJECT_THREAD,
    NT_OBJECT_FILE,
    NT_OBJECT_DEVICE,
    NT_OBJECT_DRIVER,
    NT_OBJECT_HOST_FILE
};
PVOID nt_object_new(enum nt_object_type type, size_t size, void (*destroy)(PVOID body));
bool nt_object_is(PVOID body, enum nt_object_type type);
LONG nt_object_references(PVOID body);
PVOID nt_handle_object(HANDLE handle, enum nt_object_type type); /* NULL: it is none of this type */
HANDLE nt_object_handle(PVOID body);                             /* takes over the caller's reference */
LONG nt_object_release(PVOID body);

/* ex/ */
uint64_t nt_pool_mark(void); /* blocks allocated from now on by this code (NULL: any) and still there are "left-pool" */
void nt_pool_report_since(uint64_t mark, const struct nt_code *code);
/* While the verifier is on: "pageable-at-dispatch" if an object that is used at DISPATCH_LEVEL lies in paged pool. */
void nt_check_resident(const void *object, const char *what, const char *routine);
/* A system buffer for this dispatch routine. NULL: no memory. */
void *nt_system_buffer_new(size_t size, PDRIVER_DISPATCH dispatch);
void nt_system_buffer_free(void *buffer); /* or NULL */

/* host/foreign.c */
const char *nt_name_code(const void *address, char *text, size_t size); /* gives text back */
void nt_code_find(const void *address, struct nt_code *code); /* the loaded module it lies in, or an empty one */
bool nt_code_next(struct nt_code *code);                      /* what nt_next_driver_code said for this thread, once */
bool nt_code_holds(const struct nt_code *code, const void *address);

/* io/ */
PDEVICE_OBJECT nt_device_open(PCUNICODE_STRING name, PUNICODE_STRING rest, ACCESS_MASK access, BOOLEAN administrator,
                              NTSTATUS *status);
void nt_device_close(PDEVICE_OBJECT device);
void nt_devices_ready(PDRIVER_OBJECT driver); /* DriverEntry ended: they may be opened */
void nt_device_set_access(PDEVICE_OBJECT device, ACCESS_MASK administrators, ACCESS_MASK everyone);
size_t nt_devices_open(PDRIVER_OBJECT driver);
void nt_devices_report(PDRIVER_OBJECT driver);
void nt_opened_report(PDRIVER_OBJECT driver);     /* "left-file"; they are closed */
void nt_work_items_report(PDRIVER_OBJECT driver); /* "left-work-item"; they run no code of the driver any more */
NTSTATUS nt_sddl_parse(PCUNICODE_STRING sddl, ACCESS_MASK *administrators, ACCESS_MASK *everyone);
ACCESS_MASK nt_access_map(ACCESS_MASK access); /* generic rights to file rights */

/* One request: an IRP with its stack location and who waits for it. */
struct nt_call {
    uint32_t magic;
    LONG references;     /* in flight 1, dispatching 1, the caller 1 */
    LONG irp_references; /* in flight 1, cancelling 1: at 0 the IRP is poisoned */
    LONG state;
    bool marked;     /* IoMarkIrpPending was called; valid with NT_CALL_DONE */
    NTSTATUS status; /* valid with NT_CALL_DONE */
    struct nt_file *file;
    LIST_ENTRY link;
    LIST_ENTRY all; /* of every call; linked while the verifier is on */
    nt_call_done *done;
    void *context;
    uint64_t process_id;
    void *buffer;
    size_t output_size;
    uint64_t number; /* of the calls since the process began */
    bool filled;     /* completed: irp and stack hold NT_IRP_GONE */
    IRP irp;
    IO_STACK_LOCATION stack; /* right behind its IRP, as on Windows */
};
_Static_assert(offsetof(struct nt_call, stack) == offsetof(struct nt_call, irp) + sizeof(IRP),
               "the stack location follows");
#define NT_CALL_MAGIC   0x4c4c4143u
#define NT_IRP_GONE     0xd8 /* what a completed IRP holds while the verifier is on */
#define NT_CALL_CLAIMED 1
#define NT_CALL_DONE    2
struct nt_call *nt_call_new(PDEVICE_OBJECT device, PFILE_OBJECT file_object, UCHAR major, uint64_t process_id);
void nt_call_reference(struct nt_call *call);
NTSTATUS nt_call_dispatch(struct nt_call *call); /* consumes nothing; the caller holds its own reference */
bool nt_call_try_cancel(struct nt_call *call);
void nt_call_check_untouched(struct nt_call *call); /* "irp-used-after-completion" */
bool nt_call_missed_cancel(struct nt_call *call);   /* true, and "cancel-missed": it is parked although cancelled */

/* se/acl.c */
bool nt_acl_is_valid(PACL acl);
void nt_descriptor_make(PSECURITY_DESCRIPTOR descriptor, PACL dacl);
/* Of a DACL of allow entries; a DACL of NULL grants all to everybody. */
NTSTATUS nt_descriptor_read(PSECURITY_DESCRIPTOR descriptor, ACCESS_MASK all, ACCESS_MASK *administrators,
                            ACCESS_MASK *everyone);

/* flt/filter.c */
void nt_flt_report(PDRIVER_OBJECT driver); /* the minifilter it left registered, with its ports */

/* host/file.c */
void nt_file_call_ended(struct nt_file *file, struct nt_call *call);

/* host/driver.c */
/* A value as the registry holds it; data is valid while the driver is loaded. */
struct nt_registry_data {
    ULONG type; /* REG_DWORD, REG_SZ */
    ULONG size; /* of a string with its NUL */
    const void *data;
};
bool nt_registry_find(PCUNICODE_STRING service, const WCHAR *name, struct nt_registry_data *value);
void nt_callback_returned(const char *name, const void *routine); /* reports what it left, at PASSIVE_LEVEL again */
bool nt_registry_service(ULONG relative, const WCHAR *path, UNICODE_STRING *service, bool *parameters);
PDRIVER_OBJECT nt_driver_loading(void);
/* host/current.c */
void nt_tell_driver_gone(PDRIVER_OBJECT driver);
bool nt_irql_explained(const char *routine, KIRQL highest);
bool nt_driver_ends(PDRIVER_OBJECT driver);            /* it is being unloaded, or its DriverEntry has failed */
bool nt_is_driver_code(const void *address);           /* of a driver that is loaded */
PEPROCESS nt_process_new(uint64_t id, uint64_t start); /* the caller's to release */
/* ps/process_notify.c: "left-process-notify"; takes them out */
void nt_process_notify_report(PDRIVER_OBJECT driver);
size_t nt_threads_left(void);
void nt_threads_report(const struct nt_code *code); /* "left-thread" for those that run it (NULL: all new ones) */
void nt_threads_mark(void);                         /* what runs now belongs to the host */
void nt_thread_check_code(const char *routine);     /* "code-after-unload", once, if its driver is gone */

/* rtl/ */
bool nt_wide_equal(const WCHAR *a, size_t a_chars, const WCHAR *b, size_t b_chars);

#endif
