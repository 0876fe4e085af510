/* SPDX-License-Identifier: MIT */
/*
 * dispatch.c - see dispatch.h.
 */
#include "core/wire_decode.h"
#include "driver/dispatch.h"

#include "driver/decisions.h"
#include "driver/events.h"
#include "driver/holds.h"
#include "driver/names.h"
#include "driver/requests.h"
#include "driver/rule_requests.h"
#include "driver/status.h"

#define ANY_SIZE 0xFFFFFFFFu

/* Who may call, as bits of 1 << enum client_role. */
#define BY_NEW      (1u << CLIENT_NEW)
#define BY_SEED     (1u << CLIENT_SEED)
#define BY_DECIDER  (1u << CLIENT_DECIDER)
#define BY_OBSERVER (1u << CLIENT_OBSERVER)
#define BY_ANYBODY  (BY_NEW | BY_SEED | BY_DECIDER | BY_OBSERVER)

struct operation {
    ULONG code;
    dispatch_handler *handler;
    ULONG input_min, input_max;
    ULONG output_min;
    ULONG roles;
    NTSTATUS wrong_role; /* with HELLO said, but not this role */
    BOOLEAN seed;        /* answers with the system's own statuses */
};

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS hello(struct client *client, PIRP irp, struct dispatch_io *io)
{
    struct gatehouse_hello in;
    uint32_t refusal = wire_decode_hello(io->buffer, io->input_size, &in);
    NTSTATUS status;

    UNREFERENCED_PARAMETER(irp);
    if (refusal != 0)
        return (NTSTATUS)refusal;
    status = client_hello(client, &in);
    if (NT_SUCCESS(status)) {
        in.version = GATEHOUSE_PROTOCOL_VERSION;
        RtlCopyMemory(io->buffer, &in, sizeof(in));
        io->information = sizeof(in);
    }
    return status;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS set_policy(struct client *client, PIRP irp, struct dispatch_io *io)
{
    struct gatehouse_policy in;
    uint32_t refusal = wire_decode_policy(io->buffer, io->input_size, &in);
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    UNREFERENCED_PARAMETER(irp);
    if (refusal != 0)
        return (NTSTATUS)refusal;
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    if (client->gone || driver_state.draining)
        status = (NTSTATUS)GATEHOUSE_E_STOPPING;
    else
        driver_state.policy = in;
    KeReleaseSpinLock(&driver_pend_lock, irql);
    if (NT_SUCCESS(status))
        holds_apply_no_decider();
    return status;
}

static const struct operation operations[] = {
    {IOCTL_WFP_GET_NEXT_REQUEST, requests_get_seed, 0, 0, sizeof(USER_CLASSIFY_REQUEST), BY_NEW | BY_SEED,
     STATUS_INVALID_DEVICE_STATE, TRUE},
    {IOCTL_WFP_SUBMIT_DECISION, decisions_submit_seed, sizeof(USER_CLASSIFY_DECISION), sizeof(USER_CLASSIFY_DECISION),
     0, BY_NEW | BY_SEED, STATUS_INVALID_DEVICE_STATE, TRUE},
    {GATEHOUSE_IOCTL_HELLO, hello, sizeof(struct gatehouse_hello), sizeof(struct gatehouse_hello),
     sizeof(struct gatehouse_hello), BY_ANYBODY, STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_GET_REQUESTS, requests_get, 0, 0, sizeof(struct gatehouse_request), BY_DECIDER,
     (NTSTATUS)GATEHOUSE_E_NOT_DECIDER, FALSE},
    {GATEHOUSE_IOCTL_SUBMIT_DECISIONS, decisions_submit, sizeof(struct gatehouse_decisions), ANY_SIZE, 0, BY_DECIDER,
     (NTSTATUS)GATEHOUSE_E_NOT_DECIDER, FALSE},
    {GATEHOUSE_IOCTL_SUBMIT_AND_GET, decisions_submit_and_get, sizeof(struct gatehouse_decisions), ANY_SIZE, 0,
     BY_DECIDER, (NTSTATUS)GATEHOUSE_E_NOT_DECIDER, FALSE},
    {GATEHOUSE_IOCTL_SET_POLICY, set_policy, sizeof(struct gatehouse_policy), sizeof(struct gatehouse_policy), 0,
     BY_DECIDER | BY_OBSERVER, STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_RULES_BEGIN, rule_requests_begin, sizeof(struct gatehouse_rules_begin),
     sizeof(struct gatehouse_rules_begin), 0, BY_DECIDER | BY_OBSERVER, STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_RULES_PUT, rule_requests_put, 1, GATEHOUSE_RULES_PUT_MAX, 0, BY_DECIDER | BY_OBSERVER,
     STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_RULES_COMMIT, rule_requests_commit, 0, 0, 0, BY_DECIDER | BY_OBSERVER, STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_RULES_ADD, rule_requests_add, sizeof(struct gatehouse_rules_image), ANY_SIZE, 0,
     BY_DECIDER | BY_OBSERVER, STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_RULES_REMOVE, rule_requests_remove, sizeof(uint64_t), sizeof(uint64_t), 0,
     BY_DECIDER | BY_OBSERVER, STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_RULES_GET, rule_requests_get, sizeof(struct gatehouse_rules_get),
     sizeof(struct gatehouse_rules_get), sizeof(struct gatehouse_rules_piece) + 8u, BY_DECIDER | BY_OBSERVER,
     STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_NAMES_LEARNED, names_learned, sizeof(struct gatehouse_names), ANY_SIZE, 0,
     BY_NEW | BY_DECIDER | BY_OBSERVER, STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_GET_STATUS, status_get, 0, 0, sizeof(struct gatehouse_status), BY_DECIDER | BY_OBSERVER,
     STATUS_SUCCESS, FALSE},
    {GATEHOUSE_IOCTL_READ_EVENTS, events_read, 0, 0, sizeof(struct gatehouse_event), BY_OBSERVER,
     (NTSTATUS)GATEHOUSE_E_BAD_ROLE, FALSE},
};

static NTSTATUS check(const struct operation *operation, struct client *client, const struct dispatch_io *io)
{
    enum client_role role = client_role_of(client);

    if ((operation->roles & (1u << role)) == 0) {
        if (!operation->seed && (role == CLIENT_NEW || role == CLIENT_SEED))
            return (NTSTATUS)GATEHOUSE_E_NO_HELLO;
        return operation->wrong_role;
    }
    if (io->input_size < operation->input_min)
        return operation->seed ? STATUS_BUFFER_TOO_SMALL : (NTSTATUS)GATEHOUSE_E_SHORT_INPUT;
    if (io->input_size > operation->input_max)
        return operation->seed ? STATUS_INVALID_PARAMETER : (NTSTATUS)GATEHOUSE_E_LONG_INPUT;
    if (io->output_size < operation->output_min)
        return operation->seed ? STATUS_BUFFER_TOO_SMALL : (NTSTATUS)GATEHOUSE_E_SHORT_OUTPUT;
    return STATUS_SUCCESS;
}

static const struct operation *find(ULONG code)
{
    for (ULONG i = 0; i < RTL_NUMBER_OF(operations); i++) {
        if (operations[i].code == code)
            return &operations[i];
    }
    return NULL;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS control(PIRP irp, struct dispatch_io *io)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    const struct operation *operation = find(stack->Parameters.DeviceIoControl.IoControlCode);
    struct client *client = stack->FileObject == NULL ? NULL : stack->FileObject->FsContext;
    NTSTATUS status;

    if (client == NULL)
        return STATUS_INVALID_DEVICE_STATE;
    if (operation == NULL)
        return (NTSTATUS)GATEHOUSE_E_UNKNOWN_CODE;
    io->buffer = irp->AssociatedIrp.SystemBuffer;
    io->input_size = stack->Parameters.DeviceIoControl.InputBufferLength;
    io->output_size = stack->Parameters.DeviceIoControl.OutputBufferLength;
    status = check(operation, client, io);
    return NT_SUCCESS(status) ? operation->handler(client, irp, io) : status;
}

NTSTATUS dispatch_control(struct _DEVICE_OBJECT *device, struct _IRP *irp)
{
    struct dispatch_io io = {NULL, 0, 0, 0, FALSE, FALSE, FALSE};
    NTSTATUS status;

    UNREFERENCED_PARAMETER(device);
    if (!rundown_enter(&driver_state.rundown))
        return irp_complete(irp, (NTSTATUS)GATEHOUSE_E_STOPPING, 0);
    status = control(irp, &io);
    if (!io.parked) {
        if (!NT_SUCCESS(status) && status != STATUS_CANCELLED && !io.counted)
            DRIVER_COUNT(rejected_input);
        irp_complete(irp, status, io.information);
    }
    rundown_leave(&driver_state.rundown);
    return io.marked_pending ? STATUS_PENDING : status;
}

NTSTATUS dispatch_create(struct _DEVICE_OBJECT *device, struct _IRP *irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;

    UNREFERENCED_PARAMETER(device);
    stack->FileObject->FsContext = client_new((uint64_t)(ULONG_PTR)PsGetCurrentProcessId(), &status);
    return irp_complete(irp, status, 0);
}

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS dispatch_cleanup(struct _DEVICE_OBJECT *device, struct _IRP *irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);

    UNREFERENCED_PARAMETER(device);
    /* Inside the rundown, so that unload waits for what a leaving client decides. Once it closes, unload does this. */
    if (stack->FileObject->FsContext != NULL && rundown_enter(&driver_state.rundown)) {
        client_leave(stack->FileObject->FsContext);
        rundown_leave(&driver_state.rundown);
    }
    return irp_complete(irp, STATUS_SUCCESS, 0);
}

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS dispatch_close(struct _DEVICE_OBJECT *device, struct _IRP *irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);

    UNREFERENCED_PARAMETER(device);
    if (stack->FileObject->FsContext != NULL && rundown_enter(&driver_state.rundown)) {
        client_free(stack->FileObject->FsContext);
        rundown_leave(&driver_state.rundown);
    }
    stack->FileObject->FsContext = NULL;
    return irp_complete(irp, STATUS_SUCCESS, 0);
}
