/* SPDX-License-Identifier: MIT */
/*
 * gate_mounts.c - cgroup2 and bpffs, wherever they are.
 *
 * Neither can be taken for granted: cgroup2 may be mounted in one of several places or nowhere, bpffs often is not
 * mounted, and `ip netns exec` hides both behind a new mount namespace. So cgroup2 is opened as a mount of our own
 * that no path leads to, and bpffs is used where the host sees it, through /proc/1/root: pins there outlive us, and the
 * path holds for iptables too, which looks the programs up by name. A pid 1 with more rights than ours keeps its root
 * from us; then our own mount namespace is taken for the host's if the oldest process we can look into shares it, or
 * that process's root is used.
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
#include <stdlib.h>
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

#define BPFFS   "/sys/fs/bpf"
#define PINS    BPFFS "/gatehouse"
#define LOCK_MS 3000

#define MARKER PINS "/mounted-by-gatehouse"

int gate_netns_cookie(uint64_t *cookie, struct gate_error *error)
{
    int result = 0;
    uint64_t value = 0;
    socklen_t size = sizeof(value);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

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
    if (code == -ENODEV || code == -ENOSYS)
        return gate_fail(error, code, "the kernel offers no cgroup2 (CONFIG_CGROUPS, CONFIG_CGROUP_BPF): %s",
                         strerror(-code));
    return gate_fail(error, code, "cgroup2 cannot be opened: %s", strerror(-code));
}

int gate_cgroup_root(void)
{
    return gate_cgroup_open(NULL);
}

/* Device and inode of one namespace of a process. */
static bool namespace_of(unsigned pid, const char *kind, struct stat *found)
{
    char path[48];

    if (pid)
        snprintf(path, sizeof(path), "/proc/%u/ns/%s", pid, kind);
    else
        snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
    return !stat(path, found);
}

static bool shares(unsigned pid, const char *kind)
{
    struct stat theirs, ours;

    return namespace_of(pid, kind, &theirs) && namespace_of(0, kind, &ours) && theirs.st_ino == ours.st_ino;
}

/* Pid 1, or the process with the lowest number that is of our kind and that we may look into. */
static unsigned find_host_process(void)
{
    unsigned lowest = 0;
    struct stat ignored;
    DIR *processes;

    if (namespace_of(1, "mnt", &ignored))
        return 1;
    processes = opendir("/proc");
    if (!processes)
        return 0;
    for (struct dirent *entry; (entry = readdir(processes));) {
        unsigned pid = (unsigned)strtoul(entry->d_name, NULL, 10);

        if (pid && (!lowest || pid < lowest) && namespace_of(pid, "mnt", &ignored) && shares(pid, "user") &&
            shares(pid, "pid"))
            lowest = pid;
    }
    closedir(processes);
    return lowest;
}

int gate_host_find(struct gate_host *host, struct gate_error *error)
{
    unsigned pid = find_host_process();
    struct stat found;

    if (!pid || !namespace_of(pid, "mnt", &found))
        return gate_fail(error, -ENOENT, "cannot see the mount namespace of the host: is /proc mounted?");
    host->mount_namespace = (uint32_t)found.st_ino;
    snprintf(host->space, sizeof(host->space), "/proc/%u/ns/mnt", pid);
    if (pid != 1 && shares(pid, "mnt"))
        host->root[0] = 0;
    else
        snprintf(host->root, sizeof(host->root), "/proc/%u/root", pid);
    return 0;
}

/* A path below the host's root, as we can use it. */
static void host_path(char path[GATE_PIN_DIR_SIZE], const struct gate_host *host, const char *inside)
{
    snprintf(path, GATE_PIN_DIR_SIZE, "%.31s%.60s", host->root, inside);
}

static bool bpffs_is_mounted(const struct gate_host *host)
{
    char path[GATE_PIN_DIR_SIZE];
    struct statfs info;

    host_path(path, host, BPFFS);
    return !statfs(path, &info) && (unsigned long)info.f_type == (unsigned long)BPF_FS_MAGIC;
}

/* Runs in a child: a process with threads cannot change its mount namespace, and ours must not change. */
static void mount_child(const struct gate_host *host, bool mount_it)
{
    int space = open(host->space, O_RDONLY | O_CLOEXEC);
    int result;

    if (space < 0 || setns(space, CLONE_NEWNS))
        _exit(errno);
    if (mount_it)
        result = mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700");
    else
        result = umount2(BPFFS, 0);
    _exit(result ? errno : 0);
}

int gate_mount_here(const struct gate_host *host, bool mount_it)
{
    int status = 0;
    pid_t child = fork();

    if (child < 0)
        return -errno;
    if (child == 0)
        mount_child(host, mount_it);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* A confined gatehoused has no right to: its aide has. */
static int change_mount(const struct gate_host *host, bool mount_it)
{
    return gate_aide_is_there() ? gate_aide_mount(host, mount_it) : gate_mount_here(host, mount_it);
}

static int make_directory(const struct gate_host *host, const char *inside, bool *made, struct gate_error *error)
{
    char path[GATE_PIN_DIR_SIZE];

    host_path(path, host, inside);
    if (!mkdir(path, 0700)) {
        *made = true;
        return 0;
    }
    if (errno == EEXIST)
        return 0;
    return gate_fail(error, -errno, "cannot make %s in the BPF file system: %s", path, strerror(errno));
}

static int mount_bpffs(const struct gate_host *host, struct gate_error *error)
{
    bool made;
    int code = change_mount(host, true);

    if (code)
        return gate_fail(error, code, "cannot mount the BPF file system on %s in the mount namespace of the host: %s",
                         BPFFS, strerror(-code));
    if (!bpffs_is_mounted(host))
        return gate_fail(error, -ENOENT, "mounted the BPF file system, but %s%s does not show it", host->root, BPFFS);
    code = make_directory(host, PINS, &made, error);
    return code ? code : make_directory(host, MARKER, &made, error);
}

/*
 * Keeps gates of different namespaces from mounting and unmounting under each other's feet. Anybody may lock that
 * directory, so nobody waits for it long; -1 when there is no lock to be had.
 */
static int lock_mount(const struct gate_host *host)
{
    char path[GATE_PIN_DIR_SIZE];
    int fd;

    host_path(path, host, "/sys/fs");
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)gate_lock_wait(fd, LOCK_MS);
    return fd;
}

