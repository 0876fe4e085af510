/* SPDX-License-Identifier: MIT */
/*
 * exe_hash.c - see exe_hash.h. A table with one place for each hash of the file's identity, a short list of files that
 * are read or wait for it, and one worker that reads them in the order in which they came.
 *
 * The lock guards the list of jobs and what the worker writes into one; the table and the packets are the caller's
 * thread's alone.
 */
#include "host/exe_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/sha256.h"

#define PLACES        1024u /* a power of two */
#define JOBS_MAX      64u
#define SIZE_MAX_READ (INT64_C(1) << 30)
#define PIECE         65536u
#define PAIRS         16u

/* What names a file's content. Compared as bytes: zeroed before it is filled. */
struct identity_key {
    uint64_t device, inode, size;
    int64_t changed, changed_ns;
    uint32_t generation, zero;
};

struct entry {
    struct identity_key key;
    bool used, has_hash;
    struct exe_sid sid;
};

enum job_state { JOB_FREE, JOB_QUEUED, JOB_DONE };

struct job {
    struct identity_key key;
    enum job_state state;
    int file;
    bool has_hash; /* once done */
    uint8_t digest[SHA256_SIZE];
    uint64_t turn;
    unsigned waiting; /* packets; the caller's thread's */
};

struct waiting {
    uint64_t cookie;
    uint32_t packet;
    struct job *job;
};

struct exe_hash {
    void (*wake)(void *context);
    void *context;
    struct entry entries[PLACES];
    struct waiting waiting[EXE_HASH_WAITING_MAX];
    size_t waiting_count;
    struct {
        uint64_t kernel, shown;
    } pairs[PAIRS]; /* devices: the file system's, and what stat() shows instead */
    unsigned next_pair;

    pthread_t worker;
    bool worker_runs;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool stop;
    uint64_t turn;
    struct job jobs[JOBS_MAX];
    uint8_t piece[PIECE]; /* the worker's */
};

/* --- The worker ------------------------------------------------------------------------------ */

static bool is_stopped(struct exe_hash *hashes)
{
    return __atomic_load_n(&hashes->stop, __ATOMIC_RELAXED);
}

static bool key_of(int file, struct identity_key *key);

static bool read_whole(struct exe_hash *hashes, int file, uint8_t digest[SHA256_SIZE])
{
    struct sha256 sha;
    uint64_t at = 0;

    sha256_init(&sha);
    for (;;) {
        ssize_t got = pread(file, hashes->piece, PIECE, (off_t)at);

        if (got == 0)
            break;
        if (got < 0 || is_stopped(hashes) || (at += (uint64_t)got) > (uint64_t)SIZE_MAX_READ)
            return false;
        sha256_add(&sha, hashes->piece, (size_t)got);
    }
    sha256_finish(&sha, digest);
    return true;
}

/* The file must be after reading what it was before. */
static void job_run(struct exe_hash *hashes, struct job *job)
{
    struct identity_key after;
    uint8_t digest[SHA256_SIZE];
    bool has_hash = read_whole(hashes, job->file, digest) && key_of(job->file, &after) && after.size == job->key.size &&
                    after.changed == job->key.changed && after.changed_ns == job->key.changed_ns;

    pthread_mutex_lock(&hashes->lock);
    if (has_hash)
        memcpy(job->digest, digest, sizeof(digest));
    job->has_hash = has_hash;
    job->state = JOB_DONE;
    pthread_mutex_unlock(&hashes->lock);
    hashes->wake(hashes->context);
}

static struct job *oldest_job(struct exe_hash *hashes)
{
    struct job *oldest = NULL;

    for (size_t i = 0; i < JOBS_MAX; i++)
        if (hashes->jobs[i].state == JOB_QUEUED && (!oldest || hashes->jobs[i].turn < oldest->turn))
            oldest = &hashes->jobs[i];
    return oldest;
}

static void *work(void *context)
{
    struct exe_hash *hashes = context;

    pthread_mutex_lock(&hashes->lock);
    while (!hashes->stop) {
        struct job *job = oldest_job(hashes);

        if (!job) {
            pthread_cond_wait(&hashes->work, &hashes->lock);
            continue;
        }
        pthread_mutex_unlock(&hashes->lock);
        job_run(hashes, job);
        pthread_mutex_lock(&hashes->lock);
    }
    pthread_mutex_unlock(&hashes->lock);
    return NULL;
}

/* Signals are the loop's. */
static bool start_worker(struct exe_hash *hashes)
{
    sigset_t all, before;

    if (hashes->worker_runs)
        return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    hashes->worker_runs = pthread_create(&hashes->worker, NULL, work, hashes) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return hashes->worker_runs;
}

struct exe_hash *exe_hash_new(void (*wake)(void *context), void *context)
{
    struct exe_hash *hashes = calloc(1, sizeof(*hashes));

