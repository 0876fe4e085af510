/* SPDX-License-Identifier: MIT */
/*
 * filter_name.c - shared display names. See filter_name.h.
 */
#include "wfp/filter_name.h"

#include <string.h>

static struct wfp_filter_name *latest; /* with a reference */

static size_t size_of(const wchar_t *text)
{
    size_t length = 0;

    while (text[length] != 0)
        length++;
    return (length + 1) * sizeof(text[0]);
}

/* Up to and with the NUL, so that neither is read behind its end. */
static BOOLEAN is_same(const wchar_t *a, const wchar_t *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

struct wfp_filter_name *wfp_filter_name_get(const wchar_t *text)
{
    if (latest == NULL || !is_same(latest->text, text)) {
        size_t size = size_of(text);
        struct wfp_filter_name *name = wfp_alloc(sizeof(*name) + size);

        if (name == NULL)
            return NULL;
        memcpy(name->text, text, size);
        atomic_store_explicit(&name->refs, 1, memory_order_relaxed);
        wfp_filter_name_reset();
        latest = name;
    }
    atomic_fetch_add_explicit(&latest->refs, 1, memory_order_relaxed);
    return latest;
}

void wfp_filter_name_put(struct wfp_filter_name *name)
{
    if (name != NULL && atomic_fetch_sub_explicit(&name->refs, 1, memory_order_acq_rel) == 1)
        wfp_free(name);
}

void wfp_filter_name_reset(void)
{
    wfp_filter_name_put(latest);
    latest = NULL;
}

void wfp_filter_name_forget(void)
{
    latest = NULL;
}
