/* SPDX-License-Identifier: MIT */
/*
 * driver_compile.h - makes a shared object of a driver's C files.
 *
 * With -DNT_LAB=1 -g -O1 -fno-omit-frame-pointer -fshort-wchar, against our WDK headers: in the source tree that this
 * program was built from, or PREFIX/include/gatehouse-lab beside PREFIX/bin/wfplab. The result is kept in
 * $XDG_CACHE_HOME/gatehouse-lab (else ~/.cache, else /tmp), under a hash of what the preprocessor made of it, the
 * options and the compiler; so a changed header is noticed. CC names another compiler than cc.
 */
#ifndef LAB_DRIVER_COMPILE_H
#define LAB_DRIVER_COMPILE_H

#include <stdbool.h>
#include <stddef.h>

#define DRIVER_SOURCES_MAX 64u
#define DRIVER_OPTIONS_MAX 64u
#define DRIVER_PATH_MAX    1024u

struct driver_sources {
    const char *path[DRIVER_SOURCES_MAX]; /* the first names the driver; a folder stands for the .c files in it */
    size_t count;
    const char *const *options; /* -I and -D, as given */
    size_t option_count;
    bool asan;
};

struct driver_error;

/* object: DRIVER_PATH_MAX bytes for the path of the shared object. false: told in *error or, by the compiler, on
 * stderr (*error says that it did not compile). */
bool driver_compile(const struct driver_sources *sources, char *object, struct driver_error *error);

/* The first line of what the compiler says to one argument; "": nothing. */
void driver_ask_compiler(const char *question, char *text, size_t room);

#endif
