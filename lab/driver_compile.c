/* SPDX-License-Identifier: MIT */
/*
 * driver_compile.c - see driver_compile.h.
 */
#include "lab/driver_compile.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/driver_file.h"

#define ARGUMENTS_MAX (DRIVER_SOURCES_MAX * 4u + DRIVER_OPTIONS_MAX + 40u)
#define FILES_MAX     (DRIVER_SOURCES_MAX * 4u)

extern char **environ;

static const char *const flags[] = {"-std=gnu17",
                                    "-DNT_LAB=1",
                                    "-g",
                                    "-O1",
                                    "-fno-omit-frame-pointer",
                                    "-fno-optimize-sibling-calls",
                                    "-fshort-wchar",
                                    "-fno-strict-aliasing",
                                    "-fno-delete-null-pointer-checks", /* or a null pointer's use is left out */
                                    "-fPIC",
                                    "-Wno-multichar",
                                    "-Wno-unknown-pragmas"};

struct command {
    const char *word[ARGUMENTS_MAX];
    size_t count;
    char include[3][DRIVER_PATH_MAX + 20];
    char (*file)[DRIVER_PATH_MAX]; /* FILES_MAX; whose it is sees to it */
    size_t files;
};

static void add(struct command *command, const char *word)
{
    if (command->count + 1 < ARGUMENTS_MAX)
        command->word[command->count++] = word;
    command->word[command->count] = NULL;
}

static const char *compiler(void)
{
    const char *named = getenv("CC");

    return named != NULL && *named != 0 ? named : "cc";
}

static bool is_there(const char *folder, const char *file)
{
    char path[DRIVER_PATH_MAX + 100];

    return snprintf(path, sizeof(path), "%s/%s", folder, file) < (int)sizeof(path) && access(path, R_OK) == 0;
}

/* The folder that the program lies in; "" when nobody knows. */
static void own_folder(char *folder, size_t room)
{
    ssize_t size = readlink("/proc/self/exe", folder, room - 1);

    folder[size > 0 ? size : 0] = 0;
    if (strrchr(folder, '/') != NULL)
        *strrchr(folder, '/') = 0;
}

/* Beside an installed program, or in a source tree: the one around this build folder, else the one it was built from.
 */
static bool find_headers(struct command *command, struct driver_error *error)
{
    char own[DRIVER_PATH_MAX - 40], place[DRIVER_PATH_MAX];
    const char *trees[2] = {place, LAB_SOURCE_ROOT};

    own_folder(own, sizeof(own));
    snprintf(place, sizeof(place), "%s/../include/gatehouse-lab", own);
    if (is_there(place, "ntddk.h") && is_there(place, "fwpsk.h")) {
        snprintf(command->include[0], sizeof(command->include[0]), "-I%s", place);
        add(command, command->include[0]);
        return true;
    }
    snprintf(place, sizeof(place), "%s/..", own);
    for (size_t i = 0; i < 2; i++) {
        if (!is_there(trees[i], "nt/include/ntddk.h") || !is_there(trees[i], "wfp/include/fwpsk.h"))
            continue;
        snprintf(command->include[0], sizeof(command->include[0]), "-I%s/nt/include", trees[i]);
        snprintf(command->include[1], sizeof(command->include[1]), "-I%s/wfp/include", trees[i]);
        add(command, command->include[0]);
        add(command, command->include[1]);
        return true;
    }
    snprintf(error->text, sizeof(error->text),
             "The headers to compile C drivers with are neither in %s/../include/gatehouse-lab nor in a source tree; "
             "install wfplab with make install.",
             own);
    return false;
}

static bool add_file(struct command *command, const char *path, struct driver_error *error)
{
    if (command->files == FILES_MAX) {
        snprintf(error->text, sizeof(error->text), "%s: a driver has more than %u C files.", path, FILES_MAX);
        return false;
    }
    if (snprintf(command->file[command->files], DRIVER_PATH_MAX, "%s", path) >= (int)DRIVER_PATH_MAX) {
        snprintf(error->text, sizeof(error->text), "%.200s...: the path is too long.", path);
        return false;
    }
    add(command, command->file[command->files++]);
    return true;
}

static int is_c_file(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);

    return size > 2 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 2, ".c") == 0;
}

static bool add_folder(struct command *command, const char *path, struct driver_error *error)
{
    char file[DRIVER_PATH_MAX];
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_c_file, alphasort);
    bool good = count > 0;

    if (!good)
        snprintf(error->text, sizeof(error->text), "%s: the folder has no C file, so it is no driver.", path);
    for (int i = 0; i < count; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        good = good && add_file(command, file, error);
        free(entries[i]);
    }
    free(entries);
    return good;
}

static bool add_sources(struct command *command, const struct driver_sources *sources, struct driver_error *error)
{
    for (size_t i = 0; i < sources->count; i++) {
        struct stat status;

        if (stat(sources->path[i], &status) != 0) {
            snprintf(error->text, sizeof(error->text), "%s: it cannot be read: %s.", sources->path[i], strerror(errno));
            return false;
        }
        if (!(S_ISDIR(status.st_mode) ? add_folder(command, sources->path[i], error)
                                      : add_file(command, sources->path[i], error)))
            return false;
    }
    return true;
}

