/* SPDX-License-Identifier: MIT */
/*
 * engine_device.c - see engine_device.h.
 *
 * A handle (struct program) owns the sockets that it connects. It is freed when its handle is closed and the
 * last of its pended operations has ended. Reads of ends wait in driver/irp_queue.h's queue, tested under the
 * same lock as the list of ends.
 *
 * Everything else is done on one system thread, the stack's, in the order it came. So classify runs beside the
 * dispatch routines (Wine has one thread for those of a driver host), and never in the connecting process: the
 * driver then does not ask for its start time, a routine that Wine lacks.
 */
#include "tests/wine/engine_device.h"

#include "driver/irp_queue.h"
#include "tests/wine/engine_control.h"
#include "tests/wine/engine_manage.h"
#include "tests/wine/engine_platform.h"
#include "wfp/ale.h"

#include <fwpmk.h>

#define DEVICE_TAG 'DpfW'

struct program {
    LONG refs; /* the handle, and each pended operation */
    KSPIN_LOCK lock;
    LIST_ENTRY ends;             /* lock */
    LIST_ENTRY sockets;          /* lock */
    struct irp_queue reads;      /* lock */
    struct fwpm_client *manager; /* once it manages; of the stack's thread, and of close */
};

/* One connect: a socket until it is closed, and how its pended operation ended. Two lists, one block. */
struct connect {
    LIST_ENTRY end;
    struct program *program;
    struct engine_decision decision;
    TOKEN_ACCESS_INFORMATION token;
    SID_AND_ATTRIBUTES_HASH sids;
    SID_AND_ATTRIBUTES sid;
    struct engine_connect facts;
};

struct socket {
    LIST_ENTRY link;
    UINT64 endpoint;
};

static PDEVICE_OBJECT engine_device;
static LIST_ENTRY stack_work; /* IRPs; stack_lock */
static KSPIN_LOCK stack_lock;
static KSEMAPHORE stack_count;

static void *allocate(size_t size)
{
    void *memory = ExAllocatePoolWithTag(NonPagedPoolNx, size, DEVICE_TAG);

    if (memory != NULL)
        RtlZeroMemory(memory, size);
    return memory;
}

static void program_put(struct program *program)
{
    if (InterlockedDecrement(&program->refs) != 0)
        return;
    while (!IsListEmpty(&program->ends))
        ExFreePoolWithTag(CONTAINING_RECORD(RemoveHeadList(&program->ends), struct connect, end), DEVICE_TAG);
    ExFreePoolWithTag(program, DEVICE_TAG);
}

static void tell(struct engine_decision *to, const struct wfp_decision *decision, UINT64 endpoint)
{
    RtlZeroMemory(to, sizeof(*to));
    to->outcome = decision->outcome;
    to->absorb = decision->absorb;
    to->by_callout = decision->by_callout;
    to->filter_id = decision->filter_id;
    to->flow = decision->flow;
    to->operation = decision->operation;
    to->endpoint = endpoint;
}

static void give_end(PIRP irp, struct connect *connect)
{
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, &connect->decision, sizeof(connect->decision));
    ExFreePoolWithTag(connect, DEVICE_TAG);
    irp_complete(irp, STATUS_SUCCESS, sizeof(connect->decision));
}

/* wfp_ale_done: on the completing thread, maybe in the middle of the driver's unload. */
static void operation_ended(void *context, const struct wfp_decision *decision)
{
    struct connect *connect = context;
    struct program *program = connect->program;
    PIRP irp;
    KIRQL irql;

    tell(&connect->decision, decision, connect->facts.endpoint);
    KeAcquireSpinLock(&program->lock, &irql);
    irp = irp_queue_take(&program->reads);
    if (irp == NULL)
        InsertTailList(&program->ends, &connect->end);
    KeReleaseSpinLock(&program->lock, irql);
    if (irp != NULL)
        give_end(irp, connect);
    program_put(program);
}

