/* SPDX-License-Identifier: MIT */
/*
 * transport_windows.c - the device \\.\Gatehouse with overlapped operations.
 *
 * One slot is one call under way, with the buffer that its output goes to. All slots share one event: it says only
 * "look again". Windows clears it when an operation starts, and one thread starts and looks, so nothing is missed as
 * long as each wait comes after a look that came after ResetEvent (transport_is_ready).
 *
 * The two calls that on Linux the host answers have no counterpart in the driver. CANCEL becomes CancelIoEx;
 * PLATFORM_STATUS is answered here with "no such operation", which its caller expects.
 */
#include "agent/transport_windows.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <gatehouse/transport.h>

#include "agent/status_text.h"
#include "agent/stop_windows.h"
#include "agent/wide_windows.h"
#include "words.h"

#define DEFAULT_PATH "\\\\.\\Gatehouse"
#define PREFIX       "\\\\.\\"
#define PATH_MAX_16  260u

#define STATUS_PENDING_HERE  0x00000103u
#define STATUS_NO_OPERATION  0xC0000010u /* STATUS_INVALID_DEVICE_REQUEST */
#define STATUS_NO_CALL       0xC0000225u /* STATUS_NOT_FOUND */
#define CUSTOMER_BIT         0x20000000u /* such a status comes through GetLastError() unchanged */
#define FACILITY_WIN32_ERROR 0xC0070000u

struct slot {
    OVERLAPPED overlapped; /* Internal: the NTSTATUS; InternalHigh: the output's size */
    uint32_t tag;          /* 0: free */
    uint8_t *output;
    uint32_t capacity; /* of output */
};

struct transport {
    HANDLE device;
    HANDLE event;
    atomic_bool interrupted;
    unsigned last; /* the slot answered last: the next look begins after it */
    struct slot slots[GATEHOUSE_CALLS_MAX];
};

const char *transport_default_path(void)
{
    return DEFAULT_PATH;
}

static enum agent_result explain_open(DWORD error, const char *path, struct problem *problem)
{
    char words[WIDE_ERROR_MAX];

    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        return problem_set(problem, AGENT_UNREACHABLE,
                           "there is no device %s: install the driver ('gatehouse install') and start it "
                           "('sc start gatehouse'), or name its device with --socket.",
                           path);
    case ERROR_ACCESS_DENIED:
        return problem_set(problem, AGENT_REFUSED, "you may not open %s: " WORDS_ALLOWED ".", path);
    default:
        if ((error & CUSTOMER_BIT) != 0 && status_text(error) != NULL)
            return problem_set(problem, AGENT_UNREACHABLE, "cannot open %s: %s.", path, status_text(error));
        return problem_set(problem, AGENT_UNREACHABLE, "cannot open %s: %s.", path, wide_error(error, words));
    }
}

enum agent_result transport_open(struct transport **transport, const char *path, struct problem *problem)
{
    struct transport *opened = NULL;
    wchar_t wide[PATH_MAX_16];
    enum agent_result result = AGENT_FAILED;

    if (strncmp(path, PREFIX, sizeof(PREFIX) - 1) != 0 || !wide_from_utf8(path, wide, PATH_MAX_16))
        return problem_set(problem, AGENT_USAGE,
                           "'%.100s' is no name of a device: give --socket one like " DEFAULT_PATH ".", path);
    opened = calloc(1, sizeof(*opened));
    if (opened == NULL || (opened->event = CreateEventW(NULL, TRUE, FALSE, NULL)) == NULL) {
        problem_set(problem, AGENT_FAILED, "out of memory.");
        goto out;
    }
    /* Whoever else made a device of this name learns nothing about this user by being opened. */
    opened->device =
        CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                    FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
    if (opened->device == INVALID_HANDLE_VALUE) {
        result = explain_open(GetLastError(), path, problem);
        goto out;
    }
    *transport = opened;
    return AGENT_OK;
out:
    if (opened != NULL && opened->event != NULL)
        CloseHandle(opened->event);
    free(opened);
    return result;
}

