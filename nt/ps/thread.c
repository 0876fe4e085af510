/* SPDX-License-Identifier: MIT */
/*
 * thread.c - system threads, their objects and handles.
 *
 * A handle is an object with a reference of its own, tagged in the lowest bit; ZwClose gives it back. A thread object
 * is a dispatcher object, signaled when the thread has ended. Pages: wdm.h PsCreateSystemThread,
 * PsTerminateSystemThread, ZwClose, ObReferenceObjectByHandle.
 */
#include "nt/foreign.h"
#include "nt/internal.h"
#include "nt/verify/fibers.h"
#include "nt/verify/lock_order.h"
#include "nt/verify/verify.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdlib.h>

struct _ETHREAD {
    DISPATCHER_HEADER header;
    uint32_t number;
    bool system;
    PKSTART_ROUTINE routine;
    PVOID context;
    PDRIVER_OBJECT driver; /* whose routine it is */
    LIST_ENTRY link;       /* of the system threads that run */
    bool reported;         /* of the host, or told as left already */
    bool gone;             /* its driver was unloaded */
    jmp_buf *bottom;       /* of its stack, below the driver's routine; NULL: it is a fiber */
};

#define HANDLE_TAG ((ULONG_PTR)1)
#define MUCH_FREED ((size_t)8 << 20)

static size_t threads_running;
static pthread_mutex_t running_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY running = {&running, &running};

size_t nt_threads_left(void)
{
    return __atomic_load_n(&threads_running, __ATOMIC_ACQUIRE);
}

static void link_running(PETHREAD thread)
{
    pthread_mutex_lock(&running_lock);
    InsertTailList(&running, &thread->link);
    pthread_mutex_unlock(&running_lock);
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)thread);
}

static void unlink_running(PETHREAD thread)
{
    pthread_mutex_lock(&running_lock);
    RemoveEntryList(&thread->link);
    pthread_mutex_unlock(&running_lock);
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)thread);
}

void nt_threads_mark(void)
{
    pthread_mutex_lock(&running_lock);
    for (PLIST_ENTRY entry = running.Flink; entry != &running; entry = entry->Flink)
        CONTAINING_RECORD(entry, struct _ETHREAD, link)->reported = true;
    pthread_mutex_unlock(&running_lock);
}

static PETHREAD next_left(const struct nt_code *code)
{
    PETHREAD found = NULL;
    pthread_mutex_lock(&running_lock);
    for (PLIST_ENTRY entry = running.Flink; entry != &running && found == NULL; entry = entry->Flink) {
        PETHREAD thread = CONTAINING_RECORD(entry, struct _ETHREAD, link);
        if (!thread->reported && (code == NULL || nt_code_holds(code, (const void *)(uintptr_t)thread->routine)))
            found = thread;
    }
    if (found != NULL)
        found->reported = found->gone = true;
    pthread_mutex_unlock(&running_lock);
    return found;
}

void nt_threads_report(const struct nt_code *code)
{
    for (PETHREAD thread; (thread = next_left(code)) != NULL;) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)thread);
        nt_violate("left-thread", "DriverUnload", "a system thread still runs");
    }
}

void nt_thread_check_code(const char *routine)
{
    PETHREAD thread = nt_self.object;
    if (thread == NULL || !__atomic_exchange_n(&thread->gone, false, __ATOMIC_RELAXED))
        return;
    nt_about(NT_BEGAN_OBJECT, (uintptr_t)thread);
    nt_violate("code-after-unload", routine, "a system thread runs code of a driver that was unloaded");
}

PVOID nt_handle_object(HANDLE handle, enum nt_object_type type)
{
    ULONG_PTR value = (ULONG_PTR)handle;
    PVOID object = (PVOID)(value & ~HANDLE_TAG);
    return (value & HANDLE_TAG) != 0 && nt_object_is(object, type) ? object : NULL;
}

HANDLE nt_object_handle(PVOID body)
{
    return (HANDLE)((ULONG_PTR)body | HANDLE_TAG);
}

