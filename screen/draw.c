/* SPDX-License-Identifier: MIT */
/*
 * draw.c - see draw.h. Curses with wide characters (ncursesw); text goes to it as UTF-8.
 *
 * Handlers of this file are there before curses starts, so that it does not put its own. Those that have something to
 * do write one byte to a pipe. A crash puts the terminal right with bytes that were made ready before.
 */
#include "screen/draw.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <ncursesw/curses.h>

#include "screen/keys.h"
#include "screen/terminfo.h"

#define ESCAPE_DELAY_MS 50
#define RESTORE_MAX     256

static SCREEN *screen;
static int pipe_ends[2] = {-1, -1};
static volatile sig_atomic_t stopping;
static struct termios before;
static char restore[RESTORE_MAX];
static size_t restore_size;
static bool utf8, colours;

/* --- What the terminal can -------------------------------------------------------------------------- */

bool draw_can(void)
{
    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && terminfo_can(STDOUT_FILENO);
}

bool draw_is_utf8(void)
{
    return utf8;
}

/* --- Signals ------------------------------------------------------------------------------------ */

static void on_signal(int signal_number)
{
    int error = errno;

    if (signal_number == SIGTSTP)
        stopping = 1;
    (void)!write(pipe_ends[1], "", 1);
    errno = error;
}

/* Only what a handler may call. SA_RESETHAND: the signal then does what it does to any program. */
static void on_crash(int signal_number)
{
    (void)!write(STDOUT_FILENO, restore, restore_size);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    raise(signal_number);
}

