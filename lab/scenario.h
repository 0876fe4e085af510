/* SPDX-License-Identifier: MIT */
/*
 * scenario.h - a scenario as data: its steps, the names in them, the events expected after each.
 *
 * docs/scenarios.md describes the text. The parser checks all that can be known without running: words,
 * numbers, addresses, and that each name is of the right kind and was introduced before. When you add a
 * step: its kind here, its row in scenario_parse.c, its row in scenario_steps.c, docs/scenarios.md.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "lab/scenario_world.h"

#define SCENARIO_NAME_MAX        31u
#define SCENARIO_CONNECTIONS_MAX 4096u
#define SCENARIO_CLIENTS_MAX     64u
#define SCENARIO_FILTERS_MAX     64u
#define SCENARIO_STEPS_MAX       20000u
#define SCENARIO_FILE_MAX        (4u * 1024u * 1024u)
#define SCENARIO_PATH_MAX        200u
#define SCENARIO_BATCH_MAX       16u /* decisions of one answer, names of one until */
#define SCENARIO_VARIABLES_MAX   256u
#define SCENARIO_SETTINGS_MAX    16u /* parameters by name, of one load */
#define SCENARIO_FIELDS_MAX      64u /* of one send */
#define SCENARIO_BYTES_MAX       65536u
#define SCENARIO_NOBODY          UINT32_MAX

struct scenario_error {
    char text[500]; /* FILE:LINE: what was expected, what was found */
};

enum scenario_step_kind {
    STEP_LOAD,
    STEP_UNLOAD,
    STEP_CONNECT,
    STEP_ESTABLISH,
    STEP_PACKET,
    STEP_CLOSE_CONNECTION,
    STEP_DECIDER,
    STEP_OBSERVER,
    STEP_SEED,
    STEP_READ,
    STEP_CANCEL,
    STEP_ANSWER,
    STEP_POLICY,
    STEP_STATUS,
    STEP_CLOSE_CLIENT,
    STEP_KILL,
    STEP_CHANGE_FILTERS,
    STEP_FILTER,
    STEP_REMOVE,
    STEP_SLEEP,
    STEP_UNTIL_DECIDED,
    STEP_UNTIL_ANSWERS,
    STEP_NEEDS_VIRTUAL_CLOCK,
    STEP_OPEN,
    STEP_SEND,
    STEP_PORT,
    STEP_MESSAGE,
    STEP_REPLY,
    STEP_EXPECT,
    STEP_IRQL,
    STEP_SUSPEND,
    STEP_RESUME,
    STEP_FAULT,
    STEP_NOTIFY,
    STEP_RULES,
    STEP_RULE_ADD,
    STEP_RULE_REMOVE,
    STEP_LIST,
    STEP_NAME,
    STEP_EXIT,
    STEP_THEN,
    STEP_STATE
};

struct scenario_decision {
    uint32_t connection; /* SCENARIO_NOBODY: an id that nothing has */
    uint32_t verdict, scope, lifetime_ms;
};

/* Of load and policy; what is not given stays as it is. In the protocol's words. */
enum { SETTING_DEADLINE, SETTING_UNDECIDED, SETTING_NO_DECIDER, SETTING_CAPACITY, SETTING_HOLD_LOOPBACK, SETTINGS };

struct scenario_settings {
    bool given[SETTINGS];
    uint32_t value[SETTINGS];
};

/* A parameter of any driver: parameter NAME NUMBER. */
struct scenario_parameter {
    char name[SCENARIO_NAME_MAX + 1];
    uint32_t value;
};

enum scenario_field_kind {
    FIELD_NUMBER,   /* width bytes, little-endian */
    FIELD_VARIABLE, /* the same: sent from a variable, or received into it */
    FIELD_IGNORED,  /* the same: received, whatever it is */
    FIELD_BYTES     /* width bytes as given */
};

struct scenario_field {
    enum scenario_field_kind kind;
    uint32_t width;    /* bytes */
    uint64_t number;   /* FIELD_NUMBER */
    uint32_t variable; /* FIELD_VARIABLE */
    uint8_t *bytes;    /* FIELD_BYTES; NULL: zeros */
};

struct scenario_fields {
    struct scenario_field *field;
    size_t count;
    uint32_t size; /* bytes of all */
};

/* Of open, send, port, message, reply and fault. */
struct scenario_raw {
    char name[SCENARIO_PATH_MAX + 1]; /* the device, the port, the routine */
    uint32_t code;
    struct scenario_fields in, out;
    uint32_t out_size; /* of the output buffer */
};

/* Of rules, rule and name: what the driver is given (gatehouse/rules.h). */
struct scenario_image {
    void *bytes;
    size_t size;
};

struct scenario_lines {
    char **text;
    size_t count, room;
};

struct scenario_step {
    enum scenario_step_kind kind;
    unsigned line;    /* of the file, from 1 */
    uint32_t subject; /* a connection, client or filter; SCENARIO_NOBODY: none */
    uint32_t value;   /* milliseconds, bytes, a count, or a world_* word */
    bool inbound;
    bool meanwhile;                     /* unload: in explore connections go on */
    char driver[SCENARIO_NAME_MAX + 1]; /* load, unload: "" for all */
    uint32_t socket_of;                 /* connect: the connection whose socket it uses, itself for its own */
    struct world_connect *connect;      /* its endpoint is not set */
    struct world_filter filter;
    struct scenario_settings settings;
    struct scenario_parameter *parameters; /* load */
    size_t parameter_count;
    struct scenario_raw *raw;
    struct scenario_image *image; /* rules, rule, name */
    bool keeps;                   /* load: the driver has folders to keep its rules in */
    struct scenario_decision decisions[SCENARIO_BATCH_MAX];
    size_t decision_count;
    struct scenario_lines expected;
    size_t expected_at; /* source line (from 0) after which events are recorded */
};

struct scenario_names {
    char (*text)[SCENARIO_NAME_MAX + 1];
    size_t count;
};

struct scenario {
    char *file;
    struct scenario_lines source; /* every line as it stands in the file */
    struct scenario_step *steps;
    size_t count, room;
    struct scenario_names connections, clients, filters, variables;
    bool compares, compares_rules; /* the file has events to compare with, also of broken rules */
};

/* text: size bytes, not kept. NULL: *error says where and why. */
struct scenario *scenario_parse(const char *file, const char *text, size_t size, struct scenario_error *error);
struct scenario *scenario_read(const char *path, struct scenario_error *error);
void scenario_free(struct scenario *scenario);

/* Copies a line. Ends the program when there is no memory. */
void scenario_lines_add(struct scenario_lines *lines, const char *text, size_t size);
void scenario_lines_free(struct scenario_lines *lines);

#endif
