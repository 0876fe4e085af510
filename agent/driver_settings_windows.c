/* SPDX-License-Identifier: MIT */
/*
 * driver_settings_windows.c - see driver_settings_windows.h.
 */
#include "agent/driver_settings_windows.h"

#include <string.h>

#include <windows.h>

#include <sddl.h>

#include <gatehouse/objects.h>

#define SERVICE_KEY    L"SYSTEM\\CurrentControlSet\\Services\\" GATEHOUSE_SERVICE
#define PARAMETERS_KEY SERVICE_KEY L"\\Parameters"

struct setting {
    const wchar_t *name;
    const char *text;
};

#define NUMBERS 3u
#define FOLDER  NUMBERS

static const struct setting names[DRIVER_SETTINGS] = {{L"DeadlineMs", "DeadlineMs"},
                                                      {L"Undecided", "Undecided"},
                                                      {L"NoDecider", "NoDecider"},
                                                      {L"RulesFolder", "RulesFolder"}};

/* False: this one is not asked for. index: of a number. */
static bool wanted(const struct watch_change *change, unsigned index, uint32_t *value)
{
    const bool set[NUMBERS] = {change->set_deadline, change->set_undecided, change->set_no_decider};
    const uint32_t values[NUMBERS] = {change->deadline_ms, change->undecided, change->no_decider};

    *value = values[index];
    return set[index];
}

/* --- The folder of rules --------------------------------------------------------------------- */

#define OURS           L"%ProgramData%\\Gatehouse"
#define PATH_MAX_UNITS 300u

static bool expand(const wchar_t *text, wchar_t path[PATH_MAX_UNITS])
{
    DWORD units = ExpandEnvironmentStringsW(text, path, PATH_MAX_UNITS);

    return units != 0 && units <= PATH_MAX_UNITS && path[0] != L'%';
}

/* Full access for the system and administrators, nobody else, and so for what is made in it. */
static uint32_t folder_make(void)
{
    SECURITY_ATTRIBUTES security = {.nLength = sizeof(security)};
    wchar_t ours[PATH_MAX_UNITS], state[PATH_MAX_UNITS];
    uint32_t error = 0;

    if (!expand(OURS, ours) || !expand(OURS L"\\state", state))
        return ERROR_PATH_NOT_FOUND;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", SDDL_REVISION_1,
                                                              &security.lpSecurityDescriptor, NULL))
        return GetLastError();
    if (!CreateDirectoryW(ours, &security) && GetLastError() != ERROR_ALREADY_EXISTS)
        error = GetLastError();
    if (error == 0 && !CreateDirectoryW(state, &security) && GetLastError() != ERROR_ALREADY_EXISTS)
        error = GetLastError();
    LocalFree(security.lpSecurityDescriptor);
    return error;
}

/* A folder with something in it stays: the rules file beside is the administrator's. */
static void folder_remove(bool with_rules)
{
    static const wchar_t *const files[] = {
        OURS L"\\state\\rules",     OURS L"\\state\\added",         OURS L"\\state\\rules.new",
        OURS L"\\state\\added.new", OURS L"\\state\\rules.damaged", OURS L"\\state\\added.damaged",
    };
    wchar_t path[PATH_MAX_UNITS];

    for (unsigned i = 0; with_rules && i < sizeof(files) / sizeof(files[0]); i++)
        if (expand(files[i], path))
            DeleteFileW(path);
    if (expand(OURS L"\\state", path))
        RemoveDirectoryW(path);
    if (expand(OURS, path))
        RemoveDirectoryW(path);
}

void driver_settings_remove_rules(void)
{
    folder_remove(true);
}

static LSTATUS folder_put(HKEY key)
{
    wchar_t path[PATH_MAX_UNITS];

    if (RegQueryValueExW(key, names[FOLDER].name, NULL, NULL, NULL, NULL) != ERROR_FILE_NOT_FOUND)
        return 0; /* an administrator chose another one, or an earlier install wrote it */
    if (!expand(L"\\??\\" OURS L"\\state", path))
        return ERROR_PATH_NOT_FOUND;
    uint32_t error = folder_make();
    if (error != 0)
        return (LSTATUS)error;
    return RegSetValueExW(key, names[FOLDER].name, 0, REG_SZ, (const BYTE *)path,
                          (DWORD)(((size_t)lstrlenW(path) + 1) * sizeof(wchar_t)));
}

/* --- The values ------------------------------------------------------------------------------ */

