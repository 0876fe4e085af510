/* SPDX-License-Identifier: MIT */
/*
 * leftover.h - what a driver leaves in the engine when it is unloaded.
 */
#ifndef WFP_LEFTOVER_H
#define WFP_LEFTOVER_H

#include <ntddk.h>

/*
 * nt_driver_gone: reports each operation, registration, flow context, session and object of driver; then blocks its
 * operations, unregisters its callouts, so that nobody calls code that is gone, and closes its sessions. What is static
 * or persistent stays, as on Windows. PASSIVE_LEVEL.
 */
void wfp_driver_gone(PDRIVER_OBJECT driver);

#endif
