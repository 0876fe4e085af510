/* SPDX-License-Identifier: MIT */
/*
 * trap.c - see trap.h.
 *
 * The handler runs on the driver's own stack and thread, at an instruction of the driver: nothing of
 * the C library is interrupted, so it may call nt/ like any routine that the driver calls. Lowering
 * the IRQL runs DPCs, which may trap again: SA_NODEFER.
 *
 * Source: Intel SDM, "MOV - Move to/from Control Registers" (44 0F 20 /0 with REX.R is CR8).
 */
#define _GNU_SOURCE
#include "pe/trap.h"

#include <nt/nt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "pe/map.h"

/* The page that a Windows kernel shares with everybody: ntddk.h KUSER_SHARED_DATA. */
#define SHARED_PAGE           0xfffff78000000000u
#define SHARED_INTERRUPT_TIME 0x08
#define SHARED_SYSTEM_TIME    0x14
#define SHARED_END            0x20

static struct sigaction before;

bool pe_trap_decode(const uint8_t *code, size_t size, struct pe_cr8_move *move)
{
    /* REX with R set (X is ignored), 0F 20 or 22, then a register operand whose middle field is 0. */
    if (size < 4 || (code[0] & 0xf4) != 0x44 || code[1] != 0x0f || (code[2] != 0x20 && code[2] != 0x22) ||
        (code[3] & 0xf8) != 0xc0)
        return false;
    *move = (struct pe_cr8_move){code[2] == 0x22, (code[3] & 7u) | (code[0] & 1u) << 3, 4};
    return true;
}

bool pe_trap_decode_load(const uint8_t *code, size_t size, struct pe_load *load)
{
    unsigned rex = 0, at = 0;

    if (size < 16)
        return false;
    if ((code[at] & 0xf0) == 0x40)
        rex = code[at++];
    unsigned width = (rex & 8) != 0 ? 8 : 4;
    if (code[at] == 0xa1) {
        *load = (struct pe_load){0, width, at + 9};
        return true;
    }
    if (code[at] != 0x8b || code[at + 1] >> 6 == 3)
        return false;
    unsigned mode = code[at + 1] >> 6, base = code[at + 1] & 7, length = at + 2;
    bool absolute = mode == 0 && base == 5;
    if (base == 4) {
        absolute = mode == 0 && (code[at + 2] & 7) == 5;
        length++;
    }
    length += mode == 1 ? 1 : mode == 2 || absolute ? 4 : 0;
    *load = (struct pe_load){(code[at + 1] >> 3 & 7u) | (rex & 4) << 1, width, length};
    return true;
}

static greg_t *register_of(ucontext_t *context, unsigned number)
{
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return &context->uc_mcontext.gregs[places[number]];
}

static void move_cr8(ucontext_t *context, const struct pe_cr8_move *move)
{
    greg_t *value = register_of(context, move->number);
    KIRQL now = KeGetCurrentIrql();

    context->uc_mcontext.gregs[REG_RIP] += move->size;
    if (!move->write)
        *value = now;
    else if ((uint64_t)*value > HIGH_LEVEL)
        nt_violate("irql-invalid", "mov cr8", "writes 0x%llx to CR8", (unsigned long long)*value);
    else if ((KIRQL)*value > now)
        (void)KfRaiseIrql((KIRQL)*value);
    else if ((KIRQL)*value < now)
        KfLowerIrql((KIRQL)*value);
}

/* false: what lies at this offset of the shared page is not kept here. */
static bool read_shared(uint64_t offset, unsigned width, uint64_t *value)
{
    uint8_t page[SHARED_END] = {0};
    uint64_t interrupt_time = KeQueryInterruptTime();
    LARGE_INTEGER system_time;

    if (offset < SHARED_INTERRUPT_TIME || width > sizeof(page) || offset > sizeof(page) - width)
        return false;
    KeQuerySystemTime(&system_time);
    /* Each is the low half, the high half, and the high half again. */
    memcpy(page + SHARED_INTERRUPT_TIME, &interrupt_time, 8);
    memcpy(page + SHARED_INTERRUPT_TIME + 8, page + SHARED_INTERRUPT_TIME + 4, 4);
    memcpy(page + SHARED_SYSTEM_TIME, &system_time, 8);
    memcpy(page + SHARED_SYSTEM_TIME + 8, page + SHARED_SYSTEM_TIME + 4, 4);
    *value = 0;
    for (unsigned i = 0; i < width; i++)
        *value |= (uint64_t)page[offset + i] << (8 * i);
    return true;
}

