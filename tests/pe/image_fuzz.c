/* SPDX-License-Identifier: MIT */
/*
 * image_fuzz - any bytes into the image parser, the layout and the imports.
 *
 * With clang -fsanitize=fuzzer -DIMAGE_FUZZ_LIBRARY it is a libFuzzer target; without, main replays files, and from
 * each of them every cut and changes of each byte of its headers. What must hold for any input: a refusal says why in
 * one sentence, sections ascend within the image, none is writable and executable, and memory beyond the image stays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/image.h"

#define HEADERS 1024u
#define BEHIND  64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_refusal(const struct pe_error *error)
{
    size_t length = strlen(error->text);

    check(length > 10 && error->text[length - 1] == '.');
}

static void check_image(const struct pe_image *image)
{
    uint64_t free_from = image->headers_size;

    check(image->size != 0 && image->size <= PE_IMAGE_MAX && image->section_count <= PE_SECTIONS_MAX);
    for (unsigned index = 0; index < image->section_count; index++) {
        const struct pe_section *section = &image->sections[index];
        check(section->address >= free_from && !(section->writable && section->executable));
        free_from = (uint64_t)section->address + section->size;
        check(free_from <= image->size);
    }
    check(pe_image_section(image, image->entry) != NULL);
}

static uint64_t import(void *context, const char *library, const char *name)
{
    unsigned *count = context;

    check(*library != '\0' && *name != '\0' && strlen(name) < PE_NAME_MAX);
    return ++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pe_image image;
    struct pe_error error = {""};
    unsigned count = 0;

    if (!pe_image_parse(data, size, &image, &error)) {
        check_refusal(&error);
        return 0;
    }
    check_image(&image);
    if (image.size > 1u << 20)
        return 0; /* large images teach nothing more, and take long */
    uint8_t *memory = calloc(1, image.size + BEHIND);
    check(memory != NULL);
    memset(memory + image.size, 0xa5, BEHIND);
    if (!pe_image_lay_out(&image, data, size, memory, 0x7f0000010000u, &error) ||
        !pe_image_bind(&image, memory, import, &count, &error))
        check_refusal(&error);
    for (unsigned index = 0; index < BEHIND; index++)
        check(memory[image.size + index] == 0xa5);
    free(memory);
    return 0;
}

#ifndef IMAGE_FUZZ_LIBRARY
static void replay(const uint8_t *data, size_t size)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
    uint8_t *copy = malloc(size);

    check(copy != NULL);
    memcpy(copy, data, size);
    for (size_t cut = 0; cut <= size; cut += cut < HEADERS ? 1 : 61) {
        uint8_t *exact = malloc(cut != 0 ? cut : 1);
        check(exact != NULL);
        memcpy(exact, data, cut);
        LLVMFuzzerTestOneInput(exact, cut);
        free(exact);
    }
    for (size_t at = 0; at < size; at++) {
        for (size_t value = 0; value < sizeof(values); value++) {
            copy[at] = values[value];
            LLVMFuzzerTestOneInput(copy, size);
        }
        copy[at] = data[at];
    }
    free(copy);
}

int main(int count, char **names)
{
    static uint8_t bytes[65536];

    for (int index = 1; index < count; index++) {
        FILE *file = fopen(names[index], "rb");

        if (file == NULL) {
            fprintf(stderr, "cannot read %s\n", names[index]);
            return 1;
        }
        size_t size = fread(bytes, 1, sizeof(bytes), file);
        fclose(file);
        replay(bytes, size);
    }
    printf("%d seeds replayed\n", count - 1);
    return count > 1 ? 0 : 1;
}
#endif
