/* SPDX-License-Identifier: MIT */
/*
 * name_servers.h - whose answers are believed: the setting name-servers, and resolv.conf(5).
 *
 *   system           those that this machine is configured to ask: the nameserver lines of /etc/resolv.conf, as that
 * file is when an answer comes (without any, or without the file: 127.0.0.1 and ::1, as the C library has it) any
 * whoever answers from port 53 none             nobody: names are not known ADDRESS ...      these, at most
 * NAME_SERVERS_MAX, with blanks or commas between them
 */
#ifndef HOST_NAME_SERVERS_H
#define HOST_NAME_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define NAME_SERVERS_MAX 16u

enum name_servers_mode { NAME_SERVERS_SYSTEM, NAME_SERVERS_ANY, NAME_SERVERS_NONE, NAME_SERVERS_LISTED };

struct name_server {
    uint8_t ip_version;  /* 4 or 6 */
    uint8_t address[16]; /* IPv4 in the first four, the rest zero */
};

struct name_servers {
    enum name_servers_mode mode;
    unsigned count;
    struct name_server list[NAME_SERVERS_MAX];
    const char *file; /* SYSTEM: what was read last, and what it was then */
    bool read;
    struct timespec changed;
    ino_t inode;
    dev_t device;
    off_t size;
};

/* False: the text is no such setting; servers is untouched then. file: that of SYSTEM, which lives as long. */
bool name_servers_parse(const char *text, const char *file, struct name_servers *servers);

/* SYSTEM looks whether the file is another one now. An IPv4-mapped address is the IPv4 address. */
bool name_servers_believe(struct name_servers *servers, uint8_t ip_version, const uint8_t address[16]);

#endif