    if (!hashes)
        return NULL;
    hashes->wake = wake;
    hashes->context = context;
    pthread_mutex_init(&hashes->lock, NULL);
    pthread_cond_init(&hashes->work, NULL);
    return hashes;
}

void exe_hash_free(struct exe_hash *hashes)
{
    if (!hashes)
        return;
    pthread_mutex_lock(&hashes->lock);
    __atomic_store_n(&hashes->stop, true, __ATOMIC_RELAXED);
    pthread_cond_signal(&hashes->work);
    pthread_mutex_unlock(&hashes->lock);
    if (hashes->worker_runs)
        pthread_join(hashes->worker, NULL);
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (hashes->jobs[i].state != JOB_FREE)
            close(hashes->jobs[i].file);
    pthread_cond_destroy(&hashes->work);
    pthread_mutex_destroy(&hashes->lock);
    free(hashes);
}

/* --- Is it the file that the kernel saw? ------------------------------------------------------ */

/* Without device and inode, which the kernel told. */
static bool key_of(int file, struct identity_key *key)
{
    struct stat status;

    memset(key, 0, sizeof(*key));
    if (fstat(file, &status) || !S_ISREG(status.st_mode) || status.st_size > SIZE_MAX_READ)
        return false;
    key->size = (uint64_t)status.st_size;
    key->changed = status.st_ctim.tv_sec;
    key->changed_ns = status.st_ctim.tv_nsec;
    return true;
}

/* Those whose server may not answer. */
static bool may_wait_for_ever(int file)
{
    static const uint32_t kinds[] = {FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC,
                                     SMB2_SUPER_MAGIC, V9FS_MAGIC,      AFS_SUPER_MAGIC, CEPH_SUPER_MAGIC};
    struct statfs status;

    if (fstatfs(file, &status))
        return true;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if ((uint32_t)status.f_type == kinds[i])
            return true;
    return false;
}

/* The device of a mount, as its mountinfo line tells it: "36 35 98:0 /mnt1 ...". */
static bool mount_device(uint32_t pid, uint64_t mount, uint64_t *device)
{
    char path[48], line[8192];
    unsigned long long id;
    unsigned major, minor;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%u/mountinfo", pid);
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof(line), file)) {
        found = sscanf(line, "%llu %*u %u:%u", &id, &major, &minor) == 3 && id == mount;
        if (found)
            *device = makedev(major, minor);
    }
    if (file)
        fclose(file);
    return found;
}

/* On some file systems (btrfs, overlay) stat() shows another device than the file system's own. */
static bool shows_device(struct exe_hash *hashes, int file, uint32_t pid, uint64_t kernel, uint64_t shown)
{
    struct statx status;
    uint64_t device = 0;

    if (kernel == shown)
        return true;
    for (unsigned i = 0; i < PAIRS; i++)
        if (hashes->pairs[i].kernel == kernel && hashes->pairs[i].shown == shown)
            return true;
    if (statx(file, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) || !(status.stx_mask & STATX_MNT_ID) ||
        !mount_device(pid, status.stx_mnt_id, &device) || device != kernel)
        return false;
    hashes->pairs[hashes->next_pair].kernel = kernel;
    hashes->pairs[hashes->next_pair].shown = shown;
    hashes->next_pair = (hashes->next_pair + 1) % PAIRS;
    return true;
}

static bool is_same_file(struct exe_hash *hashes, int file, const struct gate_owner *owner)
{
    struct stat status;
    int generation = 0;

    if (fstat(file, &status) || status.st_ino != owner->exe_inode ||
        !shows_device(hashes, file, owner->pid, owner->exe_device, status.st_dev))
        return false;
    /* Not every file system tells it. */
    return ioctl(file, FS_IOC_GETVERSION, &generation) || (uint32_t)generation == owner->exe_generation;
}

/* -1: it cannot be had, or is another one by now. */
static int open_executable(struct exe_hash *hashes, const struct gate_owner *owner)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    char link[48];

    snprintf(link, sizeof(link), "/proc/%u/exe", owner->pid);
    for (int i = 0; i < 2; i++) {
        const char *path = i ? owner->path : link;
        int file = i && (path[0] != '/' || owner->flags & (GATE_OWNER_OTHER_MOUNTS | GATE_OWNER_PATH_CUT))
                       ? -1
                       : open(path, flags);

        if (file >= 0 && is_same_file(hashes, file, owner))
            return file;
        if (file >= 0)
            close(file);
    }
    return -1;
}

/* --- Finding and waiting --------------------------------------------------------------------- */

static struct entry *entry_of(struct exe_hash *hashes, const struct identity_key *key)
{
    uint64_t mixed =
        (key->device ^ key->inode * 0x9e3779b97f4a7c15u ^ (uint64_t)key->changed_ns << 16) * 0xff51afd7ed558ccdu;

    return &hashes->entries[mixed >> 54];
}

