/* SPDX-License-Identifier: MIT */
/*
 * agent_fuzz.c - what the deciders' side reads: answers of the driver, the command line, exceptions of permit and
 * block.
 *
 * The first byte says which. An answer that was read whole is walked record by record within its bytes; a command line
 * is read, or refused with a sentence; the exceptions' binary search decides as looking at every exception does.
 */
#include "agent/exceptions.h"
#include "agent/wire.h"
#include "cli/options.h"
#include "core/path_text.h"
#include "tests/fuzz/fuzz.h"

#define WORDS_MAX      24u
#define FEW_EXCEPTIONS 12u
#define PATH_MAX_HERE  40u

static void check_path(const struct request *request, const uint8_t *data, size_t size)
{
    fuzz_check(request->fixed.path_size % 2 == 0);
    fuzz_check(request->path >= data && request->path + request->fixed.path_size <= data + size);
}

static void try_answers(const uint8_t *data, size_t size)
{
    struct wire_cursor cursor = {data, size};
    struct gatehouse_platform_status platform;
    struct gatehouse_status status;
    struct request request;
    struct event event;
    const char *why = NULL;
    enum wire_step step;

    while ((step = wire_next_request(&cursor, &request, &why)) == WIRE_RECORD)
        check_path(&request, data, size);
    fuzz_check(step == WIRE_END ? cursor.left == 0 : why != NULL && *why != 0);
    cursor = (struct wire_cursor){data, size};
    why = NULL;
    while ((step = wire_next_event(&cursor, &event, &why)) == WIRE_RECORD)
        if (event.fixed.type != GATEHOUSE_EVENT_LOST)
            check_path(&event.request, data, size);
    fuzz_check(step == WIRE_END ? cursor.left == 0 : why != NULL && *why != 0);
    (void)wire_read_status(data, size, &status);
    (void)wire_read_platform(data, size, &platform);
}

static void check_sentence(enum agent_result result, const struct problem *problem)
{
    fuzz_check(result == AGENT_USAGE && strlen(problem->sentence) > 10);
}

static void try_command_line(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *words[WORDS_MAX + 1] = {NULL}, program[] = "gatehouse";
    struct problem problem = {0};
    struct options options;
    int count = 1;

    fuzz_check(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    words[0] = program;
    for (char *word = text; word < text + size && count < (int)WORDS_MAX; word += strlen(word) + 1)
        words[count++] = word;
    enum agent_result result = options_read(&options, count, words, &problem);
    if (result == AGENT_OK) {
        struct filter_wish wish;

        for (unsigned i = 0; i < options.except_count; i++)
            fuzz_check(options.except[i] >= text && options.except[i] <= text + size);
        if (options.command == OPTIONS_FILTER) {
            result = filter_wish_read(&options.filter, false, &wish, &problem);
            fuzz_check(result != AGENT_OK || ((wish.v4 || wish.v6) && wish.name != NULL && wish.prefix <= 128));
            if (result != AGENT_OK)
                check_sentence(result, &problem);
        }
        options_cleanup(&options);
    } else {
        check_sentence(result, &problem);
    }
    free(text);
}

static void try_exceptions(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, size};
    char paths[FEW_EXCEPTIONS][PATH_MAX_HERE];
    struct request request = {.fixed = {.ip_version = 4}};
    uint8_t utf16[PATH_TEXT_UTF16_SIZE(PATH_MAX_HERE)];
    struct problem problem;
    struct exceptions exceptions;
    unsigned count = 0, wanted = fuzz_below(&in, FEW_EXCEPTIONS);

    exceptions_init(&exceptions, GATEHOUSE_VERDICT_BLOCK);
    while (count < wanted) {
        const uint8_t *bytes;
        size_t length = fuzz_take(&in, fuzz_below(&in, PATH_MAX_HERE), &bytes);

        memset(paths[count], 0, sizeof(paths[count]));
        memcpy(paths[count], bytes, length);
        fuzz_check((exceptions_add(&exceptions, paths[count], &problem) == AGENT_OK) == (paths[count][0] != 0));
        count++;
    }
    for (unsigned asked = 0; asked <= count; asked++) {
        char path[PATH_MAX_HERE] = {0};
        const uint8_t *bytes;
        bool named = false;
        size_t length = asked < count ? strlen(paths[asked]) : fuzz_take(&in, PATH_MAX_HERE - 1, &bytes), used = 0;

        memcpy(path, asked < count ? (const uint8_t *)paths[asked] : bytes, length);
        for (unsigned i = 0; i < count; i++)
            named = named || (strcmp(path, paths[i]) == 0 && path[0] != 0);
        (void)path_text_from_bytes((const uint8_t *)path, strlen(path), utf16, sizeof(utf16), &used);
        request.path = utf16;
        request.fixed.path_size = (uint16_t)used;
        fuzz_check(exceptions_decide(&exceptions, &request) ==
                   (named ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK));
    }
    exceptions_cleanup(&exceptions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        try_answers(data + 1, size - 1);
    else if (data[0] % 3 == 1)
        try_command_line(data + 1, size - 1);
    else
        try_exceptions(data + 1, size - 1);
    return 0;
}
