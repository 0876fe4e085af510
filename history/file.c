/* SPDX-License-Identifier: MIT */
/*
 * file.c - see file.h.
 */
#include "history/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS          1000
#define WAL_PAGES        256 /* of 4 KiB: then what is in the -wal goes into the file */
#define ACCESS_GROUP     "gatehouse"
#define FOLDER_MODE      02770
#define FILE_MODE        0660
#define DAMAGED_SUFFIX   ".damaged"
#define DAMAGED_PATH_MAX (HISTORY_PATH_MAX + 32)

/*
 * Row numbers only grow (AUTOINCREMENT), whatever clocks do, so they are the order of events. A connection is in one of
 * the two partial indexes that count_before() needs. Paths are BLOBs: bytes, no text.
 */
static const char schema_1[] =
    "CREATE TABLE programs(id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, first INTEGER NOT NULL);"
    "CREATE TABLE rules(id INTEGER PRIMARY KEY, rule_id INTEGER NOT NULL, text TEXT NOT NULL,"
    " place TEXT NOT NULL, UNIQUE(rule_id, text, place));"
    "CREATE TABLE connections(id INTEGER PRIMARY KEY AUTOINCREMENT, began INTEGER NOT NULL, decided INTEGER,"
    " ended INTEGER, program INTEGER REFERENCES programs(id), name TEXT, rule INTEGER REFERENCES rules(id), who TEXT,"
    " pid INTEGER, user INTEGER, local BLOB NOT NULL, remote BLOB NOT NULL, local_port INTEGER NOT NULL,"
    " remote_port INTEGER NOT NULL, ip_version INTEGER NOT NULL, protocol INTEGER NOT NULL, inbound INTEGER NOT NULL,"
    " verdict INTEGER NOT NULL, by INTEGER NOT NULL, bytes_out INTEGER, bytes_in INTEGER, endpoint INTEGER,"
    " count INTEGER NOT NULL);"
    "CREATE INDEX connections_program ON connections(program);"
    "CREATE INDEX connections_rule ON connections(rule) WHERE rule IS NOT NULL;"
    "CREATE INDEX connections_name ON connections(program, name, remote_port, protocol, verdict, began, count)"
    " WHERE name IS NOT NULL;"
    "CREATE INDEX connections_remote ON connections(program, remote, remote_port, protocol, verdict, began, count)"
    " WHERE name IS NULL;"
    "CREATE INDEX connections_endpoint ON connections(endpoint) WHERE endpoint IS NOT NULL;";

/* From version N to N + 1. */
static const char *const migrations[HISTORY_SCHEMA] = {schema_1};

static enum history_trouble set_why(struct history_file *file, enum history_trouble trouble, const char *why)
{
    snprintf(file->why, sizeof(file->why), "%s", why);
    return trouble;
}

static enum history_trouble from_errno(struct history_file *file, int error)
{
    static const struct {
        int error;
        enum history_trouble trouble;
    } meanings[] = {{ENOSPC, HISTORY_FULL},    {EDQUOT, HISTORY_FULL},  {EACCES, HISTORY_DENIED},
                    {EPERM, HISTORY_DENIED},   {EROFS, HISTORY_DENIED}, {ENOENT, HISTORY_MISSING},
                    {ENOTDIR, HISTORY_MISSING}};

    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (meanings[i].error == error)
            return set_why(file, meanings[i].trouble, strerror(error));
    return set_why(file, HISTORY_TROUBLED, strerror(error));
}

enum history_trouble history_file_trouble(struct history_file *file)
{
    int code = sqlite3_errcode(file->db), error = sqlite3_system_errno(file->db);

    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return HISTORY_FINE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return set_why(file, HISTORY_BUSY, "another program has it locked");
    case SQLITE_FULL:
        return set_why(file, HISTORY_FULL, "there is no room left on the device");
    case SQLITE_READONLY:
        return set_why(file, HISTORY_DENIED, "it may only be read");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return set_why(file, HISTORY_DAMAGED, "it is damaged");
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_PERM:
        if (error)
            return from_errno(file, error);
        break;
    }
    return set_why(file, HISTORY_TROUBLED, sqlite3_errmsg(file->db));
}

