/* SPDX-License-Identifier: MIT */
/*
 * journal.c - see journal.h.
 */
#include "history/journal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gatehouse/protocol.h>

#include "agent/rule_index.h"
#include "agent/show.h"
#include "history/show.h"

#define TOLD_MAX 256u

struct journal {
    int socket;
    struct sockaddr_un address;
    struct text message, value;
    uint64_t told[TOLD_MAX]; /* endpoints, in a ring */
    unsigned next;
    uint64_t lost;
};

struct journal *journal_open(const char *path)
{
    struct journal *journal = calloc(1, sizeof(*journal));

    if (!journal)
        return NULL;
    journal->address.sun_family = AF_UNIX;
    journal->socket = strlen(path) < sizeof(journal->address.sun_path)
                          ? socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
                          : -1;
    if (journal->socket < 0) {
        free(journal);
        return NULL;
    }
    memcpy(journal->address.sun_path, path, strlen(path) + 1);
    return journal;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    close(journal->socket);
    text_free(&journal->message);
    text_free(&journal->value);
    free(journal);
}

/* The form with a length: a value may have any bytes. */
static void put(struct journal *journal, const char *name, const char *value, size_t size)
{
    uint64_t length = htole64(size);

    text_add(&journal->message, name);
    text_add(&journal->message, "\n");
    text_add_bytes(&journal->message, (const char *)&length, sizeof(length));
    text_add_bytes(&journal->message, value, size);
    text_add(&journal->message, "\n");
}

static void put_text(struct journal *journal, const char *name, const char *value)
{
    if (value)
        put(journal, name, value, strlen(value));
}

static void put_value(struct journal *journal, const char *name)
{
    put(journal, name, text_string(&journal->value), journal->value.used);
    text_clear(&journal->value);
}

static void put_number(struct journal *journal, const char *name, uint64_t number)
{
    text_add_format(&journal->value, "%llu", (unsigned long long)number);
    put_value(journal, name);
}

static void put_ends(struct journal *journal, const struct history_record *record)
{
    put_text(journal, "GATEHOUSE_DIRECTION", record->inbound ? "in" : "out");
    show_protocol(&journal->value, record->protocol);
    put_value(journal, "GATEHOUSE_PROTOCOL");
    show_address(&journal->value, record->ip_version, record->remote_address, 0);
    put_value(journal, "GATEHOUSE_ADDRESS");
    put_number(journal, "GATEHOUSE_PORT", record->remote_port);
    put_text(journal, "GATEHOUSE_NAME", record->name);
    show_address(&journal->value, record->ip_version, record->local_address, 0);
    put_value(journal, "GATEHOUSE_LOCAL_ADDRESS");
    put_number(journal, "GATEHOUSE_LOCAL_PORT", record->local_port);
}

static void put_who(struct journal *journal, const struct history_record *record)
{
    put_text(journal, "GATEHOUSE_PROGRAM", record->program);
    if (record->pid)
        put_number(journal, "GATEHOUSE_PID", record->pid);
    if (record->user != UINT32_MAX)
        put_number(journal, "GATEHOUSE_UID", record->user);
    put_text(journal, "GATEHOUSE_VERDICT", history_verdict_name(record->verdict));
    put_text(journal, "GATEHOUSE_BY", history_by_name(record->by));
    put_text(journal, "GATEHOUSE_WHO", record->who);
    if (record->rule_id) {
        rule_index_show_id(&journal->value, record->rule_id, 0);
        put_value(journal, "GATEHOUSE_RULE_ID");
    }
    put_text(journal, "GATEHOUSE_RULE", record->rule);
    put_text(journal, "GATEHOUSE_PLACE", record->place);
}

/* false: it was told of, as far as is remembered. */
static bool is_new(struct journal *journal, const struct history_record *record)
{
    if (!record->endpoint || record->decided)
        return true;
    for (unsigned i = 0; i < TOLD_MAX; i++)
        if (journal->told[i] == record->endpoint)
            return false;
    journal->told[journal->next++ % TOLD_MAX] = record->endpoint;
    return true;
}

void journal_tell(struct journal *journal, const struct history_record *record)
{
    bool blocked = record->verdict == GATEHOUSE_VERDICT_BLOCK;

    if (!journal || !is_new(journal, record))
        return;
    text_clear(&journal->message);
    history_show_what(&journal->value, record);
    put_value(journal, "MESSAGE");
    put_text(journal, "MESSAGE_ID", blocked ? JOURNAL_BLOCKED : JOURNAL_PERMITTED);
    put_text(journal, "PRIORITY", blocked ? "5" : "6");
    put_text(journal, "SYSLOG_IDENTIFIER", "gatehouse");
    put_who(journal, record);
    put_ends(journal, record);
    if (journal->lost)
        put_number(journal, "GATEHOUSE_LOST", journal->lost);
    if (!journal->message.failed && !journal->value.failed &&
        sendto(journal->socket, journal->message.data, journal->message.used, MSG_NOSIGNAL,
               (const struct sockaddr *)&journal->address, sizeof(journal->address)) >= 0)
        journal->lost = 0;
    else
        journal->lost++;
}
