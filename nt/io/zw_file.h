/* SPDX-License-Identifier: MIT */
/*
 * zw_file.h - what a handle of ZwCreateFile refers to, for the two sources of its routines.
 */
#ifndef NT_IO_ZW_FILE_H
#define NT_IO_ZW_FILE_H

#include <sys/types.h>

#include "nt/io/host_path.h"

/* The body of an object of type NT_OBJECT_HOST_FILE. */
struct nt_opened {
    LIST_ENTRY link; /* of all that are open */
    PDRIVER_OBJECT driver;
    struct nt_host_path path;
    int fd;
    dev_t device;
    ino_t number;
    ACCESS_MASK access;
    ULONG share;
    bool directory, synchronous;
    bool delete_on_close; /* this handle's end makes the deletion pending */
    bool delete_pending;  /* under the lock of the list */
    pthread_mutex_t lock; /* of what is below */
    uint64_t position;
};

/* The file of a handle, or NULL and the status for the caller: no handle of a file (which is reported), or without one
 * of the wanted rights. */
struct nt_opened *nt_opened_of(HANDLE handle, const char *routine, ACCESS_MASK any_of, NTSTATUS *status);

/* Another handle, not file's, to the file of this folder and name. */
bool nt_opened_elsewhere(const struct nt_opened *file, int folder, const char *name);

NTSTATUS nt_opened_set_deletion(struct nt_opened *file, bool deletes);

#endif
