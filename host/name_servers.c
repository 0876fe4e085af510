/* SPDX-License-Identifier: MIT */
/*
 * name_servers.c - see name_servers.h.
 *
 * The file is looked at (stat) for each answer: answers are few, and one that comes after a change must meet the
 * change.
 */
#include "host/name_servers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX 65536u /* bytes that are read */

static void take_mapped(struct name_server *server)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

    if (server->ip_version != 6 || memcmp(server->address, mapped, sizeof(mapped)) != 0)
        return;
    server->ip_version = 4;
    memmove(server->address, server->address + 12, 4);
    memset(server->address + 4, 0, 12);
}

/* A zone ("fe80::1%eth0") names no other server. */
static bool server_parse(const char *text, size_t size, struct name_server *server)
{
    char copy[INET6_ADDRSTRLEN + 1];
    const char *zone = memchr(text, '%', size);
    struct name_server found = {0, {0}};

    if (zone)
        size = (size_t)(zone - text);
    if (size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    if (inet_pton(AF_INET, copy, found.address) == 1 && !zone)
        found.ip_version = 4;
    else if (inet_pton(AF_INET6, copy, found.address) == 1)
        found.ip_version = 6;
    else
        return false;
    take_mapped(&found);
    *server = found;
    return true;
}

static bool list_parse(const char *text, struct name_servers *servers)
{
    for (text += strspn(text, " \t,"); *text; text += strspn(text, " \t,")) {
        size_t size = strcspn(text, " \t,");

        if (servers->count == NAME_SERVERS_MAX || !server_parse(text, size, &servers->list[servers->count]))
            return false;
        servers->count++;
        text += size;
    }
    return servers->count != 0;
}

bool name_servers_parse(const char *text, const char *file, struct name_servers *servers)
{
    static const char *const words[] = {"system", "any", "none"};
    struct name_servers found = {.mode = NAME_SERVERS_LISTED, .file = file};

    for (unsigned i = 0; i < 3; i++)
        if (strcmp(text, words[i]) == 0)
            found.mode = (enum name_servers_mode)i;
    if (found.mode == NAME_SERVERS_LISTED && !list_parse(text, &found))
        return false;
    *servers = found;
    return true;
}

/* --- resolv.conf ------------------------------------------------------------------------------ */

static void line_take(struct name_servers *servers, const char *line, size_t size)
{
    static const char word[] = "nameserver";
    size_t at = sizeof(word) - 1, end;

    if (size <= at || memcmp(line, word, at) != 0 || (line[at] != ' ' && line[at] != '\t'))
        return;
    while (at < size && (line[at] == ' ' || line[at] == '\t'))
        at++;
    for (end = at; end < size && !strchr(" \t\r;#", line[end]);)
        end++;
    if (servers->count < NAME_SERVERS_MAX && server_parse(line + at, end - at, &servers->list[servers->count]))
        servers->count++;
}

static void file_take(struct name_servers *servers)
{
    static char text[FILE_MAX];
    FILE *file = fopen(servers->file, "re");
    size_t size = file ? fread(text, 1, sizeof(text), file) : 0;

    if (file)
        fclose(file);
    servers->count = 0;
    for (size_t at = 0, end; at < size; at = end + 1) {
        const char *newline = memchr(text + at, '\n', size - at);

        end = newline ? (size_t)(newline - text) : size;
        line_take(servers, text + at, end - at);
    }
    if (servers->count == 0)
        list_parse("127.0.0.1 ::1", servers);
}

static void file_look(struct name_servers *servers)
{
    struct stat now = {0};

    if (stat(servers->file, &now))
        memset(&now, 0, sizeof(now));
    if (servers->read && now.st_ino == servers->inode && now.st_dev == servers->device &&
        now.st_size == servers->size && now.st_mtim.tv_sec == servers->changed.tv_sec &&
        now.st_mtim.tv_nsec == servers->changed.tv_nsec)
        return;
    file_take(servers);
    servers->read = true;
    servers->inode = now.st_ino;
    servers->device = now.st_dev;
    servers->size = now.st_size;
    servers->changed = now.st_mtim;
}

bool name_servers_believe(struct name_servers *servers, uint8_t ip_version, const uint8_t address[16])
{
    struct name_server asked = {ip_version, {0}};

    memcpy(asked.address, address, sizeof(asked.address));
    take_mapped(&asked);
    if (servers->mode == NAME_SERVERS_SYSTEM)
        file_look(servers);
    if (servers->mode == NAME_SERVERS_ANY || servers->mode == NAME_SERVERS_NONE)
        return servers->mode == NAME_SERVERS_ANY;
    for (unsigned i = 0; i < servers->count; i++)
        if (memcmp(&servers->list[i], &asked, sizeof(asked)) == 0)
            return true;
    return false;
}
