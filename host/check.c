/* SPDX-License-Identifier: MIT */
/*
 * check.c - prints what gatehoused would run with. With a file that is wrong the settings are those without it.
 */
#include "host/check.h"

#include <stdio.h>
#include <string.h>

#include "host/log.h"
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
    /* First byte from, to; second byte from, to; bytes. RFC 3629, section 4. */
    static const unsigned char forms[][5] = {
        {0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const unsigned char *form = forms[i];

        if (c[0] < form[0] || c[0] > form[1] || c[1] < form[2] || c[1] > form[3])
            continue;
        for (size_t j = 2; j < form[4]; j++)
            if ((c[j] & 0xc0) != 0x80)
                return 0;
        return form[4];
    }
    return 0;
}

static void json_text(const char *text)
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
        json_text(value);
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
    json_text(options->config);
    printf(", \"found\": %s, \"ok\": %s, \"errors\": [", options->config_found == CONF_MISSING ? "false" : "true",
           options->config_found == CONF_BAD ? "false" : "true");
    for (unsigned i = 0; i < options->errors.count; i++) {
        const struct conf_error *error = &options->errors.error[i];

        printf("%s\n    {\"line\": %u, \"column\": %u, \"message\": ", i ? "," : "", error->line, error->column);
        json_text(error->message);
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
    json_text(path);
    printf(", \"found\": %s, \"ok\": %s, \"count\": %u, \"errors\": [", rules->found ? "true" : "false",
           rules->right || !rules->found ? "true" : "false", rules->rules);
    for (unsigned i = 0; i < rules->message_count; i++) {
        const struct rules_message *message = &rules->messages[i];

        printf("%s\n    {\"file\": ", i ? "," : "");
        json_text(message->file);
        printf(", \"line\": %u, \"column\": %u, \"warning\": %s, \"message\": ", message->line, message->column,
               message->warning ? "true" : "false");
        json_text(message->sentence);
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
    if (fflush(stdout) == 0 && !ferror(stdout))
        return right;
    log_say("cannot write the output: is there room, and does anybody read?");
    return false;
}
