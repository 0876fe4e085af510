/* SPDX-License-Identifier: MIT */
/*
 * service.c - a notification service that a test drives: what is shown goes to standard output, one JSON object a line,
 * and lines on standard input are what a person does.
 *
 *   service [CAPABILITY...]        click ID KEY | close ID REASON | end
 *
 * {"call":"Notify","id":1,"replaces":0,"title":"...","body":"...","actions":["key","label",...],"urgency":2}
 * {"call":"CloseNotification","id":1}
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <systemd/sd-bus.h>

#define NAME "org.freedesktop.Notifications"
#define PATH "/org/freedesktop/Notifications"

static char **capabilities;
static int capability_count;
static uint32_t last_id;
static bool ended;

static void tell(json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);

    printf("%s\n", text);
    fflush(stdout);
    free(text);
    json_decref(line);
}

static int on_capabilities(sd_bus_message *call, void *context, sd_bus_error *error)
{
    sd_bus_message *answer = NULL;
    int result = sd_bus_message_new_method_return(call, &answer);

    (void)context;
    (void)error;
    if (result >= 0)
        result = sd_bus_message_open_container(answer, 'a', "s");
    for (int i = 0; i < capability_count && result >= 0; i++)
        result = sd_bus_message_append(answer, "s", capabilities[i]);
    if (result >= 0)
        result = sd_bus_message_close_container(answer);
    if (result >= 0)
        result = sd_bus_send(NULL, answer, NULL);
    sd_bus_message_unref(answer);
    return result;
}

static int read_urgency(sd_bus_message *call)
{
    int urgency = -1;
    const char *name;

    if (sd_bus_message_enter_container(call, 'a', "{sv}") < 0)
        return -1;
    while (sd_bus_message_enter_container(call, 'e', "sv") > 0) {
        uint8_t value;

        if (sd_bus_message_read(call, "s", &name) < 0)
            return -1;
        if (strcmp(name, "urgency") == 0 && sd_bus_message_read(call, "v", "y", &value) >= 0)
            urgency = value;
        else
            sd_bus_message_skip(call, "v");
        sd_bus_message_exit_container(call);
    }
    sd_bus_message_exit_container(call);
    return urgency;
}

static int on_notify(sd_bus_message *call, void *context, sd_bus_error *error)
{
    const char *application, *icon, *title, *body, *word;
    json_t *line = json_object(), *actions = json_array();
    uint32_t replaces, id;
    int32_t expires;

    (void)context;
    (void)error;
    if (sd_bus_message_read(call, "susss", &application, &replaces, &icon, &title, &body) < 0 ||
        sd_bus_message_enter_container(call, 'a', "s") < 0)
        return -22;
    while (sd_bus_message_read(call, "s", &word) > 0)
        json_array_append_new(actions, json_string(word));
    sd_bus_message_exit_container(call);
    id = replaces != 0 ? replaces : ++last_id;
    json_object_set_new(line, "call", json_string("Notify"));
    json_object_set_new(line, "id", json_integer(id));
    json_object_set_new(line, "replaces", json_integer(replaces));
    json_object_set_new(line, "application", json_string(application));
    json_object_set_new(line, "title", json_string(title));
    json_object_set_new(line, "body", json_string(body));
    json_object_set_new(line, "actions", actions);
    json_object_set_new(line, "urgency", json_integer(read_urgency(call)));
    if (sd_bus_message_read(call, "i", &expires) >= 0)
        json_object_set_new(line, "expires", json_integer(expires));
    tell(line);
    return sd_bus_reply_method_return(call, "u", id);
}

static int on_close(sd_bus_message *call, void *context, sd_bus_error *error)
{
    sd_bus *bus = context;
    uint32_t id = 0;

    (void)error;
    sd_bus_message_read(call, "u", &id);
    tell(json_pack("{s:s, s:i}", "call", "CloseNotification", "id", (int)id));
    sd_bus_reply_method_return(call, "");
    return sd_bus_emit_signal(bus, PATH, NAME, "NotificationClosed", "uu", id, 3u);
}

static const sd_bus_vtable table[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("GetCapabilities", "", "as", on_capabilities, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Notify", "susssasa{sv}i", "u", on_notify, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("CloseNotification", "u", "", on_close, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("ActionInvoked", "us", 0),
    SD_BUS_SIGNAL("NotificationClosed", "uu", 0),
    SD_BUS_VTABLE_END,
};

static void obey(sd_bus *bus, const char *line)
{
    char key[64];
    unsigned id, reason;

    if (sscanf(line, "click %u %63s", &id, key) == 2)
        sd_bus_emit_signal(bus, PATH, NAME, "ActionInvoked", "us", id, key);
    else if (sscanf(line, "close %u %u", &id, &reason) == 2)
        sd_bus_emit_signal(bus, PATH, NAME, "NotificationClosed", "uu", id, reason);
    else
        ended = true;
}

static void hear(sd_bus *bus)
{
    static char text[4096];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, text + used, sizeof(text) - used - 1);
    char *end;

    if (got <= 0) {
        ended = true;
        return;
    }
    used += (size_t)got;
    text[used] = '\0';
    while ((end = strchr(text, '\n')) != NULL) {
        *end = '\0';
        obey(bus, text);
        used -= (size_t)(end + 1 - text);
        memmove(text, end + 1, used + 1);
    }
}

int main(int argc, char **argv)
{
    sd_bus *bus = NULL;

    capabilities = argv + 1;
    capability_count = argc - 1;
    if (sd_bus_open_user(&bus) < 0 || sd_bus_add_object_vtable(bus, NULL, PATH, NAME, table, bus) < 0 ||
        sd_bus_request_name(bus, NAME, 0) < 0) {
        fprintf(stderr, "service: no bus, or the name is taken\n");
        return 1;
    }
    printf("{\"call\":\"ready\"}\n");
    fflush(stdout);
    while (!ended) {
        struct pollfd list[2] = {{.fd = sd_bus_get_fd(bus), .events = (short)sd_bus_get_events(bus)},
                                 {.fd = STDIN_FILENO, .events = POLLIN}};

        if (sd_bus_process(bus, NULL) > 0)
            continue;
        list[0].events = (short)sd_bus_get_events(bus);
        poll(list, 2, -1);
        if (list[1].revents != 0)
            hear(bus);
    }
    sd_bus_flush_close_unref(bus);
    return 0;
}
