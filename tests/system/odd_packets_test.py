#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packets of odd forms: made by hand, in fragments, behind extension headers; and those that any program can cause."""
import errno
import functools
import os
import pathlib
import select
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net  # noqa: E402
from gatetest.lab import raw_watched, rules  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

PORT = 7000
ACK, SYN, FIN = 0x10, 0x02, 0x01
HOP_BY_HOP, ROUTING, FRAGMENT, OPTIONS, TCP = 0, 43, 44, 60, 6
V4, V6 = socket.AF_INET, socket.AF_INET6
ENDS = {V4: (net.CLIENT_V4, net.SERVER_V4), V6: (net.CLIENT_V6, net.SERVER_V6)}


# --- By hand -----------------------------------------------------------------------------------------

def total(data):
    data += bytes(len(data) % 2)
    number = sum(struct.unpack(f">{len(data) // 2}H", data))
    while number >> 16:
        number = (number & 0xFFFF) + (number >> 16)
    return number


def tcp(family, port, flags=SYN, options=b"", words=None, data=b""):
    """A whole TCP header, with a sum that is right."""
    words = 5 + len(options) // 4 if words is None else words
    head = struct.pack(">HHIIBBHHH", port, PORT, 1000, 0, words << 4, flags, 1024, 0, 0) + options + data
    ends = b"".join(socket.inet_pton(family, address) for address in ENDS[family])
    number = ~total(ends + struct.pack(">HH", TCP, len(head)) + head) & 0xFFFF
    return head[:16] + struct.pack(">H", number) + head[18:]


def ip4(payload, offset=0, more=False, options=b"", number=0):
    """offset: of a fragment, in bytes."""
    ends = b"".join(socket.inet_pton(V4, address) for address in ENDS[V4])
    place = (0x2000 if more else 0) | offset // 8
    return struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), number, place, 64, TCP, 0) \
        + ends + options + payload  # fmt: skip


def ip6(payload, first=TCP):
    ends = b"".join(socket.inet_pton(V6, address) for address in ENDS[V6])
    return struct.pack(">IHBB", 6 << 28, len(payload), first, 64) + ends + payload


def padded(following, words=1):
    """Hop-by-hop or destination options of a kind to skip when it is unknown."""
    left, said = words * 8 - 2, b""
    while left:
        size = min(left, 257)
        size -= left - size == 1  # no room for one more
        said += bytes((0x1E, size - 2)) + bytes(size - 2)
        left -= size
    return bytes((following, words - 1)) + said


def routing(following, kind=2):
    return bytes((following, 2, kind, 0)) + bytes(20)


def piece(following, offset=0, more=False, number=0):
    return struct.pack(">BBHI", following, 0, offset | more, number)


def shapes4(port):
    """Each a name and the packets that together are, or hide, an initial SYN."""
    packet = functools.partial(ip4, number=port)  # of all its fragments
    syn, plain = tcp(V4, port), tcp(V4, port, ACK)
    long_syn = tcp(V4, port, options=bytes((2, 4, 5, 0xB4)) + bytes((1,)) * 8)
    yield "plain", [packet(syn)]
    yield "with urgent and push", [packet(tcp(V4, port, SYN | 0x28))]
    yield "with congestion bits", [packet(tcp(V4, port, SYN | 0xC0))]
    yield "with IP options", [packet(syn, options=bytes((1, 1, 1, 0)))]
    yield "with the most IP options", [packet(syn, options=bytes((1,)) * 39 + bytes(1))]
    yield "flags in the second fragment", [packet(syn[:8], more=True), packet(syn[8:], 8)]
    yield "flags in the second fragment, backwards", [packet(syn[8:], 8), packet(syn[:8], more=True)]
    yield "flags in the second fragment, with IP options", \
        [packet(syn[:8], more=True, options=bytes((1,)) * 40), packet(syn[8:], 8)]  # fmt: skip
    yield "flags in the first of two", [packet(long_syn[:16], more=True), packet(long_syn[16:], 16)]
    yield "flags in the first of two, backwards", [packet(long_syn[16:], 16), packet(long_syn[:16], more=True)]
    yield "flags in the first of four", [packet(long_syn[i : i + 8], i, i < 24) for i in range(0, 32, 8)]
    yield "fragments that overlap", [packet(plain[:16], more=True), packet(syn[8:], 8)]
    yield "fragments that overlap, backwards", [packet(syn[8:], 8), packet(plain[:16], more=True)]
    yield "two first fragments", [packet(plain[:16], more=True), packet(syn[:16], more=True), packet(syn[16:], 16)]
    yield "a header that says it is shorter", [packet(tcp(V4, port, words=4))]
    yield "a header that says it is longer", [packet(tcp(V4, port, words=15))]
    yield "cut", [packet(syn[:13])]
    yield "no header at all", [packet(b"")]
    yield "with FIN", [packet(tcp(V4, port, SYN | FIN))]