static PVOID handle_any(HANDLE handle, const char *routine, bool threads_only)
{
    PVOID object = nt_handle_object(handle, NT_OBJECT_THREAD);
    if (object == NULL && !threads_only)
        object = nt_handle_object(handle, NT_OBJECT_DEVICE);
    if (object == NULL && !threads_only)
        object = nt_handle_object(handle, NT_OBJECT_HOST_FILE);
    if (object == NULL)
        nt_violate("handle-invalid", routine, "%p is no open handle", handle);
    return object;
}

static void thread_ended(void)
{
    PETHREAD thread = nt_self.object;
    LONG previous;
    bool over;
    if (nt_self.irql != PASSIVE_LEVEL || nt_self.spin_locks != 0) {
        nt_about_held_lock();
        nt_violate("lock-left", "KSTART_ROUTINE", "the thread ended at IRQL %u with %u spin locks held", nt_self.irql,
                   nt_self.spin_locks);
    }
    nt_thread_check_code("KSTART_ROUTINE");
    nt_self.object = NULL;
    unlink_running(thread);
    __atomic_fetch_sub(&threads_running, 1, __ATOMIC_RELEASE);
    nt_signal(&thread->header, 1, 1, &previous, &over);
    nt_object_release(thread);
}

/*
 * The first call of any of its routines sets glibc's malloc up, which two threads must not do at once. Where another
 * malloc stands in its place (a sanitizer's, a preloaded one), the first call is here.
 */
static void begin_malloc(void)
{
    (void)mallinfo2();
}

/* What a thread that took much memory freed stays in malloc's lists: it goes back to the system, for it was for once.
 */
static void give_memory_back(void)
{
    static pthread_once_t begun = PTHREAD_ONCE_INIT;
    if (nt_scheduling)
        return;
    pthread_once(&begun, begin_malloc);
    if (mallinfo2().fordblks >= MUCH_FREED)
        malloc_trim(0);
}

static void *thread_main(void *argument)
{
    PETHREAD thread = argument;
    jmp_buf bottom;
    nt_self.object = thread;
    thread->number = nt_thread_number();
    nt_self.driver = thread->driver;
    thread->bottom = nt_scheduling ? NULL : &bottom;
    if (setjmp(bottom) == 0)
        NT_CALL(thread->routine, thread->context);
    thread_ended();
    give_memory_back();
    return NULL;
}

static void thread_begin(void *argument)
{
    (void)thread_main(argument);
}

static bool thread_start(PETHREAD thread)
{
    pthread_t native = 0;
    if (nt_scheduling) {
        struct fiber *fiber = nt_fiber_start(FIBER_THREAD, NULL, thread_begin, thread);
        if (fiber != NULL)
            fiber->self.object = thread; /* given back even if it never begins */
        return fiber != NULL;
    }
    if (pthread_create(&native, NULL, thread_main, thread) != 0)
        return false;
    pthread_detach(native);
    return true;
}

void nt_threads_reset(void)
{
    threads_running = 0;
    InitializeListHead(&running);
}

static PETHREAD thread_new(void)
{
    PETHREAD thread = nt_object_new(NT_OBJECT_THREAD, sizeof *thread, NULL);
    if (thread != NULL)
        nt_dispatcher_initialize(&thread->header, NT_THREAD_OBJECT, sizeof thread->header, 0);
    return thread;
}

NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                              HANDLE ProcessHandle, PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine,
                              PVOID StartContext)
{
    NT_ENTER(PsCreateSystemThread);
    UNREFERENCED_PARAMETER(DesiredAccess);
    UNREFERENCED_PARAMETER(ObjectAttributes);
    UNREFERENCED_PARAMETER(ProcessHandle);
    PETHREAD thread = nt_fails("PsCreateSystemThread") ? NULL : thread_new();
    if (thread == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    thread->system = true;
    thread->routine = StartRoutine;
    thread->context = StartContext;
    thread->driver = nt_self.driver;
    (void)ObfReferenceObject(thread); /* the handle's */
    __atomic_fetch_add(&threads_running, 1, __ATOMIC_RELAXED);
    link_running(thread);
    if (!thread_start(thread)) {
        __atomic_fetch_sub(&threads_running, 1, __ATOMIC_RELAXED);
        unlink_running(thread);
        nt_object_release(thread);
        nt_object_release(thread);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    *ThreadHandle = nt_object_handle(thread);
    if (ClientId != NULL)
        *ClientId = (CLIENT_ID){(HANDLE)4, *ThreadHandle};
    return STATUS_SUCCESS;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus)
{
    NT_ENTER(PsTerminateSystemThread);
    UNREFERENCED_PARAMETER(ExitStatus);
    if (nt_self.object == NULL || !nt_self.object->system) {
        nt_violate("not-a-system-thread", "PsTerminateSystemThread", "the calling thread was not made by a driver");
        return STATUS_INVALID_PARAMETER;
    }
    /* pthread_exit would unwind through the driver, which may be gone as soon as the thread is known to have ended. */
    if (nt_self.object->bottom != NULL)
        longjmp(*nt_self.object->bottom, 1);
    thread_ended();
    nt_fiber_exit();
}

HANDLE PsGetCurrentThreadId(VOID)
{
    NT_ENTER(PsGetCurrentThreadId);
    return (HANDLE)(ULONG_PTR)nt_thread_number();
}

PKTHREAD KeGetCurrentThread(VOID)
{
    NT_ENTER(KeGetCurrentThread);
    if (nt_self.object == NULL) {
        nt_self.object = thread_new();
        if (nt_self.object == NULL)
            abort();
        nt_at_thread_exit();
    }
    return nt_self.object;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                   KPROCESSOR_MODE AccessMode, PVOID *Object, PVOID HandleInformation)
{
    NT_ENTER(ObReferenceObjectByHandle);
    UNREFERENCED_PARAMETER(DesiredAccess);
    UNREFERENCED_PARAMETER(HandleInformation);
    PETHREAD thread = handle_any(Handle, "ObReferenceObjectByHandle", true);
    if (thread == NULL)
        return STATUS_INVALID_HANDLE;
    if (ObjectType != NULL && ObjectType != *PsThreadType)
        return STATUS_OBJECT_TYPE_MISMATCH;
    /* KernelMode: access is not checked, and none of what its page lists can happen to a valid handle. */
    if (AccessMode != KernelMode && nt_fails("ObReferenceObjectByHandle"))
        return STATUS_ACCESS_DENIED;
    (void)ObfReferenceObject(thread);
    *Object = thread;
    return STATUS_SUCCESS;
}

NTSTATUS ObOpenObjectByPointer(PVOID Object, ULONG HandleAttributes, PVOID PassedAccessState, ACCESS_MASK DesiredAccess,
                               POBJECT_TYPE ObjectType, KPROCESSOR_MODE AccessMode, PHANDLE Handle)
{
    NT_ENTER(ObOpenObjectByPointer);
    static const ULONG known = OBJ_INHERIT | OBJ_EXCLUSIVE | OBJ_KERNEL_HANDLE | OBJ_FORCE_ACCESS_CHECK;
    UNREFERENCED_PARAMETER(PassedAccessState);
    UNREFERENCED_PARAMETER(DesiredAccess);
    if ((HandleAttributes & ~known) != 0 ||
        (HandleAttributes & (OBJ_INHERIT | OBJ_EXCLUSIVE)) == (OBJ_INHERIT | OBJ_EXCLUSIVE))
        return STATUS_INVALID_PARAMETER;
    bool thread = nt_object_is(Object, NT_OBJECT_THREAD);
    /* Of the two kinds that have handles here, user mode may name the type of threads. */
    if ((!thread && !nt_object_is(Object, NT_OBJECT_DEVICE)) || (ObjectType == NULL && AccessMode != KernelMode) ||
        (ObjectType != NULL && (!thread || ObjectType != *PsThreadType)))
        return STATUS_OBJECT_TYPE_MISMATCH;
    if (nt_fails("ObOpenObjectByPointer"))
        return STATUS_INSUFFICIENT_RESOURCES;
    (void)ObfReferenceObject(Object);
    *Handle = nt_object_handle(Object);
    return STATUS_SUCCESS;
}

NTSTATUS ZwClose(HANDLE Handle)
{
    NT_ENTER(ZwClose);
    PVOID object = handle_any(Handle, "ZwClose", false);
    if (object == NULL)
        return STATUS_INVALID_HANDLE;
    nt_object_release(object);
    return STATUS_SUCCESS;
}
