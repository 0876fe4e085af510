#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packets no program's socket would make, and more connections than there is room for."""
import os
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import decide, net, protocol  # noqa: E402
from gatetest.servers import Ear, TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

DAMAGED = "Survive bad input: a damaged packet in the queue"


def ip_packet(number, payload, header=5, fragment=0, destination=net.SERVER_V4):
    """An IPv4 packet as SOCK_RAW with IP_HDRINCL takes it; the kernel writes length and checksum."""
    options = bytes(4 * (header - 5))
    head = struct.pack(">BBHHHBBH", 0x40 | header, 0, 0, 7, fragment, 64, number, 0)
    return head + socket.inet_aton(net.CLIENT_V4) + socket.inet_aton(destination) + options + payload


def tcp(flags=2, offset=5, source=40000, port=7000):
    return struct.pack(">HHIIBBHHH", source, port, 1, 0, offset << 4, flags, 1000, 0, 0)


def udp(length, data=b"", source=40000, port=7000):
    return struct.pack(">HHHH", source, port, length, 0) + data


# Each would start a TCP connection or carry a UDP payload if only it were whole. A port each: a flow each.
# TCP that ends before its flags is no SYN to anybody: such a packet does not come to the queue.
DAMAGED_PACKETS = {
    "TCP: no header": ip_packet(6, b""),
    "TCP: 4 bytes": ip_packet(6, tcp(port=7101)[:4]),
    "TCP: 12 bytes": ip_packet(6, tcp(port=7102)[:12]),
    "TCP: 19 bytes": ip_packet(6, tcp(port=7103)[:19]),
    "TCP SYN: header shorter than 20": ip_packet(6, tcp(offset=2, port=7104)),
    "TCP SYN: header longer than the packet": ip_packet(6, tcp(offset=15, port=7105)),
    "UDP: no header": ip_packet(17, b""),
    "UDP: 4 bytes": ip_packet(17, udp(8, port=7106)[:4]),
    "UDP: length 4": ip_packet(17, udp(4, port=7107)),
    "UDP: a later fragment with no header": ip_packet(17, b"x" * 32, fragment=10),
    "TCP: a first fragment without its header": ip_packet(6, tcp(port=7109)[:8], fragment=0x2000),
    "UDP behind options, 4 bytes": ip_packet(17, udp(8, port=7110)[:4], header=15),
}


def new_requests(decider):
    try:
        return decider.requests(0.05)
    except TimeoutError:
        return []


@case(f"{DAMAGED} is dropped and counted, the others are unaffected")
def damaged_packets(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    ear = Ear(lab.server)
    held = lab.connect_timer(net.SERVER_V4, server.port)
    (request,) = decider.requests()
    refused = []
    with lab.client.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
        for what, packet in DAMAGED_PACKETS.items():
            before = decider.platform().packets_damaged
            try:
                raw.sendto(packet, (net.SERVER_V4, 0))
            except OSError as error:
                refused.append(f"{what}: not even sent, {error.strerror}")
                continue
            time.sleep(0.05)
            became = new_requests(decider)
            tell(f"{what}: {decider.platform().packets_damaged - before} counted as damaged, {became or 'no request'}")
    tell("; ".join(refused) or "the kernel sent them all")
    status, platform = decider.status(), decider.platform()
    assert platform.packets_damaged >= 1, platform
    assert status.held == 1 and status.pended == 1, f"a damaged packet became a connection: {status}"
    left = [frame for frame in ear.heard(destination=net.SERVER_V4) if frame.protocol != 6 or frame.syn]
    assert not left, f"it left: {left}"
    decider.decide(request, protocol.PERMIT)
    assert held.result()[0] == 0
    server.expect(1)


@case(f"{DAMAGED}: 500 random ones between good connections", timeout=90)
def random_packets(lab):
    import random

    server = TcpServer(lab.server)
    lab.gatehoused()
    seed = int(os.environ.get("GATEHOUSE_SEED", "7"))
    tell(f"GATEHOUSE_SEED={seed}")
    generator = random.Random(seed)
    raw = lab.client.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW)
    with decide.Deciding(lab, lambda request: protocol.PERMIT if request.process_id else protocol.BLOCK) as deciding:
        for number in range(500):
            packet = ip_packet(generator.choice((6, 17)), generator.randbytes(generator.randrange(60)))
            try:
                raw.sendto(packet, (net.SERVER_V4, 0))
            except OSError:
                pass  # dropped before it could be queued
            if number % 50 == 0:
                assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
        with lab.observer() as watcher:
            wait_until(lambda: watcher.status().held == 0, 10, "the verdict on each")
            platform, status = watcher.platform(), watcher.status()
            assert deciding.seen, "nothing was asked"
    tell(f"damaged {platform.packets_damaged}, unknown {platform.packets_unknown}, seen {platform.packets_seen}")
    server.expect(10)
    assert platform.packets_damaged > 0 and status.held == 0, (platform, status)


