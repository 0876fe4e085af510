/* SPDX-License-Identifier: MIT */
/*
 * settings.h - what can be set about gatehoused, whoever sets it: its command line (options.h) or its file
 * (conf_file.h). One table says how each is called, what it may be, and what it is by default.
 *
 * When you add a setting: its row in settings.c, its line in the usage (options.c), packaging/gatehoused.conf and
 * man/gatehoused.conf.5; main.c or host.c does something with it.
 */
#ifndef HOST_SETTINGS_H
#define HOST_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum setting {
    SETTING_SOCKET,
    SETTING_STATE,
    SETTING_RULES,
    SETTING_DEADLINE,
    SETTING_UNDECIDED,
    SETTING_NO_DECIDER,
    SETTING_DEAD,
    SETTING_CAPACITY,
    SETTING_HOLD_LOOPBACK,
    SETTING_QUEUE,
    SETTING_NAME_SERVERS,
    SETTING_DRIVER,
    SETTING_SPECIAL_POOL,
    SETTING_CONFINE,
    SETTING_VERBOSE,
    SETTINGS,
    SETTING_NONE = SETTINGS
};

enum confine_setting { CONFINE_YES, CONFINE_NO, CONFINE_KILL };

/* Whose word it is. */
enum setting_origin { SETTING_BY_DEFAULT, SETTING_BY_FILE, SETTING_BY_COMMAND_LINE };

#define SETTING_PATH_MAX    4096u /* with its NUL */
#define SETTING_STATE_MAX   240u  /* the driver has room for 260 characters (driver/settings.h) */
#define SETTING_SERVERS_MAX 1024u /* with its NUL */
#define SETTING_MESSAGE_MAX 512u

struct settings {
    char socket[108]; /* paths are absolute */
    char state[SETTING_PATH_MAX];
    char rules[SETTING_PATH_MAX];
    char name_servers[SETTING_SERVERS_MAX]; /* host/name_servers.h */
    char driver[SETTING_PATH_MAX];          /* empty: the driver that is built in */
    uint32_t deadline_ms;
    uint32_t undecided;  /* enum gatehouse_verdict */
    uint32_t no_decider; /* enum gatehouse_no_decider */
    uint32_t capacity;   /* most connections held at once */
    uint16_t queue;      /* NFQUEUE number */
    bool dead_open;      /* while no gatehoused lives, undecided connections pass */
    bool hold_loopback;
    bool special_pool; /* for driver: each of its allocations between inaccessible pages */
    uint32_t confine;  /* enum confine_setting */
    bool verbose;
    enum setting_origin origin[SETTINGS];
    unsigned line[SETTINGS]; /* in the file, BY_FILE */
};

/* Everything as it is by default. */
void settings_init(struct settings *settings);

/* How it is called: on the command line after "--", in the file before "=". */
const char *setting_name(enum setting setting);

/* True when its command line option may stand alone, and then means yes. */
bool setting_is_switch(enum setting setting);

/* SETTING_NONE when there is none of this name; then *similar is the one that was probably meant, or SETTING_NONE. */
enum setting setting_find(const char *name, size_t size, enum setting *similar);

/*
 * Takes a value. folder: what a relative path is relative to; NULL: only absolute ones are taken. False: nothing was
 * changed, and message says what it takes, what was given instead, and what was probably meant: a sentence that lacks
 * the name at its start.
 */
bool setting_take(struct settings *settings, enum setting setting, const char *text, const char *folder,
                  char message[SETTING_MESSAGE_MAX]);

/* The value as the file would have it, not quoted. */
void setting_value(const struct settings *settings, enum setting setting, char value[SETTING_PATH_MAX]);

/* What does not fit together: false and a whole sentence. */
bool settings_check(const struct settings *settings, char message[SETTING_MESSAGE_MAX]);

#endif
