/* SPDX-License-Identifier: MIT */
/*
 * show.h - requests, events and statuses as text for people and as JSON for programs.
 *
 * What comes from others (a program's path, a user's name) is shown so that it cannot act on a terminal:
 * control and format characters and bytes that are no UTF-8 are escaped. Addresses follow RFC 5952.
 * Everything appends to a text; nothing here fails, waits or keeps state, but users_name looks up a name.
 *
 * When protocol.h gains a field, show it here, in text and in JSON.
 */
#ifndef AGENT_SHOW_H
#define AGENT_SHOW_H

#include <stdbool.h>

#include <gatehouse/protocol.h>
#include <gatehouse/transport.h>

#include "agent/text.h"
#include "agent/wire.h"

/* address is in network byte order, as in a request. scope is shown for link-local IPv6 unless 0. */
void show_address(struct text *text, unsigned ip_version, const uint8_t address[16], uint32_t scope);
/* The program is asked to accept: what stands in the request as local is its own end. */
bool show_is_inbound(const struct gatehouse_request *request);
/* "tcp 10.0.0.1:443", "udp [fe80::1%2]:53", "icmp echo-request 10.0.0.1", "in tcp 10.0.0.1:22 from 10.0.0.9:40000" */
void show_destination(struct text *text, const struct request *request);
/* "example.org (": then comes what it is the name of, and ")". Nothing for no name. */
void show_name_before(struct text *text, const uint8_t *name, size_t size);
/* "10.0.0.1:443", "[fe80::1%2]:53", "10.0.0.1" where the protocol has no ports */
void show_end(struct text *text, unsigned ip_version, unsigned protocol, const uint8_t address[16], uint16_t port,
              uint32_t scope);
/* "tcp", or "protocol 99" */
void show_protocol(struct text *text, unsigned protocol);
/* The path, escaped; "(unknown program)" when the platform named none. */
void show_program(struct text *text, const struct request *request);
/* path_size 0: unknown. */
void show_program_path(struct text *text, const uint8_t *path, size_t path_size);
/* A path as a person wrote it, escaped in the same way; at most SHOW_WRITTEN_MAX bytes of it. */
#define SHOW_WRITTEN_MAX 4096u
void show_written_path(struct text *text, const char *path);
/* Any text that others wrote, escaped in the same way; line ends and tabs become spaces. */
void show_written(struct text *text, const char *bytes, size_t size);
/* The user's name, or the SID, or "(unknown)". */
void show_user(struct text *text, const struct gatehouse_request *request);
/* All of these: "/usr/bin/curl pid 12 user alice tcp 10.0.0.1:443". */
void show_who(struct text *text, const struct request *request);
/* "S-1-22-1-1000"; nothing for bytes that are no SID. */
void show_sid(struct text *text, const uint8_t *sid, size_t size);
/* The user id of S-1-22-1-N (a Unix user); false for any other SID. */
bool show_sid_unix_user(const uint8_t *sid, size_t size, uint32_t *user);

/* "1 s", "2 min 5 s": whole seconds, rounded up, from 100 ns units. */
void show_duration(struct text *text, uint64_t time);
/* "999", "1.5 KiB", "20 MiB" */
void show_bytes(struct text *text, uint64_t count);
/* The largest unit alone, rounded down: "12 s", "2 min", "3 h", "40 d". */
void show_about(struct text *text, uint64_t time);
/* Local "15:04:05.678" and UTC "2026-01-02T15:04:05.678Z", from 100 ns since 1601 UTC. */
void show_time_of_day(struct text *text, uint64_t time);
void show_time_utc(struct text *text, uint64_t time);

/*
 * One line without newline for one decision. status is what SUBMIT_DECISIONS answered for it; any but
 * success is said in the line, since the verdict then did not count. time is 100 ns since 1601 UTC.
 */
void show_decision(struct text *text, uint64_t time, const struct request *request, uint32_t verdict, uint32_t status);
void show_decision_json(struct text *text, uint64_t time, const struct request *request, uint32_t verdict,
                        uint32_t status);
void show_event(struct text *text, uint64_t time, const struct event *event);
void show_event_json(struct text *text, uint64_t time, const struct event *event);
/* Why a held connection needs no answer any more: "its program gave up", from enum gatehouse_decided_by. */
const char *show_decided_by(unsigned by);

/* What the driver and its platform tell of themselves. */
struct show_state {
    struct gatehouse_status driver;
    bool has_platform; /* this platform counts something of its own */
    struct gatehouse_platform_status platform;
    bool has_rules; /* this driver has rules */
    uint64_t generation;
    uint32_t file_rules, added_rules;
};
/* Several lines, each with its newline. */
void show_status(struct text *text, const struct show_state *state);
void show_status_json(struct text *text, const struct show_state *state);
void show_policy(struct text *text, const struct gatehouse_policy *policy);
void show_policy_json(struct text *text, const struct gatehouse_policy *policy);

#endif
