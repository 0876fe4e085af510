/* SPDX-License-Identifier: MIT */
/*
 * device_socket.h - the place in the file system where the device is served.
 */
#ifndef HOST_DEVICE_SOCKET_H
#define HOST_DEVICE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DEVICE_SOCKET_GROUP "gatehouse"

/*
 * Binds the socket to the path and listens: root and the group may connect. The folder is made if it is missing, a
 * socket that nobody answers at is replaced. path fits in sun_path. 0, or -errno; -EADDRINUSE: somebody answers there.
 */
int device_socket_bind(int fd, const char *path);
/* What that means, in a sentence. */
void device_socket_explain(int result, const char *path, char *error, size_t size);

/* Is who connected in the group? primary: of SO_PEERCRED. */
bool device_socket_peer_in_group(int fd, gid_t primary);

#endif