static void unlock_mount(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* The kernel puts two files of its own into every bpffs. */
static bool is_content(const char *name)
{
    return strcmp(name, ".") && strcmp(name, "..") && strcmp(name, "maps.debug") && strcmp(name, "progs.debug");
}

/* Counts what was put into a directory; -1 when it cannot be read. */
static int count_entries(const char *path)
{
    DIR *open_directory = opendir(path);
    int count = 0;

    if (!open_directory)
        return -1;
    for (struct dirent *entry; (entry = readdir(open_directory));)
        count += is_content(entry->d_name);
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

void gate_pins_tidy(const char *directory, bool (*is_known)(const void *context, const char *name), const void *context)
{
    DIR *open_directory = opendir(directory);

    if (!open_directory)
        return;
    for (struct dirent *entry; (entry = readdir(open_directory));) {
        bool link = strncmp(entry->d_name, "link_", 5) == 0;

        if ((link || strncmp(entry->d_name, "xt_", 3) == 0) && !is_known(context, entry->d_name + (link ? 5 : 0)))
            unlinkat(dirfd(open_directory), entry->d_name, 0);
    }
    closedir(open_directory);
}

/* A gatehoused that was killed, and then its namespace: nobody else can take its pins away. */
static void remove_dead(const struct gate_host *host)
{
    struct gate_error ignored = {0};
    char pins[GATE_PIN_DIR_SIZE], path[GATE_PIN_DIR_SIZE];
    DIR *open_directory;

    host_path(pins, host, PINS);
    open_directory = opendir(pins);
    if (!open_directory)
        return;
    for (struct dirent *entry; (entry = readdir(open_directory));) {
        if (entry->d_name[0] == '.' ||
            (size_t)snprintf(path, sizeof(path), "%.70s/%.20s", pins, entry->d_name) >= sizeof(path))
            continue;
        if (gate_pins_are_dead(path))
            remove_pins(path, &ignored);
    }
    closedir(open_directory);
}

int gate_pins_find(const struct gate_host *host, uint64_t netns_cookie, bool create, char directory[GATE_PIN_DIR_SIZE],
                   bool *made, struct gate_error *error)
{
    char inside[GATE_PIN_DIR_SIZE], path[GATE_PIN_DIR_SIZE];
    bool ignored = false, new = false;
    int code = 0, lock;

    snprintf(inside, sizeof(inside), "%s/%" PRIx64, PINS, netns_cookie);
    host_path(path, host, inside);
    if (!create) {
        if (!bpffs_is_mounted(host) || access(path, F_OK))
            return -ENOENT;
    } else {
        lock = lock_mount(host);
        if (!bpffs_is_mounted(host))
            code = mount_bpffs(host, error);
        if (!code)
            code = make_directory(host, PINS, &ignored, error);
        if (!code)
            code = make_directory(host, inside, &new, error);
        remove_dead(host);
        unlock_mount(lock);
    }
    if (code)
        return code;
    memcpy(directory, path, sizeof(path));
    *made = new;
    return 0;
}

bool gate_stands(void)
{
    char directory[GATE_PIN_DIR_SIZE];
    struct gate_host host;
    uint64_t netns_cookie = 0;
    bool made;

    return !gate_netns_cookie(&netns_cookie, NULL) && !gate_host_find(&host, NULL) &&
           !gate_pins_find(&host, netns_cookie, false, directory, &made, NULL);
}

/* Takes away what all gates share, when this was the last. Somebody may be in the mount: then it stays, empty. */
static void remove_shared(const struct gate_host *host)
{
    char root[GATE_PIN_DIR_SIZE], pins[GATE_PIN_DIR_SIZE], marker[GATE_PIN_DIR_SIZE];
    bool ours;

    host_path(root, host, BPFFS);
    host_path(pins, host, PINS);
    host_path(marker, host, MARKER);
    ours = !access(marker, F_OK);
    if (count_entries(pins) > (ours ? 1 : 0))
        return;
    if (ours)
        rmdir(marker);
    rmdir(pins);
    if (ours && count_entries(root) == 0)
        change_mount(host, false);
}

int gate_pins_remove(const struct gate_host *host, uint64_t netns_cookie, int *pins_lock, struct gate_error *error)
{
    char path[GATE_PIN_DIR_SIZE];
    bool ignored;
    int code = 0, lock = lock_mount(host);

    if (bpffs_is_mounted(host)) {
        if (!gate_pins_find(host, netns_cookie, false, path, &ignored, error))
            code = remove_pins(path, error);
        remove_dead(host);
        if (*pins_lock >= 0)
            close(*pins_lock); /* it is open in the mount, which could not go then */
        *pins_lock = -1;
        if (!code)
            remove_shared(host);
    }
    unlock_mount(lock);
    return code;
}
