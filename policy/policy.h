/* SPDX-License-Identifier: MIT */
/*
 * policy.h - the rule language: a file of rules becomes an image (gatehouse/rules.h), or errors that say what to write.
 *
 * The language is docs/rules.md. Three steps: parse (text to struct policy), compile (to an image), and whatever is
 * done with an image: print.h (a rule as one line), match.h (which rule decides, and why the earlier ones do not),
 * diff.h.
 *
 *     struct policy *policy = policy_parse_file("/etc/gatehouse/rules", &policy_system_here);
 *     if (policy == NULL) out of memory;
 *     for (unsigned i = 0; i < policy_error_count(policy); i++) policy_error_write(policy_error(policy, i), text,
 * size); if (!policy_failed(policy) && policy_compile(policy, NULL, &image)) use image.bytes, image.size;
 *     policy_image_cleanup(&image);
 *     policy_free(policy);
 *
 * User mode, all systems. What differs between them is in struct policy_system, which a caller may replace: tests read
 * from memory, a check for another machine resolves no names. One thread per struct policy; nothing is global.
 *
 * When you add a matcher: lexer.re, grammar.y, rule.c, compile.c, print.c, match.c, docs/rules.md, gatehouse-rules.5.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"

#define POLICY_ERRORS_MAX        20u                      /* more are not looked for */
#define POLICY_INCLUDE_DEPTH_MAX 16u                      /* of files within files */
#define POLICY_FILES_MAX         4096u                    /* in one policy */
#define POLICY_FILE_SIZE_MAX     (64u * 1024u * 1024u)    /* of one file */
#define POLICY_LINE_SIZE_MAX     (64u * 1024u)            /* of one line */
#define POLICY_LIST_MAX          GATEHOUSE_RULE_PARTS_MAX /* things in one { } of programs, users ... */
#define POLICY_PATH_MAX          4096u
#define POLICY_NAME_ASCII_MAX    256u

/* --- What differs between systems ------------------------------------------------------------- */

enum policy_who { POLICY_USER = 1, POLICY_GROUP = 2 };

/* What a system cannot match: a rule that asks for it is an error there. */
#define POLICY_LACKS_SHA256 0x1u
#define POLICY_LACKS_UNIT   0x2u
#define POLICY_LACKS_CGROUP 0x4u

/*
 * Any of the functions may be NULL: then there are no files, no names (numbers and SIDs stay), and program paths are
 * taken as written. why: one clause, static or valid until the next call.
 */
struct policy_system {
    void *context;
    unsigned lacks; /* POLICY_LACKS_* */
    /* The whole file into a block of malloc (the caller frees it). False: it cannot be read, or is longer than limit.
     */
    bool (*read_file)(void *context, const char *path, size_t limit, char **bytes, size_t *size, const char **why);
    /* Files that a pattern with * ? [] names, sorted by name; each string and the array of malloc. None is no error. */
    bool (*list_files)(void *context, const char *pattern, char ***paths, size_t *count, const char **why);
    /* sid has GATEHOUSE_SID_MAX bytes. False: nobody of this machine has that name. Must not ask the network. */
    bool (*find_sid)(void *context, enum policy_who who, const char *name, uint8_t *sid, size_t *size);
    /* The name, until the next call; NULL: none. Only for printing. */
    const char *(*find_name)(void *context, enum policy_who who, const uint8_t *sid, size_t size);
    /* Where a program, or the folder that a pattern begins with, really is, as ALE_APP_ID names it: without links on
     * Linux, \device\... on Windows. real has POLICY_PATH_MAX bytes. False: as written. */
    bool (*find_program)(void *context, const char *path, char *real);
    /* The ASCII form of a host's name in UTF-8, as it is looked up ("xn--bcher-kva.example"). ascii has
     * POLICY_NAME_ASCII_MAX bytes. False: it is no name. NULL: only names in ASCII are taken. */
    bool (*find_ascii)(void *context, const char *name, char *ascii, const char **why);
};

/* Linux: the files of this machine, /etc/passwd, /etc/group, realpath. Windows: the files; accounts of this machine;
 * find_program is NULL and whoever has it (agent/program_path.h) sets it in a copy. */
extern const struct policy_system policy_system_here;

/* --- Parsing ---------------------------------------------------------------------------------- */

struct policy;

struct policy_error {
    const char *file;
    uint32_t line;   /* from 1; 0: the file as a whole */
    uint32_t column; /* in bytes, from 1 */
    uint32_t width;  /* bytes to point at, at least 1 */
    bool warning;    /* the policy works; but look */
    /* "found 'alow'; expected permit, block, ask, set or include; write 'permit' instead" */
    const char *sentence;
    const char *source; /* the line it stands in, without its newline; NULL: none */
};

/*
 * Reads a file, or a text that is called name in messages (its includes are relative to the working folder), and all
 * that it includes. NULL: out of memory. Otherwise policy_free ends it. system may be NULL: nothing of it is there.
 * The text is not needed afterwards.
 */
struct policy *policy_parse_file(const char *path, const struct policy_system *system);
struct policy *policy_parse_text(const char *name, const char *text, size_t size, const struct policy_system *system);
void policy_free(struct policy *policy);

/* In the order of the text; warnings too. All strings live as long as the policy. */
unsigned policy_error_count(const struct policy *policy);
const struct policy_error *policy_error(const struct policy *policy, unsigned number);
bool policy_failed(const struct policy *policy); /* an error that is no warning */
uint32_t policy_rule_count(const struct policy *policy);

/*
 * "FILE:LINE:COLUMN: found ...; expected ...; write ... instead.", the line and a caret below it; each line ends in a
 * newline. Always NUL-terminated. Returns the length of the whole, which may be more than capacity. Control characters
 * of the line are shown as '?'; of a long line what is around the place.
 */
size_t policy_error_write(const struct policy_error *error, char *text, size_t capacity);
#define POLICY_ERROR_TEXT_MAX 2048u /* always enough */

/* --- Compiling -------------------------------------------------------------------------------- */

struct policy_compile_options {
    uint8_t place;     /* GATEHOUSE_PLACE_*: of all its rules */
    bool without_text; /* no TEXT and FILE parts */
};

struct policy_image {
    void *bytes; /* of malloc; rule_image_check holds for it (not kept) */
    size_t size;
};

/* options may be NULL: place FILE, with text. False: the policy has errors, maybe one more now (too many rules, the
 * image would be too large, out of memory); then image is untouched. */
bool policy_compile(struct policy *policy, const struct policy_compile_options *options, struct policy_image *image);
void policy_image_cleanup(struct policy_image *image);

#endif
