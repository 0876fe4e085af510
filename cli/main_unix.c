/* SPDX-License-Identifier: MIT */
/*
 * main_unix.c - see program.h.
 */
#include <fcntl.h>

#include "cli/program.h"

/* Started without standard streams, the device would take one of their numbers and be written to. */
static void open_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) /* takes the lowest number: this one */
            return;
}

int main(int argc, char **argv)
{
    open_standard_streams();
    return program_run(argc, argv);
}