def shapes6(port):
    part = functools.partial(piece, number=port)
    syn, long_syn = tcp(V6, port), tcp(V6, port, data=bytes(1400))
    yield "plain", [ip6(syn)]
    yield "hop by hop", [ip6(padded(TCP) + syn, HOP_BY_HOP)]
    yield "destination options", [ip6(padded(TCP) + syn, OPTIONS)]
    yield "routing", [ip6(routing(TCP) + syn, ROUTING)]
    yield "hop by hop, destination, routing, destination", \
        [ip6(padded(OPTIONS) + padded(ROUTING, 2) + routing(OPTIONS) + padded(TCP) + syn, HOP_BY_HOP)]  # fmt: skip
    for count in (7, 8, 9, 12):
        yield f"{count} headers", [ip6(padded(OPTIONS) * (count - 1) + padded(TCP) + syn, OPTIONS)]
    for words in (24, 25, 26, 60, 140):
        yield f"a header of {words * 8} bytes", [ip6(padded(TCP, words) + syn, OPTIONS)]
    yield "an atomic fragment", [ip6(part(TCP) + syn, FRAGMENT)]
    yield "an atomic fragment behind options", [ip6(padded(FRAGMENT) + part(TCP) + syn, HOP_BY_HOP)]
    yield "options behind an atomic fragment", [ip6(part(OPTIONS) + padded(TCP) + syn, FRAGMENT)]
    yield "an atomic fragment in one", [ip6(part(FRAGMENT) + part(TCP) + syn, FRAGMENT)]
    yield "flags in the second fragment", [ip6(part(TCP, 0, True) + syn[:8], FRAGMENT), ip6(part(TCP, 8) + syn[8:], FRAGMENT)]
    yield "flags in the second fragment, backwards", \
        [ip6(part(TCP, 8) + syn[8:], FRAGMENT), ip6(part(TCP, 0, True) + syn[:8], FRAGMENT)]  # fmt: skip
    yield "flags in the first of two", \
        [ip6(part(TCP, 0, True) + long_syn[:1280], FRAGMENT), ip6(part(TCP, 1280) + long_syn[1280:], FRAGMENT)]  # fmt: skip
    yield "flags in the first of two, backwards", \
        [ip6(part(TCP, 1280) + long_syn[1280:], FRAGMENT), ip6(part(TCP, 0, True) + long_syn[:1280], FRAGMENT)]  # fmt: skip
    yield "flags in the first of two, that is behind options", \
        [ip6(padded(FRAGMENT) + part(TCP, 0, True) + long_syn[:1280], HOP_BY_HOP),
         ip6(padded(FRAGMENT) + part(TCP, 1280) + long_syn[1280:], HOP_BY_HOP)]  # fmt: skip
    yield "all of TCP in the second fragment", \
        [ip6(part(OPTIONS, 0, True) + padded(TCP, 160), FRAGMENT), ip6(part(OPTIONS, 1280) + syn, FRAGMENT)]  # fmt: skip
    yield "flags in the large second fragment", \
        [ip6(part(OPTIONS, 0, True) + padded(TCP, 160) + syn[:8], FRAGMENT),
         ip6(part(OPTIONS, 1288) + syn[8:], FRAGMENT)]  # fmt: skip
    yield "another protocol in the second fragment", \
        [ip6(part(TCP, 0, True) + syn[:8], FRAGMENT), ip6(part(17, 8) + syn[8:], FRAGMENT)]  # fmt: skip
    yield "fragments that overlap", \
        [ip6(part(TCP, 0, True) + tcp(V6, port, ACK)[:16], FRAGMENT), ip6(part(TCP, 8) + syn[8:], FRAGMENT)]  # fmt: skip
    yield "a header cut short", [ip6(padded(TCP)[:4], OPTIONS)]
    yield "no header at all", [ip6(b"")]
    yield "an unknown header", [ip6(padded(TCP) + syn, 253)]
    yield "nothing follows, they say", [ip6(padded(59) + syn, OPTIONS)]
    yield "with FIN", [ip6(tcp(V6, port, SYN | FIN))]


