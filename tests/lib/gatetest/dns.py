# SPDX-License-Identifier: MIT
"""A name server with the records of a case, and answers that nobody asked for."""
import socket
import struct

from . import servers

A, CNAME, AAAA = 1, 5, 28
ROOT = b"\0"


def pack_name(name):
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".") if label) + ROOT


def record(name, kind, data, ttl=60):
    """data: an address, or for CNAME a name."""
    if kind == A:
        data = socket.inet_pton(socket.AF_INET, data)
    elif kind == AAAA:
        data = socket.inet_pton(socket.AF_INET6, data)
    else:
        data = pack_name(data)
    return pack_name(name) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def read_question(query):
    """(name in lower case, type, the question's bytes)."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii").lower())
        at += 1 + query[at]
    return ".".join(labels), struct.unpack(">H", query[at + 1 : at + 3])[0], query[12 : at + 5]


def answer_to(query, records):
    _, _, question = read_question(query)
    return query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0) + question + b"".join(records)


class NameServer(servers.UdpServer):
    """records_of(name, type) -> the answers' records; on [::]:53 of the namespace, so at all its addresses."""

    def __init__(self, namespace, records_of, port=53):
        def reply(query):
            name, kind, _ = read_question(query)
            return answer_to(query, records_of(name, kind))

        super().__init__(namespace, port, reply)


def zone(table, ttl=60):
    """records_of for {name: [addresses or an alias]}; aliases are followed."""

    def records_of(name, kind):
        found = []
        for value in table.get(name, []):
            family = A if value.count(".") == 3 and value.replace(".", "").isdigit() else AAAA if ":" in value else CNAME
            if family == CNAME:
                found.append(record(name, CNAME, value, ttl))
                found += records_of(value, kind)
            elif family == kind:
                found.append(record(name, kind, value, ttl))
        return found

    return records_of
