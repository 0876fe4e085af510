/* SPDX-License-Identifier: MIT */
/*
 * windef.h - the few user-mode type names that WFP's shared headers use (DWORD, FILETIME ...).
 */
#ifndef WINDEF_H
#define WINDEF_H

#include <ntdef.h>

typedef ULONG DWORD, *PDWORD;
typedef USHORT WORD, *PWORD;
typedef UCHAR BYTE, *PBYTE;
typedef int BOOL, *PBOOL;
typedef unsigned int UINT;

typedef struct _FILETIME {
    DWORD dwLowDateTime;
    DWORD dwHighDateTime;
} FILETIME, *PFILETIME;

#endif
