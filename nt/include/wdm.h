/* SPDX-License-Identifier: MIT */
/*
 * wdm.h - what a WDM driver includes, for builds without the WDK.
 *
 * One header a prefix is in wdm/; drivers include this one, ntddk.h or ntifs.h, as on Windows.
 */
#ifndef WDM_H
#define WDM_H

#define _WDM_INCLUDED_

#include <ntdef.h>
#include <ntstatus.h>
#include <wdm/interlocked.h>
#include <wdm/ke.h>
#include <wdm/ex.h>
#include <wdm/se.h>
#include <wdm/io.h>
#include <wdm/file.h>
#include <wdm/ps.h>
#include <wdm/rtl.h>

#endif
