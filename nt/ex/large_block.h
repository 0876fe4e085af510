/* SPDX-License-Identifier: MIT */
/*
 * large_block.h - memory for large pool blocks, in huge pages where the system gives them.
 *
 * Why: a driver's tables are many blocks of some tens of KiB. With ordinary pages, looking at one of a
 * million entries costs a page walk for each line it touches, and the walks miss the cache as well.
 * NT maps non-paged pool with large pages for the same reason.
 *
 * Blocks are whole pages, cut from regions of LARGE_REGION_SIZE. A freed block waits for the next one
 * of its size. Of those that wait, LARGE_KEPT_MAX bytes keep their memory; the others give all pages but
 * the first back to the system, and keep their addresses only. Blocks over LARGE_BLOCK_PAGES are not for here. Any
 * thread; a lock inside.
 */
#ifndef NT_EX_LARGE_BLOCK_H
#define NT_EX_LARGE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#define LARGE_BLOCK_PAGES 64u
#define LARGE_REGION_SIZE ((size_t)32 << 20)
#define LARGE_KEPT_MAX    ((size_t)32 << 20)

/* Page-aligned, zeroed if asked. NULL: none left. pages: 1 to LARGE_BLOCK_PAGES. */
void *large_block_get(size_t pages, bool zero);
void large_block_put(void *block, size_t pages);

#endif
