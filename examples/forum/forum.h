/* SPDX-License-Identifier: MIT */
/*
 * forum.h - what the driver asks user level over its port \ForumFirewall, and what it gets. Both drivers have it.
 */
#ifndef EXAMPLES_FORUM_H
#define EXAMPLES_FORUM_H

#include <fltkernel.h>

#define FORUM_PORT L"\\ForumFirewall"

/* Behind FILTER_MESSAGE_HEADER. Address and port are in the machine's byte order. */
struct forum_question {
    UINT64 process_id;
    UINT32 address;
    UINT16 port;
    UINT16 zero;
};

/* Behind FILTER_REPLY_HEADER. */
struct forum_answer {
    UINT32 safe_to_open; /* 0 or 1 */
};

#endif
