/* SPDX-License-Identifier: MIT */
/*
 * holder.c - holds what keeps an uninstallation from being whole, until its input ends.
 *
 *   holder service   a handle to the service gatehouse: deleted, it stays marked
 *   holder file      gatehouse.sys where Windows keeps drivers, so that nobody can delete it
 *   holder lock      what an install or uninstall that is under way holds
 */
#include <stdio.h>
#include <string.h>

#include <windows.h>

int main(int argc, char **argv)
{
    SC_HANDLE manager = NULL, service = NULL;
    HANDLE file = INVALID_HANDLE_VALUE;

    if (argc == 2 && strcmp(argv[1], "service") == 0) {
        manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
        service = OpenServiceW(manager, L"gatehouse", SERVICE_QUERY_STATUS);
    } else if (argc == 2 && strcmp(argv[1], "lock") == 0) {
        file = CreateFileW(L"C:\\windows\\system32\\drivers\\gatehouse.sys.lock", GENERIC_READ, 0, NULL, CREATE_ALWAYS,
                           FILE_FLAG_DELETE_ON_CLOSE, NULL);
    } else if (argc == 2) {
        file = CreateFileW(L"C:\\windows\\system32\\drivers\\gatehouse.sys", GENERIC_READ, FILE_SHARE_READ, NULL,
                           OPEN_EXISTING, 0, NULL);
    }
    if (service == NULL && file == INVALID_HANDLE_VALUE) {
        printf("none %lu\n", GetLastError());
        return 1;
    }
    printf("holding\n");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
    if (service != NULL)
        CloseServiceHandle(service);
    if (manager != NULL)
        CloseServiceHandle(manager);
    return 0;
}
