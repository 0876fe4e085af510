/* SPDX-License-Identifier: MIT */
/*
 * users.h - a user's name from a SID.
 */
#ifndef AGENT_USERS_H
#define AGENT_USERS_H

#include <stddef.h>
#include <stdint.h>

#define USERS_NAME_MAX 64u

/*
 * The name, NUL-terminated and valid until the next call, or NULL when this machine's own files name none.
 * Never asks the network: a name service's connection would be held, and this very program would have
 * to decide it. One thread; a bounded cache.
 */
const char *users_name(const uint8_t *sid, size_t size);

#endif