static uint32_t slot_status(const struct slot *slot)
{
    ULONG_PTR status = *(const volatile ULONG_PTR *)&slot->overlapped.Internal;

    /* Windows writes it after InternalHigh and the output. */
    atomic_thread_fence(memory_order_acquire);
    return (uint32_t)status;
}

static bool slot_is_done(const struct slot *slot)
{
    return slot->tag != 0 && slot_status(slot) != STATUS_PENDING_HERE;
}

static struct slot *find_slot(struct transport *transport, uint32_t tag)
{
    for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++) {
        if (transport->slots[i].tag == tag)
            return &transport->slots[i];
    }
    return NULL;
}

/* The slot whose call ended, the longest not looked at first; NULL: none. */
static struct slot *find_done(struct transport *transport)
{
    for (unsigned i = 1; i <= GATEHOUSE_CALLS_MAX; i++) {
        struct slot *slot = &transport->slots[(transport->last + i) % GATEHOUSE_CALLS_MAX];

        if (slot_is_done(slot))
            return slot;
    }
    return NULL;
}

static bool ends_at_once(struct transport *transport)
{
    return atomic_load(&transport->interrupted) || find_done(transport) != NULL;
}

bool transport_is_ready(struct transport *transport)
{
    if (ends_at_once(transport))
        return true;
    ResetEvent(transport->event);
    return ends_at_once(transport);
}

void *transport_event(const struct transport *transport)
{
    return transport->event;
}

void transport_interrupt(struct transport *transport)
{
    atomic_store(&transport->interrupted, true);
    SetEvent(transport->event);
}

static bool any_under_way(const struct transport *transport)
{
    for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++) {
        if (transport->slots[i].tag != 0 && !slot_is_done(&transport->slots[i]))
            return true;
    }
    return false;
}

void transport_close(struct transport *transport)
{
    ULONGLONG now, end;

    if (transport == NULL)
        return;
    end = GetTickCount64() + TRANSPORT_DEADLINE_MS;
    CancelIoEx(transport->device, NULL);
    /* Until a call has ended, its answer may be written to its slot at any time. */
    while (any_under_way(transport) && (now = GetTickCount64()) < end) {
        ResetEvent(transport->event);
        if (any_under_way(transport))
            WaitForSingleObject(transport->event, (DWORD)(end - now));
    }
    CloseHandle(transport->device);
    if (any_under_way(transport))
        return;
    for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++)
        free(transport->slots[i].output);
    CloseHandle(transport->event);
    free(transport);
}

/* What a call that failed at once had as its status: Windows tells only its own error. */
static uint32_t status_of_error(DWORD error)
{
    static const struct {
        DWORD error;
        uint32_t status;
    } table[] = {
        {ERROR_INVALID_FUNCTION, 0xC0000010u},    {ERROR_ACCESS_DENIED, STATUS_TEXT_ACCESS_DENIED},
        {ERROR_INVALID_HANDLE, 0xC0000008u},      {ERROR_NOT_ENOUGH_MEMORY, 0xC0000017u},
        {ERROR_NOT_SUPPORTED, 0xC00000BBu},       {ERROR_INVALID_PARAMETER, 0xC000000Du},
        {ERROR_INSUFFICIENT_BUFFER, 0xC0000023u}, {ERROR_BAD_COMMAND, 0xC0000184u},
        {ERROR_GEN_FAILURE, 0xC0000001u},         {ERROR_OPERATION_ABORTED, STATUS_TEXT_CANCELLED},
        {ERROR_NO_SYSTEM_RESOURCES, 0xC000009Au},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].error == error)
            return table[i].status;
    }
    return (error & CUSTOMER_BIT) != 0 ? error : FACILITY_WIN32_ERROR | (error & 0xFFFFu);
}

static void end_slot(struct transport *transport, struct slot *slot, uint32_t status)
{
    slot->overlapped.InternalHigh = 0;
    slot->overlapped.Internal = status;
    SetEvent(transport->event);
}

static uint32_t cancel_call(struct transport *transport, const struct transport_call *call)
{
    struct slot *slot = NULL;
    uint32_t tag = 0;

    if (call->input_size >= sizeof(tag))
        memcpy(&tag, call->input, sizeof(tag));
    if (tag != 0)
        slot = find_slot(transport, tag);
    if (slot == NULL || !CancelIoEx(transport->device, &slot->overlapped))
        return STATUS_NO_CALL;
    return STATUS_TEXT_SUCCESS;
}

