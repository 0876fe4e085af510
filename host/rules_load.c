/* SPDX-License-Identifier: MIT */
/*
 * rules_load.c - see rules_load.h.
 *
 * A load is a row of calls on a handle of its own: HELLO, BEGIN, PUT..., COMMIT. Each is sent when the one before has
 * been answered: the answer may come on any thread, so it is only noted there, and the loop goes on in its next turn.
 */
#include "host/rules_load.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <ntddk.h>

#include "gatehouse/protocol.h"
#include "gatehouse/rules.h"
#include "gatehouse/status.h"
#include "host/log.h"
#include "host/rules_file.h"
#include "nt/nt.h"

#define NOW_MS 60000u

/* One load's calls. */
struct sending {
    struct nt_file *handle;
    size_t at; /* bytes put */
    enum { SEND_HELLO, SEND_BEGIN, SEND_PUT, SEND_COMMIT, SEND_DONE } next;
    bool boot;
};

struct next_call {
    ULONG code;
    const void *input;
    size_t input_size, output_size;
};

enum stage { STAGE_IDLE, STAGE_COMPILING, STAGE_SENDING };

struct rules_load {
    const char *device, *path;
    void (*wake)(void *context);
    void *context;
    enum stage stage;
    bool again;
    pthread_t compiler;
    bool compiled; /* atomic: the thread is done with file */
    struct rules_file file;
    struct sending sending;
    struct nt_call *call;
    bool answered; /* atomic */
    NTSTATUS status;
};

/* --- The calls of a load --------------------------------------------------------------------- */

static NTSTATUS sending_begin(struct sending *sending, const char *device, bool boot)
{
    const struct nt_caller caller = {.process_id = 0, .administrator = TRUE};

    *sending = (struct sending){.boot = boot};
    return nt_file_open(device, GENERIC_READ | GENERIC_WRITE, &caller, &sending->handle);
}

static void sending_end(struct sending *sending)
{
    if (sending->handle)
        nt_file_close(sending->handle);
    sending->handle = NULL;
}

/* The call that comes next; its input lives until the one after. False: that was all. */
static bool sending_next(struct sending *sending, const struct policy_image *image, struct next_call *call)
{
    static struct gatehouse_hello hello;
    static struct gatehouse_rules_begin begin;
    size_t left = image->size - sending->at;

    switch (sending->next) {
    case SEND_HELLO:
        hello = (struct gatehouse_hello){.version = GATEHOUSE_PROTOCOL_VERSION, .role = GATEHOUSE_ROLE_OBSERVER};
        *call = (struct next_call){GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), sizeof(hello)};
        sending->next = SEND_BEGIN;
        return true;
    case SEND_BEGIN:
        begin = (struct gatehouse_rules_begin){.version = GATEHOUSE_PROTOCOL_VERSION,
                                               .size = (uint32_t)image->size,
                                               .flags = sending->boot ? GATEHOUSE_RULES_BOOT : 0};
        *call = (struct next_call){GATEHOUSE_IOCTL_RULES_BEGIN, &begin, sizeof(begin), 0};
        sending->next = SEND_PUT;
        return true;
    case SEND_PUT:
        if (left > GATEHOUSE_RULES_PUT_MAX)
            left = GATEHOUSE_RULES_PUT_MAX;
        *call = (struct next_call){GATEHOUSE_IOCTL_RULES_PUT, (const char *)image->bytes + sending->at, left, 0};
        sending->at += left;
        if (sending->at == image->size)
            sending->next = SEND_COMMIT;
        return true;
    case SEND_COMMIT:
        *call = (struct next_call){GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0, 0};
        sending->next = SEND_DONE;
        return true;
    default:
        return false;
    }
}

/* --- What is told ---------------------------------------------------------------------------- */

static void tell_messages(const struct rules_file *file)
{
    for (unsigned i = 0; i < file->message_count; i++) {
        const struct rules_message *message = &file->messages[i];

        if (message->line)
            log_say("%s:%u:%u: %s%s", message->file, message->line, message->column,
                    message->warning ? "warning: " : "", message->sentence);
        else
            log_say("%s: %s%s", message->file, message->warning ? "warning: " : "", message->sentence);
    }
}

static bool tell_file(const char *path, const struct rules_file *file)
{
    if (!file->found) {
        log_tell("there is no file %s: the rules that were kept, if any, stand.", path);
        return false;
    }
    tell_messages(file);
    if (!file->right)
        log_say("%s has errors and was not loaded: the rules that were kept, if any, stand.", path);
    return file->right;
}

static const char *reason_of(NTSTATUS status)
{
    switch ((uint32_t)status) {
    case GATEHOUSE_E_BAD_RULES:
        return "the driver does not take their image";
    case GATEHOUSE_E_LOAD_BUSY:
        return "somebody else is changing the rules: try again";
    case GATEHOUSE_E_RULES_FULL:
        return "there are too many, or there is no memory for them";
    case GATEHOUSE_E_RULES_STORE:
        return "they could not be stored in the folder that --state names";
    case GATEHOUSE_E_RULES_ENGINE:
        return "the filter engine refused them";
    case GATEHOUSE_E_UNKNOWN_CODE:
        return "this driver knows no rules";
    default:
        return "the driver failed";
    }
}

