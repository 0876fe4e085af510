/* SPDX-License-Identifier: MIT */
/*
 * path_pattern.c - see path_pattern.h.
 *
 * On a mismatch the latest star takes one unit more; that is enough, because what an earlier star of the same segment
 * could leave over is less than what the later one had. A star that would have to take a separator gives up, and the
 * latest double star takes more: so much that the first star behind it stands in another segment, for anywhere later in
 * the same segment it would leave less again. So each segment of the path meets each segment of the pattern once.
 */
#include "core/path_pattern.h"

#define NOWHERE SIZE_MAX

struct text {
    const uint8_t *bytes;
    size_t count; /* units */
};

static uint32_t unit_at(const struct text *text, size_t at)
{
    return (uint32_t)text->bytes[2 * at] | (uint32_t)text->bytes[2 * at + 1] << 8;
}

struct match {
    struct text pattern, path;
    uint32_t separator;
    size_t at_pattern, at_path;
    size_t star, star_path; /* behind the latest star: where the pattern and where the path goes on */
    size_t first_path;      /* the same of the first star behind the latest double star */
    size_t double_star, double_star_path;
};

/* Past a run of stars at at_pattern. */
static void take_stars(struct match *m)
{
    size_t run = 0;

    while (m->at_pattern < m->pattern.count && unit_at(&m->pattern, m->at_pattern) == '*') {
        m->at_pattern++;
        run++;
    }
    if (run == 1) {
        m->star = m->at_pattern;
        m->star_path = m->at_path;
        if (m->first_path == NOWHERE)
            m->first_path = m->at_path;
    } else {
        m->star = NOWHERE;
        m->first_path = NOWHERE;
        m->double_star = m->at_pattern;
        m->double_star_path = m->at_path;
    }
}

/* One unit of each, if they match. */
static bool take_unit(struct match *m)
{
    uint32_t wanted, found;
    size_t at = m->at_pattern;

    if (at == m->pattern.count || m->at_path == m->path.count)
        return false;
    wanted = unit_at(&m->pattern, at);
    found = unit_at(&m->path, m->at_path);
    if (wanted == '?') {
        if (found == m->separator)
            return false;
    } else {
        if (wanted == '\\' && m->separator == '/' && at + 1 < m->pattern.count)
            wanted = unit_at(&m->pattern, ++at);
        if (wanted != found)
            return false;
    }
    m->at_pattern = at + 1;
    m->at_path++;
    return true;
}

/* Where the segment ends in which at stands; the path's end if no separator follows. */
static size_t segment_end(const struct match *m, size_t at)
{
    while (at < m->path.count && unit_at(&m->path, at) != m->separator)
        at++;
    return at;
}

/* Goes back to the latest star that may take more. */
static bool go_back(struct match *m)
{
    size_t more = 1;

    if (m->star != NOWHERE && m->star_path < m->path.count && unit_at(&m->path, m->star_path) != m->separator) {
        m->at_pattern = m->star;
        m->at_path = ++m->star_path;
        return true;
    }
    if (m->double_star == NOWHERE)
        return false;
    if (m->first_path != NOWHERE)
        more = segment_end(m, m->first_path) + 1 - m->first_path;
    if (more > m->path.count - m->double_star_path)
        return false;
    m->double_star_path += more;
    m->at_pattern = m->double_star;
    m->at_path = m->double_star_path;
    m->star = NOWHERE;
    m->first_path = NOWHERE;
    return true;
}

bool path_pattern_matches(const void *pattern, size_t pattern_size, const void *path, size_t path_size)
{
    struct match m = {{pattern, pattern_size / 2}, {path, path_size / 2}, '/', 0, 0, NOWHERE, 0, NOWHERE, NOWHERE, 0};

    if (m.path.count != 0 && unit_at(&m.path, 0) == '\\')
        m.separator = '\\';
    for (;;) {
        if (m.at_pattern == m.pattern.count && m.at_path == m.path.count)
            return true;
        if (m.at_pattern < m.pattern.count && unit_at(&m.pattern, m.at_pattern) == '*')
            take_stars(&m);
        else if (!take_unit(&m) && !go_back(&m))
            return false;
    }
}
