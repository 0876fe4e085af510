/* SPDX-License-Identifier: MIT */
/*
 * holder.c - holds what is in the way of others, until its input ends.
 *
 *   holder service   a handle to the service gatehouse: deleted, it stays marked
 *   holder disabled  the same, and disables it first
 *   holder file      gatehouse.sys where Windows keeps drivers, so that nobody can delete it
 *   holder lock      what an install or uninstall that is under way holds
 *   holder transaction   a transaction of the filter engine, open
 */
#include <stdio.h>
#include <string.h>

#include <windows.h>

/* TRUE: begun. It ends with the process. */
static BOOL hold_transaction(void)
{
    HMODULE library = LoadLibraryW(L"fwpuclnt.dll");
    DWORD(WINAPI * open)
    (const wchar_t *, UINT32, void *, const void *, HANDLE *) = (void *)GetProcAddress(library, "FwpmEngineOpen0");
    DWORD(WINAPI * begin)(HANDLE, UINT32) = (void *)GetProcAddress(library, "FwpmTransactionBegin0");
    HANDLE engine = NULL;
    DWORD error = ERROR_PROC_NOT_FOUND;

    if (open != NULL && begin != NULL)
        error = open(NULL, 10, NULL, NULL, &engine);
    if (error == 0)
        error = begin(engine, 0);
    SetLastError(error);
    return error == 0;
}

int main(int argc, char **argv)
{
    SC_HANDLE manager = NULL, service = NULL;
    HANDLE file = INVALID_HANDLE_VALUE;
    BOOL begun = FALSE;

    if (argc == 2 && strcmp(argv[1], "service") == 0) {
        manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
        service = OpenServiceW(manager, L"gatehouse", SERVICE_QUERY_STATUS);
    } else if (argc == 2 && strcmp(argv[1], "disabled") == 0) {
        manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
        service = OpenServiceW(manager, L"gatehouse", SERVICE_CHANGE_CONFIG);
        (void)ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_DISABLED, SERVICE_NO_CHANGE, NULL, NULL, NULL,
                                   NULL, NULL, NULL, NULL);
    } else if (argc == 2 && strcmp(argv[1], "lock") == 0) {
        file = CreateFileW(L"C:\\windows\\system32\\drivers\\gatehouse.sys.lock", GENERIC_READ, 0, NULL, CREATE_ALWAYS,
                           FILE_FLAG_DELETE_ON_CLOSE, NULL);
    } else if (argc == 2 && strcmp(argv[1], "transaction") == 0) {
        begun = hold_transaction();
    } else if (argc == 2) {
        file = CreateFileW(L"C:\\windows\\system32\\drivers\\gatehouse.sys", GENERIC_READ, FILE_SHARE_READ, NULL,
                           OPEN_EXISTING, 0, NULL);
    }
    if (!begun && service == NULL && file == INVALID_HANDLE_VALUE) {
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
