/* SPDX-License-Identifier: MIT */
/*
 * driver_settings_windows.h - the values below the service's registry key that the driver reads when it starts
 * (driver/settings.h has their names and meaning).
 *
 * Only values that are asked for are written; the driver has its own standard for the others. But RulesFolder is
 * always written if it is not there, and the folder made, in which the driver then keeps the rules in force over a
 * restart of Windows: %ProgramData%\Gatehouse\state, for administrators and the system alone. Numbers are LSTATUS
 * values; 0 is success.
 */
#ifndef AGENT_DRIVER_SETTINGS_WINDOWS_H
#define AGENT_DRIVER_SETTINGS_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/text.h"
#include "agent/watch.h"

#define DRIVER_SETTINGS 4u

#define DRIVER_SETTINGS_BYTES 640u

/* What undo puts back. */
struct driver_settings {
    bool key_was_there;
    struct {
        bool was_there;
        uint32_t type, size;
        uint8_t bytes[DRIVER_SETTINGS_BYTES]; /* of any type: an administrator may have written something else */
    } old[DRIVER_SETTINGS];
};

/* Reads what is there. ERROR_MORE_DATA: a value is too long to be kept. */
uint32_t driver_settings_read(struct driver_settings *settings);
/* "DeadlineMs=5000 NoDecider=2", as they are with this change (NULL: none); "standard values" if none is set. */
void driver_settings_describe(const struct driver_settings *settings, const struct watch_change *change,
                              struct text *text);

uint32_t driver_settings_write(const struct watch_change *change);
uint32_t driver_settings_undo(const struct driver_settings *settings);

/* Is anything left of the service in the registry? */
bool driver_settings_left(void);
/* The whole key of the service; only when the service itself is gone. */
uint32_t driver_settings_remove(void);
/* The folder of RulesFolder as it is by default, with the rules the driver kept there. When the driver is gone. */
void driver_settings_remove_rules(void);

#endif
