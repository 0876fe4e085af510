/* SPDX-License-Identifier: MIT */
/*
 * output.c - see output.h.
 */
#include "agent/output.h"

#include "agent/terminal.h"

void output_free(struct output *output)
{
    text_free(&output->waiting);
    *output = (struct output){0};
}

size_t output_begin(struct output *output)
{
    if (output->dropped > 0 && output->waiting.used < OUTPUT_WAITING_MAX / 2) {
        text_add_format(&output->waiting,
                        output->json ? "{\"lines_missing\":%llu}\n"
                                     : "%llu lines are missing here: they came faster than they were read\n",
                        (unsigned long long)output->dropped);
        output->dropped = 0;
    }
    return output->waiting.used;
}

void output_end(struct output *output, size_t start)
{
    text_add(&output->waiting, "\n");
    if (output->waiting.used <= OUTPUT_WAITING_MAX && !output->waiting.failed && !output->closed)
        return;
    if (!output->closed)
        output->dropped++;
    output->waiting.used = start;
    output->waiting.failed = false;
}

bool output_is_waiting(const struct output *output)
{
    return output->waiting.used > output->written;
}

void output_write(struct output *output)
{
    while (output_is_waiting(output)) {
        long done = terminal_try_write(output->waiting.data + output->written, output->waiting.used - output->written);

        if (done == 0)
            return;
        if (done < 0) {
            output->closed = true;
            break;
        }
        output->written += (size_t)done;
    }
    output->written = 0;
    text_clear(&output->waiting);
}