@case("a well-made SYN from a raw socket: it waits like any other, and says what is not known of it")
def raw_syn(lab):
    lab.gatehoused()
    decider = lab.decider()
    ear = Ear(lab.server)
    with lab.client.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
        raw.sendto(ip_packet(6, tcp(source=40001)), (net.SERVER_V4, 0))
        try:
            (request,) = decider.requests(10)
            tell(f"raw SYN: {request}")
            assert request.flags & protocol.REQUEST_NO_PROCESS or request.process_id == os.getpid(), request
            decider.decide(request, protocol.BLOCK)
        except TimeoutError:
            platform = decider.platform()
            assert platform.packets_unknown + platform.packets_damaged >= 1, platform
            tell(f"raw SYN: not asked, {platform}")
        time.sleep(0.3)
    assert not ear.heard(protocol=6), f"a raw SYN left undecided: {ear.frames}"


@case("UDP in fragments: held and blocked or permitted as one", timeout=60)
def fragmented_datagram(lab):
    server = UdpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    ear = Ear(lab.server)
    for number, (address, verdict) in enumerate(((net.SERVER_V4, protocol.PERMIT), (net.MANY_V4, protocol.BLOCK))):
        with lab.client.socket(kind=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x" * 1900, (address, server.port))  # above the wire's 1500, below the server's buffer
            (request,) = decider.requests()
            assert not ear.heard(destination=address), "a fragment left before the verdict"
            decider.decide(request, verdict)
            wait_until(lambda: server.received, 5, "the permitted datagram")
            time.sleep(0.3)
        assert len(server.received) == 1, f"after {number + 1}: {len(server.received)}"
    assert not ear.heard(destination=net.MANY_V4), "a fragment of a blocked datagram left"


def fill_table(lab, undecided):
    """Fills the table, 60,000 in the long tier, and 500 more; all that were held are then permitted."""
    server = TcpServer(lab.server)
    # The kernel's queue itself takes 65,536 packets and no more (Linux 6.18).
    capacity, beyond = (60000 if os.environ.get("GATEHOUSE_FULL") else 1000), 500
    lab.gatehoused("--deadline", "120", "--undecided", undecided, "--capacity", capacity)
    decider = lab.decider(timeout=60)
    assert decider.status().capacity == capacity, decider.status()
    crowds = []
    left = capacity + beyond
    while left:
        count = min(left, 10000)
        crowds.append((count, lab.talker("many_connects", count, "distinct", net.MANY_V4, server.port, 150)))
        left -= count
    try:
        wait_until(lambda: decider.status().refused_full >= beyond, 30, "the count of refused")
    except AssertionError:
        tell(f"{decider.status()} {decider.platform()}")
        raise
    status = decider.status()
    assert status.held == capacity and status.refused_full >= beyond, status
    requests = decider.collect(capacity, timeout=100)
    for start in range(0, capacity, 1000):
        batch = [(request.id, protocol.PERMIT) for request in requests[start : start + 1000]]
        assert not any(decider.submit(batch))
    permitted = sum(int(talker.read_line().split()[1]) == 0 for count, talker in crowds for _ in range(count))
    expected = capacity + (beyond if undecided == "permit" else 0)
    assert permitted == expected, f"{permitted} connected, {expected} should have"


FULL = "Survive bad input: a full table: what does not fit is decided at once as configured, and counted"


@case(f"{FULL}: --undecided block", timeout=180)
def full_table_blocks(lab):
    fill_table(lab, "block")


@case(f"{FULL}: --undecided permit", timeout=180)
def full_table_permits(lab):
    fill_table(lab, "permit")


if __name__ == "__main__":
    run()
