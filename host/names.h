/* SPDX-License-Identifier: MIT */
/*
 * names.h - under which names programs look addresses up: from answers to the driver (GATEHOUSE_IOCTL_NAMES_LEARNED).
 *
 * What is learned here is told to the driver at once, before the next packet is looked at, and kept here too, for what
 * the host itself shows (flows). Addresses of loopback and "any" have no name: 127.0.0.1 is what blockers answer with.
 *
 * One thread, that of the host's loop.
 */
#ifndef HOST_NAMES_H
#define HOST_NAMES_H

#include <ntddk.h>
#include <fwpsk.h>

#include "gatehouse/rules.h"
#include "host/gate.h"
#include "host/name_servers.h"

struct names;

/* servers is copied. device: where the driver is; one that does not know names is told nothing. NULL: out of memory. */
struct names *names_new(const struct name_servers *servers, const char *device);

/* Before the driver is unloaded: it is told nothing any more. NULL is allowed, here and below. */
void names_leave(struct names *names);
void names_free(struct names *names);

/* Learned for its owner, if that is known and the server is believed. */
void names_answer(struct names *names, const struct gate_dns_answer *answer);

struct name_found {
    uint8_t ip_version;
    const uint8_t *address;
    uint32_t ttl_s;
};

/* Somebody who is believed says so, for any program. The name need not be valid: then it is left out. */
void names_say(struct names *names, const char *name, size_t name_size, const struct name_found *found, unsigned count);

/* app_id: of a program, UTF-16 with its NUL; NULL or size 0: not known. The latest name that it got this address for:
 * its size, at most GATEHOUSE_NAME_MAX; 0: none. */
uint16_t names_find(struct names *names, const FWP_BYTE_BLOB *app_id, uint8_t ip_version, const uint8_t address[16],
                    char *name);

#endif