static NTSTATUS next_end(struct program *program, PIRP irp)
{
    struct connect *connect = NULL;
    NTSTATUS status = STATUS_PENDING;
    KIRQL irql;

    KeAcquireSpinLock(&program->lock, &irql);
    if (!IsListEmpty(&program->ends))
        connect = CONTAINING_RECORD(RemoveHeadList(&program->ends), struct connect, end);
    else if (!irp_queue_park(&program->reads, irp))
        status = STATUS_CANCELLED;
    KeReleaseSpinLock(&program->lock, irql);
    if (connect != NULL) {
        give_end(irp, connect);
        return STATUS_SUCCESS;
    }
    if (status == STATUS_CANCELLED)
        irp_complete(irp, status, 0);
    return STATUS_PENDING;
}

static BOOLEAN is_sound(const struct engine_connect *in)
{
    const SID *sid = (const SID *)(const void *)in->user_sid;

    return (in->ip_version == 4 || in->ip_version == 6) && in->endpoint != 0 && in->app_id_size <= sizeof(in->app_id) &&
           in->app_id_size % sizeof(WCHAR) == 0 &&
           (in->user_sid_size == 0 ||
            (in->user_sid_size <= ENGINE_SID_MAX && in->user_sid_size >= FIELD_OFFSET(SID, SubAuthority) &&
             in->user_sid_size == FIELD_OFFSET(SID, SubAuthority) + sid->SubAuthorityCount * sizeof(ULONG)));
}

static void fill(struct connect *connect, struct wfp_ale_connect *facts, FWP_BYTE_BLOB *app_id, FWP_BYTE_BLOB *user)
{
    const struct engine_connect *in = &connect->facts;

    RtlZeroMemory(facts, sizeof(*facts));
    facts->ip_version = in->ip_version;
    facts->protocol = in->protocol;
    facts->local_port = in->local_port;
    facts->remote_port = in->remote_port;
    RtlCopyMemory(facts->local_address, in->local_address, sizeof(facts->local_address));
    RtlCopyMemory(facts->remote_address, in->remote_address, sizeof(facts->remote_address));
    facts->endpoint = in->endpoint;
    facts->has_process = in->process_id != 0;
    facts->process_id = in->process_id;
    facts->process_start = in->process_start;
    facts->condition_flags = in->condition_flags;
    facts->interface_index = in->interface_index;
    if (in->app_id_size != 0) {
        app_id->size = in->app_id_size;
        app_id->data = (UINT8 *)connect->facts.app_id;
        facts->app_id = app_id;
    }
    if (in->user_sid_size != 0) {
        connect->sid.Sid = (PSID)connect->facts.user_sid;
        connect->sids.SidCount = 1;
        connect->sids.SidAttr = &connect->sid;
        connect->token.SidHash = &connect->sids;
        user->size = sizeof(connect->token);
        user->data = (UINT8 *)&connect->token;
        facts->user = user;
    }
}

/* Remembers the socket, once; FALSE: no memory. */
static BOOLEAN remember(struct program *program, UINT64 endpoint)
{
    struct socket *socket = allocate(sizeof(*socket));
    BOOLEAN known = FALSE;
    KIRQL irql;

    if (socket == NULL)
        return FALSE;
    socket->endpoint = endpoint;
    KeAcquireSpinLock(&program->lock, &irql);
    for (PLIST_ENTRY link = program->sockets.Flink; link != &program->sockets && !known; link = link->Flink)
        known = CONTAINING_RECORD(link, struct socket, link)->endpoint == endpoint;
    if (!known)
        InsertTailList(&program->sockets, &socket->link);
    KeReleaseSpinLock(&program->lock, irql);
    if (known)
        ExFreePoolWithTag(socket, DEVICE_TAG);
    return TRUE;
}

