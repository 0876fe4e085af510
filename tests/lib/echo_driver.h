/* SPDX-License-Identifier: MIT */
/*
 * echo_driver.h - a small driver that is not Gatehouse's: proof that nt/ carries others too.
 *
 * Device \Device\Echo, link \\.\Echo, administrators only. Codes:
 * ECHO_NOW gives the input back. ECHO_WAIT is pended until ECHO_RELEASE (gives the same bytes to the
 * oldest), its timer (ECHO_TIMER_MS after ECHO_ARM) or a cancel. ECHO_WORK is pended and completed
 * by a work item. ECHO_FAULT misbehaves in the way its ULONG input says.
 */
#ifndef TESTS_LIB_ECHO_DRIVER_H
#define TESTS_LIB_ECHO_DRIVER_H

#include <ntddk.h>

#define ECHO_NOW     CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define ECHO_WAIT    CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_READ_ACCESS)
#define ECHO_RELEASE CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_BUFFERED, FILE_WRITE_ACCESS)
#define ECHO_ARM     CTL_CODE(FILE_DEVICE_UNKNOWN, 0x803, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define ECHO_WORK    CTL_CODE(FILE_DEVICE_UNKNOWN, 0x804, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define ECHO_FAULT   CTL_CODE(FILE_DEVICE_UNKNOWN, 0x805, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define ECHO_DIRECT  CTL_CODE(FILE_DEVICE_UNKNOWN, 0x806, METHOD_OUT_DIRECT, FILE_ANY_ACCESS)

#define ECHO_TIMER_MS 50

enum echo_fault {
    ECHO_FAULT_NONE,
    ECHO_FAULT_COMPLETE_TWICE,
    ECHO_FAULT_PENDING_UNMARKED,
    ECHO_FAULT_MARKED_NOT_PENDING,
    ECHO_FAULT_COMPLETE_CANCELABLE,
    ECHO_FAULT_COMPLETE_UNDER_LOCK,
    ECHO_FAULT_INFORMATION,
    ECHO_FAULT_STATUS_MISMATCH,
    ECHO_FAULT_IRQL,
    ECHO_FAULT_CANCEL_KEEPS_LOCK,
    ECHO_FAULT_LOSE, /* neither completed nor cancelable; the unload completes it */
    ECHO_FAULT_ITEM_TWICE,
    ECHO_FAULT_PROCESS, /* none: answers IoGetRequestorProcessId and PsGetCurrentProcessId */
};

/* What it leaves behind at unload, when told by the registry value "Leave". */
#define ECHO_LEAVE_POOL   1u
#define ECHO_LEAVE_DEVICE 2u
#define ECHO_LEAVE_LINK   4u
#define ECHO_LEAVE_TIMER  8u
#define ECHO_LEAVE_ITEM   16u

DRIVER_INITIALIZE echo_driver_entry;

#endif
