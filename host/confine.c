/* SPDX-License-Identifier: MIT */
/*
 * confine.c - see confine.h.
 *
 * Capabilities first: the filter does not allow to change them any more. libpsx makes the calls on every thread; the
 * filter goes to all of them by TSYNC. Names of users are looked up once before, so that the C library has loaded its
 * modules for it: later it may still read with them, but not run another program.
 */
#include "host/confine.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/psx_syscall.h>
#include <sys/socket.h>

/* CAP_PERFMON and CAP_BPF came with Linux 5.8; before, CAP_SYS_ADMIN is both. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF     39
#endif

/* BPF, PERFMON: maps; programs that are attached when a rule first needs them. NET_ADMIN: netfilter's queue, sock_diag,
 * programs on control groups. SYS_PTRACE, DAC_READ_SEARCH: the executables of others. */
static const cap_value_t kept[] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
static const cap_value_t kept_old[] = {CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
/* Packet rules, whichever iptables makes them; the modules they need; bpffs in the host's mount namespace, and the way
 * there (/proc/1/root). */
static const cap_value_t kept_by_aide[] = {CAP_NET_ADMIN,  CAP_NET_RAW,      CAP_SYS_MODULE,
                                           CAP_SYS_ADMIN,  CAP_BPF,          CAP_SYS_PTRACE,
                                           CAP_SYS_CHROOT, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH};

static bool is_kept(cap_value_t value, const cap_value_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

/* Those of list that this process has, and no others, also for what it runs. */
static bool keep_capabilities(const cap_value_t *list, size_t count)
{
    cap_t now = cap_get_proc(), next = cap_init();
    bool done = now && next;

    for (cap_value_t value = 0; value < cap_max_bits(); value++) {
        cap_flag_value_t has = CAP_CLEAR;

        if (!is_kept(value, list, count)) {
            cap_drop_bound(value); /* fails where CAP_SETPCAP is missing: there the bound counts for nothing anyway */
            continue;
        }
        if (done && !cap_get_flag(now, value, CAP_PERMITTED, &has) && has == CAP_SET)
            done = !cap_set_flag(next, CAP_PERMITTED, 1, &value, CAP_SET) &&
                   !cap_set_flag(next, CAP_EFFECTIVE, 1, &value, CAP_SET);
    }
    done = done && !cap_set_proc(next);
    if (now)
        cap_free(now);
    if (next)
        cap_free(next);
    return done;
}

/* What a process does that reads, writes, waits and keeps files, in this or an older C library. */
static const char *const allowed[] = {
    /* memory, threads, time */
    "brk", "munmap", "mremap", "madvise", "membarrier", "futex", "futex_waitv", "set_robust_list", "get_robust_list",
    "rseq", "sched_yield", "sched_getaffinity", "sched_setaffinity", "getcpu", "exit", "exit_group", "set_tid_address",
    "gettid", "getpid", "getppid", "tgkill", "restart_syscall", "nanosleep", "clock_nanosleep", "clock_gettime",
    "clock_getres", "gettimeofday", "time", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
    "rt_sigtimedwait", "getrandom", "uname", "sysinfo", "getrusage", "prlimit64", "getrlimit", "setrlimit",
    /* who it is */
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "capget", "umask", "getcwd",
    /* files */
    "read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev", "open", "openat", "openat2",
    "close", "close_range", "lseek", "fstat", "stat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access",
    "faccessat", "faccessat2", "readlink", "readlinkat", "open_by_handle_at", "name_to_handle_at", "getdents",
    "getdents64", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "ftruncate",
    "fallocate", "fsync", "fdatasync", "flock", "fcntl", "dup", "dup2", "dup3", "pipe", "pipe2", "fadvise64", "ioctl",
    "fchmod", "chmod", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "copy_file_range", "sendfile",
    /* waiting, sockets, processes of others */
    "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd4", "bind", "listen", "connect",
    "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "setsockopt",
    "getsockopt", "getsockname", "getpeername", "socketpair", "pidfd_open", "wait4", "waitid", "kcmp", "bpf"};

static int allow(scmp_filter_ctx filter, const char *name)
{
    int number = seccomp_syscall_resolve_name(name);

    return number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
}

/* Sockets of this machine and of the kernel, none to a network. */
static int allow_sockets(scmp_filter_ctx filter)
{
    int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));

    return code ? code
                : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK));
}

/* No memory that is both written and run. */
static int allow_mapping(scmp_filter_ctx filter, int call)
{
    const scmp_datum_t both = PROT_WRITE | PROT_EXEC;
    int code =
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, (scmp_datum_t)PROT_EXEC, 0));

    return code ? code
                : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, both, PROT_EXEC));
}

/* Threads, not processes. clone3 hides its flags behind a pointer: told that it is not there, the C library uses clone.
 */
static int allow_threads(scmp_filter_ctx filter)
{
    int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

    return code ? code : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int make_filter(scmp_filter_ctx filter)
{
    int code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

    for (size_t i = 0; !code && i < sizeof(allowed) / sizeof(allowed[0]); i++)
        code = allow(filter, allowed[i]);
    if (!code)
        code = allow_sockets(filter);
    if (!code)
        code = allow_mapping(filter, SCMP_SYS(mmap));
    if (!code)
        code = allow_mapping(filter, SCMP_SYS(mprotect));
    if (!code)
        code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    return code ? code : allow_threads(filter);
}

static int load_filter(bool deadly)
{
    scmp_filter_ctx filter = seccomp_init(deadly ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
    int code = filter ? make_filter(filter) : -ENOMEM;

    if (!code)
        code = seccomp_load(filter); /* sets no_new_privs, without which the kernel takes no filter */
    if (filter)
        seccomp_release(filter);
    return code;
}

int confine(bool deadly, char *error, size_t size)
{
    bool old = !CAP_IS_SUPPORTED(CAP_BPF);
    int code;

    getpwuid(0);
    if (!keep_capabilities(old ? kept_old : kept,
                           old ? sizeof(kept_old) / sizeof(kept_old[0]) : sizeof(kept) / sizeof(kept[0]))) {
        snprintf(error, size, "cannot give up capabilities: %s; start it with --confine no, or mend what forbids it.",
                 strerror(errno));
        return -EPERM;
    }
    code = load_filter(deadly);
    if (code)
        snprintf(error, size,
                 "the kernel does not take a filter of system calls (CONFIG_SECCOMP_FILTER): %s; start it with "
                 "--confine no to go without.",
                 strerror(-code));
    return code;
}

void confine_aide(void)
{
    keep_capabilities(kept_by_aide, sizeof(kept_by_aide) / sizeof(kept_by_aide[0]));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
