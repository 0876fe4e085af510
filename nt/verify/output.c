/* SPDX-License-Identifier: MIT */
/*
 * output.c - see output.h. A recording is an array of outputs and one of their bytes.
 */
#include "nt/verify/output.h"

#include "nt/internal.h"
#include "nt/verify/report.h"
#include "nt/verify/verify.h"

#include <stdio.h>
#include <stdlib.h>

#define BYTES_MOST ((size_t)16 << 20)

struct output {
    const char *routine;
    uint32_t code;
    size_t at, size; /* into bytes */
    struct nt_stack stack;
};

struct nt_outputs {
    uint8_t fill;
    size_t count, room, used, bytes_room;
    struct output *outputs;
    uint8_t *bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nt_outputs *recording;
static uint8_t fill_byte = 0xcd;

void nt_verify_fill(uint8_t byte)
{
    __atomic_store_n(&fill_byte, byte, __ATOMIC_RELAXED);
}

uint8_t nt_verify_fill_byte(void)
{
    return __atomic_load_n(&fill_byte, __ATOMIC_RELAXED);
}

struct nt_outputs *nt_outputs_new(void)
{
    struct nt_outputs *outputs = calloc(1, sizeof *outputs);
    if (outputs != NULL)
        outputs->fill = nt_verify_fill_byte();
    return outputs;
}

void nt_outputs_free(struct nt_outputs *outputs)
{
    if (outputs == NULL)
        return;
    free(outputs->outputs);
    free(outputs->bytes);
    free(outputs);
}

void nt_outputs_record(struct nt_outputs *outputs)
{
    pthread_mutex_lock(&lock);
    __atomic_store_n(&recording, outputs, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
}

static bool make_room(struct nt_outputs *outputs, size_t size)
{
    if (outputs->count == outputs->room) {
        size_t room = outputs->room == 0 ? 64 : 2 * outputs->room;
        struct output *larger = realloc(outputs->outputs, room * sizeof *larger);
        if (larger == NULL)
            return false;
        outputs->outputs = larger;
        outputs->room = room;
    }
    if (size > BYTES_MOST - outputs->used)
        return false;
    if (outputs->used + size > outputs->bytes_room) {
        size_t room = 2 * (outputs->used + size);
        uint8_t *larger = realloc(outputs->bytes, room);
        if (larger == NULL)
            return false;
        outputs->bytes = larger;
        outputs->bytes_room = room;
    }
    return true;
}

void nt_verify_output(const char *routine, uint32_t code, const void *bytes, size_t size)
{
    struct nt_stack stack;
    if (__atomic_load_n(&recording, __ATOMIC_ACQUIRE) == NULL || bytes == NULL || size == 0)
        return;
    nt_stack_take(&stack);
    pthread_mutex_lock(&lock);
    struct nt_outputs *to = recording;
    if (to != NULL && make_room(to, size)) {
        memcpy(to->bytes + to->used, bytes, size);
        to->outputs[to->count++] = (struct output){routine, code, to->used, size, stack};
        to->used += size;
    }
    pthread_mutex_unlock(&lock);
}

struct unwritten {
    size_t first, last, count;
};

static struct unwritten find_unwritten(const uint8_t *a, uint8_t fill_a, const uint8_t *b, uint8_t fill_b, size_t size)
{
    struct unwritten found = {0, 0, 0};
    for (size_t at = 0; at < size; at++)
        if (a[at] == fill_a && b[at] == fill_b) {
            if (found.count++ == 0)
                found.first = at;
            found.last = at;
        }
    return found;
}

static bool told_before(const struct nt_outputs *outputs, const bool *told, size_t count)
{
    const struct output *now = &outputs->outputs[count];
    for (size_t index = 0; index < count; index++)
        if (told[index] && outputs->outputs[index].code == now->code &&
            strcmp(outputs->outputs[index].routine, now->routine) == 0)
            return true;
    return false;
}

static void tell(const struct output *output, size_t number, const struct unwritten *found)
{
    char code[32] = "";
    if (output->code != 0)
        snprintf(code, sizeof code, " of control code 0x%08X", output->code);
    nt_about_stack(&output->stack);
    nt_violate("uninitialised-to-user", output->routine,
               "output %zu%s, %zu bytes: %zu of them, from byte %zu to byte %zu, were never written", number + 1, code,
               output->size, found->count, found->first, found->last);
}

static bool same_kind(const struct output *a, const struct output *b)
{
    return a->code == b->code && a->size == b->size && strcmp(a->routine, b->routine) == 0;
}

unsigned nt_outputs_compare(const struct nt_outputs *first, const struct nt_outputs *second, bool *same)
{
    unsigned raised = 0;
    size_t most = first->count < second->count ? first->count : second->count, index = 0;
    bool *told = calloc(most + 1, sizeof *told);
    for (; told != NULL && index < most; index++) {
        const struct output *a = &first->outputs[index], *b = &second->outputs[index];
        if (!same_kind(a, b))
            break;
        struct unwritten found =
            find_unwritten(first->bytes + a->at, first->fill, second->bytes + b->at, second->fill, a->size);
        if (found.count == 0 || told_before(second, told, index))
            continue;
        told[index] = true;
        raised++;
        tell(b, index, &found);
    }
    *same = index == first->count && index == second->count;
    free(told);
    return raised;
}
