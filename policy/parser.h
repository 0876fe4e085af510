/* SPDX-License-Identifier: MIT */
/*
 * parser.h - what the files of the parser share. Nobody else includes it.
 *
 *   lexer.re    tokens out of the text             grammar.y    which tokens make a line; calls rule.c and set.c
 *   parser.c    files, lines, includes             syntax.c     what to say when a token does not fit
 *   value.c     items of lists: addresses, ports   host_name.c  the same: names of hosts
 *   rule.c      matchers of one rule, in a draft   record.c     the draft as a record of an image
 *   set.c       named sets and their files         error.c      errors and how they are shown
 *
 * Each line is parsed by itself, so that an error in one hides nothing in the next. What is kept of a rule is its
 * record (gatehouse/rules.h, sets numbered as in set_store.h); of a set, its ranges.
 */
#ifndef POLICY_PARSER_H
#define POLICY_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"
#include "policy/bytes.h"
#include "policy/policy.h"
#include "policy/ranges.h"
#include "policy/set_store.h"

struct named_set {
    struct named_set *next; /* in its bucket */
    struct named_set *older;
    const char *name;
    const char *file;
    uint32_t line;
    bool addresses, ports, names; /* what it may be used for: an empty one for all */
    struct ranges ranges;
    struct bytes host_names; /* each behind a byte that has its size */
    uint32_t numbers[4];     /* in the set store, by kind; SET_STORE_NONE: not there yet */
};

#define NAMED_SETS_BUCKETS 1024u

struct policy {
    struct policy_system system;
    struct arena arena;
    struct policy_error *errors[2 * POLICY_ERRORS_MAX];
    unsigned error_count, failed_count; /* warnings are errors that did not fail */
    struct bytes records;               /* struct gatehouse_rule and parts, one behind the other; ids are 0 */
    uint32_t rule_count;
    struct set_store sets;
    struct named_set *buckets[NAMED_SETS_BUCKETS];
    struct named_set *latest;
    uint32_t file_count;
};

/* A file, or the text that was handed in. */
struct source {
    const char *name;
    const char *text, *end; /* a NUL stands at end */
    const struct source *from;
    unsigned depth;
};

struct token {
    const char *at; /* in the source's text */
    uint32_t length;
    int kind; /* TOKEN_* of the grammar, or NEWLINE */
};
#define TOKEN_END     0 /* of the file; the grammar's end of input */
#define TOKEN_NEWLINE 200

/* One thing of a list: first, or the range from first to last. */
struct item {
    struct token first, last; /* last.at NULL: no range */
    bool sha256;
};

enum matcher {
    MATCHER_ALL,
    MATCHER_PROGRAM,
    MATCHER_USER,
    MATCHER_GROUP,
    MATCHER_UNIT,
    MATCHER_CGROUP,
    MATCHER_DIRECTION,
    MATCHER_PROTO,
    MATCHER_TO,
    MATCHER_FROM,
    MATCHER_TO_PORT,
    MATCHER_FROM_PORT,
    MATCHER_PORT,
    MATCHER_ICMP_TYPE,
    MATCHER_RAW,
    MATCHER_FAMILY,
    MATCHER_LOG,
    MATCHER_END,
    MATCHER_COUNT
};

/* Addresses or ports that a matcher names. any: all of them, as if it named none. */
struct operand {
    bool any, negated;
    struct ranges ranges;
    struct bytes host_names; /* each behind a byte that has its size */
    struct token host_name;  /* the first; at NULL: it names addresses */
    struct named_set *named; /* ranges or names are just those of it */
};

struct draft_part {
    uint16_t type;
    uint32_t offset, size; /* in draft.data */
};

/* The rule of the present line. */
struct draft {
    struct token given[MATCHER_COUNT]; /* where; at NULL: not given */
    struct gatehouse_rule rule;
    struct operand to, from, to_port, from_port, port;
    uint8_t protocols[32]; /* a bit each */
    struct item icmp_types[256];
    unsigned icmp_type_count;
    struct draft_part parts[GATEHOUSE_RULE_PARTS_MAX];
    unsigned part_count;
    struct bytes data;
};

struct parser {
    struct policy *policy;
    const struct source *source;
    void *engine;   /* the grammar's */
    const char *at; /* where the lexer goes on */
    bool failed;    /* the present line is wrong, its rest is skipped */
    bool ended;     /* out of memory, or too many errors: no line more */
    unsigned depth; /* of { } */
    struct token brace;
    struct token context;     /* the latest word that says what follows */
    struct token first, last; /* of the line */
    struct token second;      /* the name in a line that defines a set */
    struct token include;     /* read when the line is over; at NULL: none */
    const char *counted_at;   /* so far lines are counted: */
    uint32_t counted;
    struct item *items; /* of the present list */
    uint32_t item_count, item_capacity;
    bool any, negated; /* the present address */
    struct draft draft;
    struct bytes plain, pattern; /* the latest string: its bytes, and as a pattern */
    struct known *known;         /* KNOWN_MAX answers of the system, at places that their names' hashes say */
};

/* Where a program is, or whose SID: a hundred thousand rules ask for the same few. */
#define KNOWN_MAX 4096u
struct known {
    const char *asked; /* kind and name, in the arena; NULL: free */
    const char *real;  /* of a program; NULL: there is none */
    uint8_t sid[GATEHOUSE_SID_MAX];
    size_t sid_size; /* 0: nobody has that name */
};

