/* SPDX-License-Identifier: MIT */
/*
 * rule_question.c - see rule_question.h.
 */
#include "agent/rule_question.h"

#include <stdio.h>
#include <string.h>

#include "agent/filter_wish.h"
#include "agent/look_alike.h"
#include "agent/rule_file.h"
#include "agent/show.h"
#include "core/name_pattern.h"
#include "core/path_text.h"
#include "core/rule_image.h"
#include "core/sha256.h"

#define HOST_MAX      256u
#define ICMP          1u
#define TCP           6u
#define UDP           17u
#define ICMPV6        58u
#define ECHO          8u /* what ping asks: types of ICMP and ICMPv6 */
#define ECHO_V6       128u
#define NAME_MAX_SIZE 512u

static enum agent_result read_port(const char *text, const char *where, uint16_t *port, struct problem *problem)
{
    uint64_t number;

    if (!filter_wish_number(text, UINT16_MAX, &number))
        return problem_set(problem, AGENT_USAGE, "%s takes a port, 0 to 65535, not '%.100s'.", where, text);
    *port = (uint16_t)number;
    return AGENT_OK;
}

/* "HOST", "HOST:PORT", "[V6]", "[V6]:PORT", or an IPv6 address, which has colons of its own. *port: NULL, none. */
static bool split(const char *text, char host[HOST_MAX], const char **port)
{
    const char *begin = text, *end = text + strlen(text);
    const char *colon = strchr(text, ':');

    *port = NULL;
    if (text[0] == '[') {
        begin = text + 1;
        end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return false;
        if (end[1] == ':')
            *port = end + 2;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        end = colon;
        *port = colon + 1;
    }
    if (end == begin || (size_t)(end - begin) >= HOST_MAX)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    return true;
}

/* The name as it is looked up. */
static enum agent_result read_name(const char *host, struct rule_question *question, struct problem *problem)
{
    struct policy_system system = rule_system_here();
    const char *why = "write its form that begins with xn--";
    size_t size;
    bool ascii = true;

    for (const char *c = host; *c != '\0'; c++)
        ascii = ascii && (unsigned char)*c < 0x80;
    if (ascii)
        snprintf(question->name, sizeof(question->name), "%s", host);
    else if (system.find_ascii == NULL || !system.find_ascii(system.context, host, question->name, &why))
        return problem_set(problem, AGENT_USAGE, "'%.100s' is no host's name: %.200s.", host, why);
    size = strlen(question->name);
    name_fold(question->name, question->name, size);
    if (size > 1 && question->name[size - 1] == '.')
        question->name[size - 1] = '\0';
    return rule_system_resolve(question->name, question->addresses, &question->address_count, problem);
}

static enum agent_result read_destination(const char *text, struct rule_question *question, bool *has_port,
                                          uint16_t *number, struct problem *problem)
{
    char host[HOST_MAX];
    const char *port;

    if (!split(text, host, &port))
        return problem_set(problem, AGENT_USAGE,
                           "'%.100s' is no destination: write ADDRESS, HOST, HOST:PORT or [V6]:PORT.", text);
    *has_port = port != NULL;
    if (port != NULL && read_port(port, "what follows the colon", number, problem) != AGENT_OK)
        return AGENT_USAGE;
    question->addresses[0].family = (uint8_t)filter_wish_address(host, question->addresses[0].bytes);
    question->address_count = 1;
    if (question->addresses[0].family != 0)
        return AGENT_OK;
    return read_name(host, question, problem);
}

static enum agent_result read_from(const char *text, struct rule_question *question, struct problem *problem)
{
    char host[HOST_MAX];
    const char *port = NULL;

    if (split(text, host, &port))
        question->from.family = (uint8_t)filter_wish_address(host, question->from.bytes);
    if (question->from.family == 0)
        return problem_set(problem, AGENT_USAGE, "--from takes an address, or ADDRESS:PORT, not '%.100s'.", text);
    question->has_from_port = port != NULL;
    return port == NULL ? AGENT_OK : read_port(port, "--from", &question->from_port, problem);
}