static NTSTATUS indicate_connect(struct program *program, const struct engine_connect *in, struct engine_decision *out)
{
    struct wfp_ale_connect facts;
    struct wfp_decision decision;
    struct connect *connect;
    FWP_BYTE_BLOB app_id;
    FWP_BYTE_BLOB user;
    UINT64 endpoint = in->endpoint;

    if (!is_sound(in))
        return STATUS_INVALID_PARAMETER;
    connect = allocate(sizeof(*connect));
    if (connect == NULL || !remember(program, endpoint)) {
        if (connect != NULL)
            ExFreePoolWithTag(connect, DEVICE_TAG);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    connect->program = program;
    connect->facts = *in;
    fill(connect, &facts, &app_id, &user);
    (void)InterlockedIncrement(&program->refs);
    wfp_ale_connect(&facts, operation_ended, connect, &decision);
    /* Pended: connect is the operation's, and may be gone. */
    if (decision.outcome != WFP_PENDED) {
        ExFreePoolWithTag(connect, DEVICE_TAG);
        (void)InterlockedDecrement(&program->refs);
    }
    tell(out, &decision, endpoint);
    return STATUS_SUCCESS;
}

static NTSTATUS step_flow(const struct engine_flow *in, struct engine_decision *out)
{
    struct wfp_decision decision = {.outcome = WFP_PERMIT};
    UINT64 flow = in->flow;
    UINT32 step = in->step;
    BOOLEAN reauthorized = FALSE;

    decision.flow = flow;
    switch (step) {
    case ENGINE_FLOW_ESTABLISHED:
        wfp_ale_flow_established(flow);
        break;
    case ENGINE_FLOW_OUTBOUND:
    case ENGINE_FLOW_INBOUND:
        wfp_ale_flow_packet(flow, step == ENGINE_FLOW_INBOUND, NULL, &decision, &reauthorized);
        break;
    case ENGINE_FLOW_END:
        wfp_ale_flow_end(flow);
        break;
    default:
        return STATUS_INVALID_PARAMETER;
    }
    tell(out, &decision, 0);
    out->reauthorized = reauthorized;
    return STATUS_SUCCESS;
}

static NTSTATUS close_endpoint(struct program *program, UINT64 endpoint)
{
    struct socket *found = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&program->lock, &irql);
    for (PLIST_ENTRY link = program->sockets.Flink; link != &program->sockets; link = link->Flink) {
        struct socket *socket = CONTAINING_RECORD(link, struct socket, link);

        if (socket->endpoint == endpoint) {
            RemoveEntryList(link);
            found = socket;
            break;
        }
    }
    KeReleaseSpinLock(&program->lock, irql);
    if (found == NULL)
        return STATUS_INVALID_PARAMETER;
    ExFreePoolWithTag(found, DEVICE_TAG);
    wfp_ale_endpoint_closed(endpoint);
    return STATUS_SUCCESS;
}

/* The session owns nothing: filters outlive it. */
static NTSTATUS add_filter(const struct engine_filter *in, UINT64 *id)
{
    FWPM_FILTER_CONDITION0 condition = {.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT, .matchType = FWP_MATCH_EQUAL};
    FWPM_FILTER0 filter = {.displayData = {.name = (wchar_t *)L"engine_device"}};
    UINT64 added = 0;
    HANDLE engine;
    NTSTATUS status;

    if (in->ip_version != 4 && in->ip_version != 6)
        return STATUS_INVALID_PARAMETER;
    condition.conditionValue.type = FWP_UINT16;
    condition.conditionValue.uint16 = in->remote_port;
    filter.layerKey = in->ip_version == 6 ? FWPM_LAYER_ALE_AUTH_CONNECT_V6 : FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    filter.filterCondition = &condition;
    filter.numFilterConditions = in->has_port ? 1 : 0;
    filter.action.type = in->block ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT;
    status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine);
    if (!NT_SUCCESS(status))
        return status;
    status = FwpmFilterAdd0(engine, &filter, NULL, &added);
    (void)FwpmEngineClose0(engine);
    *id = added;
    return status;
}

