/* SPDX-License-Identifier: MIT */
/*
 * file.c - opens a driver's device for the host and sends it device control.
 *
 * Each file keeps a list of its calls in flight, so that closing can cancel them; a call holds its
 * file. Nothing here is shared between files, so callers of different files never meet.
 * Rules: irp-lost (a call, or a create, cleanup or close, that is not completed in time), irp-left-at-cleanup,
 * cancel-missed.
 * Pages: "Handling IRPs", IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_DEVICE_CONTROL;
 * "Defining I/O Control Codes" (access bits); "Buffer Descriptions for I/O Control Codes".
 */
#include "nt/internal.h"
#include "nt/verify/output.h"
#include "nt/verify/verify.h"

#include <stdlib.h>

#define END_TIMEOUT 100000000u /* 10 s, in 100 ns, real or turned */

struct nt_file {
    LONG references; /* the host 1, each call 1 */
    PFILE_OBJECT object;
    PDEVICE_OBJECT device;
    uint64_t process_id;
    ACCESS_MASK access;
    pthread_mutex_t lock;
    LIST_ENTRY calls;
    bool closing;
    KEVENT idle; /* set when closing and no call is left */
};

static void file_put(struct nt_file *file)
{
    if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    pthread_mutex_destroy(&file->lock);
    free(file);
}

static void file_object_destroy(PVOID body)
{
    free(((PFILE_OBJECT)body)->FileName.Buffer);
}

static PFILE_OBJECT file_object_new(PDEVICE_OBJECT device, PCUNICODE_STRING rest, ACCESS_MASK access)
{
    PFILE_OBJECT object = nt_object_new(NT_OBJECT_FILE, sizeof *object, file_object_destroy);
    if (object == NULL)
        return NULL;
    object->Type = IO_TYPE_FILE;
    object->Size = sizeof *object;
    object->DeviceObject = device;
    object->ReadAccess = (access & FILE_READ_DATA) != 0;
    object->WriteAccess = (access & FILE_WRITE_DATA) != 0;
    object->SharedRead = object->SharedWrite = TRUE;
    InitializeListHead(&object->IrpList);
    KeInitializeEvent(&object->Lock, SynchronizationEvent, TRUE);
    KeInitializeEvent(&object->Event, NotificationEvent, FALSE);
    object->FileName.Buffer = malloc((size_t)rest->Length + sizeof(WCHAR));
    if (object->FileName.Buffer == NULL) {
        nt_object_release(object);
        return NULL;
    }
    if (rest->Length != 0)
        memcpy(object->FileName.Buffer, rest->Buffer, rest->Length);
    object->FileName.Buffer[rest->Length / sizeof(WCHAR)] = 0;
    object->FileName.Length = rest->Length;
    object->FileName.MaximumLength = (USHORT)(rest->Length + sizeof(WCHAR));
    return object;
}

/* Who waits for a create, cleanup or close. Shared, because a lost IRP may still end after the wait. */
struct answer {
    LONG references;
    KEVENT event;
    NTSTATUS status;
    size_t information, room;
    void *output;
};

static void answer_put(struct answer *answer)
{
    if (__atomic_sub_fetch(&answer->references, 1, __ATOMIC_ACQ_REL) == 0) {
        free(answer->output);
        free(answer);
    }
}

static void answer_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct answer *answer = context;
    answer->status = status;
    answer->information = information;
    if (output != NULL && information != 0 && information <= answer->room)
        memcpy(answer->output, output, information);
    (void)KeSetEvent(&answer->event, IO_NO_INCREMENT, FALSE);
    answer_put(answer);
}

static struct answer *answer_new(size_t room)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        return NULL;
    answer->references = 2;
    answer->room = room;
    answer->output = malloc(room + 1);
    if (answer->output == NULL) {
        free(answer);
        return NULL;
    }
    KeInitializeEvent(&answer->event, NotificationEvent, FALSE);
    return answer;
}

/* For what has to come: patient (nt/verify/scheduler.h). */
static bool wait_for_end(KEVENT *event)
{
    bool pumps = nt_pump_begin();
    LARGE_INTEGER timeout = {.QuadPart = -(LONGLONG)END_TIMEOUT};
    nt_self.waits_patiently = true;
    NTSTATUS status = KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &timeout);
    nt_self.waits_patiently = false;
    nt_pump_end(pumps);
    return status == STATUS_SUCCESS;
}

