/* SPDX-License-Identifier: MIT */
/*
 * replay.c - main of a fuzz target built without libFuzzer: gives it each file named, or in a folder named.
 *
 * Each input lies in a block of exactly its size, so that a sanitizer sees the first byte behind it. The name of the
 * input stands in the message of an abort. Exit code 1: a file cannot be read, or there was none.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#define INPUT_MAX (1u << 20)

static char current[1024];

static void on_abort(int number)
{
    static const char before[] = "fuzz: input ";
    ssize_t written = write(STDERR_FILENO, before, sizeof(before) - 1);

    written += write(STDERR_FILENO, current, strlen(current));
    written += write(STDERR_FILENO, "\n", 1);
    (void)written;
    signal(number, SIG_DFL);
    raise(number);
}

static bool replay_file(const char *name)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *file = fopen(name, "rb");
    uint8_t *exact;

    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", name);
        return false;
    }
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    exact = malloc(size != 0 ? size : 1);
    if (exact == NULL)
        return false;
    memcpy(exact, bytes, size);
    snprintf(current, sizeof(current), "%s", name);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return true;
}

/* How many inputs; 0: one could not be read. */
static unsigned replay_folder(DIR *folder, const char *name)
{
    unsigned count = 0;

    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[1024];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
        if (!replay_file(path))
            return 0;
        count++;
    }
    return count;
}

int main(int count, char **names)
{
    unsigned inputs = 0;

    signal(SIGABRT, on_abort);
    for (int i = 1; i < count; i++) {
        DIR *folder = opendir(names[i]);
        unsigned more = folder != NULL ? replay_folder(folder, names[i]) : replay_file(names[i]);

        if (folder != NULL)
            closedir(folder);
        if (more == 0)
            return 1;
        inputs += more;
    }
    printf("%u inputs replayed\n", inputs);
    return inputs != 0 ? 0 : 1;
}