static NTSTATUS delete_filter(UINT64 id)
{
    HANDLE engine;
    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine);

    if (!NT_SUCCESS(status))
        return status;
    status = FwpmFilterDeleteById0(engine, id);
    (void)FwpmEngineClose0(engine);
    return status;
}

static void read_state(struct engine_state *out)
{
    struct wfp_counts counts;

    wfp_count(&counts);
    RtlZeroMemory(out, sizeof(*out));
    out->sessions = (UINT32)counts.sessions;
    out->providers = (UINT32)counts.providers;
    out->sublayers = (UINT32)counts.sublayers;
    out->callouts = (UINT32)counts.callouts;
    out->filters = (UINT32)counts.filters;
    out->registered_callouts = (UINT32)counts.registered_callouts;
    out->flows = (UINT32)counts.flows;
    out->pended = (UINT32)counts.pended;
    out->endpoints = (UINT32)counts.endpoints;
    out->violations = engine_violations();
}

/* input ANY_SIZE: up to ENGINE_CALL_MAX; output: at least. */
struct sizes {
    ULONG code, input, output;
};

#define ANY_SIZE (~0u)

static const struct sizes sizes[] = {
    {ENGINE_IOCTL_CONNECT, sizeof(struct engine_connect), sizeof(struct engine_decision)},
    {ENGINE_IOCTL_NEXT_END, 0, sizeof(struct engine_decision)},
    {ENGINE_IOCTL_FLOW, sizeof(struct engine_flow), sizeof(struct engine_decision)},
    {ENGINE_IOCTL_ENDPOINT_CLOSED, sizeof(UINT64), 0},
    {ENGINE_IOCTL_FILTER_ADD, sizeof(struct engine_filter), sizeof(UINT64)},
    {ENGINE_IOCTL_FILTER_DELETE, sizeof(UINT64), 0},
    {ENGINE_IOCTL_STATE, 0, sizeof(struct engine_state)},
    {ENGINE_IOCTL_VIOLATION, 0, sizeof(struct engine_violation)},
    {ENGINE_IOCTL_MANAGE, ANY_SIZE, ENGINE_ANSWER_MIN},
};

static const struct sizes *find(const IO_STACK_LOCATION *stack)
{
    ULONG input = stack->Parameters.DeviceIoControl.InputBufferLength;

    for (size_t i = 0; i < RTL_NUMBER_OF(sizes); i++) {
        if (sizes[i].code == stack->Parameters.DeviceIoControl.IoControlCode &&
            (sizes[i].input == ANY_SIZE ? input <= ENGINE_CALL_MAX : sizes[i].input == input) &&
            sizes[i].output <= stack->Parameters.DeviceIoControl.OutputBufferLength)
            return &sizes[i];
    }
    return NULL;
}

static void stack_do(PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    struct program *program = stack->FileObject->FsContext;
    const struct sizes *known = find(stack);
    void *buffer = irp->AssociatedIrp.SystemBuffer;
    ULONG answered = known->output;
    NTSTATUS status = STATUS_SUCCESS;

    switch (known->code) {
    case ENGINE_IOCTL_CONNECT:
        status = indicate_connect(program, buffer, buffer);
        break;
    case ENGINE_IOCTL_FLOW:
        status = step_flow(buffer, buffer);
        break;
    case ENGINE_IOCTL_ENDPOINT_CLOSED:
        status = close_endpoint(program, *(const UINT64 *)buffer);
        break;
    case ENGINE_IOCTL_FILTER_ADD:
        status = add_filter(buffer, buffer);
        break;
    case ENGINE_IOCTL_FILTER_DELETE:
        status = delete_filter(*(const UINT64 *)buffer);
        break;
    case ENGINE_IOCTL_STATE:
        read_state(buffer);
        break;
    case ENGINE_IOCTL_MANAGE:
        status = engine_manage_call(&program->manager, buffer, stack->Parameters.DeviceIoControl.InputBufferLength,
                                    buffer, stack->Parameters.DeviceIoControl.OutputBufferLength, &answered);
        break;
    default:
        engine_next_violation(((struct engine_violation *)buffer)->text, sizeof(struct engine_violation));
        break;
    }
    irp_complete(irp, status, NT_SUCCESS(status) ? answered : 0);
}