enum history_trouble history_file_run(struct history_file *file, const char *sql)
{
    return sqlite3_exec(file->db, sql, NULL, NULL, NULL) == SQLITE_OK ? HISTORY_FINE : history_file_trouble(file);
}

enum history_trouble history_file_number(struct history_file *file, const char *sql, int64_t *number)
{
    enum history_trouble trouble = HISTORY_FINE;
    sqlite3_stmt *statement = NULL;
    int step = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL);

    if (step == SQLITE_OK)
        step = sqlite3_step(statement);
    if (step == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *number = sqlite3_column_int64(statement, 0);
    else if (step != SQLITE_ROW && step != SQLITE_DONE)
        trouble = history_file_trouble(file);
    sqlite3_finalize(statement);
    return trouble;
}

/* The last folder of the path, for the group when there is one: whoever made it. Nothing that fails here matters yet.
 */
static void make_folder(const char *path)
{
    char copy[HISTORY_PATH_MAX + 1];
    struct group *group;
    const char *folder;

    snprintf(copy, sizeof(copy), "%s", path);
    folder = dirname(copy);
    if (mkdir(folder, 0700) != 0)
        return;
    group = getgrnam(ACCESS_GROUP);
    if (group && chown(folder, (uid_t)-1, group->gr_gid) == 0)
        chmod(folder, FOLDER_MODE);
}

/* SQLite gives -wal and -shm the mode of the file. A folder that is nobody else's has a file that is nobody else's. */
static enum history_trouble make_file(struct history_file *file, const char *path)
{
    char copy[HISTORY_PATH_MAX + 1];
    struct stat folder;
    int made;

    make_folder(path);
    made = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (made < 0)
        return errno == EEXIST ? HISTORY_FINE : from_errno(file, errno);
    snprintf(copy, sizeof(copy), "%s", path);
    if (stat(dirname(copy), &folder) == 0 && folder.st_mode & S_ISGID)
        fchmod(made, FILE_MODE);
    close(made);
    return HISTORY_FINE;
}

static enum history_trouble open_file(struct history_file *file, const char *path, int flags)
{
    struct stat status;