# What Linux itself opens nothing for: IPv6 fragments are small, or what is behind the headers is not in the first.
IN_VAIN = ("overlap", "two first", "shorter", "longer", "cut", "no header", "another protocol", "unknown", "nothing follows",
           "in one", "with FIN")  # fmt: skip


class Wire:
    """All that arrives at one end of it."""

    def __init__(self, namespace):
        self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("gate0", 3))
        self.socket.setblocking(False)
        self.packets = []

    def look(self):
        """[(IP version, protocol, offset of the fragment, what follows the IP header)]"""
        while select.select([self.socket], [], [], 0)[0]:
            data, address = self.socket.recvfrom(4096)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if data[12:14] == b"\x08\x00":
                place = struct.unpack(">H", data[20:22])[0] & 0x1FFF
                self.packets.append((4, data[23], place * 8, data[14 + (data[14] & 15) * 4 :]))
            elif data[12:14] == b"\x86\xdd":
                self.packets.append((6, data[20], 0, data[54:]))
        return self.packets

    def answered(self):
        """Ports that a server has answered SYN and ACK to."""
        return {struct.unpack(">H", rest[2:4])[0] for _, protocol, _, rest in self.look()
                if protocol == TCP and len(rest) > 13 and rest[13] & 0x12 == 0x12}  # fmt: skip

    def begun(self, ports):
        """What arrived from these ports and begins a connection, or may hide that it does."""
        def begins(protocol, offset, rest):
            if protocol == FRAGMENT and rest[0] == TCP and rest[2:4] == b"\0\1" and rest[21:22] == bytes((ACK,)):
                return False  # the first one of those that overlap, alone
            if protocol in (HOP_BY_HOP, ROUTING, FRAGMENT, OPTIONS):
                return any(struct.pack(">HH", port, PORT) in rest or struct.pack(">I", port) == rest[4:8] for port in ports)
            if offset == 8:
                return protocol == TCP
            return protocol == TCP and not offset and struct.unpack(">H", rest[:2].ljust(2, b"\0"))[0] in ports and \
                (len(rest) < 14 or rest[13] & 0x16 == SYN)  # fmt: skip

        return [packet for packet in self.look() if begins(*packet[1:])]


class Hand:
    """Raw sockets that make the IP header too. Each shape has a port of its own."""

    def __init__(self, lab):
        self.sockets = {family: lab.client.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) for family in (V4, V6)}
        self.next = 20000

    def send_all(self):
        """{port: (family, name of the shape)}"""
        made = {}
        for family, shapes in ((V4, shapes4), (V6, shapes6)):
            for name, _ in shapes(0):
                self.next += 1
                made[self.next] = ("IPv4" if family == V4 else "IPv6", name)
                for packet in dict(shapes(self.next))[name]:
                    try:
                        self.sockets[family].sendto(packet, (ENDS[family][1], 0))
                    except OSError as error:  # refused there and then
                        assert error.errno in (errno.EPERM, errno.EINVAL), (family, name, error)
        return made


