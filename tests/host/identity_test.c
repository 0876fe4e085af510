/* SPDX-License-Identifier: MIT */
/*
 * identity_test.c - the SIDs of who connects: of control groups and units by their names, and of executables by their
 * content. The oracle for hashes is sha256sum (coreutils); for a process's control group, /proc/self/cgroup.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cgroup_names.h"
#include "host/exe_hash.h"
#include "host/identity.h"

/* --- Oracle ---------------------------------------------------------------------------------- */

/* What sha256sum says of a file, or of a text. */
static void sum(const char *file, const char *text, char hex[65])
{
    char command[4400];

    if (text)
        snprintf(command, sizeof(command), "printf '%%s' '%s' | sha256sum", text);
    else
        snprintf(command, sizeof(command), "sha256sum '%s'", file);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    assert_int_equal(fread(hex, 1, 64, pipe), 64);
    hex[64] = 0;
    while (fgetc(pipe) != EOF)
        ;
    pclose(pipe);
}

/* The first count numbers of a hash as a SID shows it. */
static void check_numbers(const uint32_t *numbers, unsigned count, const char *hex)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned byte[4];

        assert_int_equal(sscanf(hex + 8 * i, "%2x%2x%2x%2x", &byte[0], &byte[1], &byte[2], &byte[3]), 4);
        assert_int_equal(numbers[i], byte[0] | byte[1] << 8 | byte[2] << 16 | byte[3] << 24);
    }
}

static void check_group(const struct cgroup_sid *sid, uint32_t kind, const char *name)
{
    static const uint8_t authority[6] = {0, 0, 0, 0, 0, 5};
    char hex[65];

    assert_int_equal(sid->revision, 1);
    assert_int_equal(sid->count, 6);
    assert_memory_equal(sid->authority, authority, 6);
    assert_int_equal(sid->part[0], kind);
    sum(NULL, name, hex);
    check_numbers(sid->part + 1, 5, hex);
}

/* --- Control groups -------------------------------------------------------------------------- */

static void test_names(void **state)
{
    struct cgroup_sid sids[CGROUP_SIDS_MAX];

    (void)state;
    assert_int_equal(cgroup_names_of("/", sids), 1);
    check_group(&sids[0], 81, "/");
    assert_int_equal(cgroup_names_of("/system.slice/ssh.service/inner", sids), 6);
    check_group(&sids[1], 81, "/system.slice");
    check_group(&sids[2], 80, "system.slice");
    check_group(&sids[3], 81, "/system.slice/ssh.service");
    check_group(&sids[4], 80, "ssh.service");
    check_group(&sids[5], 81, "/system.slice/ssh.service/inner");
    assert_int_equal(cgroup_names_of("/.service/docker", sids), 3); /* a unit has a name before its suffix */
}

static void test_deep(void **state)
{
    struct cgroup_sid sids[CGROUP_SIDS_MAX + 1];
    char path[100 * 8 + 1];

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        memcpy(path + 8 * i, "/a.slice", 9);
    memset(sids, 0xee, sizeof(sids));
    size_t count = cgroup_names_of(path, sids);
    assert_true(count <= CGROUP_SIDS_MAX && count > CGROUP_SIDS_MAX - 3);
    assert_int_equal(sids[CGROUP_SIDS_MAX].revision, 0xee);
    check_group(&sids[1], 81, "/a.slice");
}

