/* SPDX-License-Identifier: MIT */
/*
 * terminal_windows.c - the console's keys, or what else standard input is. See terminal.h; output is in
 * terminal_output_windows.c.
 *
 * A console is read here, key by key. Anything else (a pipe, a file) is read by a thread, one piece each time that
 * somebody wants input; so what nobody wanted stays for others.
 */
#include "agent/terminal.h"

#include <stdatomic.h>
#include <string.h>

#include <windows.h>

#include "agent/terminal_windows.h"
#include "agent/wide_windows.h"

#define KEY_END_WINDOWS 0x1A /* Ctrl-Z, which ends input here */
#define KEY_END         0x04 /* Ctrl-D, which ends it elsewhere */
#define KEYS_MAX        64u
#define PIECE_MAX       4096u

enum piece_state { PIECE_NONE, PIECE_WANTED, PIECE_HERE, PIECE_ENDED };

static struct {
    atomic_int state; /* enum piece_state; the bytes are the thread's only while it is PIECE_WANTED */
    HANDLE wanted, arrived;
    DWORD count, taken;
    char bytes[PIECE_MAX];
} piece;

static DWORD before;
static bool changed;

static HANDLE input(void)
{
    return GetStdHandle(STD_INPUT_HANDLE);
}

bool terminal_has_keys(void)
{
    DWORD mode;

    return GetConsoleMode(input(), &mode) != 0;
}

bool terminal_has_screen(void)
{
    DWORD mode;

    return GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &mode) != 0;
}

enum agent_result terminal_open(struct problem *problem)
{
    char words[WIDE_ERROR_MAX];

    if (!GetConsoleMode(input(), &before) ||
        !SetConsoleMode(input(), (before & ~(DWORD)(ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT | ENABLE_MOUSE_INPUT)) |
                                     ENABLE_PROCESSED_INPUT))
        return problem_set(problem, AGENT_FAILED, "cannot use this console: %s.", wide_error(GetLastError(), words));
    changed = true;
    FlushConsoleInputBuffer(input());
    return AGENT_OK;
}

void terminal_close(void)
{
    if (!changed)
        return;
    changed = false;
    FlushConsoleInputBuffer(input());
    SetConsoleMode(input(), before);
}

void terminal_discard(void)
{
    FlushConsoleInputBuffer(input());
}

static bool is_key(const INPUT_RECORD *record)
{
    return record->EventType == KEY_EVENT && record->Event.KeyEvent.bKeyDown &&
           record->Event.KeyEvent.uChar.UnicodeChar != 0;
}

/* Takes away what is no key (a released key, a resized window), up to the first that is one. */
static bool key_is_waiting(void)
{
    INPUT_RECORD record;
    DWORD count = 0;

    while (PeekConsoleInputW(input(), &record, 1, &count) && count == 1) {
        if (is_key(&record))
            return true;
        if (!ReadConsoleInputW(input(), &record, 1, &count))
            return true;
    }
    return false;
}

static int read_keys(char *buffer, size_t size)
{
    wchar_t keys[KEYS_MAX + 1];
    char text[3 * KEYS_MAX + 1];
    INPUT_RECORD record;
    DWORD count = 0;
    size_t used = 0, length;

    while (used < KEYS_MAX && 3 * (used + 1) <= size && key_is_waiting()) {
        if (!ReadConsoleInputW(input(), &record, 1, &count) || count != 1)
            return 0;
        keys[used++] = record.Event.KeyEvent.uChar.UnicodeChar;
        if (keys[used - 1] == KEY_END_WINDOWS)
            keys[used - 1] = KEY_END;
    }
    keys[used] = L'\0';
    if (used == 0)
        return -1;
    /* Half a character is no answer, and neither is what comes with it. */
    if (!wide_to_utf8(keys, text, sizeof(text)))
        return -1;
    length = strlen(text);
    memcpy(buffer, text, length);
    return (int)length;
}

static DWORD WINAPI read_pieces(void *context)
{
    (void)context;
    while (WaitForSingleObject(piece.wanted, INFINITE) == WAIT_OBJECT_0) {
        DWORD count = 0;
        bool good = ReadFile(input(), piece.bytes, PIECE_MAX, &count, NULL) && count > 0;

        piece.count = count;
        piece.taken = 0;
        atomic_store(&piece.state, good ? PIECE_HERE : PIECE_ENDED);
        SetEvent(piece.arrived);
    }
    return 0;
}

static bool start_reading(void)
{
    HANDLE thread;

    if (piece.arrived != NULL)
        return true;
    piece.wanted = CreateEventW(NULL, FALSE, FALSE, NULL);
    piece.arrived = CreateEventW(NULL, TRUE, FALSE, NULL);
    thread = CreateThread(NULL, 0, read_pieces, NULL, 0, NULL);
    if (piece.wanted == NULL || piece.arrived == NULL || thread == NULL)
        return false;
    CloseHandle(thread);
    return true;
}

static bool piece_is_here(void)
{
    int state = atomic_load(&piece.state);

    if (state == PIECE_NONE) {
        if (!start_reading()) {
            atomic_store(&piece.state, PIECE_ENDED);
            return true;
        }
        ResetEvent(piece.arrived);
        atomic_store(&piece.state, PIECE_WANTED);
        SetEvent(piece.wanted);
    }
    return state == PIECE_HERE || state == PIECE_ENDED;
}

static int read_piece(char *buffer, size_t size)
{
    DWORD count;

    if (atomic_load(&piece.state) == PIECE_ENDED)
        return 0;
    if (atomic_load(&piece.state) != PIECE_HERE)
        return -1;
    count = piece.count - piece.taken;
    if (count > size)
        count = (DWORD)size;
    memcpy(buffer, piece.bytes + piece.taken, count);
    piece.taken += count;
    if (piece.taken == piece.count)
        atomic_store(&piece.state, PIECE_NONE);
    return (int)count;
}

bool terminal_input_is_ready(void)
{
    return terminal_has_keys() ? key_is_waiting() : piece_is_here();
}

void *terminal_input_event(void)
{
    return terminal_has_keys() ? input() : piece.arrived;
}

int terminal_read(char *buffer, size_t size)
{
    return terminal_has_keys() ? read_keys(buffer, size) : read_piece(buffer, size);
}
