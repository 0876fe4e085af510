/* SPDX-License-Identifier: MIT */
/*
 * service_windows.h - the driver's service, in the service control manager.
 *
 * The kernel's service "gatehouse" starts with Windows, after BFE: DriverEntry opens a session of the filter
 * engine, which the service BFE has to answer, so an earlier start (SERVICE_SYSTEM_START, SERVICE_BOOT_START) would
 * fail; and BFE loads the closed mode's persistent filters only while this service is set to start
 * automatically (page Object Management, win32 desktop-src/FWP). Windows' own kernel driver WdNisDrv names BFE as
 * what it depends on in the same way.
 *
 * Numbers are GetLastError()'s; 0 is success.
 */
#ifndef AGENT_SERVICE_WINDOWS_H
#define AGENT_SERVICE_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_PATH_MAX 520

struct service_state {
    bool exists;
    bool foreign;   /* it is no driver: another product's of the same name */
    bool running;   /* or on its way up or down */
    bool automatic; /* starts with Windows */
    uint32_t start; /* SERVICE_AUTO_START and so on */
    wchar_t path[SERVICE_PATH_MAX];
};

uint32_t service_read(struct service_state *state);

/* Creates the service, or changes the one that is there. start: as in struct service_state. */
uint32_t service_write(const wchar_t *path, uint32_t start);

/* Waits up to 15 seconds; ERROR_TIMEOUT then. Not running already, or not there, is success. */
uint32_t service_stop(void);
/* Running already is success. */
uint32_t service_start(void);

/* Not there is success. *later: it is marked, and goes when the last handle to it is closed or Windows restarts. */
uint32_t service_delete(bool *later);

#endif