def sound(made):
    return {port for port, (family, name) in made.items()
            if not any(word in name for word in IN_VAIN) and not (family == "IPv6" and "second fragment" in name)}  # fmt: skip


@case("Odd packets: SYNs by hand in fragments and behind headers open nothing, whatever the rules but a permit for who makes them", 120)
def by_hand(lab):
    server = TcpServer(lab.server, PORT)
    there, here, hand = Wire(lab.server), Wire(lab.client), Hand(lab)
    made = hand.send_all()
    wait_until(lambda: sound(made) <= here.answered(), 30, f"without gatehoused, answers to all of {sound(made)}")
    assert there.begun(set(made)), "what is looked for below"
    tell("without gatehoused also: " + str([made[port] for port in sorted(here.answered() - sound(made))]))
    good = lab.copy_program("connect_timer", "good")
    lab.gatehoused("--no-decider", "block")
    there.packets.clear()
    # Under the first, raw sockets are not watched: no rule could stop them but for what starts something.
    permit = f'permit program "{good}" out'
    for policy, said in ((f"{permit}\n", 0), (f"{permit} log\n", 0), (f"{permit} log\nblock all\n", 0),
                         ("block all log\n", errno.ECONNREFUSED)):  # fmt: skip
        path = lab.directory / "policy"
        path.write_text(policy, encoding="ascii")
        rules(lab, "load", str(path))
        made = hand.send_all()
        for address in (net.SERVER_V4, net.SERVER_V6):  # decided after all of them
            talker = lab.connect_timer(address, PORT, path=good)
            assert talker.result()[0] == said
            talker.close()
        assert not here.answered() & set(made), (policy, [made[port] for port in sorted(here.answered() & set(made))])
        begun = there.begun({port for port, (_, name) in made.items() if not name.startswith("nothing follows")})
        assert not begun, (policy, begun)
    assert len(server.accepted) == 6, server.accepted


# --- By any program ----------------------------------------------------------------------------------

SENDER = r"""
import errno, socket, sys
how, host, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
made = socket.socket(family, socket.SOCK_DGRAM)
made.settimeout(20)
data = (bytes(range(256)) * 250)[:size]
if how == "connected":
    made.connect((host, port))
    made.send(data)
elif how == "in pieces":
    made.connect((host, port))
    for start in range(0, size, 7000):
        made.send(data[start : start + 7000], socket.MSG_MORE if start + 7000 < size else 0)
elif how == "segments":
    made.setsockopt(socket.IPPROTO_UDP, 103, 1000)  # UDP_SEGMENT
    made.sendto(data, (host, port))
elif how == "options" and family == socket.AF_INET:
    made.setsockopt(socket.IPPROTO_IP, 4, bytes((1, 1, 1, 0)))  # IP_OPTIONS
    made.sendto(data, (host, port))
elif how == "options":
    made.setsockopt(socket.IPPROTO_IPV6, 59, bytes((0, 0, 0x1E, 4, 0, 0, 0, 0)))  # IPV6_DSTOPTS
    made.setsockopt(socket.IPPROTO_IPV6, 54, bytes((0, 0, 0x1E, 4, 0, 0, 0, 0)))  # IPV6_HOPOPTS
    made.sendto(data, (host, port))
else:
    made.sendto(data, (host, port))
"""
CONNECTOR = r"""
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
made.settimeout(20)
if made.family == socket.AF_INET:
    made.setsockopt(socket.IPPROTO_IP, 4, bytes((1, 1, 1, 0)))
else:
    for option in (59, 54):
        made.setsockopt(socket.IPPROTO_IPV6, option, bytes((0, 0, 0x1E, 4, 0, 0, 0, 0)))
print(made.connect_ex((host, port)))
"""