uint32_t driver_settings_read(struct driver_settings *settings)
{
    HKEY key;
    LSTATUS error = RegOpenKeyExW(HKEY_LOCAL_MACHINE, PARAMETERS_KEY, 0, KEY_QUERY_VALUE, &key);

    memset(settings, 0, sizeof(*settings));
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_KEY_DELETED)
        return 0;
    if (error != 0)
        return (uint32_t)error;
    settings->key_was_there = true;
    for (unsigned i = 0; i < DRIVER_SETTINGS && error == 0; i++) {
        DWORD type = 0, size = DRIVER_SETTINGS_BYTES;

        error = RegQueryValueExW(key, names[i].name, NULL, &type, settings->old[i].bytes, &size);
        settings->old[i].was_there = error == 0;
        settings->old[i].type = type;
        settings->old[i].size = size;
        error = error == ERROR_FILE_NOT_FOUND ? 0 : error;
    }
    RegCloseKey(key);
    return (uint32_t)error;
}

/* False: the driver does not see a value. */
static bool old_number(const struct driver_settings *settings, unsigned index, uint32_t *value)
{
    if (!settings->old[index].was_there || settings->old[index].type != REG_DWORD ||
        settings->old[index].size != sizeof(*value))
        return false;
    memcpy(value, settings->old[index].bytes, sizeof(*value));
    return true;
}

void driver_settings_describe(const struct driver_settings *settings, const struct watch_change *change,
                              struct text *text)
{
    bool any = false;

    for (unsigned i = 0; i < NUMBERS; i++) {
        uint32_t value = 0, changed = 0;
        bool set = old_number(settings, i, &value), asked = false;

        if (change != NULL)
            asked = wanted(change, i, &changed);
        if (!set && !asked)
            continue;
        text_add_format(text, "%s%s=%u", any ? " " : "", names[i].text, (unsigned)(asked ? changed : value));
        any = true;
    }
    if (!any)
        text_add(text, "the driver's standard values");
}

static LSTATUS put(HKEY key, unsigned index, uint32_t value)
{
    DWORD data = value;

    return RegSetValueExW(key, names[index].name, 0, REG_DWORD, (const BYTE *)&data, sizeof(data));
}

uint32_t driver_settings_write(const struct watch_change *change)
{
    HKEY key;
    LSTATUS error = RegCreateKeyExW(HKEY_LOCAL_MACHINE, PARAMETERS_KEY, 0, NULL, 0, KEY_SET_VALUE | KEY_QUERY_VALUE,
                                    NULL, &key, NULL);

    if (error != 0)
        return (uint32_t)error;
    for (unsigned i = 0; i < NUMBERS && error == 0; i++) {
        uint32_t value;

        if (wanted(change, i, &value))
            error = put(key, i, value);
    }
    if (error == 0)
        error = folder_put(key);
    RegCloseKey(key);
    return (uint32_t)error;
}

uint32_t driver_settings_undo(const struct driver_settings *settings)
{
    HKEY key;
    LSTATUS error;

    if (!settings->old[FOLDER].was_there)
        folder_remove(false);
    if (!settings->key_was_there) {
        error = RegDeleteTreeW(HKEY_LOCAL_MACHINE, PARAMETERS_KEY);
        return error == ERROR_FILE_NOT_FOUND ? 0 : (uint32_t)error;
    }
    error = RegOpenKeyExW(HKEY_LOCAL_MACHINE, PARAMETERS_KEY, 0, KEY_SET_VALUE, &key);
    if (error != 0)
        return (uint32_t)error;
    for (unsigned i = 0; i < DRIVER_SETTINGS && error == 0; i++) {
        if (settings->old[i].was_there) {
            error = RegSetValueExW(key, names[i].name, 0, settings->old[i].type, settings->old[i].bytes,
                                   settings->old[i].size);
        } else {
            error = RegDeleteValueW(key, names[i].name);
            error = error == ERROR_FILE_NOT_FOUND ? 0 : error;
        }
    }
    RegCloseKey(key);
    return (uint32_t)error;
}

bool driver_settings_left(void)
{
    HKEY key;

    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, SERVICE_KEY, 0, KEY_QUERY_VALUE, &key) != 0)
        return false;
    RegCloseKey(key);
    return true;
}

uint32_t driver_settings_remove(void)
{
    LSTATUS error = RegDeleteTreeW(HKEY_LOCAL_MACHINE, SERVICE_KEY);

    return error == ERROR_FILE_NOT_FOUND || error == ERROR_KEY_DELETED ? 0 : (uint32_t)error;
}