static enum agent_result read_protocol(const char *text, struct rule_question *question, struct problem *problem)
{
    static const struct {
        const char *name;
        uint8_t number;
    } names[] = {{"tcp", TCP}, {"udp", UDP}, {"icmp", ICMP}, {"icmp6", ICMPV6}, {"icmpv6", ICMPV6}, {"sctp", 132}};
    uint64_t number;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            question->connection.protocol = names[i].number;
            return AGENT_OK;
        }
    }
    if (!filter_wish_number(text, 255, &number))
        return problem_set(problem, AGENT_USAGE, "--proto takes tcp, udp, icmp or a number, not '%.100s'.", text);
    question->connection.protocol = (uint8_t)number;
    return AGENT_OK;
}

/* What one matcher makes of a name, taken from the rule that it compiles to: names are read in one place only. */
static enum agent_result read_sid(const char *matcher, const char *name, unsigned type, struct rule_question *question,
                                  struct problem *problem)
{
    char words[NAME_MAX_SIZE];
    struct rule_file file = {0};
    enum agent_result result = AGENT_USAGE;
    const char *quote = type == GATEHOUSE_PART_UNIT ? "\"" : "";

    if (strlen(name) < sizeof(words) - 32 && strpbrk(name, "\"\\ \t\r\n#{},$") == NULL && name[0] != '\0') {
        snprintf(words, sizeof(words), "permit %s %s%s%s", matcher, quote, name, quote);
        result = rule_file_read_rule(words, GATEHOUSE_PLACE_TOP, &file, problem);
    }
    if (result == AGENT_OK) {
        const struct gatehouse_rule *rule = rule_image_first_rule(file.image.bytes);
        struct policy_sid *sid = &question->sids[question->connection.sid_count++];

        for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
             part = rule_next_part(rule, part)) {
            if (part->type != type || part->data_size > sizeof(sid->bytes))
                continue;
            sid->size = part->data_size;
            memcpy(sid->bytes, rule_part_data(part), part->data_size);
        }
    }
    rule_file_free(&file);
    if (result == AGENT_USAGE)
        problem_set(problem, AGENT_USAGE, "--%s: there is no %s '%.100s' here.", matcher, matcher, name);
    return result;
}

static enum agent_result read_token(const struct rule_question_words *words, struct rule_question *question,
                                    struct problem *problem)
{
    enum agent_result result = AGENT_OK;

    question->connection.sids = question->sids;
    if (words->user != NULL)
        result = read_sid("user", words->user, GATEHOUSE_PART_USER, question, problem);
    if (result == AGENT_OK && words->user != NULL)
        question->connection.sid_count +=
            rule_system_groups(&question->sids[0], question->sids + 1, RULE_QUESTION_SIDS_MAX - 2);
    if (result == AGENT_OK && words->unit != NULL)
        result = read_sid("unit", words->unit, GATEHOUSE_PART_UNIT, question, problem);
    return result;
}

static enum agent_result read_program(const char *written, struct rule_question *question, struct problem *problem)
{
    enum agent_result result = rule_system_program(written, question->program, problem);

    if (result != AGENT_OK)
        return result;
    (void)path_text_from_bytes((const uint8_t *)question->program, strlen(question->program), question->program_utf16,
                               sizeof(question->program_utf16), &question->connection.program_size);
    question->connection.program = question->program_utf16;
    return AGENT_OK;
}

/* Both ports, each where the direction has it. */
static enum agent_result read_ports(const struct rule_question_words *words, bool has_port, uint16_t port,
                                    struct rule_question *question, struct problem *problem)
{
    struct policy_connection *connection = &question->connection;
    bool known = has_port || words->port != NULL;

    if (words->port != NULL && has_port)
        return problem_set(problem, AGENT_USAGE, "the port is given twice: leave --port away.");
    if (words->port != NULL && read_port(words->port, "--port", &port, problem) != AGENT_OK)
        return AGENT_USAGE;
    if ((known || question->has_from_port) && connection->protocol != TCP && connection->protocol != UDP)
        return problem_set(problem, AGENT_USAGE, "only tcp and udp have ports: leave the port away.");
    connection->has_remote_port = words->in ? question->has_from_port : known;
    connection->remote_port = words->in ? question->from_port : port;
    connection->has_local_port = words->in ? known : question->has_from_port;
    connection->local_port = words->in ? port : question->from_port;
    return AGENT_OK;
}

enum agent_result rule_question_read(const struct rule_question_words *words, struct rule_question *question,
                                     struct problem *problem)
{
    uint16_t port = 0;
    bool has_port = false;
    enum agent_result result;