static bool answer_wait(struct answer *answer, uint64_t interval)
{
    bool pumps = nt_pump_begin();
    LARGE_INTEGER timeout = {.QuadPart = -(LONGLONG)interval};
    NTSTATUS status = KeWaitForSingleObject(&answer->event, Executive, KernelMode, FALSE, &timeout);
    nt_pump_end(pumps);
    return status == STATUS_SUCCESS;
}

static NTSTATUS send_and_wait(struct nt_file *file, UCHAR major, IO_SECURITY_CONTEXT *security)
{
    struct answer *answer = answer_new(0);
    struct nt_call *call = answer == NULL ? NULL : nt_call_new(file->device, file->object, major, file->process_id);
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    if (call == NULL) {
        if (answer != NULL) {
            answer->references = 1;
            answer_put(answer);
        }
        return status;
    }
    call->done = answer_done;
    call->context = answer;
    if (security != NULL) {
        call->irp.Flags = IRP_CREATE_OPERATION;
        call->stack.Parameters.Create.SecurityContext = security;
        call->stack.Parameters.Create.Options = FILE_OPEN << 24;
        call->stack.Parameters.Create.ShareAccess = FILE_SHARE_READ | FILE_SHARE_WRITE;
    }
    (void)nt_call_dispatch(call);
    if (wait_for_end(&answer->event))
        status = answer->status;
    else
        nt_violate("irp-lost", "DRIVER_DISPATCH", "the IRP of major function %u was not completed in time", major);
    answer_put(answer);
    return status;
}

static struct nt_file *file_new(PDEVICE_OBJECT device, PCUNICODE_STRING rest, ACCESS_MASK access,
                                const struct nt_caller *caller)
{
    struct nt_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    file->object = file_object_new(device, rest, access);
    if (file->object == NULL) {
        free(file);
        return NULL;
    }
    file->references = 1;
    file->device = device;
    file->process_id = caller->process_id;
    file->access = access;
    pthread_mutex_init(&file->lock, NULL);
    InitializeListHead(&file->calls);
    KeInitializeEvent(&file->idle, NotificationEvent, FALSE);
    return file;
}

/* "\\.\x" in ASCII to L"x". */
static bool parse_name(const char *name, WCHAR text[256], UNICODE_STRING *result)
{
    size_t size = strlen(name);
    if (size < 5 || size > 255 || memcmp(name, "\\\\.\\", 4) != 0)
        return false;
    for (size_t index = 4; index < size; index++)
        text[index - 4] = (UCHAR)name[index];
    text[size - 4] = 0;
    *result = (UNICODE_STRING){(USHORT)((size - 4) * sizeof(WCHAR)), (USHORT)((size - 3) * sizeof(WCHAR)), text};
    return true;
}

