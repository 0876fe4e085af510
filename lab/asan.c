/* SPDX-License-Identifier: MIT */
/*
 * asan.c - see asan.h.
 */
#include "lab/asan.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/commands.h"
#include "lab/driver_compile.h"

#define MARK "WFPLAB_UNDER_ASAN"

bool asan_is_on(void)
{
    return dlsym(RTLD_DEFAULT, "__asan_init") != NULL;
}

void asan_before_end(void (*last)(void))
{
    void (*set)(void (*callback)(void));
    void *place = dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback");

    if (place == NULL)
        return;
    memcpy(&set, &place, sizeof(set));
    set(last);
}

/* The command line as it was: NUL after each argument. */
static char **own_arguments(void)
{
    static char text[65536];
    static char *arguments[1024];
    FILE *file = fopen("/proc/self/cmdline", "rb");
    size_t size = file == NULL ? 0 : fread(text, 1, sizeof(text) - 1, file), count = 0;

    if (file != NULL)
        fclose(file);
    for (char *p = text; p < text + size && count < 1023; p += strlen(p) + 1)
        arguments[count++] = p;
    return arguments;
}

int asan_restart(void)
{
    const char *options = getenv("ASAN_OPTIONS");
    char path[1024], all[1200];

    driver_ask_compiler("-print-file-name=libasan.so", path, sizeof(path));
    if (*path != '/' || getenv(MARK) != NULL) {
        fprintf(stderr, "wfplab: --asan: the compiler has no libasan.so that could be loaded; install GCC's, or leave "
                        "the option out.\n");
        return LAB_USAGE;
    }
    /* Leaks are the lab's own affair; stacks are changed by fibers; faults and their reports are crash.c's. */
    snprintf(all, sizeof(all),
             "detect_leaks=0:detect_stack_use_after_return=0:handle_segv=0:handle_sigbus=0:"
             "handle_sigfpe=0:handle_sigill=0:handle_abort=0:exitcode=1%s%.900s",
             options == NULL ? "" : ":", options == NULL ? "" : options);
    (void)setenv("ASAN_OPTIONS", all, 1);
    (void)setenv("LD_PRELOAD", path, 1);
    (void)setenv(MARK, "1", 1);
    (void)execv("/proc/self/exe", own_arguments());
    fprintf(stderr, "wfplab: --asan: the program cannot be started again: %s.\n", strerror(errno));
    return LAB_FAILED;
}