    *file = (struct history_file){.path = path};
    if (strlen(path) > HISTORY_PATH_MAX)
        return from_errno(file, ENAMETOOLONG);
    if (flags & SQLITE_OPEN_READWRITE) {
        enum history_trouble trouble = make_file(file, path);

        if (trouble != HISTORY_FINE)
            return trouble;
    }
    if (stat(path, &status) != 0)
        return from_errno(file, errno);
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) /* opening a pipe waits for somebody at its other end */
        return set_why(file, HISTORY_FOREIGN, "it is no regular file");
    file->device = status.st_dev;
    file->inode = status.st_ino;
    if (sqlite3_open_v2(path, &file->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return file->db ? history_file_trouble(file) : from_errno(file, ENOMEM);
    sqlite3_extended_result_codes(file->db, 1);
    sqlite3_busy_timeout(file->db, BUSY_MS);
    /* Nothing in the file is believed more than a file of somebody else's. */
    return history_file_run(file, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;");
}

/* Ours and of this version: FINE. An empty file: version is 0. */
static enum history_trouble look(struct history_file *file, int64_t *version)
{
    int64_t application = 0, tables = 0;
    enum history_trouble trouble = history_file_number(file, "PRAGMA application_id", &application);

    if (trouble == HISTORY_FINE)
        trouble = history_file_number(file, "SELECT count(*) FROM sqlite_schema", &tables);
    if (trouble == HISTORY_FINE)
        trouble = history_file_number(file, "PRAGMA user_version", version);
    if (trouble != HISTORY_FINE)
        return trouble;
    if (application != HISTORY_APPLICATION && (tables > 0 || application != 0))
        return set_why(file, HISTORY_FOREIGN, "it is another program's file");
    if (*version > HISTORY_SCHEMA)
        return set_why(file, HISTORY_FOREIGN, "a newer Gatehouse made it");
    return HISTORY_FINE;
}

static enum history_trouble migrate(struct history_file *file)
{
    char end[128];
    int64_t version = 0;
    enum history_trouble trouble = history_file_run(file, "BEGIN IMMEDIATE");

    if (trouble == HISTORY_FINE)
        trouble = look(file, &version);
    for (; trouble == HISTORY_FINE && version < HISTORY_SCHEMA; version++)
        trouble = history_file_run(file, migrations[version]);
    snprintf(end, sizeof(end), "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", HISTORY_APPLICATION,
             HISTORY_SCHEMA);
    if (trouble == HISTORY_FINE)
        trouble = history_file_run(file, end);
    if (trouble != HISTORY_FINE && file->db && !sqlite3_get_autocommit(file->db))
        sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    return trouble;
}

enum history_trouble history_file_write(struct history_file *file, const char *path)
{
    int64_t version = 0;
    int keep = 1;
    char setup[256];
    enum history_trouble trouble = open_file(file, path, SQLITE_OPEN_READWRITE);

    if (trouble == HISTORY_FINE)
        trouble = look(file, &version);
    /* auto_vacuum counts only before the first table. */
    snprintf(setup, sizeof(setup),
             "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
             "PRAGMA wal_autocheckpoint=%d; PRAGMA journal_size_limit=%d",
             WAL_PAGES, WAL_PAGES * 4096);
    if (trouble == HISTORY_FINE)
        trouble = history_file_run(file, setup);
    if (trouble == HISTORY_FINE && version < HISTORY_SCHEMA)
        trouble = migrate(file);
    if (trouble == HISTORY_FINE)
        sqlite3_file_control(file->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    else
        history_file_close(file);
    return trouble;
}

enum history_trouble history_file_read(struct history_file *file, const char *path)
{
    int64_t version = 0;
    enum history_trouble trouble = open_file(file, path, SQLITE_OPEN_READONLY);

    if (trouble == HISTORY_FINE)
        trouble = look(file, &version);
    if (trouble == HISTORY_FINE && version != HISTORY_SCHEMA)
        trouble = version == 0
                      ? set_why(file, HISTORY_MISSING, "nothing was written to it yet")
                      : set_why(file, HISTORY_FOREIGN, "an older Gatehouse made it; gatehouse run brings it up");
    if (trouble != HISTORY_FINE)
        history_file_close(file);
    return trouble;
}

void history_file_close(struct history_file *file)
{
    sqlite3_close(file->db);
    file->db = NULL;
}

bool history_file_replaced(const struct history_file *file)
{
    struct stat status;

    return stat(file->path, &status) != 0 || status.st_dev != file->device || status.st_ino != file->inode;
}

static int put_aside(const char *path, const char *suffix)
{
    char from[DAMAGED_PATH_MAX], to[DAMAGED_PATH_MAX];

    snprintf(from, sizeof(from), "%s%s", path, suffix);
    snprintf(to, sizeof(to), "%s" DAMAGED_SUFFIX "%s", path, suffix);
    unlink(to);
    return rename(from, to) == 0 || errno == ENOENT ? 0 : errno;
}

enum history_trouble history_file_put_aside(struct history_file *file, const char *path)
{
    int error;

    history_file_close(file);
    /* The -wal first: a new file must never meet an old one's. */
    error = put_aside(path, "-wal");
    if (!error)
        error = put_aside(path, "-shm");
    if (!error)
        error = put_aside(path, "");
    return error ? from_errno(file, error) : HISTORY_FINE;
}

static uint64_t size_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

uint64_t history_file_size(const struct history_file *file)
{
    char wal[DAMAGED_PATH_MAX];

    snprintf(wal, sizeof(wal), "%s-wal", file->path);
    return size_of(file->path) + size_of(wal);
}