NTSTATUS nt_file_open(const char *name, ACCESS_MASK access, const struct nt_caller *caller, struct nt_file **file)
{
    WCHAR text[256];
    UNICODE_STRING wide, rest;
    NTSTATUS status;
    nt_require_irql("nt_file_open", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (!parse_name(name, text, &wide))
        return STATUS_OBJECT_NAME_INVALID;
    access = nt_access_map(access);
    PDEVICE_OBJECT device = nt_device_open(&wide, &rest, access, caller->administrator, &status);
    if (device == NULL)
        return status;
    struct nt_file *created = file_new(device, &rest, access, caller);
    if (created == NULL) {
        nt_device_close(device);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    IO_SECURITY_CONTEXT security = {.DesiredAccess = access};
    status = send_and_wait(created, IRP_MJ_CREATE, &security);
    if (NT_SUCCESS(status)) {
        *file = created;
    } else {
        nt_object_release(created->object);
        nt_device_close(device);
        file_put(created);
    }
    return status;
}

void nt_file_call_ended(struct nt_file *file, struct nt_call *call)
{
    pthread_mutex_lock(&file->lock);
    RemoveEntryList(&call->link);
    bool idle = file->closing && IsListEmpty(&file->calls);
    pthread_mutex_unlock(&file->lock);
    if (idle)
        (void)KeSetEvent(&file->idle, IO_NO_INCREMENT, FALSE);
    file_put(file);
}

/* Cancels each call that is in flight now, once. */
static void cancel_all(struct nt_file *file)
{
    struct nt_call *taken[64];
    size_t count;
    do {
        count = 0;
        pthread_mutex_lock(&file->lock);
        for (PLIST_ENTRY entry = file->calls.Flink; entry != &file->calls && count < RTL_NUMBER_OF(taken);
             entry = entry->Flink) {
            struct nt_call *call = CONTAINING_RECORD(entry, struct nt_call, link);
            if (call->irp.Cancel)
                continue;
            nt_call_reference(call);
            taken[count++] = call;
        }
        pthread_mutex_unlock(&file->lock);
        for (size_t index = 0; index < count; index++) {
            (void)nt_call_try_cancel(taken[index]);
            nt_call_put(taken[index]);
        }
    } while (count == RTL_NUMBER_OF(taken));
}

static size_t calls_left(struct nt_file *file)
{
    size_t count = 0;
    pthread_mutex_lock(&file->lock);
    for (PLIST_ENTRY entry = file->calls.Flink; entry != &file->calls; entry = entry->Flink)
        count++;
    file->closing = true;
    pthread_mutex_unlock(&file->lock);
    return count;
}

/* A call may end meanwhile: it is told as left all the same. */
static void report_left(struct nt_file *file)
{
    struct nt_call *missed = NULL;
    size_t left = calls_left(file);
    pthread_mutex_lock(&file->lock);
    if (!IsListEmpty(&file->calls)) {
        missed = CONTAINING_RECORD(file->calls.Flink, struct nt_call, link);
        nt_call_reference(missed);
    }
    pthread_mutex_unlock(&file->lock);
    if (missed == NULL)
        return;
    if (!nt_call_missed_cancel(missed)) {
        nt_about(NT_BEGAN_IRP, (uintptr_t)&missed->irp);
        nt_violate("irp-left-at-cleanup", "nt_file_close",
                   "%zu device control IRPs were completed neither by IRP_MJ_CLEANUP nor after their cancel", left);
    }
    nt_call_put(missed);
}

static bool is_parked(const struct nt_call *call)
{
    return call->irp.CancelRoutine != NULL && !call->irp.Cancel;
}

/* A call that is parked, referenced; NULL: none. Only before the cleanup: a call may still come after it. */
static struct nt_call *find_parked(struct nt_file *file)
{
    struct nt_call *parked = NULL;
    pthread_mutex_lock(&file->lock);
    for (PLIST_ENTRY entry = file->calls.Flink; entry != &file->calls && parked == NULL; entry = entry->Flink)
        if (is_parked(CONTAINING_RECORD(entry, struct nt_call, link)))
            parked = CONTAINING_RECORD(entry, struct nt_call, link);
    if (parked != NULL)
        nt_call_reference(parked);
    pthread_mutex_unlock(&file->lock);
    return parked;
}

/* What is still cancelable after IRP_MJ_CLEANUP is parked, not on its way out: Windows cancels it only when the thread
 * that sent it ends, and a file whose handle another process has goes on waiting. */
static void report_parked(struct nt_call *call)
{
    if (call == NULL)
        return;
    if ((__atomic_load_n(&call->state, __ATOMIC_ACQUIRE) & NT_CALL_CLAIMED) == 0 && is_parked(call)) {
        nt_about(NT_BEGAN_IRP, (uintptr_t)&call->irp);
        nt_violate("irp-left-at-cleanup", "DRIVER_DISPATCH",
                   "a device control IRP is still queued after IRP_MJ_CLEANUP");
    }
    nt_call_put(call);
}

void nt_file_close(struct nt_file *file)
{
    nt_require_irql("nt_file_close", PASSIVE_LEVEL, PASSIVE_LEVEL);
    struct nt_call *parked = NT_VERIFYING ? find_parked(file) : NULL;
    (void)send_and_wait(file, IRP_MJ_CLEANUP, NULL);
    report_parked(parked);
    cancel_all(file);
    if (calls_left(file) != 0 && !wait_for_end(&file->idle))
        report_left(file);
    (void)send_and_wait(file, IRP_MJ_CLOSE, NULL);
    nt_object_release(file->object);
    nt_device_close(file->device);
    file_put(file);
}

static NTSTATUS check_code(const struct nt_file *file, ULONG code)
{
    ULONG wanted = code >> 14 & 3;
    if ((wanted & FILE_READ_ACCESS) != 0 && (file->access & FILE_READ_DATA) == 0)
        return STATUS_ACCESS_DENIED;
    if ((wanted & FILE_WRITE_ACCESS) != 0 && (file->access & FILE_WRITE_DATA) == 0)
        return STATUS_ACCESS_DENIED;
    return METHOD_FROM_CTL_CODE(code) == METHOD_BUFFERED ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
}

/* The one system buffer carries the input in and the output out. */
static bool fill_buffer(struct nt_call *call, const void *input, size_t input_size, size_t output_size)
{
    size_t size = input_size > output_size ? input_size : output_size;
    call->output_size = output_size;
    if (size == 0)
        return true;
    call->buffer =
        nt_system_buffer_new(size, call->stack.DeviceObject->DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL]);
    if (call->buffer == NULL)
        return false;
    if (NT_VERIFYING)
        memset(call->buffer, nt_verify_fill_byte(), size);
    if (input_size != 0)
        memcpy(call->buffer, input, input_size);
    return true;
}

static void file_add(struct nt_file *file, struct nt_call *call)
{
    call->file = file;
    __atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&file->lock);
    InsertTailList(&file->calls, &call->link);
    pthread_mutex_unlock(&file->lock);
}

