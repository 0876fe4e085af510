/* SPDX-License-Identifier: MIT */
/*
 * gate_mounts.c - cgroup2 and bpffs, wherever they are.
 *
 * Neither can be taken for granted: cgroup2 may be mounted in one of several places or nowhere, bpffs often is not
 * mounted, and `ip netns exec` hides both behind a new mount namespace. So cgroup2 is opened as a mount of our own
 * that no path leads to, and bpffs is used where pid 1 sees it, through /proc/1/root: pins there outlive us, and the
 * path holds for iptables too, which looks the programs up by name.
 *
 * Layout: /sys/fs/bpf/gatehouse/<netns cookie, hex>/ holds the pins of one namespace; the directory MARKER beside
 * them says that the mount is ours to take away.
 */
#include "gate_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define BPFFS        "/proc/1/root/sys/fs/bpf"
#define BPFFS_INSIDE "/sys/fs/bpf"
#define PINS         BPFFS "/gatehouse"
#define MARKER       PINS "/mounted-by-gatehouse"

int gate_netns_cookie(uint64_t *cookie, struct gate_error *error)
{
    int result = 0;
    uint64_t value = 0;
    socklen_t size = sizeof(value);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return gate_fail(error, -errno, "cannot open a socket: %s", strerror(errno));
    if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &value, &size))
        result = gate_fail(error, -errno,
                           "the kernel does not tell the network namespace (SO_NETNS_COOKIE): Linux 5.14 "
                           "or newer is needed");
    else
        *cookie = value;
    close(fd);
    return result;
}

int gate_cgroup_open(struct gate_error *error)
{
    int root = -1, mounted = -1, code = 0;
    int context = (int)syscall(SYS_fsopen, "cgroup2", 1u /* FSOPEN_CLOEXEC */);

    if (context < 0 || syscall(SYS_fsconfig, context, 6u /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) < 0)
        code = -errno;
    if (!code) {
        mounted = (int)syscall(SYS_fsmount, context, 1u /* FSMOUNT_CLOEXEC */, 0u);
        if (mounted < 0)
            code = -errno;
    }
    if (!code) {
        root = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
            code = -errno;
    }
    if (mounted >= 0)
        close(mounted);
    if (context >= 0)
        close(context);
    if (!code)
        return root;
    if (code == -EPERM)
        return gate_fail(error, code, "no right to open cgroup2: CAP_SYS_ADMIN is needed, run as root");
    return gate_fail(error, code, "the kernel offers no cgroup2 (CONFIG_CGROUPS, CONFIG_CGROUP_BPF): %s",
                     strerror(-code));
}

static bool bpffs_is_mounted(void)
{
    struct statfs info;

    return !statfs(BPFFS, &info) && (unsigned long)info.f_type == (unsigned long)BPF_FS_MAGIC;
}

/* Runs in a child: a process with threads cannot change its mount namespace, and ours must not change. */
static void mount_child(bool mount_it)
{
    int space = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
    int result;

    if (space < 0 || setns(space, CLONE_NEWNS))
        _exit(errno);
    if (mount_it)
        result = mount("bpf", BPFFS_INSIDE, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700");
    else
        result = umount2(BPFFS_INSIDE, 0);
    _exit(result ? errno : 0);
}

static int change_mount(bool mount_it)
{
    int status = 0;
    pid_t child = fork();

    if (child < 0)
        return -errno;
    if (child == 0)
        mount_child(mount_it);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int make_directory(const char *path, bool *made, struct gate_error *error)
{
    if (!mkdir(path, 0700)) {
        *made = true;
        return 0;
    }
    if (errno == EEXIST)
        return 0;
    return gate_fail(error, -errno, "cannot make %s in the BPF file system: %s", path, strerror(errno));
}

static int mount_bpffs(struct gate_error *error)
{
    bool made;
    int code = change_mount(true);

    if (code)
        return gate_fail(error, code, "cannot mount the BPF file system on %s in the mount namespace of pid 1: %s",
                         BPFFS_INSIDE, strerror(-code));
    if (!bpffs_is_mounted())
        return gate_fail(error, -ENOENT, "mounted the BPF file system, but %s does not show it", BPFFS);
    code = make_directory(PINS, &made, error);
    return code ? code : make_directory(MARKER, &made, error);
}

int gate_pins_find(uint64_t netns_cookie, bool create, char directory[GATE_PIN_DIR_SIZE], bool *made,
                   struct gate_error *error)
{
    char path[GATE_PIN_DIR_SIZE];
    bool ignored = false, new = false;
    int code = 0;

    snprintf(path, sizeof(path), "%s/%" PRIx64, PINS, netns_cookie);
    if (!create) {
        if (!bpffs_is_mounted() || access(path, F_OK))
            return -ENOENT;
    } else {
        if (!bpffs_is_mounted())
            code = mount_bpffs(error);
        if (!code)
            code = make_directory(PINS, &ignored, error);
        if (!code)
            code = make_directory(path, &new, error);
    }
    if (code)
        return code;
    memcpy(directory, path, sizeof(path));
    *made = new;
    return 0;
}

/* Counts the entries of a directory; -1 when it cannot be read. */
static int count_entries(const char *path)
{
    DIR *open_directory = opendir(path);
    int count = 0;

    if (!open_directory)
        return -1;
    for (struct dirent *entry; (entry = readdir(open_directory));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(open_directory);
    return count;
}

static int remove_pins(const char *path, struct gate_error *error)
{
    DIR *open_directory = opendir(path);

    if (!open_directory)
        return errno == ENOENT ? 0 : gate_fail(error, -errno, "cannot read %s: %s", path, strerror(errno));
    for (struct dirent *entry; (entry = readdir(open_directory));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            unlinkat(dirfd(open_directory), entry->d_name, 0);
    closedir(open_directory);
    if (rmdir(path) && errno != ENOENT)
        return gate_fail(error, -errno, "cannot remove %s: %s", path, strerror(errno));
    return 0;
}

int gate_pins_remove(uint64_t netns_cookie, struct gate_error *error)
{
    char path[GATE_PIN_DIR_SIZE];
    bool made, ours;
    int code;

    if (gate_pins_find(netns_cookie, false, path, &made, error)) {
        snprintf(path, sizeof(path), "%s/%" PRIx64, PINS, netns_cookie);
        if (!bpffs_is_mounted())
            return 0;
    }
    code = remove_pins(path, error);
    if (code)
        return code;
    ours = !access(MARKER, F_OK);
    if (count_entries(PINS) > (ours ? 1 : 0))
        return 0;
    if (ours)
        rmdir(MARKER);
    rmdir(PINS);
    if (!ours || count_entries(BPFFS) != 0)
        return 0;
    /* Somebody may be in it: then it stays, empty. */
    change_mount(false);
    return 0;
}
