/* SPDX-License-Identifier: MIT */
/*
 * image.h - reads a Windows driver file (PE32+, x86-64) from bytes that nobody vouches for.
 *
 * Pure: no files, no mappings, no allocation. Every offset is checked against the file or the image
 * before it is used. A file that is not a plain driver is refused with one sentence that begins with
 * "it": the caller names the file before it. Byte order: little-endian, as x86-64.
 *
 * Order of use: pe_image_parse, then memory of image->size zeroed bytes, pe_image_lay_out,
 * pe_image_bind, then the sections' protections.
 * Source: "PE Format" (win32 desktop-src/Debug).
 */
#ifndef PE_IMAGE_H
#define PE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_SECTIONS_MAX  96u
#define PE_IMAGE_MAX     (32u << 20)
#define PE_PAGE          0x1000u
#define PE_LIBRARIES_MAX 64u
#define PE_IMPORTS_MAX   4096u /* in all */
#define PE_NAME_MAX      256u

struct pe_section {
    char name[9];
    uint32_t address; /* from the image's start, page-aligned; sections ascend and do not overlap */
    uint32_t size;    /* in memory, whole pages */
    uint32_t file_offset, file_size;
    bool writable, executable; /* never both */
};

struct pe_range {
    uint32_t address, size; /* size 0: none */
};

struct pe_image {
    uint64_t base; /* where it was linked to lie */
    uint32_t size; /* in memory, whole pages */
    uint32_t headers_size;
    uint32_t entry;
    struct pe_range imports, relocations;
    struct pe_range functions; /* for unwinding; only the range is checked */
    unsigned section_count;
    struct pe_section sections[PE_SECTIONS_MAX];
};

struct pe_error {
    char text[512]; /* one sentence without the file's name */
};

/* true: *image is set. false: *image is unchanged, error says why. */
bool pe_image_parse(const void *bytes, size_t size, struct pe_image *image, struct pe_error *error);

/* Copies headers and sections to memory and moves the addresses in them to address. bytes and size as parsed. */
bool pe_image_lay_out(const struct pe_image *image, const void *bytes, size_t size, void *memory, uint64_t address,
                      struct pe_error *error);

/* The address to store for this import; 0: there is none (binding goes on, so that all that is missing is told). */
typedef uint64_t pe_import(void *context, const char *library, const char *name);

/* Asks for each import by name and stores the answers. memory was laid out. */
bool pe_image_bind(const struct pe_image *image, void *memory, pe_import *import, void *context,
                   struct pe_error *error);

/* The section that holds this address from the image's start, or NULL. */
const struct pe_section *pe_image_section(const struct pe_image *image, uint32_t address);

#endif