static bool slot_reserve(struct slot *slot, uint32_t size)
{
    uint8_t *grown;

    if (size <= slot->capacity)
        return true;
    grown = realloc(slot->output, size);
    if (grown == NULL)
        return false;
    slot->output = grown;
    slot->capacity = size;
    return true;
}

static enum agent_result send_one(struct transport *transport, const struct transport_call *call,
                                  struct problem *problem)
{
    struct slot *slot = find_slot(transport, 0);
    uint32_t local = 0;
    DWORD error;

    if (slot == NULL)
        return problem_set(problem, AGENT_FAILED, "too many calls are under way.");
    if (!slot_reserve(slot, call->output_size))
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    if (call->code == GATEHOUSE_CALL_CANCEL)
        local = cancel_call(transport, call);
    memset(&slot->overlapped, 0, sizeof(slot->overlapped));
    slot->overlapped.hEvent = transport->event;
    slot->tag = call->tag;
    if (call->code == GATEHOUSE_CALL_CANCEL || call->code == GATEHOUSE_CALL_PLATFORM_STATUS) {
        end_slot(transport, slot, call->code == GATEHOUSE_CALL_CANCEL ? local : STATUS_NO_OPERATION);
        return AGENT_OK;
    }
    if (DeviceIoControl(transport->device, call->code, (void *)(uintptr_t)call->input, call->input_size,
                        call->output_size == 0 ? NULL : slot->output, call->output_size, NULL, &slot->overlapped))
        return AGENT_OK;
    error = GetLastError();
    if (error != ERROR_IO_PENDING)
        end_slot(transport, slot, status_of_error(error));
    return AGENT_OK;
}

enum agent_result transport_send(struct transport *transport, const struct transport_call *calls, unsigned count,
                                 struct problem *problem)
{
    enum agent_result result = AGENT_OK;

    if (count > TRANSPORT_SEND_MAX)
        return problem_set(problem, AGENT_FAILED, "too many calls at once.");
    if (atomic_load(&transport->interrupted))
        return problem_set(problem, AGENT_LOST, "the connection to " WORDS_PEER " ended.");
    for (unsigned i = 0; i < count && result == AGENT_OK; i++)
        result = send_one(transport, &calls[i], problem);
    return result;
}

/* False after the time, and after a stop. */
static bool wait_ready(struct transport *transport, int timeout_ms)
{
    HANDLE list[2] = {transport->event, stop_event()};
    ULONGLONG end = GetTickCount64() + (ULONGLONG)(timeout_ms < 0 ? 0 : timeout_ms);

    while (!transport_is_ready(transport)) {
        ULONGLONG now = GetTickCount64();
        DWORD left = timeout_ms < 0 ? INFINITE : (DWORD)(end > now ? end - now : 0);

        if (left == 0 || WaitForMultipleObjects(list[1] == NULL ? 1 : 2, list, FALSE, left) != WAIT_OBJECT_0)
            return transport_is_ready(transport);
    }
    return true;
}

enum agent_result transport_receive(struct transport *transport, void *buffer, size_t capacity, int timeout_ms,
                                    struct transport_answer *answer, struct problem *problem)
{
    struct slot *slot;
    size_t size;

    if (!wait_ready(transport, timeout_ms))
        return AGENT_TIMEOUT;
    slot = find_done(transport);
    if (slot == NULL || atomic_load(&transport->interrupted))
        return problem_set(problem, AGENT_LOST, "the connection to " WORDS_PEER " ended.");
    size = (slot_status(slot) & 0xC0000000u) == 0xC0000000u ? 0 : slot->overlapped.InternalHigh;
    if (size > capacity || size > slot->capacity)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent an answer of a wrong size.");
    if (size > 0)
        memcpy(buffer, slot->output, size);
    *answer = (struct transport_answer){slot->tag, slot_status(slot), buffer, (uint32_t)size};
    slot->tag = 0;
    transport->last = (unsigned)(slot - transport->slots);
    return AGENT_OK;
}
