/* SPDX-License-Identifier: MIT */
/*
 * browser.h - opens a link on the desktop of whoever started this.
 */
#ifndef PAGE_BROWSER_H
#define PAGE_BROWSER_H

#include <stdbool.h>

/* There is a desktop, and it is this user's: not that of root, whose browser should see no page. */
bool browser_is_there(void);

/* By xdg-open. What it says is not heard, and nobody waits for it: the link is printed anyway. */
void browser_open(const char *link);

#endif