    memset(question, 0, sizeof(*question));
    question->names[0] = question->name;
    question->connection.direction = words->in ? GATEHOUSE_RULE_IN : GATEHOUSE_RULE_OUT;
    question->connection.protocol = TCP;
    result = read_program(words->program, question, problem);
    if (result == AGENT_OK && words->protocol != NULL)
        result = read_protocol(words->protocol, question, problem);
    if (result == AGENT_OK)
        result = read_destination(words->destination, question, &has_port, &port, problem);
    if (result == AGENT_OK && words->from != NULL)
        result = read_from(words->from, question, problem);
    if (result == AGENT_OK)
        result = read_ports(words, has_port, port, question, problem);
    return result == AGENT_OK ? read_token(words, question, problem) : result;
}

static bool asks_for_hash(const void *image)
{
    for (const struct gatehouse_rule *rule = rule_image_first_rule(image); rule != NULL;
         rule = rule_image_next_rule(image, rule))
        for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
             part = rule_next_part(rule, part))
            if (part->type == GATEHOUSE_PART_SHA256)
                return true;
    return false;
}

void rule_question_hash(struct rule_question *question, const void *image)
{
    FILE *file = asks_for_hash(image) ? fopen(question->program, "rb") : NULL;
    uint8_t bytes[16384];
    struct sha256 sha;
    size_t count;

    if (file == NULL)
        return;
    sha256_init(&sha);
    while ((count = fread(bytes, 1, sizeof(bytes), file)) > 0)
        sha256_add(&sha, bytes, count);
    question->connection.has_sha256 = ferror(file) == 0;
    sha256_finish(&sha, question->connection.sha256);
    fclose(file);
}

bool rule_question_connection(const struct rule_question *question, unsigned at, struct policy_connection *connection)
{
    const struct rule_address *to = &question->addresses[at], *from = &question->from;
    bool in = question->connection.direction == GATEHOUSE_RULE_IN;

    *connection = question->connection;
    connection->names = question->names;
    connection->name_count = !in && question->name[0] != '\0';
    connection->family = to->family;
    connection->has_remote = in ? from->family != 0 : true;
    connection->has_local = in ? true : from->family != 0;
    memcpy(connection->remote, in ? from->bytes : to->bytes, sizeof(connection->remote));
    memcpy(connection->local, in ? to->bytes : from->bytes, sizeof(connection->local));
    if (connection->protocol == ICMP && to->family == 6)
        connection->protocol = ICMPV6;
    connection->has_icmp_type = connection->protocol == ICMP || connection->protocol == ICMPV6;
    connection->icmp_type = connection->protocol == ICMPV6 ? ECHO_V6 : ECHO;
    return from->family == 0 || from->family == to->family;
}

bool rule_question_is_loopback(const struct policy_connection *connection)
{
    static const uint8_t one[16] = {[15] = 1};
    bool in = connection->direction == GATEHOUSE_RULE_IN;
    const uint8_t *far_end = in && connection->has_remote ? connection->remote
                             : in                         ? connection->local
                                                          : connection->remote;

    return connection->family == 4 ? far_end[0] == 127 : memcmp(far_end, one, sizeof(one)) == 0;
}

static void show_side(struct text *text, const struct policy_connection *connection, const uint8_t *address,
                      bool has_port, uint16_t port)
{
    bool brackets = has_port && connection->family == 6;

    text_add(text, brackets ? "[" : "");
    show_address(text, connection->family, address, 0);
    text_add(text, brackets ? "]" : "");
    if (has_port)
        text_add_format(text, ":%u", port);
}

void rule_question_show(struct text *text, const struct rule_question *question,
                        const struct policy_connection *connection)
{
    bool in = connection->direction == GATEHOUSE_RULE_IN;

    show_written_path(text, question->program);
    text_add(text, in ? " accepts " : " to ");
    show_protocol(text, connection->protocol);
    text_add(text, in ? " at " : " ");
    if (in)
        show_side(text, connection, connection->local, connection->has_local_port, connection->local_port);
    else
        show_side(text, connection, connection->remote, connection->has_remote_port, connection->remote_port);
    if (connection->name_count != 0) {
        text_add(text, " (");
        (void)look_alike_describe(connection->names[0], text);
        text_add(text, ")");
    }
    if (in ? connection->has_remote : connection->has_local) {
        text_add(text, " from ");
        if (in)
            show_side(text, connection, connection->remote, connection->has_remote_port, connection->remote_port);
        else
            show_side(text, connection, connection->local, connection->has_local_port, connection->local_port);
    }
}
