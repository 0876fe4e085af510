/* SPDX-License-Identifier: MIT */
/*
 * platform_windows_test.c - agent/: clock, users, program paths, input and output as they are on Windows.
 *
 * The oracle is another function of Windows that tells the same.
 */
#include <string.h>

#include <windows.h>

#include "agent/clock.h"
#include "agent/library_windows.h"
#include "agent/program_path.h"
#include "agent/stop.h"
#include "agent/terminal.h"
#include "agent/users.h"
#include "agent/wait.h"
#include "tests/windows/windows_case.h"

static struct problem problem;

static void tells_times(void)
{
    struct clock_date date = clock_date_utc(UINT64_C(125911584000000000) + 12 * CLOCK_MILLISECOND);
    uint64_t before = GetTickCount64() * CLOCK_MILLISECOND;
    uint64_t boot = clock_boot();
    FILETIME wall;

    CHECK(boot + CLOCK_SECOND > before && boot < before + CLOCK_SECOND);
    GetSystemTimeAsFileTime(&wall);
    before = (uint64_t)wall.dwHighDateTime << 32 | wall.dwLowDateTime;
    CHECK(clock_wall() + CLOCK_SECOND > before && clock_wall() < before + CLOCK_SECOND);
    CHECK(date.year == 2000 && date.month == 1 && date.day == 1 && date.hour == 0 && date.minute == 0 &&
          date.second == 0 && date.millisecond == 12);
    date = clock_date_local(before);
    CHECK(date.minute >= 0 && date.minute < 60 && date.year > 2000);
}

static void names_local_users_alone(void)
{
    static const uint8_t system[12] = {1, 1, 0, 0, 0, 0, 0, 5, 18};
    static const uint8_t administrators[16] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2};
    static const uint8_t domain[28] = {1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0,    1,
                                       2, 3, 4, 5, 6, 7, 8, 9, 9,  9, 9, 0xf4, 1};
    static const uint8_t unix_user[16] = {1, 2, 0, 0, 0, 0, 0, 22, 1, 0, 0, 0, 0xe8, 3};

    CHECK(users_name(system, sizeof(system)) != NULL && strcmp(users_name(system, sizeof(system)), "SYSTEM") == 0);
    CHECK(users_name(administrators, sizeof(administrators)) != NULL);
    CHECK(users_name(domain, sizeof(domain)) == NULL);
    CHECK(users_name(unix_user, sizeof(unix_user)) == NULL);
    CHECK(users_name(system, 11) == NULL && users_name(system, 0) == NULL);
}

static void names_this_machines_users(void)
{
    union {
        TOKEN_USER user;
        char bytes[256];
    } token;
    char name[USERS_NAME_MAX] = "";
    const char *found;
    DWORD size, length = sizeof(name);
    HANDLE handle;

    CHECK(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &handle));
    CHECK(GetTokenInformation(handle, TokenUser, &token, sizeof(token), &size));
    CloseHandle(handle);
    CHECK(GetUserNameA(name, &length));
    found = users_name(token.user.User.Sid, GetLengthSid(token.user.User.Sid));
    CHECK(found != NULL && strcmp(found, name) == 0);
}

static bool resolves(const char *written, enum program_path_kind kind, const char *ending)
{
    char resolved[PROGRAM_PATH_MAX];
    enum program_path_kind found;
    size_t length;

    if (program_path_resolve(written, resolved, &found, &problem) != AGENT_OK || found != kind)
        return false;
    length = strlen(resolved);
    return strncmp(resolved, "\\device\\", 8) == 0 && length > strlen(ending) &&
           strcmp(resolved + length - strlen(ending), ending) == 0;
}