static bool load_shared(ucontext_t *context, const uint8_t *code, size_t left, const siginfo_t *info)
{
    struct pe_load load;
    uint64_t value;

    if (!pe_trap_decode_load(code, left, &load) ||
        !read_shared((uint64_t)(uintptr_t)info->si_addr - SHARED_PAGE, load.width, &value))
        return false;
    *register_of(context, load.number) = (greg_t)value;
    context->uc_mcontext.gregs[REG_RIP] += load.size;
    return true;
}

static bool has_address(const siginfo_t *info)
{
    return info->si_code > 0 && info->si_code != SI_KERNEL;
}

static void say(const char *text, int size, size_t room)
{
    if (size > 0) {
        ssize_t ignored = write(STDERR_FILENO, text, (size_t)size < room ? (size_t)size : room - 1);
        (void)ignored;
    }
}

/*
 * Where the driver called what faulted: the first word on the stack that points into a driver's code.
 * The stack's end is not known, so it is read by a call that fails instead of faulting.
 */
static const uint8_t *find_caller(const ucontext_t *context)
{
    const uint8_t *words[512];
    uintptr_t at = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];

    for (unsigned round = 0; round < 16; round++) {
        uintptr_t end = (at + sizeof(words)) & ~(uintptr_t)(sizeof(words) - 1);
        struct iovec local = {words, end - at}, remote = {(void *)at, end - at};
        if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)(end - at))
            return NULL;
        for (size_t index = 0; index < (end - at) / sizeof(words[0]); index++) {
            const struct pe_map *map = pe_map_find(words[index]);
            const struct pe_section *section =
                map == NULL ? NULL : pe_image_section(&map->image, (uint32_t)(words[index] - map->memory));
            if (section != NULL && section->executable)
                return words[index];
        }
        at = end;
    }
    return NULL;
}

/* A fault that the special pool explains, in the driver's code or in a routine that the driver called. */
static void report_pool(const uint8_t *code, const char *why, const ucontext_t *context, const siginfo_t *info)
{
    char text[768], name[96];
    const uint8_t *driver = pe_map_find(code) != NULL ? code : find_caller(context);
    bool writes = (context->uc_mcontext.gregs[REG_ERR] & 2) != 0;
    int size = snprintf(text, sizeof(text), "driver %s%s %s %p at IRQL %u: %s\n",
                        driver != NULL && pe_map_name(driver, name, sizeof(name)) ? name : "(place unknown)",
                        driver == code ? "" : ", in a routine that it called,", writes ? "writes to" : "reads from",
                        info->si_addr, KeGetCurrentIrql(), why);

    say(text, size, sizeof(text));
}

static void report(const struct pe_map *map, const ucontext_t *context, const siginfo_t *info)
{
    char text[256];
    uint64_t at = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
    uint32_t offset = (uint32_t)(at - (uintptr_t)map->memory);
    const struct pe_section *section = pe_image_section(&map->image, offset);
    int size = snprintf(text, sizeof(text), "driver %s: fault at %s+0x%X (image+0x%X), IRQL %u: %s%p\n", map->name,
                        section == NULL ? "headers" : section->name,
                        section == NULL ? offset : offset - section->address, offset, KeGetCurrentIrql(),
                        has_address(info) ? "it used address " : "a privileged instruction or a non-canonical address ",
                        has_address(info) ? info->si_addr : NULL);

    say(text, size, sizeof(text));
}

static void fault(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    const uint8_t *code = (const uint8_t *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    const struct pe_map *map = pe_map_find(code);
    struct pe_cr8_move move;
    char why[512];

    if (has_address(info) && nt_special_pool_explain(info->si_addr, why, sizeof(why))) {
        report_pool(code, why, context, info);
    } else if (map != NULL) {
        size_t left = map->image.size - (size_t)(code - map->memory);
        /* A fetch that failed has its own address: those bytes cannot be read. */
        if (info->si_addr != (const void *)code && pe_trap_decode(code, left, &move)) {
            move_cr8(context, &move);
            return;
        }
        if (load_shared(context, code, left, info))
            return;
        report(map, context, info);
    }
    /* The instruction runs again under the handler there was. */
    (void)sigaction(number, &before, NULL);
}

void pe_trap_install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction action, now;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&lock);
    if (sigaction(SIGSEGV, NULL, &now) == 0 && ((now.sa_flags & SA_SIGINFO) == 0 || now.sa_sigaction != fault)) {
        before = now;
        (void)sigaction(SIGSEGV, &action, NULL);
    }
    pthread_mutex_unlock(&lock);
}
