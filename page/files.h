/* SPDX-License-Identifier: MIT */
/*
 * files.h - what page/files holds, inside the program. page/embed makes files.c of it at build time.
 */
#ifndef PAGE_FILES_H
#define PAGE_FILES_H

#include <stddef.h>

struct page_file {
    const char *path; /* as in the address: "/page.css"; "/" for index.html */
    const char *type;
    const unsigned char *bytes;
    size_t size;
};

extern const struct page_file page_files[];
extern const size_t page_file_count;

#endif