static void install_signals(void)
{
    static const int ours[] = {SIGWINCH, SIGTSTP, SIGCONT};
    static const int crashes[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        sigaction(ours[i], &action, NULL);
    action = (struct sigaction){.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        sigaction(crashes[i], &action, NULL);
}

int draw_descriptor(void)
{
    return pipe_ends[0];
}

static void stop_here(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    struct sigaction ours;

    endwin();
    sigaction(SIGTSTP, &standard, &ours);
    raise(SIGTSTP);
    /* The program goes on. */
    sigaction(SIGTSTP, &ours, NULL);
}

bool draw_signals(void)
{
    bool away = stopping != 0;
    char bytes[64];
    unsigned columns, rows;

    while (read(pipe_ends[0], bytes, sizeof(bytes)) > 0)
        ;
    if (stopping != 0) {
        stopping = 0;
        stop_here();
        reset_prog_mode();
        flushinp();
    }
    draw_size(&columns, &rows);
    if (is_term_resized((int)rows, (int)columns))
        resizeterm((int)rows, (int)columns);
    /* Somebody else may have written meanwhile, or the window did as it wanted. */
    clearok(curscr, TRUE);
    return away;
}

/* --- Beginning and end -------------------------------------------------------------------------- */

static void make_colours(void)
{
    static const struct {
        short pair, colour;
    } pairs[] = {{LAYOUT_GOOD, COLOR_GREEN},
                 {LAYOUT_BAD, COLOR_RED},
                 {LAYOUT_WARNING, COLOR_YELLOW},
                 {LAYOUT_URGENT, COLOR_RED},
                 {LAYOUT_KEY, COLOR_CYAN}};
    const char *without = getenv("NO_COLOR"); /* no-color.org: present and not empty */

    colours = has_colors() && (without == NULL || without[0] == '\0') && start_color() == OK;
    if (!colours)
        return;
    use_default_colors();
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        init_pair(pairs[i].pair, pairs[i].colour, -1);
}

enum agent_result draw_open(struct problem *problem)
{
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return problem_set(problem, AGENT_FAILED, "cannot use this terminal: %s.", strerror(errno));
    if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return problem_set(problem, AGENT_FAILED, "cannot make a pipe: %s.", strerror(errno));
    setlocale(LC_CTYPE, "");
    utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    install_signals();
    screen = newterm(NULL, stdout, stdin);
    if (screen == NULL)
        return problem_set(problem, AGENT_FAILED, "cannot use this terminal: set TERM to what it is, or to dumb.");
    restore_size = terminfo_restore(restore, sizeof(restore));
    make_colours();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(ESCAPE_DELAY_MS);
    curs_set(0);
    flushinp();
    return AGENT_OK;
}

void draw_close(void)
{
    if (screen == NULL)
        return;
    curs_set(1);
    endwin();
    delscreen(screen);
    screen = NULL;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* --- Rows and keys ------------------------------------------------------------------------------ */

void draw_size(unsigned *columns, unsigned *rows)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        *columns = screen == NULL || COLS <= 0 ? 80 : (unsigned)COLS;
        *rows = screen == NULL || LINES <= 0 ? 24 : (unsigned)LINES;
        return;
    }
    *columns = size.ws_col;
    *rows = size.ws_row;
}

static chtype attributes_of(enum layout_style style)
{
    static const chtype plain[LAYOUT_STYLES] = {
        [LAYOUT_DIM] = A_DIM,  [LAYOUT_BOLD] = A_BOLD,    [LAYOUT_TITLE] = A_BOLD,  [LAYOUT_SELECTED] = A_REVERSE,
        [LAYOUT_KEY] = A_BOLD, [LAYOUT_WARNING] = A_BOLD, [LAYOUT_URGENT] = A_BOLD,
    };
    bool coloured = colours && style >= LAYOUT_KEY;

    return plain[style] | (coloured ? (chtype)COLOR_PAIR(style) : 0);
}

static void draw_row(const struct layout *layout, unsigned place)
{
    const struct layout_row *row = &layout->row[place];
    const char *text = text_string(&row->text);
    int left = (int)(layout->columns - row->columns);

    if (move((int)place, 0) != OK)
        return;
    for (unsigned i = 0; i < row->span_count; i++) {
        size_t end = i + 1 < row->span_count ? row->spans[i + 1].start : row->text.used;

        attrset((int)attributes_of(row->spans[i].style));
        addnstr(text + row->spans[i].start, (int)(end - row->spans[i].start));
    }
    if (left <= 0)
        return;
    attrset(A_NORMAL);
    if (row->rule && utf8) {
        /* As text, which every UTF-8 terminal shows; not all of them switch to another set of letters. */
        attrset(A_DIM);
        for (move((int)place, (int)row->columns); left > 0; left--)
            addstr("\xE2\x94\x80");
    } else if (row->rule) {
        mvhline((int)place, (int)row->columns, ACS_HLINE | A_DIM, left);
    } else {
        mvhline((int)place, (int)row->columns, ' ' | attributes_of(row->fill), left);
    }
}

void draw_layout(const struct layout *layout)
{
    erase();
    for (unsigned i = 0; i < layout->rows; i++)
        draw_row(layout, i);
    if (layout->cursor_row < layout->rows && layout->cursor_column < layout->columns) {
        move((int)layout->cursor_row, (int)layout->cursor_column);
        curs_set(1);
    } else {
        curs_set(0);
    }
    refresh();
}

static int translate(int key)
{
    switch (key) {
    case KEY_UP:
        return MODEL_KEY_UP;
    case KEY_DOWN:
        return MODEL_KEY_DOWN;
    case KEY_PPAGE:
        return MODEL_KEY_PAGE_UP;
    case KEY_NPAGE:
        return MODEL_KEY_PAGE_DOWN;
    case KEY_HOME:
        return MODEL_KEY_HOME;
    case KEY_END:
        return MODEL_KEY_END;
    case KEY_BACKSPACE:
    case KEY_DC:
        return MODEL_KEY_BACKSPACE;
    case KEY_ENTER:
        return MODEL_KEY_ENTER;
    default:
        return key > 0 && key < 256 ? key : 0;
    }
}

int draw_key(void)
{
    static struct keys keys;
    static bool took; /* something, since standard input was found readable */
    int key, waiting = 0;

    while ((key = getch()) != ERR) {
        took = true;
        key = translate(key);
        if (key > 0 && key < 256)
            key = keys_take(&keys, key);
        if (key != 0)
            return key;
    }
    if (!took) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

        /* Readable, and nothing to read: the end. */
        if (poll(&input, 1, 0) > 0 && (ioctl(STDIN_FILENO, FIONREAD, &waiting) != 0 || waiting == 0))
            return -1;
    }
    key = keys_pause(&keys);
    took = key != 0;
    return key;
}
