/* SPDX-License-Identifier: MIT */
/*
 * host_path.h - a file's name as drivers spell it, found among the files of this machine.
 *
 * "\??\unix\a\b" (or "\DosDevices\unix\a\b") is /a/b. A name is UTF-16; a byte of a file name that is no UTF-8 is the
 * lone surrogate 0xDC00 + byte, as in ALE_APP_ID. Names are case-sensitive, "." and ".." are no names, as for NT's
 * file systems. Called by nt/io/zw_file.c, at PASSIVE_LEVEL.
 */
#ifndef NT_IO_HOST_PATH_H
#define NT_IO_HOST_PATH_H

#include <limits.h>

#include "nt/internal.h"

struct nt_host_path {
    int folder; /* opened for reading; the caller closes it */
    char name[NAME_MAX + 1];
};

/* Opens the folder that the file is in. name or folder: out, on success only. */
NTSTATUS nt_host_path_open(PCUNICODE_STRING name, struct nt_host_path *path);

/* One component without a folder, as a rename within a folder has it. */
NTSTATUS nt_host_name(PCUNICODE_STRING name, char text[NAME_MAX + 1]);

/* UTF-8 as UTF-16 with a NUL, which size counts in bytes; the caller frees it. NULL: no memory. */
WCHAR *nt_host_text(const char *text, ULONG *size);

/* What a failed system call means. missing: the status of ENOENT. */
NTSTATUS nt_host_status(int error, NTSTATUS missing);

#endif
