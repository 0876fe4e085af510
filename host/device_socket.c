/* SPDX-License-Identifier: MIT */
/*
 * device_socket.c - see device_socket.h.
 */
#include "host/device_socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int path_make_folder(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char *slash;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return mkdir(folder, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Whether somebody answers at the path: 1 yes, 0 no (a socket left behind is unlinked), -errno. */
static int path_clear(const struct sockaddr_un *address)
{
    struct stat found;

    if (lstat(address->sun_path, &found) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(found.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
    close(fd);
    if (refused != ECONNREFUSED)
        return 1;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

int device_socket_bind(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct group *group = getgrnam(DEVICE_SOCKET_GROUP);

    memcpy(address.sun_path, path, strlen(path) + 1);
    int result = path_make_folder(path);
    if (!result)
        result = path_clear(&address);
    if (result)
        return result > 0 ? -EADDRINUSE : result;
    mode_t mask = umask(0177);
    result = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    umask(mask);
    if (result)
        return result;
    if (group && (chown(path, 0, group->gr_gid) < 0 || chmod(path, 0660) < 0))
        result = -errno;
    if (!result && listen(fd, 16) < 0)
        result = -errno;
    if (result)
        unlink(path);
    return result;
}

void device_socket_explain(int result, const char *path, char *error, size_t size)
{
    if (result == -EADDRINUSE)
        snprintf(error, size,
                 "another gatehoused, or another program, answers at %s: end it, or name another socket with "
                 "--socket.",
                 path);
    else if (result == -EEXIST)
        snprintf(error, size, "%s exists and is no socket: remove it, or name another socket with --socket.", path);
    else
        snprintf(error, size, "cannot listen at %s: %s; name another socket with --socket.", path, strerror(-result));
}

bool device_socket_peer_in_group(int fd, gid_t primary)
{
    struct group *group = getgrnam(DEVICE_SOCKET_GROUP);
    gid_t groups[65536 / sizeof(gid_t)];
    socklen_t size = sizeof(groups);

    if (!group)
        return false;
    if (primary == group->gr_gid)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof(gid_t); i++) {
        if (groups[i] == group->gr_gid)
            return true;
    }
    return false;
}
