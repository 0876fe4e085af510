/* SPDX-License-Identifier: MIT */
/*
 * install_machine_windows.c - see install_machine_windows.h.
 *
 * Pages: IsWow64Process2 (x64 programs also run on ARM64, x64 drivers do not), RtlGetVersion, TOKEN_ELEVATION.
 */
#include "agent/install_machine_windows.h"

#include <windows.h>

#include "agent/library_windows.h"
#include "agent/wide_windows.h"

enum agent_result machine_check_elevated(const char *command, struct problem *problem)
{
    TOKEN_ELEVATION elevation = {0};
    HANDLE token = NULL;
    DWORD size;

    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
        if (!GetTokenInformation(token, TokenElevation, &elevation, sizeof(elevation), &size))
            elevation.TokenIsElevated = 0;
        CloseHandle(token);
    }
    if (elevation.TokenIsElevated != 0)
        return AGENT_OK;
    return problem_set(
        problem, AGENT_REFUSED,
        "'gatehouse %s' needs an administrator's rights: open a terminal with 'Run as administrator' and "
        "try again.",
        command);
}

static USHORT native_machine(void)
{
    typedef BOOL WINAPI wow64_process(HANDLE, USHORT *, USHORT *);
    wow64_process *ask = (wow64_process *)library_routine(L"kernel32.dll", "IsWow64Process2");
    USHORT process = 0, native = IMAGE_FILE_MACHINE_UNKNOWN;
    SYSTEM_INFO info;

    if (ask != NULL && ask(GetCurrentProcess(), &process, &native))
        return native;
    GetNativeSystemInfo(&info);
    return info.wProcessorArchitecture == PROCESSOR_ARCHITECTURE_AMD64 ? IMAGE_FILE_MACHINE_AMD64
                                                                       : IMAGE_FILE_MACHINE_UNKNOWN;
}

enum agent_result machine_check_windows(struct problem *problem)
{
    typedef LONG WINAPI get_version(OSVERSIONINFOW *);
    get_version *ask = (get_version *)library_routine(L"ntdll.dll", "RtlGetVersion");
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof(version)};

    if (native_machine() != IMAGE_FILE_MACHINE_AMD64)
        return problem_set(problem, AGENT_REFUSED,
                           "gatehouse.sys is for x86-64 processors, and this machine's is another: it cannot be "
                           "installed here.");
    if (ask == NULL || ask(&version) != 0 || version.dwMajorVersion < 10)
        return problem_set(
            problem, AGENT_REFUSED,
            "gatehouse.sys needs Windows 10 or later, and this is Windows %lu.%lu: it cannot be installed "
            "here.",
            version.dwMajorVersion, version.dwMinorVersion);
    return AGENT_OK;
}

enum agent_result machine_busy(struct problem *problem)
{
    return problem_set(
        problem, AGENT_FAILED,
        "another 'gatehouse install' or 'gatehouse uninstall' is under way: try again when it has ended.");
}

enum agent_result machine_foreign(struct problem *problem)
{
    return problem_set(problem, AGENT_REFUSED,
                       "the service 'gatehouse' of this machine is no driver, so it is another product's: nothing was "
                       "changed; remove that product and try again.");
}

struct advice {
    uint32_t error;
    const char *text;
};

static const struct advice advices[] = {
    {577u /* ERROR_INVALID_IMAGE_HASH, which mingw-w64 lacks */,
     "sign the driver, or turn test signing on (docs/windows.md)"},
    {ERROR_DRIVER_BLOCKED, "a policy of this machine keeps the driver out; its administrator can permit it"},
    {ERROR_SERVICE_MARKED_FOR_DELETE, "close the programs that look at services, or restart Windows, and try again"},
    {ERROR_TIMEOUT, "end the programs that use the driver, such as 'gatehouse ask', and try again"},
    {ERROR_ACCESS_DENIED, "another product protects this; turn its protection off and try again"},
    {ERROR_SERVICE_DEPENDENCY_FAIL, "start the service BFE (Base Filtering Engine) and try again"},
    {ERROR_SERVICE_DISABLED, "enable the service it names, or BFE (Base Filtering Engine), and try again"},
    {ERROR_NOT_SAFEBOOT_SERVICE, "restart Windows normally and try again"},
    {ERROR_DISK_FULL, "make room and try again"},
    {(uint32_t)FWP_E_TIMEOUT, "another program changes the filter engine just now; try again"},
    {(uint32_t)FWP_E_LIFETIME_MISMATCH,
     "remove the filters of 'gatehouse filter add', or restart Windows, and try again"},
    {EPT_S_NOT_REGISTERED, "start the service BFE (Base Filtering Engine) and try again"},
    {RPC_S_SERVER_UNAVAILABLE, "start the service BFE (Base Filtering Engine) and try again"},
};

/* NULL: none is known. */
static const char *find_advice(uint32_t error)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (advices[i].error == error)
            return advices[i].text;
    return NULL;
}

enum agent_result machine_engine_problem(struct problem *problem, const char *what, uint32_t error)
{
    const char *advice = find_advice(error);

    if (advice == NULL && (error & 0xFFFF0000u) == 0x80320000u)
        advice = "look at 'netsh wfp show state', and try again";
    else if (advice == NULL)
        advice = "see that the service BFE (Base Filtering Engine) runs, and try again";
    return machine_problem(problem, what, error, advice);
}

enum agent_result machine_problem(struct problem *problem, const char *what, uint32_t error, const char *advice)
{
    char words[WIDE_ERROR_MAX];

    if (advice == NULL)
        advice = find_advice(error);
    return problem_set(problem, AGENT_FAILED, "%s failed: %s (%s%lx): %s.", what, wide_error(error, words),
                       error < 0x10000u ? "error 0x" : "0x", (unsigned long)error,
                       advice == NULL ? "put that right and try again" : advice);
}