@case("Odd packets: large datagrams, in pieces, as segments, with options, and TCP with options: as rules say, whole or not at all", 90)
def by_any_program(lab):
    streams, ears = TcpServer(lab.server), {}
    for address, family in ((net.SERVER_V4, V4), (net.SERVER_V6, V6)):
        ears[address] = lab.server.socket(family, socket.SOCK_DGRAM)
        ears[address].bind((address, PORT))
        ears[address].settimeout(net.PATIENCE)
    sizes = {"connected": 60000, "unconnected": 60000, "in pieces": 60000, "segments": 30000, "options": 1000}
    program, path = os.path.realpath(sys.executable), lab.directory / "policy"
    lab.gatehoused("--no-decider", "block")
    for policy, opens in ((f'permit program "{program}" out\n', True), ("block all\n", False), ("permit out log\n", True)):
        path.write_text(policy, encoding="ascii")
        rules(lab, "load", str(path))
        for address, ear in ears.items():
            for _ in range(2):  # decided by the engine, then in the kernel
                done = lab.run(program, "-c", CONNECTOR, address, PORT)
                assert done.stdout.strip() == ("0" if opens else str(errno.ECONNREFUSED)), (policy, address, done)
                for how, size in sizes.items():
                    lab.run(program, "-c", SENDER, how, address, PORT, size)
                    left = size if opens else 0
                    while left:  # what was to be blocked would come first
                        data = ear.recv(65536)
                        assert len(data) == (1000 if how in ("segments", "options") else size), (policy, how, len(data))
                        assert data == (bytes(range(256)) * 250)[size - left :][: len(data)], (policy, how, address)
                        left -= len(data)
    assert len(streams.accepted) == 8, streams.accepted


BRIEF = r"""
import socket, sys
host, port, kind, protocol, text = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5].encode()
family = socket.AF_INET6 if ":" in host else socket.AF_INET
for bound in (False, True):
    made = socket.socket(family, kind, protocol)
    if bound:
        made.bind(("", 0))
    for connected in (False, True):
        if connected:
            made.connect((host, port))
        try:
            made.send(text) if connected else made.sendto(text, (host, port))
        except OSError:
            pass
"""


def brief(lab, kind, protocol, port, policies):
    """A program sends four packets and ends. policies: rules, and do the packets arrive? The last ones have to."""
    ears = {}
    for address, family in ((net.SERVER_V4, V4), (net.SERVER_V6, V6)):
        try:
            ears[address] = lab.server.socket(family, kind, protocol)
        except OSError as error:
            raise names.Missing(f"sockets of protocol {protocol}: {error}") from None
        ears[address].bind((address, port))
        ears[address].settimeout(net.PATIENCE)
    path = lab.directory / "policy"
    for policy, arrive in policies:
        path.write_text(policy, encoding="ascii")
        rules(lab, "load", str(path))
        if "block" in policy:
            raw_watched(lab)
        for address, ear in ears.items():
            done = lab.run(sys.executable, "-c", BRIEF, address, port, int(kind), protocol, policy)
            assert done.returncode == 0, done.stderr
            for _ in range(4 if arrive else 0):  # what was to be blocked would come first
                heard = ear.recv(1000)
                assert heard.endswith(policy.encode()), (policy, address, heard)


def policies_for_others():
    program = os.path.realpath(sys.executable)
    yield "permit out proto tcp\n", True
    yield "block all\n", False
    yield f'permit program "{program}" out\nblock all\n', True
    yield f'block program "{program}" out log\npermit all log\n', False
    yield "permit out log\nblock all\n", True


@case("Odd packets: UDP-Lite, which every program can use, goes by rules for all protocols or for its own, and else as ever", 60)
def light(lab):
    lab.gatehoused("--no-decider", "block")
    brief(lab, socket.SOCK_DGRAM, 136, PORT, [("block proto 136\npermit all\n", False), ("block out raw\n", True),
                                              *policies_for_others()])  # fmt: skip


@case("Odd packets: what a raw socket sends that is closed before anybody has looked at it goes by rules all the same", 60)
def raw_and_gone(lab):
    lab.gatehoused("--no-decider", "block")
    brief(lab, socket.SOCK_RAW, 253, 0, [("block proto 253\npermit all\n", False), ("permit out proto udp\n", True),
                                         ("block out raw\n", False), *policies_for_others()])  # fmt: skip


if __name__ == "__main__":
    run()
