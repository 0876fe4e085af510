/* SPDX-License-Identifier: MIT */
/*
 * check.c - prints what gatehoused would run with. With a file that is wrong the settings are those without it.
 */
#include "host/check.h"

#include <stdio.h>
#include <string.h>

#include "host/rules_file.h"

static const char *const origins[] = {"default", "file", "command line"};

/* --- Text ------------------------------------------------------------------------------------ */

static void text_value(const char *value)
{
    if (value[0] && !strpbrk(value, " \t\"#")) {
        fputs(value, stdout);
        return;
    }
    putchar('"');
    for (; *value; value++)
        printf(*value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    putchar('"');
}

static void text_settings(const struct settings *settings)
{
    for (int i = 0; i < SETTINGS; i++) {
        char value[SETTING_PATH_MAX];
        enum setting setting = (enum setting)i;

        setting_value(settings, setting, value);
        if (!value[0]) { /* a driver: there is no other way to say none */
            printf("# %s =\n", setting_name(setting));
            continue;
        }
        printf("%s = ", setting_name(setting));
        text_value(value);
        if (settings->origin[i] == SETTING_BY_FILE)
            printf(" # line %u\n", settings->line[i]);
        else
            printf(" # %s\n", origins[settings->origin[i]]);
    }
}

static void text_config(const struct host_options *options)
{
    if (options->config_found == CONF_MISSING)
        printf("# %s is not there: everything is as by default.\n", options->config);
    else if (options->config_found == CONF_READ)
        printf("# %s is right.\n", options->config);
    for (unsigned i = 0; i < options->errors.count; i++) {
        const struct conf_error *error = &options->errors.error[i];

        if (error->line)
            printf("# %s:%u:%u: %s\n", options->config, error->line, error->column, error->message);
        else
            printf("# %s %s\n", options->config, error->message);
    }
}

/* --- JSON ------------------------------------------------------------------------------------ */

/* Paths can be any bytes: those that are no UTF-8 become U+FFFD. */
static size_t utf8_size(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t size = c[0] < 0x80                   ? 1
                  : c[0] >= 0xc2 && c[0] < 0xe0 ? 2
                  : c[0] >= 0xe0 && c[0] < 0xf0 ? 3
                  : c[0] >= 0xf0 && c[0] < 0xf5 ? 4
                                                : 0;

    for (size_t i = 1; i < size; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xe0 && size && c[1] < 0xa0) || (c[0] == 0xed && size && c[1] > 0x9f) ||
        (c[0] == 0xf0 && size && c[1] < 0x90) || (c[0] == 0xf4 && size && c[1] > 0x8f))
        return 0;
    return size;
}

static void json_string(const char *text)
{
    putchar('"');
    while (*text) {
        size_t size = utf8_size(text);

        if (size == 0)
            fputs("\\ufffd", stdout);
        else if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < 32)
            printf("\\u%04x", (unsigned)*text);
        else
            fwrite(text, 1, size, stdout);
        text += size ? size : 1;
    }
    putchar('"');
}

static void json_settings(const struct settings *settings)
{
    fputs("  \"settings\": {\n", stdout);
    for (int i = 0; i < SETTINGS; i++) {
        char value[SETTING_PATH_MAX];

        setting_value(settings, (enum setting)i, value);
        printf("    \"%s\": {\"value\": ", setting_name((enum setting)i));
        json_string(value);
        printf(", \"from\": \"%s\"", origins[settings->origin[i]]);
        if (settings->origin[i] == SETTING_BY_FILE)
            printf(", \"line\": %u", settings->line[i]);
        printf("}%s\n", i + 1 < SETTINGS ? "," : "");
    }
    fputs("  },\n", stdout);
}

static void json_config(const struct host_options *options)
{
    fputs("  \"config\": {\"file\": ", stdout);
    json_string(options->config);
    printf(", \"found\": %s, \"ok\": %s, \"errors\": [", options->config_found == CONF_MISSING ? "false" : "true",
           options->config_found == CONF_BAD ? "false" : "true");
    for (unsigned i = 0; i < options->errors.count; i++) {
        const struct conf_error *error = &options->errors.error[i];

        printf("%s\n    {\"line\": %u, \"column\": %u, \"message\": ", i ? "," : "", error->line, error->column);
        json_string(error->message);
        putchar('}');
    }
    fputs("]},\n", stdout);
}

/* --- Rules ----------------------------------------------------------------------------------- */

static void text_rules(const char *path, const struct rules_file *rules)
{
    if (!rules->found)
        printf("# %s is not there: no rules are loaded.\n", path);
    else if (rules->right)
        printf("# %s is right: %u rules.\n", path, rules->rules);
    for (unsigned i = 0; i < rules->message_count; i++) {
        const struct rules_message *message = &rules->messages[i];

        printf("# %s", message->file);
        if (message->line)
            printf(":%u:%u", message->line, message->column);
        printf(": %s%s\n", message->warning ? "warning: " : "", message->sentence);
    }
}

static void json_rules(const char *path, const struct rules_file *rules)
{
    fputs("  \"rules\": {\"file\": ", stdout);
    json_string(path);
    printf(", \"found\": %s, \"ok\": %s, \"count\": %u, \"errors\": [", rules->found ? "true" : "false",
           rules->right || !rules->found ? "true" : "false", rules->rules);
    for (unsigned i = 0; i < rules->message_count; i++) {
        const struct rules_message *message = &rules->messages[i];

        printf("%s\n    {\"file\": ", i ? "," : "");
        json_string(message->file);
        printf(", \"line\": %u, \"column\": %u, \"warning\": %s, \"message\": ", message->line, message->column,
               message->warning ? "true" : "false");
        json_string(message->sentence);
        putchar('}');
    }
    fputs("]},\n", stdout);
}

bool check_run(const struct host_options *options)
{
    struct rules_file rules;

    rules_file_read(options->settings.rules, &rules);
    bool right = options->config_found != CONF_BAD && (rules.right || !rules.found);
    if (options->json) {
        fputs("{\n", stdout);
        json_config(options);
        json_settings(&options->settings);
        json_rules(options->settings.rules, &rules);
        printf("  \"ok\": %s\n}\n", right ? "true" : "false");
    } else {
        text_config(options);
        text_settings(&options->settings);
        text_rules(options->settings.rules, &rules);
    }
    rules_file_cleanup(&rules);
    return right;
}