static void names_programs_as_the_engine_does(void)
{
    char resolved[PROGRAM_PATH_MAX], other[PROGRAM_PATH_MAX], longer[PROGRAM_PATH_MAX + 8];
    enum program_path_kind kind = PROGRAM_PATH_ABSENT;

    CHECK(resolves("C:\\Windows\\System32\\CMD.exe", PROGRAM_PATH_REAL, "\\windows\\system32\\cmd.exe"));
    CHECK(resolves("C:\\windows\\nothing\\A B.exe", PROGRAM_PATH_ABSENT, "\\windows\\nothing\\a b.exe"));
    CHECK(resolves("C:\\x.exe", PROGRAM_PATH_ABSENT, "\\x.exe"));
    CHECK(resolves("C:\\\xc3\x9c.exe", PROGRAM_PATH_ABSENT, "\\\xc3\xbc.exe"));
    CHECK(resolves("C:\\windows\\system32\\..\\explorer.exe", PROGRAM_PATH_LED, "\\windows\\explorer.exe"));
    CHECK(program_path_resolve("\\Device\\HarddiskVolume9\\A.exe", resolved, &kind, &problem) == AGENT_OK);
    CHECK(kind == PROGRAM_PATH_REAL && strcmp(resolved, "\\device\\harddiskvolume9\\a.exe") == 0);
    /* There or not, the volume is the same. */
    CHECK(program_path_resolve("c:\\windows\\explorer.exe", resolved, &kind, &problem) == AGENT_OK);
    CHECK(program_path_resolve("c:\\windows\\explorer2.exe", other, &kind, &problem) == AGENT_OK);
    CHECK(strlen(other) > 13 && strncmp(resolved, other, strlen(other) - 13) == 0);
    CHECK(program_path_resolve("curl.exe", resolved, &kind, &problem) == AGENT_USAGE);
    CHECK(program_path_resolve("\\windows\\explorer.exe", resolved, &kind, &problem) == AGENT_USAGE);
    CHECK(program_path_resolve("c:explorer.exe", resolved, &kind, &problem) == AGENT_USAGE);
    CHECK(program_path_resolve("c:\\", resolved, &kind, &problem) == AGENT_USAGE);
    CHECK(program_path_resolve("", resolved, &kind, &problem) == AGENT_USAGE);
    CHECK(program_path_resolve("q:\\a.exe", resolved, &kind, &problem) == AGENT_USAGE);
    CHECK(program_path_resolve("c:\\\xff.exe", resolved, &kind, &problem) == AGENT_USAGE);
    memset(longer, 'a', sizeof(longer));
    memcpy(longer, "c:\\", 3);
    longer[sizeof(longer) - 1] = '\0';
    CHECK(program_path_resolve(longer, resolved, &kind, &problem) == AGENT_USAGE);
}

static void hears_a_pipe_piece_by_piece(void)
{
    struct wait wait = {.input = WAIT_INPUT_READ};
    HANDLE from, to;
    DWORD count;
    char text[16];

    CHECK(CreatePipe(&from, &to, NULL, 0) && SetStdHandle(STD_INPUT_HANDLE, from));
    CHECK(!terminal_has_keys());
    CHECK(terminal_read(text, sizeof(text)) == -1);
    wait_any(&wait, 50);
    CHECK(!wait.input_ready);
    CHECK(WriteFile(to, "yes\nno\n", 7, &count, NULL));
    wait_any(&wait, -1);
    CHECK(wait.input_ready);
    CHECK(terminal_read(text, 4) == 4 && memcmp(text, "yes\n", 4) == 0);
    wait_any(&wait, -1);
    CHECK(wait.input_ready && terminal_read(text, sizeof(text)) == 3 && memcmp(text, "no\n", 3) == 0);
    /* Nobody wants input, so this stays in the pipe. */
    CHECK(WriteFile(to, "rest", 4, &count, NULL));
    wait = (struct wait){.input = WAIT_INPUT_NONE};
    wait_any(&wait, 50);
    CHECK(PeekNamedPipe(from, NULL, 0, NULL, &count, NULL) && count == 4);
    CloseHandle(to);
    wait = (struct wait){.input = WAIT_INPUT_READ};
    wait_any(&wait, -1);
    CHECK(wait.input_ready && terminal_read(text, sizeof(text)) == 4);
    wait_any(&wait, -1);
    CHECK(wait.input_ready && terminal_read(text, sizeof(text)) == 0);
    CHECK(terminal_read(text, sizeof(text)) == 0);
}

/* How much of the pattern, which goes on at wrote, went. */
static long write_pattern(size_t wrote)
{
    unsigned char bytes[1000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)((wrote + i) % 251);
    return terminal_try_write((const char *)bytes, sizeof(bytes));
}

/* Reads a piece of the pattern; 0 when it is another, or at the end. */
static DWORD read_pattern(HANDLE from, size_t read)
{
    unsigned char bytes[3000];
    DWORD count;

    if (!ReadFile(from, bytes, sizeof(bytes), &count, NULL))
        return 0;
    for (DWORD i = 0; i < count; i++) {
        if (bytes[i] != (read + i) % 251)
            return 0;
    }
    return count;
}

