/* SPDX-License-Identifier: MIT */
/*
 * service_windows.c - see service_windows.h.
 *
 * Pages (win32 desktop-src/Services): CreateService, ControlService, DeleteService; Automatically Starting Services.
 */
#include "agent/service_windows.h"

#include <string.h>

#include <windows.h>

#include <gatehouse/objects.h>

#define STOP_TRIES 150
#define STOP_PAUSE 100 /* ms */

#define DISPLAY_NAME L"Gatehouse"
#define DESCRIPTION  L"Holds new network connections until they are decided"
#define DEPENDS_ON   L"BFE\0" /* ends with two NULs */

static uint32_t open_service(DWORD access, SC_HANDLE *manager, SC_HANDLE *service)
{
    uint32_t error = 0;

    *service = NULL;
    *manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE);
    if (*manager == NULL)
        return GetLastError();
    *service = OpenServiceW(*manager, GATEHOUSE_SERVICE, access);
    if (*service == NULL)
        error = GetLastError();
    return error;
}

static void close_service(SC_HANDLE manager, SC_HANDLE service)
{
    if (service != NULL)
        CloseServiceHandle(service);
    if (manager != NULL)
        CloseServiceHandle(manager);
}

uint32_t service_read(struct service_state *state)
{
    union {
        QUERY_SERVICE_CONFIGW config;
        BYTE room[8192];
    } buffer;
    SC_HANDLE manager, service;
    SERVICE_STATUS status;
    DWORD needed;
    uint32_t error = open_service(SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG, &manager, &service);

    memset(state, 0, sizeof(*state));
    if (error == ERROR_SERVICE_DOES_NOT_EXIST) {
        error = 0;
    } else if (error == 0 && QueryServiceStatus(service, &status) &&
               QueryServiceConfigW(service, &buffer.config, sizeof(buffer), &needed)) {
        state->exists = true;
        state->foreign = (buffer.config.dwServiceType & SERVICE_KERNEL_DRIVER) == 0;
        state->running = status.dwCurrentState != SERVICE_STOPPED;
        state->start = buffer.config.dwStartType;
        state->automatic = state->start == SERVICE_AUTO_START;
        if (buffer.config.lpBinaryPathName != NULL)
            lstrcpynW(state->path, buffer.config.lpBinaryPathName, SERVICE_PATH_MAX);
    } else if (error == 0) {
        error = GetLastError();
    }
    close_service(manager, service);
    return error;
}

static uint32_t create(SC_HANDLE manager, const wchar_t *path, DWORD start, SC_HANDLE *service)
{
    *service =
        CreateServiceW(manager, GATEHOUSE_SERVICE, DISPLAY_NAME, SERVICE_CHANGE_CONFIG | DELETE, SERVICE_KERNEL_DRIVER,
                       start, SERVICE_ERROR_NORMAL, path, NULL, NULL, DEPENDS_ON, NULL, NULL);
    return *service == NULL ? GetLastError() : 0;
}

uint32_t service_write(const wchar_t *path, uint32_t start)
{
    SERVICE_DESCRIPTIONW description = {(wchar_t *)DESCRIPTION};
    SC_HANDLE manager, service;
    uint32_t error = open_service(SERVICE_CHANGE_CONFIG, &manager, &service);

    if (error == ERROR_SERVICE_DOES_NOT_EXIST)
        error = create(manager, path, start, &service);
    else if (error == 0 && !ChangeServiceConfigW(service, SERVICE_KERNEL_DRIVER, start, SERVICE_ERROR_NORMAL, path,
                                                 NULL, NULL, DEPENDS_ON, NULL, NULL, DISPLAY_NAME))
        error = GetLastError();
    if (error == 0)
        (void)ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION, &description); /* words only */
    close_service(manager, service);
    return error;
}

static uint32_t wait_stopped(SC_HANDLE service)
{
    SERVICE_STATUS status;

    for (int i = 0; i < STOP_TRIES; i++) {
        if (!QueryServiceStatus(service, &status))
            return GetLastError();
        if (status.dwCurrentState == SERVICE_STOPPED)
            return 0;
        Sleep(STOP_PAUSE);
    }
    return ERROR_TIMEOUT;
}

uint32_t service_stop(void)
{
    SC_HANDLE manager, service;
    SERVICE_STATUS status;
    uint32_t error = open_service(SERVICE_STOP | SERVICE_QUERY_STATUS, &manager, &service);

    if (error == 0 && !ControlService(service, SERVICE_CONTROL_STOP, &status))
        error = GetLastError();
    /* Not accepted also while it stops already. */
    if (error == 0 || error == ERROR_SERVICE_CANNOT_ACCEPT_CTRL)
        error = wait_stopped(service);
    if (error == ERROR_SERVICE_NOT_ACTIVE || error == ERROR_SERVICE_DOES_NOT_EXIST)
        error = 0;
    close_service(manager, service);
    return error;
}

uint32_t service_start(void)
{
    SC_HANDLE manager, service;
    uint32_t error = open_service(SERVICE_START, &manager, &service);

    if (error == 0 && !StartServiceW(service, 0, NULL))
        error = GetLastError();
    close_service(manager, service);
    return error == ERROR_SERVICE_ALREADY_RUNNING ? 0 : error;
}

uint32_t service_delete(bool *later)
{
    struct service_state state;
    SC_HANDLE manager, service;
    uint32_t error = open_service(DELETE, &manager, &service);

    *later = false;
    if (error == 0 && !DeleteService(service))
        error = GetLastError();
    close_service(manager, service);
    if (error == ERROR_SERVICE_DOES_NOT_EXIST)
        return 0;
    if (error != 0 && error != ERROR_SERVICE_MARKED_FOR_DELETE)
        return error;
    *later = service_read(&state) == 0 && state.exists;
    return 0;
}