/* Runs it; output: what it writes to stdout, NULL: nowhere. true: it ended well. */
static bool run(const struct command *command, void (*output)(void *context, const uint8_t *bytes, size_t size),
                void *context, bool quiet)
{
    posix_spawn_file_actions_t actions;
    uint8_t bytes[16384];
    int pipes[2], status = -1;
    ssize_t size;
    pid_t child;

    if (pipe(pipes) != 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    posix_spawn_file_actions_addclose(&actions, pipes[0]);
    posix_spawn_file_actions_addclose(&actions, pipes[1]);
    if (quiet)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1 /* O_WRONLY */, 0);
    int failed = posix_spawnp(&child, command->word[0], &actions, NULL, (char *const *)command->word, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    while (failed == 0 && ((size = read(pipes[0], bytes, sizeof(bytes))) > 0 || (size < 0 && errno == EINTR)))
        if (size > 0 && output != NULL)
            output(context, bytes, (size_t)size);
    close(pipes[0]);
    while (failed == 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return failed == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* FNV-1a, 64 bits, twice with other beginnings. */
struct hash {
    uint64_t value[2];
};

static void hash_add(void *context, const uint8_t *bytes, size_t size)
{
    struct hash *hash = context;

    for (size_t i = 0; i < size; i++) {
        hash->value[0] = (hash->value[0] ^ bytes[i]) * 0x100000001b3u;
        hash->value[1] = (hash->value[1] ^ bytes[i]) * 0x100000001b3u + 0x9e3779b97f4a7c15u;
    }
}

static void hash_text(struct hash *hash, const char *text)
{
    hash_add(hash, (const uint8_t *)text, strlen(text) + 1);
}

/* The compiler's own file: an update changes its size or time. */
static void hash_compiler(struct hash *hash)
{
    struct command ask = {0};

    add(&ask, compiler());
    add(&ask, "--version");
    (void)run(&ask, hash_add, hash, true);
}

static void add_common(struct command *command, const struct driver_sources *sources)
{
    add(command, compiler());
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        add(command, flags[i]);
    if (sources->asan)
        add(command, "-fsanitize=address");
    for (size_t i = 0; i < sources->option_count; i++)
        add(command, sources->options[i]);
}

/* What lies in it is run, so it is ours, and nobody else writes into it. */
static bool is_ours(const char *folder)
{
    struct stat status;

    return lstat(folder, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == getuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 && access(folder, W_OK) == 0;
}

static bool make_folder(char *folder, size_t room, struct driver_error *error)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (cache != NULL && *cache == '/')
        snprintf(folder, room, "%s", cache);
    else if (home != NULL && *home == '/')
        snprintf(folder, room, "%s/.cache", home);
    else
        snprintf(folder, room, "/tmp");
    (void)mkdir(folder, 0755);
    snprintf(folder + strlen(folder), room - strlen(folder), "/gatehouse-lab");
    if (mkdir(folder, 0700) == 0 || is_ours(folder))
        return true;
    snprintf(folder, room, "/tmp/gatehouse-lab-%u", (unsigned)getuid());
    if (mkdir(folder, 0700) == 0 || is_ours(folder))
        return true;
    snprintf(error->text, sizeof(error->text),
             "%s is not a folder that only you can write, so compiled drivers have no place; set XDG_CACHE_HOME.",
             folder);
    return false;
}

static bool build(const struct command *command, const char *object, struct driver_error *error, const char *driver)
{
    struct command link = *command;
    char made[DRIVER_PATH_MAX + 40];

    snprintf(made, sizeof(made), "%s.%u", object, (unsigned)getpid());
    add(&link, "-shared");
    add(&link, "-Wl,-Bsymbolic,-z,now,-z,relro");
    add(&link, "-o");
    add(&link, made);
    if (run(&link, NULL, NULL, false) && rename(made, object) == 0)
        return true;
    (void)unlink(made);
    snprintf(error->text, sizeof(error->text), "%s: it did not compile with %s.", driver, compiler());
    return false;
}

struct answer {
    char *text;
    size_t used, room;
};

static void keep_answer(void *context, const uint8_t *bytes, size_t size)
{
    struct answer *answer = context;

    for (size_t i = 0; i < size && answer->used + 1 < answer->room && bytes[i] != '\n'; i++)
        answer->text[answer->used++] = (char)bytes[i];
    answer->text[answer->used] = 0;
}

void driver_ask_compiler(const char *question, char *text, size_t room)
{
    struct command ask = {0};
    struct answer answer = {text, 0, room};

    add(&ask, compiler());
    add(&ask, question);
    *text = 0;
    if (!run(&ask, keep_answer, &answer, true))
        *text = 0;
}

bool driver_compile(const struct driver_sources *sources, char *object, struct driver_error *error)
{
    struct hash hash = {{0xcbf29ce484222325u, 0x84222325cbf29ce4u}};
    struct command command = {0}, preprocess;
    char folder[DRIVER_PATH_MAX - 80];
    bool good = false;

    command.file = calloc(FILES_MAX, sizeof(command.file[0]));
    if (command.file == NULL)
        abort();
    add_common(&command, sources);
    hash_compiler(&hash);
    if (hash.value[0] == 0xcbf29ce484222325u) { /* it said nothing */
        snprintf(error->text, sizeof(error->text),
                 "%s: the C compiler %s cannot be run; install one, or name another with CC.", sources->path[0],
                 compiler());
        goto out;
    }
    if (!find_headers(&command, error) || !add_sources(&command, sources, error))
        goto out;
    preprocess = command;
    add(&preprocess, "-E");
    for (size_t i = 0; i < command.count; i++)
        hash_text(&hash, command.word[i]);
    if (!make_folder(folder, sizeof(folder), error))
        goto out;
    /* What does not even preprocess: the compiler says so. */
    (void)run(&preprocess, hash_add, &hash, true);
    snprintf(object, DRIVER_PATH_MAX, "%s/%016" PRIx64 "%016" PRIx64 ".so", folder, hash.value[0], hash.value[1]);
    good = access(object, R_OK) == 0 || build(&command, object, error, sources->path[0]);
out:
    free(command.file);
    return good;
}
