/* SPDX-License-Identifier: MIT */
/*
 * package_owner.h - which package of the system a program belongs to.
 *
 * Debian's lists of files are read as they lie (/var/lib/dpkg/info); elsewhere rpm is asked, for five seconds at most.
 * Both see /bin/ls and /usr/bin/ls as one where /bin is a link. What was found is kept for each path until the lists
 * change. It reads much from disk: on a thread (facts_reader.h).
 */
#ifndef AGENT_PACKAGE_OWNER_H
#define AGENT_PACKAGE_OWNER_H

#include <stdbool.h>
#include <stddef.h>

#define PACKAGE_NAME_MAX 128u

/* program is a path from "/" on. False: no package has it, or it cannot be told. The name is a plain word
 * ([A-Za-z0-9.+_-]). Any thread. */
bool package_owner_find(const char *program, char name[PACKAGE_NAME_MAX]);

/* Whether it was found, or found to be nobody's, before: then name says so, empty for nobody's. Does not wait. */
bool package_owner_known(const char *program, char name[PACKAGE_NAME_MAX]);

/* Where the lists lie; tests give another folder, which must live on. NULL: the system's. */
void package_owner_use_folder(const char *folder);

#endif
