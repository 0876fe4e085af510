/* SPDX-License-Identifier: MIT */
/*
 * rules_file.c - see rules_file.h. Everything here is the policy library's; it is only brought into one piece that can
 * go from one thread to another.
 */
#include "host/rules_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/own_file.h"

static void add_message(struct rules_file *file, const char *name, const struct policy_error *error,
                        const char *sentence)
{
    if (file->message_count == sizeof(file->messages) / sizeof(file->messages[0]))
        return;
    struct rules_message *message = &file->messages[file->message_count];
    message->file = strdup(error && error->file ? error->file : name);
    message->sentence = strdup(sentence);
    if (!message->file || !message->sentence) {
        free(message->file);
        free(message->sentence);
        *message = (struct rules_message){0};
        return;
    }
    message->line = error ? error->line : 0;
    message->column = error ? error->column : 0;
    message->warning = error && error->warning;
    file->message_count++;
}

/* As policy_system_here, but for files that others can change: they would say what root's gate lets through. */
static bool read_file(void *context, const char *path, size_t limit, char **bytes, size_t *size, const char **why)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    char same[40];
    bool good = false;

    if (file < 0 || fstat(file, &status)) {
        *why = strerror(errno);
    } else if (!own_file_is(&status)) {
        *why = "it " OWN_FILE_ADVICE;
    } else {
        snprintf(same, sizeof(same), "/proc/self/fd/%d", file); /* and not what lies at path by now */
        good = policy_system_here.read_file(context, same, limit, bytes, size, why);
    }
    if (file >= 0)
        close(file);
    return good;
}

void rules_file_read(const char *path, struct rules_file *file)
{
    struct policy_system system = policy_system_here;
    struct stat status;

    memset(file, 0, sizeof(*file));
    if (stat(path, &status) && (errno == ENOENT || errno == ENOTDIR))
        return;
    file->found = true;
    system.read_file = read_file;
    struct policy *policy = policy_parse_file(path, &system);
    if (!policy) {
        add_message(file, path, NULL, "out of memory.");
        return;
    }
    if (!policy_failed(policy) && policy_compile(policy, NULL, &file->image)) {
        file->right = true;
        file->rules = policy_rule_count(policy);
    }
    for (unsigned i = 0; i < policy_error_count(policy); i++) {
        const struct policy_error *error = policy_error(policy, i);

        add_message(file, path, error, error->sentence);
    }
    policy_free(policy);
}

void rules_file_cleanup(struct rules_file *file)
{
    for (unsigned i = 0; i < file->message_count; i++) {
        free(file->messages[i].file);
        free(file->messages[i].sentence);
    }
    if (file->right)
        policy_image_cleanup(&file->image);
    memset(file, 0, sizeof(*file));
}