/* A group made for this test: found by its number, above and below, and not once it is gone. */
static void test_numbers(void **state)
{
    struct cgroup_names *names = geteuid() ? NULL : cgroup_names_new();
    const struct cgroup_sid *sids;
    struct stat status;
    char folder[64], inner[96], name[80];

    (void)state;
    if (!names) {
        print_message("skipped: no root, or no cgroup2\n");
        skip();
    }
    int root = gate_cgroup_root();
    assert_true(root >= 0);
    snprintf(folder, sizeof(folder), "gate-test-%d.slice", getpid());
    snprintf(inner, sizeof(inner), "%s/b c.service", folder);
    assert_int_equal(mkdirat(root, folder, 0755), 0);
    assert_int_equal(mkdirat(root, inner, 0755), 0);
    assert_int_equal(fstatat(root, inner, &status, 0), 0);
    assert_int_equal(cgroup_names_find(names, status.st_ino, &sids), 5);
    check_group(&sids[0], 81, "/");
    snprintf(name, sizeof(name), "/%s", folder);
    check_group(&sids[1], 81, name);
    check_group(&sids[4], 80, "b c.service");
    assert_int_equal(fstat(root, &status), 0);
    assert_int_equal(cgroup_names_find(names, status.st_ino, &sids), 1);
    assert_int_equal(cgroup_names_find(names, 0, &sids), 0);
    assert_int_equal(cgroup_names_find(names, UINT64_C(1) << 40, &sids), 0);
    assert_int_equal(fstatat(root, folder, &status, 0), 0);
    assert_int_equal(unlinkat(root, inner, AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(root, folder, AT_REMOVEDIR), 0);
    assert_int_equal(cgroup_names_find(names, status.st_ino, &sids), 0);
    close(root);
    cgroup_names_free(names);
}

/* --- Who connects ---------------------------------------------------------------------------- */

/* The user 7 first, then the group 8, then these groups. */
static void check_token(const struct gate_owner *owner, ULONG first, ULONG count)
{
    static struct identity identity;
    const SID_AND_ATTRIBUTES_HASH *sids;

    identity_fill(&identity, owner);
    sids = ((const TOKEN_ACCESS_INFORMATION *)(const void *)identity.user.data)->SidHash;
    assert_int_equal(sids->SidCount, 2 + count);
    for (ULONG i = 0; i < 2 + count; i++) {
        const ULONG *sid = sids->SidAttr[i].Sid;

        assert_int_equal(((const UINT8 *)sid)[7], 22);
        assert_int_equal(sid[2], i == 0 ? 1 : 2);
        assert_int_equal(sid[3], i < 2 ? 7 + i : first + i - 2);
    }
    assert_int_equal(identity.app_id.size, 14);
}

static void test_token(void **state)
{
    struct gate_owner owner = {
        .flags = GATE_OWNER_KNOWN, .uid = 7, .gid = 8, .path = "/bin/x", .path_size = 6, .start_boottime_ns = 1000};
    uint32_t further[GATE_FURTHER_MAX];

    (void)state;
    check_token(&owner, 0, 0);
    for (uint32_t i = 0; i < GATE_FURTHER_MAX; i++)
        further[i] = 1000 + i;
    owner.further = further;
    owner.further_count = GATE_FURTHER_MAX;
    check_token(&owner, 1000, GATE_FURTHER_MAX);
    further[2] = 8; /* its own once more */
    owner.further_count = 3;
    check_token(&owner, 1000, 2);
}

/* --- Executables ----------------------------------------------------------------------------- */

static _Atomic(int) woken;

static void wake(void *context)
{
    (void)context;
    woken++;
}

/* The kernel's word for a process that runs path. */
static struct gate_owner owner_of(pid_t pid, const char *path)
{
    struct gate_owner owner = {.flags = GATE_OWNER_KNOWN, .pid = (uint32_t)pid, .path = path};
    struct stat status;
    char line[128];

    snprintf(line, sizeof(line), "/proc/%d/exe", pid);
    assert_int_equal(stat(line, &status), 0);
    owner.path_size = strlen(path);
    owner.exe_device = status.st_dev;
    owner.exe_inode = status.st_ino;
    int file = open(path, O_RDONLY | O_CLOEXEC), generation = 0;
    if (ioctl(file, FS_IOC_GETVERSION, &generation) == 0) /* where the file system has one */
        owner.exe_generation = (uint32_t)generation;
    close(file);
    return owner;
}

static const struct exe_sid *find(struct exe_hash *hashes, const struct gate_owner *owner)
{
    const struct exe_sid *sid = NULL;
    uint32_t packets[4];
    enum exe_hash_result result = exe_hash_find(hashes, owner, 1, 5, &sid);

    if (result == EXE_HASH_WAITS) {
        size_t count = 0;

        for (unsigned i = 0; i < 6000 && !count; i++, usleep(5000))
            count = exe_hash_ready(hashes, packets, 4);
        assert_int_equal(count, 1);
        assert_int_equal(packets[0], 5);
        assert_true(woken > 0);
        result = exe_hash_find(hashes, owner, 1, 5, &sid);
    }
    assert_true(result == EXE_HASH_KNOWN || result == EXE_HASH_NONE);
    return result == EXE_HASH_KNOWN ? sid : NULL;
}

/* It runs the program when this returns. */
static pid_t run(const char *program)
{
    pid_t child = fork();
    char link[64], file[4096] = "";

    if (child == 0) {
        execl(program, program, "60", (char *)NULL);
        _exit(127);
    }
    snprintf(link, sizeof(link), "/proc/%d/exe", child);
    for (unsigned i = 0; i < 6000 && strcmp(file, program) != 0; i++, usleep(5000)) {
        ssize_t size = readlink(link, file, sizeof(file) - 1);

        file[size < 0 ? 0 : size] = 0;
    }
    assert_string_equal(file, program);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void copy(const char *from, const char *to)
{
    char command[256];

    snprintf(command, sizeof(command), "cp %s %s", from, to);
    assert_int_equal(system(command), 0);
}

static void check_program(const struct exe_sid *sid, const char *hex)
{
    static const uint8_t authority[6] = {0, 0, 0, 0, 0, 15};

    assert_non_null(sid);
    assert_int_equal(sid->revision, 1);
    assert_int_equal(sid->count, 9);
    assert_memory_equal(sid->authority, authority, 6);
    assert_int_equal(sid->part[0], 2);
    check_numbers(sid->part + 1, 8, hex);
}

static void test_executable(void **state)
{
    struct exe_hash *hashes = exe_hash_new(wake, NULL);
    char path[64], hex[65], other[65];
    const struct exe_sid *sid = NULL;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/gate-test-%d", getpid());
    copy("/bin/sleep", path);
    sum(path, NULL, hex);
    pid_t child = run(path);
    struct gate_owner owner = owner_of(child, path);
    check_program(find(hashes, &owner), hex);
    assert_int_equal(exe_hash_find(hashes, &owner, 1, 6, &sid), EXE_HASH_KNOWN); /* from now on at once */

    /* It is gone, and another file has its name: what runs counts. */
    unlink(path);
    copy("/bin/cat", path);
    sum(path, NULL, other);
    assert_string_not_equal(hex, other);
    owner.path = "/nowhere";
    check_program(find(hashes, &owner), hex);

    /* Another file than the kernel saw has no hash. */
    struct gate_owner wrong = owner;
    wrong.exe_inode++;
    assert_null(find(hashes, &wrong));
    wrong = owner;
    wrong.exe_device++;
    assert_null(find(hashes, &wrong));
    wrong = owner;
    wrong.flags = 0;
    assert_null(find(hashes, &wrong));

    /* The process is gone: found by its path, if that is still the same file. */
    end(child);
    assert_null(find(hashes, &owner));
    unlink(path);
    exe_hash_free(hashes);
}

static void test_by_path_and_changes(void **state)
{
    struct exe_hash *hashes = exe_hash_new(wake, NULL);
    char path[64], hex[65], other[65];

    (void)state;
    snprintf(path, sizeof(path), "/tmp/gate-test-%d", getpid());
    copy("/bin/sleep", path);
    sum(path, NULL, hex);
    pid_t child = run(path);
    struct gate_owner owner = owner_of(child, path);
    end(child);
    check_program(find(hashes, &owner), hex);
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    fputs("more", file);
    fclose(file);
    sum(path, NULL, other);
    check_program(find(hashes, &owner), other);
    owner.flags |= GATE_OWNER_OTHER_MOUNTS; /* its path is none of ours */
    assert_null(find(hashes, &owner));
    unlink(path);
    exe_hash_free(hashes);
}

/* More than may wait are refused; a socket's are given back; what is left does not keep it from ending. */
static void test_bounds(void **state)
{
    struct exe_hash *hashes = exe_hash_new(wake, NULL);
    char path[64];
    uint32_t packets[EXE_HASH_FILE_MAX + 1];
    const struct exe_sid *sid;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/gate-test-%d", getpid());
    copy("/bin/sleep", path);
    assert_int_equal(truncate(path, 1 << 28), 0); /* not read within this test */
    pid_t child = run(path);
    struct gate_owner owner = owner_of(child, path);
    for (uint32_t i = 0; i < EXE_HASH_FILE_MAX; i++)
        assert_int_equal(exe_hash_find(hashes, &owner, 1 + i % 2, i, &sid), EXE_HASH_WAITS);
    assert_int_equal(exe_hash_find(hashes, &owner, 1, 999, &sid), EXE_HASH_FULL);
    assert_int_equal(exe_hash_forget(hashes, 2, packets, 3), 3);
    assert_int_equal(packets[1], 3);
    assert_int_equal(exe_hash_forget(hashes, 2, packets, EXE_HASH_FILE_MAX), EXE_HASH_FILE_MAX / 2 - 3);
    assert_int_equal(exe_hash_forget(hashes, 2, packets, EXE_HASH_FILE_MAX), 0);
    assert_int_equal(exe_hash_find(hashes, &owner, 1, 999, &sid), EXE_HASH_WAITS);
    exe_hash_free(hashes);
    end(child);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_deep),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_token),  cmocka_unit_test(test_executable), cmocka_unit_test(test_by_path_and_changes),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
