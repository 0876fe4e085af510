/* SPDX-License-Identifier: MIT */
/*
 * state.h - the two folders in which the driver keeps the rules in force: one for good, one until the machine restarts.
 *
 * Here they are only made, guarded and emptied; what lies in them is the driver's (driver/rule_store.c), which finds
 * them by the registry values RulesFolder and RulesVolatileFolder. Both are root's alone (0700). A folder has one user:
 * two gatehoused, in network namespaces of their own, need folders of their own.
 *
 * The volatile folder is /run/gatehouse/state-COOKIE when the state folder is the default: the cookie names the network
 * namespace, and is never given to another one before the machine restarts. Otherwise it is "volatile" in the state
 * folder. A file named boot-id there empties it after a restart of the machine.
 */
#ifndef HOST_STATE_H
#define HOST_STATE_H

#include "host/settings.h"

struct state {
    char kept[SETTING_PATH_MAX + 16], until_reboot[SETTING_PATH_MAX + 16]; /* without links and needless slashes */
    bool restarted; /* the machine has been since the folders were used last, or they are new */
    int lock;       /* -1: not taken */
};

/* Makes both. 0, or -errno, told: then nothing is held. */
int state_open(const struct settings *settings, struct state *state);
void state_close(struct state *state);

/* What NT calls an absolute path of this machine: "\??\unix\var\lib\gatehouse". False: it has a backslash or does not
 * fit. */
bool state_nt_path(const char *path, char *nt_path, size_t size);

#endif
