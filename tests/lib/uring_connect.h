/* SPDX-License-Identifier: MIT */
/*
 * uring_connect.h - one connect() through io_uring, by raw system calls.
 *
 * A connect that is no connect system call: it shows that identity and hold do not depend on one.
 * IOSQE_ASYNC makes a kernel worker thread of this process do it.
 */
#ifndef TESTS_URING_CONNECT_H
#define TESTS_URING_CONNECT_H

#include <stdbool.h>
#include <sys/socket.h>

/* False with errno when this kernel gives no rings to this process. */
bool uring_connect_available(void);

/* 0 or the errno of the connect. */
int uring_connect(int fd, const struct sockaddr *address, socklen_t size);

#endif
