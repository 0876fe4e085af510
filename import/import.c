/* SPDX-License-Identifier: MIT */
/*
 * import.c - see import.h: whose files are these?
 */
#include "import/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "import/rule_line.h"

char *import_read_file(const char *path, size_t *size, struct problem *problem)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(IMPORT_FILE_MAX + 1);

    if (file == NULL || bytes == NULL) {
        problem_set(problem, AGENT_USAGE, "cannot read %.200s: %s.", path, strerror(errno));
        goto fail;
    }
    *size = fread(bytes, 1, IMPORT_FILE_MAX + 1, file);
    if (ferror(file)) {
        problem_set(problem, AGENT_USAGE, "cannot read %.200s: %s.", path, strerror(errno));
        goto fail;
    }
    if (*size > IMPORT_FILE_MAX) {
        problem_set(problem, AGENT_USAGE, "%.200s is larger than 16 MiB: that is no file of rules.", path);
        goto fail;
    }
    fclose(file);
    bytes[*size] = '\0';
    return bytes;
fail:
    if (file != NULL)
        fclose(file);
    free(bytes);
    return NULL;
}

/* What an XML file begins with, behind a byte order mark and blanks. */
static bool is_xml(const char *bytes)
{
    if (strncmp(bytes, "\xEF\xBB\xBF", 3) == 0)
        bytes += 3;
    bytes += strspn(bytes, " \t\r\n");
    return bytes[0] == '<';
}

enum agent_result import_read(const char *const *paths, unsigned count, struct imported *imported,
                              struct problem *problem)
{
    enum agent_result result;
    struct stat state;
    size_t size = 0;
    char *bytes;

    *imported = (struct imported){0};
    if (stat(paths[0], &state) != 0)
        return problem_set(problem, AGENT_USAGE, "cannot read %.200s: %s.", paths[0], strerror(errno));
    if (S_ISDIR(state.st_mode) || count > 1) {
        result = opensnitch_read(paths, count, imported, problem);
    } else {
        bytes = import_read_file(paths[0], &size, problem);
        if (bytes == NULL)
            return AGENT_USAGE;
        result = is_xml(bytes) ? simplewall_read(paths[0], bytes, size, imported, problem)
                               : opensnitch_read(paths, count, imported, problem);
        free(bytes);
    }
    if (result == AGENT_OK && imported->rules.failed)
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    return result;
}

void imported_free(struct imported *imported)
{
    text_free(&imported->rules);
}