/* A call that never becomes an IRP ends at once; its caller may still cancel and put it. */
static void end_at_once(struct nt_call *call, nt_call_done *done, void *context, NTSTATUS status)
{
    __atomic_fetch_or(&call->state, NT_CALL_CLAIMED | NT_CALL_DONE, __ATOMIC_RELEASE);
    nt_system_buffer_free(call->buffer);
    call->buffer = NULL;
    done(context, status, NULL, 0);
    nt_call_put(call);
}

void nt_device_control(struct nt_file *file, ULONG code, const void *input, size_t input_size, size_t output_size,
                       nt_call_done *done, void *context, struct nt_call **call)
{
    nt_require_irql("nt_device_control", PASSIVE_LEVEL, PASSIVE_LEVEL);
    struct nt_call *created = nt_call_new(file->device, file->object, IRP_MJ_DEVICE_CONTROL, file->process_id);
    if (created == NULL)
        abort();
    if (call != NULL) {
        nt_call_reference(created);
        *call = created;
    }
    NTSTATUS status = check_code(file, code);
    if (NT_SUCCESS(status) && (input_size > MAXULONG || output_size > MAXULONG))
        status = STATUS_INVALID_PARAMETER;
    if (NT_SUCCESS(status) && !fill_buffer(created, input, input_size, output_size))
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (!NT_SUCCESS(status)) {
        end_at_once(created, done, context, status);
        return;
    }
    created->done = done;
    created->context = context;
    created->irp.Flags = IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER | (output_size != 0 ? IRP_INPUT_OPERATION : 0);
    created->irp.AssociatedIrp.SystemBuffer = created->buffer;
    created->stack.Parameters.DeviceIoControl.IoControlCode = code;
    created->stack.Parameters.DeviceIoControl.InputBufferLength = (ULONG)input_size;
    created->stack.Parameters.DeviceIoControl.OutputBufferLength = (ULONG)output_size;
    file_add(file, created);
    (void)nt_call_dispatch(created);
}

void nt_call_cancel(struct nt_call *call)
{
    (void)nt_call_try_cancel(call);
}

NTSTATUS nt_device_control_wait(struct nt_file *file, ULONG code, const void *input, size_t input_size, void *output,
                                size_t output_size, size_t *information, unsigned timeout_ms)
{
    struct answer *answer = answer_new(output_size);
    struct nt_call *call;
    NTSTATUS status = STATUS_IO_TIMEOUT;
    if (answer == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    nt_device_control(file, code, input, input_size, output_size, answer_done, answer, &call);
    /* answer_done gives up one of its two references, the other is ours: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    bool ended = answer_wait(answer, (uint64_t)timeout_ms * 10000u);
    if (!ended) {
        nt_call_cancel(call);
        ended = wait_for_end(&answer->event);
    }
    if (ended)
        status = answer->status;
    else if (!nt_call_missed_cancel(call))
        nt_violate("irp-lost", "DRIVER_CANCEL", "a device control IRP was not completed after its cancel");
    if (ended && !NT_ERROR(status)) {
        if (answer->information != 0)
            memcpy(output, answer->output, answer->information);
        if (information != NULL)
            *information = answer->information;
    }
    nt_call_put(call);
    answer_put(answer);
    return status;
}