/* A reader that reads nothing must not stop the writer; what it reads later is all there, in order. */
static void never_waits_for_a_reader(void)
{
    struct wait wait = {.output = true};
    size_t wrote = 0, read = 0;
    ULONGLONG start = GetTickCount64();
    HANDLE from, to;
    DWORD count = 1;
    long done;

    CHECK(CreatePipe(&from, &to, NULL, 4096) && SetStdHandle(STD_OUTPUT_HANDLE, to));
    CHECK(!terminal_has_screen());
    while ((done = write_pattern(wrote)) > 0 && wrote < 1000000)
        wrote += (size_t)done;
    CHECK(done == 0 && wrote >= 65536 && GetTickCount64() - start < 5000);
    wait_any(&wait, 50);
    CHECK(!wait.output_ready);
    while (count > 0 && (wrote < 400000 || read < wrote)) {
        count = read_pattern(from, read);
        read += count;
        if (read == wrote) /* all of a full ring was read, and the thread may not have said so yet */
            wait_any(&wait, 1000);
        done = wrote < 400000 ? write_pattern(wrote) : 0;
        wrote += done > 0 ? (size_t)done : 0;
    }
    CHECK(read == wrote && wrote >= 400000);
    wait_any(&wait, -1);
    CHECK(wait.output_ready);
    CloseHandle(from);
    for (unsigned i = 0; i < 100 && (done = terminal_try_write("x", 1)) >= 0; i++) {
        wait = (struct wait){.output = false};
        wait_any(&wait, 20);
    }
    CHECK(done == -1);
}

/* On a console. The other side types "y", then Ctrl-Z and "n", each once it has seen a line. */
static void hears_keys(void)
{
    struct wait wait = {.input = WAIT_INPUT_READ};
    char text[16];

    CHECK(terminal_has_keys() && terminal_has_screen());
    CHECK(terminal_open(&problem) == AGENT_OK);
    wait_any(&wait, 100);
    CHECK(!wait.input_ready && terminal_read(text, sizeof(text)) == -1);
    printf("type\n");
    fflush(stdout);
    wait_any(&wait, 10000);
    CHECK(wait.input_ready && terminal_read(text, sizeof(text)) == 1 && text[0] == 'y');
    printf("again\n");
    fflush(stdout);
    wait_any(&wait, 10000);
    CHECK(wait.input_ready && terminal_read(text, 3) == 1 && text[0] == 0x04);
    wait_any(&wait, 10000);
    CHECK(wait.input_ready);
    terminal_discard();
    wait_any(&wait, 100);
    CHECK(!wait.input_ready);
    terminal_close();
}

/* What lies beside the program is a library of that name, until the search is narrowed. */
static void loads_no_library_from_beside_it(void)
{
    wchar_t program[MAX_PATH], planted[MAX_PATH];
    HMODULE module;

    CHECK(GetModuleFileNameW(NULL, program, MAX_PATH) != 0);
    lstrcpyW(planted, program);
    while (lstrlenW(planted) > 0 && planted[lstrlenW(planted) - 1] != L'\\')
        planted[lstrlenW(planted) - 1] = L'\0';
    lstrcatW(planted, L"planted.dll");
    CHECK(CopyFileW(program, planted, FALSE));
    module = LoadLibraryW(L"planted.dll");
    CHECK(module != NULL && FreeLibrary(module));
    library_search_system();
    CHECK(LoadLibraryW(L"planted.dll") == NULL && GetLastError() == ERROR_MOD_NOT_FOUND);
    CHECK(LoadLibraryW(L"version.dll") != NULL);
    CHECK(DeleteFileW(planted));
}

int main(int count, char **arguments)
{
    if (stop_install(&problem) != AGENT_OK)
        return 2;
    if (count > 1 && strcmp(arguments[1], "console") == 0) {
        hears_keys();
        return case_end();
    }
    loads_no_library_from_beside_it();
    tells_times();
    names_local_users_alone();
    names_this_machines_users();
    names_programs_as_the_engine_does();
    hears_a_pipe_piece_by_piece();
    never_waits_for_a_reader();
    return case_end();
}
