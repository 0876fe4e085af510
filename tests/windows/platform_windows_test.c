/* SPDX-License-Identifier: MIT */
/*
 * platform_windows_test.c - agent/: clock, users, program paths, input and output as they are on Windows.
 *
 * The oracle is another function of Windows that tells the same.
 */
#include <string.h>

#include <windows.h>

#include "agent/clock.h"
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

/* A reader that reads nothing must not stop the writer; what it reads later is all there, in order. */
static void never_waits_for_a_reader(void)
{
    static unsigned char bytes[1000], back[4096];
    struct wait wait = {.output = true};
    size_t wrote = 0, read = 0;
    ULONGLONG start = GetTickCount64();
    HANDLE from, to;
    DWORD count;
    long done;

    CHECK(CreatePipe(&from, &to, NULL, 4096) && SetStdHandle(STD_OUTPUT_HANDLE, to));
    CHECK(!terminal_has_screen());
    do {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (unsigned char)((wrote + i) % 251);
        done = terminal_try_write((const char *)bytes, sizeof(bytes));
        wrote += done > 0 ? (size_t)done : 0;
    } while (done > 0 && wrote < 1000000);
    CHECK(done == 0 && wrote >= 65536 && GetTickCount64() - start < 5000);
    wait_any(&wait, 50);
    CHECK(!wait.output_ready);
    CHECK(ReadFile(from, back, sizeof(back), &count, NULL) && count > 0);
    for (;;) {
        for (DWORD i = 0; i < count; i++, read++) {
            if (back[i] != read % 251)
                CHECK(!"bytes are in order");
        }
        if (read == wrote || !ReadFile(from, back, sizeof(back), &count, NULL))
            break;
    }
    CHECK(read == wrote);
    wait_any(&wait, -1);
    CHECK(wait.output_ready);
    CloseHandle(from);
    for (unsigned i = 0; i < 100 && (done = terminal_try_write("x", 1)) >= 0; i++) {
        wait = (struct wait){.output = false};
        wait_any(&wait, 20);
    }
    CHECK(done == -1);
}

int main(void)
{
    if (stop_install(&problem) != AGENT_OK)
        return 2;
    tells_times();
    names_local_users_alone();
    names_programs_as_the_engine_does();
    hears_a_pipe_piece_by_piece();
    never_waits_for_a_reader();
    return case_end();
}