static void tell_outcome(const char *path, const struct rules_file *file, NTSTATUS status)
{
    if (NT_SUCCESS(status))
        log_tell("%u rules of %s are in force.", file->rules, path);
    else
        log_say("the rules of %s were not loaded: %s (0x%08X); the rules that were kept, if any, stand.", path,
                reason_of(status), (unsigned)status);
}

/* --- At the start ---------------------------------------------------------------------------- */

bool rules_load_now(const char *device, const char *path, bool boot)
{
    struct rules_file file;
    struct sending sending;
    struct next_call call;

    rules_file_read(path, &file);
    if (!tell_file(path, &file)) {
        rules_file_cleanup(&file);
        return false;
    }
    NTSTATUS status = sending_begin(&sending, device, boot);
    while (NT_SUCCESS(status) && sending_next(&sending, &file.image, &call)) {
        struct gatehouse_hello answer;

        status = nt_device_control_wait(sending.handle, call.code, call.input, call.input_size, &answer,
                                        call.output_size, NULL, NOW_MS);
    }
    sending_end(&sending);
    tell_outcome(path, &file, status);
    rules_file_cleanup(&file);
    return NT_SUCCESS(status);
}

/* --- Beside the loop ------------------------------------------------------------------------- */

struct rules_load *rules_load_new(const char *device, const char *path, void (*wake)(void *context), void *context)
{
    struct rules_load *load = calloc(1, sizeof(*load));

    if (load)
        *load = (struct rules_load){.device = device, .path = path, .wake = wake, .context = context};
    return load;
}

static void *compile(void *context)
{
    struct rules_load *load = context;

    rules_file_read(load->path, &load->file);
    __atomic_store_n(&load->compiled, true, __ATOMIC_RELEASE);
    load->wake(load->context);
    return NULL;
}

static void start_compiling(struct rules_load *load)
{
    sigset_t all, before;

    load->again = load->compiled = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int code = pthread_create(&load->compiler, NULL, compile, load);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code)
        log_say("%s is not loaded again: %s.", load->path, strerror(code));
    else
        load->stage = STAGE_COMPILING;
}

void rules_load_again(struct rules_load *load)
{
    load->again = true;
    if (load->stage == STAGE_IDLE)
        start_compiling(load);
}

static void call_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct rules_load *load = context;

    (void)output, (void)information;
    load->status = status;
    __atomic_store_n(&load->answered, true, __ATOMIC_RELEASE);
    load->wake(load->context);
}

/* Sends until a call's answer has to be waited for. False: that was the last, or one failed. */
static bool send_on(struct rules_load *load)
{
    struct next_call call;

    while (NT_SUCCESS(load->status) && sending_next(&load->sending, &load->file.image, &call)) {
        load->answered = false;
        nt_device_control(load->sending.handle, call.code, call.input, call.input_size, call.output_size, call_done,
                          load, &load->call);
        if (!__atomic_load_n(&load->answered, __ATOMIC_ACQUIRE))
            return true;
        nt_call_put(load->call);
        load->call = NULL;
    }
    return false;
}

static void finish(struct rules_load *load)
{
    sending_end(&load->sending);
    tell_outcome(load->path, &load->file, load->status);
    rules_file_cleanup(&load->file);
    load->stage = STAGE_IDLE;
    if (load->again)
        start_compiling(load);
}

static void compiled(struct rules_load *load)
{
    pthread_join(load->compiler, NULL);
    load->stage = STAGE_IDLE;
    if (!tell_file(load->path, &load->file)) {
        rules_file_cleanup(&load->file);
        if (load->again)
            start_compiling(load);
        return;
    }
    load->stage = STAGE_SENDING;
    load->status = sending_begin(&load->sending, load->device, false);
    if (!send_on(load))
        finish(load);
}

void rules_load_tidy(struct rules_load *load)
{
    if (load->stage == STAGE_COMPILING && __atomic_load_n(&load->compiled, __ATOMIC_ACQUIRE)) {
        compiled(load);
    } else if (load->stage == STAGE_SENDING && load->call && __atomic_load_n(&load->answered, __ATOMIC_ACQUIRE)) {
        nt_call_put(load->call);
        load->call = NULL;
        if (!send_on(load))
            finish(load);
    }
}

void rules_load_free(struct rules_load *load)
{
    if (!load)
        return;
    if (load->stage == STAGE_COMPILING)
        pthread_join(load->compiler, NULL);
    sending_end(&load->sending); /* cancels a call that is under way, and waits for it */
    if (load->call)
        nt_call_put(load->call);
    rules_file_cleanup(&load->file);
    free(load);
}
