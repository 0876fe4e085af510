/* SPDX-License-Identifier: MIT */
/*
 * output.h - finds bytes that go to user mode and that the driver never wrote.
 *
 * Memory that a driver gets without zeroes is filled with one byte of choice: pool, the part of a system buffer behind
 * the input, the stack of a new fiber. What goes out is recorded. The same scenario is run twice, with two different
 * fill bytes under the same schedule: where one output holds the first byte and the other holds the second at the same
 * place, nobody wrote that place. A value that merely looks like the fill byte is the same in both runs.
 *
 * lab: nt_verify_fill(0xa6), record into a, run; nt_verify_fill(0x59), record into b, run again; compare.
 * Page: "Failure to Initialize Output Buffers".
 */
#ifndef NT_VERIFY_OUTPUT_H
#define NT_VERIFY_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between runs. The first value is 0xcd. */
void nt_verify_fill(uint8_t byte);
uint8_t nt_verify_fill_byte(void);

struct nt_outputs;

/* Empty; the fill byte of now belongs to it. NULL: no memory. */
struct nt_outputs *nt_outputs_new(void);
void nt_outputs_free(struct nt_outputs *outputs); /* or NULL */

/* From now on outputs are recorded here; NULL: nowhere. Between runs. */
void nt_outputs_record(struct nt_outputs *outputs);

/* What routine gives to user mode: once for each IRP with output, each message of a filter port. code: the control
 * code, 0: there is none. Any thread, IRQL <= DISPATCH_LEVEL. Up to 16 MiB of bytes are kept in one recording. */
void nt_verify_output(const char *routine, uint32_t code, const void *bytes, size_t size);

/*
 * Raises "uninitialised-to-user" for each output with such bytes, once for each routine and code; gives their number.
 * The stack of the violation is where the output of the second run was given out. *same: both runs gave outputs of the
 * same routines, codes and sizes in the same order; what comes behind a difference is not compared.
 */
unsigned nt_outputs_compare(const struct nt_outputs *first, const struct nt_outputs *second, bool *same);

#endif