static void make_sid(struct exe_sid *sid, const uint8_t digest[SHA256_SIZE])
{
    *sid = (struct exe_sid){.revision = 1, .count = 9, .authority = {0, 0, 0, 0, 0, 15}, .part = {2}};
    for (unsigned i = 0; i < 8; i++)
        sid->part[1 + i] = (uint32_t)digest[i * 4] | (uint32_t)digest[i * 4 + 1] << 8 |
                           (uint32_t)digest[i * 4 + 2] << 16 | (uint32_t)digest[i * 4 + 3] << 24;
}

/* Takes file over. NULL: too many. */
static struct job *job_for(struct exe_hash *hashes, const struct identity_key *key, int file)
{
    struct job *job = NULL;

    pthread_mutex_lock(&hashes->lock);
    for (size_t i = 0; i < JOBS_MAX && !job; i++) {
        if (hashes->jobs[i].state != JOB_FREE && memcmp(&hashes->jobs[i].key, key, sizeof(*key)) == 0)
            job = &hashes->jobs[i];
    }
    bool found = job != NULL;
    for (size_t i = 0; i < JOBS_MAX && !job; i++) {
        if (hashes->jobs[i].state == JOB_FREE)
            job = &hashes->jobs[i];
    }
    if (job && !found) {
        *job = (struct job){.key = *key, .state = JOB_QUEUED, .file = file, .turn = hashes->turn++};
        pthread_cond_signal(&hashes->work);
    }
    pthread_mutex_unlock(&hashes->lock);
    if (!job || found)
        close(file);
    return job;
}

enum exe_hash_result exe_hash_find(struct exe_hash *hashes, const struct gate_owner *owner, uint64_t cookie,
                                   uint32_t packet, const struct exe_sid **sid)
{
    int file = owner->flags & GATE_OWNER_KNOWN ? open_executable(hashes, owner) : -1;
    struct identity_key key;

    if (file < 0 || !key_of(file, &key) || may_wait_for_ever(file)) {
        if (file >= 0)
            close(file);
        return EXE_HASH_NONE;
    }
    key.device = owner->exe_device;
    key.inode = owner->exe_inode;
    key.generation = owner->exe_generation;
    struct entry *entry = entry_of(hashes, &key);
    if (entry->used && memcmp(&entry->key, &key, sizeof(key)) == 0) {
        close(file);
        *sid = &entry->sid;
        return entry->has_hash ? EXE_HASH_KNOWN : EXE_HASH_NONE;
    }
    if (hashes->waiting_count == EXE_HASH_WAITING_MAX || !start_worker(hashes)) {
        close(file);
        return EXE_HASH_FULL;
    }
    struct job *job = job_for(hashes, &key, file);
    if (!job || job->waiting == EXE_HASH_FILE_MAX)
        return EXE_HASH_FULL;
    job->waiting++;
    hashes->waiting[hashes->waiting_count++] = (struct waiting){cookie, packet, job};
    return EXE_HASH_WAITS;
}

static void keep(struct exe_hash *hashes, const struct job *job)
{
    struct entry *entry = entry_of(hashes, &job->key);

    *entry = (struct entry){.key = job->key, .used = true, .has_hash = job->has_hash};
    if (job->has_hash)
        make_sid(&entry->sid, job->digest);
}

/* Jobs that are done and nobody waits for. */
static void free_jobs(struct exe_hash *hashes)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &hashes->jobs[i];

        if (job->state != JOB_DONE || job->waiting)
            continue;
        keep(hashes, job);
        close(job->file);
        job->state = JOB_FREE;
    }
}

size_t exe_hash_ready(struct exe_hash *hashes, uint32_t *packets, size_t limit)
{
    size_t count = 0, kept = 0;

    if (!hashes->worker_runs)
        return 0;
    pthread_mutex_lock(&hashes->lock);
    for (size_t i = 0; i < hashes->waiting_count; i++) {
        struct waiting waiting = hashes->waiting[i];

        if (count == limit || waiting.job->state != JOB_DONE) {
            hashes->waiting[kept++] = waiting;
            continue;
        }
        waiting.job->waiting--;
        packets[count++] = waiting.packet;
    }
    hashes->waiting_count = kept;
    free_jobs(hashes);
    pthread_mutex_unlock(&hashes->lock);
    return count;
}

size_t exe_hash_forget(struct exe_hash *hashes, uint64_t cookie, uint32_t *packets, size_t limit)
{
    size_t count = 0, kept = 0;

    for (size_t i = 0; i < hashes->waiting_count; i++) {
        struct waiting waiting = hashes->waiting[i];

        if (count == limit || waiting.cookie != cookie) {
            hashes->waiting[kept++] = waiting;
            continue;
        }
        waiting.job->waiting--;
        packets[count++] = waiting.packet;
    }
    hashes->waiting_count = kept;
    return count;
}