static VOID NTAPI stack_thread(PVOID unused)
{
    (void)unused;
    for (;;) {
        PLIST_ENTRY work;
        KIRQL irql;

        KeWaitForSingleObject(&stack_count, Executive, KernelMode, FALSE, NULL);
        KeAcquireSpinLock(&stack_lock, &irql);
        work = RemoveHeadList(&stack_work);
        KeReleaseSpinLock(&stack_lock, irql);
        stack_do(CONTAINING_RECORD(work, IRP, Tail.Overlay.ListEntry));
    }
}

static NTSTATUS NTAPI engine_control(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    const struct sizes *known = find(stack);
    KIRQL irql;

    (void)device;
    if (known == NULL)
        return irp_complete(irp, STATUS_INVALID_PARAMETER, 0);
    if (known->code == ENGINE_IOCTL_NEXT_END)
        return next_end(stack->FileObject->FsContext, irp);
    IoMarkIrpPending(irp);
    KeAcquireSpinLock(&stack_lock, &irql);
    InsertTailList(&stack_work, &irp->Tail.Overlay.ListEntry);
    KeReleaseSpinLock(&stack_lock, irql);
    KeReleaseSemaphore(&stack_count, IO_NO_INCREMENT, 1, FALSE);
    return STATUS_PENDING;
}

static NTSTATUS NTAPI engine_create(PDEVICE_OBJECT device, PIRP irp)
{
    struct program *program = allocate(sizeof(*program));

    (void)device;
    if (program == NULL)
        return irp_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    program->refs = 1;
    KeInitializeSpinLock(&program->lock);
    InitializeListHead(&program->ends);
    InitializeListHead(&program->sockets);
    irp_queue_init(&program->reads, &program->lock);
    IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext = program;
    return irp_complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI engine_close(PDEVICE_OBJECT device, PIRP irp)
{
    struct program *program = IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;

    (void)device;
    irp_queue_drain(&program->reads, STATUS_CANCELLED);
    engine_manage_leave(program->manager);
    while (!IsListEmpty(&program->sockets))
        (void)close_endpoint(program, CONTAINING_RECORD(program->sockets.Flink, struct socket, link)->endpoint);
    program_put(program);
    return irp_complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI engine_entry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(ENGINE_DEVICE_NAME);
    UNICODE_STRING link = RTL_CONSTANT_STRING(ENGINE_LINK_NAME);
    NTSTATUS status;

    (void)registry_path;
    driver->MajorFunction[IRP_MJ_CREATE] = engine_create;
    driver->MajorFunction[IRP_MJ_CLOSE] = engine_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = engine_control;
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &engine_device);
    if (!NT_SUCCESS(status))
        return status;
    engine_device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    /* The link of an earlier driver host outlives it. */
    (void)IoDeleteSymbolicLink(&link);
    return IoCreateSymbolicLink(&link, &name);
}

NTSTATUS NTAPI IoCreateDriver(PUNICODE_STRING name, PDRIVER_INITIALIZE entry);

NTSTATUS engine_device_create(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Driver\\WfpEngine");
    HANDLE thread;
    NTSTATUS status;

    InitializeListHead(&stack_work);
    KeInitializeSpinLock(&stack_lock);
    KeInitializeSemaphore(&stack_count, 0, MAXLONG);
    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, stack_thread, NULL);
    if (!NT_SUCCESS(status))
        return status;
    (void)ZwClose(thread);
    return IoCreateDriver(&name, engine_entry);
}
