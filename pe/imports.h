/* SPDX-License-Identifier: MIT */
/*
 * imports.h - what a driver binary gets for the names it imports.
 */
#ifndef PE_IMPORTS_H
#define PE_IMPORTS_H

#include <stdint.h>

/*
 * The address to bind: a thunk in Microsoft's x64 convention, or a datum. 0: nothing of this name is
 * implemented. library is ntoskrnl.exe, hal.dll, fwpkclnt.sys, fltmgr.sys or ndis.sys in any case, else 0. Any thread.
 */
uint64_t pe_import_find(const char *library, const char *name);

#endif
