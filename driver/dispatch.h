/* SPDX-License-Identifier: MIT */
/*
 * dispatch.h - from an IOCTL to its handler, by one table.
 *
 * The table knows sizes and who may ask; handlers see only input that passed it. When you add an
 * operation: its row in dispatch.c, docs/protocol.md, and its lines in tests/driver/input_test.c.
 */
#ifndef DRIVER_DISPATCH_H
#define DRIVER_DISPATCH_H

#include "driver/client.h"

/* METHOD_BUFFERED: input and output are the same buffer; a handler reads before it writes. */
struct dispatch_io {
    void *buffer;
    ULONG input_size;
    ULONG output_size;
    ULONG_PTR information;  /* out */
    BOOLEAN parked;         /* out: the IRP waits, do not touch it */
    BOOLEAN marked_pending; /* out: dispatch has to return STATUS_PENDING */
    BOOLEAN counted;        /* out: a refusal that is in rejected_input already */
};

/* Returns the status to complete with, unless io->parked. PASSIVE_LEVEL. */
typedef NTSTATUS dispatch_handler(struct client *client, PIRP irp, struct dispatch_io *io);

/* IRP_MJ_CREATE, _CLEANUP, _CLOSE, _DEVICE_CONTROL. */
_Function_class_(DRIVER_DISPATCH)
DRIVER_DISPATCH dispatch_create;
_Function_class_(DRIVER_DISPATCH)
DRIVER_DISPATCH dispatch_cleanup;
_Function_class_(DRIVER_DISPATCH)
DRIVER_DISPATCH dispatch_close;
_Function_class_(DRIVER_DISPATCH)
DRIVER_DISPATCH dispatch_control;

#endif
