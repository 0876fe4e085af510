/* SPDX-License-Identifier: MIT */
/*
 * browser.c - see browser.h. Its processes are not ours to wait for: a child of a child is given to init.
 */
#include "page/browser.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

bool browser_is_there(void)
{
    const char *display = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");

    return geteuid() != 0 && ((display != NULL && display[0] != '\0') || (wayland != NULL && wayland[0] != '\0'));
}

static void become_opener(const char *link)
{
    int nothing = open("/dev/null", O_RDWR);

    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 || dup2(nothing, 2) < 0)
        _exit(127);
    (void)setsid();
    execlp("xdg-open", "xdg-open", link, (char *)NULL);
    _exit(127);
}

void browser_open(const char *link)
{
    pid_t child = fork();

    if (child == 0) {
        if (fork() == 0)
            become_opener(link);
        _exit(0);
    }
    if (child > 0)
        (void)waitpid(child, NULL, 0);
}