/* --- lexer.re ------------------------------------------------------------------------------- */
void lexer_next(struct parser *parser, struct token *token);

/* --- error.c -------------------------------------------------------------------------------- */
/* The present line fails. at may be NULL: the source as a whole. Afterwards the line's other errors are not told. */
void parser_fail(struct parser *parser, const struct token *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void parser_warn(struct parser *parser, const struct token *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void parser_no_memory(struct parser *parser);

/* A token as an error names it: 'word', "string", the end of the line. */
struct quote {
    char text[80];
};
const char *quote_token(const struct token *token, struct quote *quote);
uint32_t source_line(const struct source *source, const char *at);

/* --- syntax.c ------------------------------------------------------------------------------- */
/* token does not fit where the grammar stands. */
void syntax_fail(struct parser *parser, const struct token *token);

/* --- value.c -------------------------------------------------------------------------------- */
void value_add_item(struct parser *parser, const struct token *first, const struct token *last, bool sha256);
/* False: it failed. All items of the list; they are used up. */
bool value_addresses(struct parser *parser, struct operand *into);
bool value_ports(struct parser *parser, struct operand *into);
/* One item into ranges. */
bool value_address(struct parser *parser, const struct item *item, struct ranges *into);
bool value_port(struct parser *parser, const struct item *item, struct ranges *into);
/* Says that it is no address. Returns false. */
bool value_address_fail(struct parser *parser, const struct token *token);
/* A string into parser->plain and parser->pattern; wild: it has a * or ? that stands for others. */
bool value_string(struct parser *parser, const struct token *token, bool *wild);
/* A whole number up to limit; false: something else, nothing said. */
bool value_number(const struct token *token, uint64_t limit, uint64_t *number);

/* --- host_name.c ----------------------------------------------------------------------------- */
/* Is it a name rather than an address? Nothing is said. */
bool host_name_is(struct parser *parser, const struct item *item);
/* One item of a list of names. False: it failed. */
bool host_name_take(struct parser *parser, const struct item *item, struct bytes *into);
void host_name_mixed_fail(struct parser *parser, const struct token *token, bool among_names);
/* They fail, at that name. */
bool host_name_negated(struct parser *parser, const struct token *token);
void host_name_of_sender(struct parser *parser, const struct token *token);
/* The names as parts of the draft, whose direction is known. */
void host_name_parts(struct parser *parser, const struct operand *operand);

/* --- known.c -------------------------------------------------------------------------------- */
/* As the functions of the system, each name asked once. */
bool known_program(struct parser *parser, const char *path, char *real);
bool known_sid(struct parser *parser, enum policy_who who, const char *name, uint8_t *sid, size_t *size);

/* --- set.c ---------------------------------------------------------------------------------- */
void set_define(struct parser *parser, const struct token *name);
void set_define_file(struct parser *parser, const struct token *name, const struct token *file,
                     const struct token *path, const struct token *what);
/* NULL: there is none, and it failed. */
struct named_set *set_find(struct parser *parser, const struct token *variable);
struct named_set *set_find_quietly(struct parser *parser, const struct token *variable);
/* The line that should have defined it failed: an empty one, so that the rules that use it do not fail as well. */
void set_define_failed(struct parser *parser, const struct token *name);

/* --- parser.c ------------------------------------------------------------------------------- */
/* The line of a token that is not before the one asked for last in this source. */
uint32_t parser_line(struct parser *parser, const struct token *token);
/* The file that a path in quotes, from the source, means: in the arena. NULL: it failed. */
const char *parser_path(struct parser *parser, const struct token *path);
/* Reads it and checks its bounds. False: it failed, at that token. The caller frees source->text. */
bool parser_open(struct parser *parser, const struct token *at, const char *path, struct source *source);

/* --- rule.c: one call a matcher, in any order ------------------------------------------------- */
void rule_begin(struct parser *parser, const struct token *action, enum gatehouse_rule_action code);
void rule_flag(struct parser *parser, enum matcher matcher, const struct token *token);
void rule_who(struct parser *parser, enum matcher matcher, const struct token *token);
void rule_protocols(struct parser *parser, const struct token *token);
void rule_icmp_types(struct parser *parser, const struct token *token);
void rule_addresses(struct parser *parser, enum matcher matcher, const struct token *token);
void rule_ports(struct parser *parser, enum matcher matcher, const struct token *token);
void rule_for(struct parser *parser, const struct token *token, const struct token *number, const struct token *unit);
void rule_until(struct parser *parser, const struct token *token, const struct token *what);
void rule_part(struct parser *parser, uint16_t type, const void *data, size_t size);
#define RULE_PARTS_OF_ITS_OWN 16u /* of the parts: those that are not listed one by one */

/* --- record.c ------------------------------------------------------------------------------- */
void record_finish(struct parser *parser);

/* --- grammar.y ------------------------------------------------------------------------------ */
void *grammar_new(void);
void grammar_free(void *engine);
void grammar_begin(void *engine);
/* Could a token of that kind stand here? */
bool grammar_fits(void *engine, int kind);
void grammar_take(void *engine, struct parser *parser, const struct token *token);

#endif
