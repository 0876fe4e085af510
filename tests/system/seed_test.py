#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The article's own protocol: a client written from the article decides real connections."""
import errno
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import device, names, net, protocol  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

SEED = "Driver: the seed's two IOCTLs exactly as printed in the article"
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)


def host_order(address):
    return struct.unpack(">I", socket.inet_aton(address))[0]


@case(f"{SEED}: its client permits and blocks", timeout=60)
def article_client(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    for command, permitted in (("permit", True), ("block", False)):
        client = lab.talker("seed_client", lab.socket, command)
        for _ in range(3):
            talker = lab.connect_timer(net.SERVER_V4, server.port)
            error = talker.result()[0]
            assert (error == 0) if permitted else (error in REFUSED), (command, error)
            word, number, pid, address, port, size = client.read_line().split()
            assert word == "request" and int(number) != 0
            assert int(pid) == talker.pid, (pid, talker.pid)
            assert int(address, 16) == host_order(net.SERVER_V4), address
            assert (int(port), int(size)) == (server.port, 24), (port, size)
        client.process.kill()
        client.close()
        with lab.observer() as watcher:
            wait_until(lambda: watcher.status().decider_pid == 0, 5, "the client's end")


@case(f"{SEED}: an id that is not held is refused; wrong sizes are", timeout=60)
def article_refusals(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    client = device.Device(lab.socket)
    reading = client.call(protocol.SEED_GET_NEXT_REQUEST, output_size=24)
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    answer = client.answer(reading)
    assert answer.status == 0 and len(answer.data) == 24, answer
    request = protocol.SeedRequest(*protocol.SEED_REQUEST_LAYOUT.unpack(answer.data))
    assert request.reserved == 0 and request.process_id == talker.pid, request
    good = protocol.SEED_DECISION_LAYOUT.pack(request.id, 0, 0)
    for what, code, data, room in (
        ("an unknown id", protocol.SEED_SUBMIT_DECISION, protocol.SEED_DECISION_LAYOUT.pack(request.id + 1, 0, 0), 0),
        ("id 0", protocol.SEED_SUBMIT_DECISION, protocol.SEED_DECISION_LAYOUT.pack(0, 0, 0), 0),
        ("an empty decision", protocol.SEED_SUBMIT_DECISION, b"", 0),
        ("15 bytes", protocol.SEED_SUBMIT_DECISION, good[:-1], 0),
        ("room for 23", protocol.SEED_GET_NEXT_REQUEST, b"", 23),
        ("no room", protocol.SEED_GET_NEXT_REQUEST, b"", 0),
    ):
        refused = client.ioctl(code, data, room)
        tell(f"{what}: {refused.status:#010x}")
        assert refused.status >= 0xC0000000, f"{what}: {refused.status:#x}"
    with lab.observer() as watcher:
        assert watcher.status().held == 1, watcher.status()
    assert client.ioctl(protocol.SEED_SUBMIT_DECISION, good, 0).status == 0
    assert talker.result()[0] == 0
    again = client.ioctl(protocol.SEED_SUBMIT_DECISION, good, 0)
    assert again.status >= 0xC0000000, f"the same decision twice: {again.status:#x}"


@case(f"{SEED}: its client is the one decider while it lives", timeout=60)
def article_client_is_the_decider(lab):
    lab.gatehoused()
    client = device.Device(lab.socket)
    client.call(protocol.SEED_GET_NEXT_REQUEST, output_size=24)
    with lab.observer() as watcher:
        wait_until(lambda: watcher.status().decider_pid != 0, 5, "the decider")
    with device.Device(lab.socket) as other:
        hello = protocol.HELLO_LAYOUT.pack(protocol.VERSION, protocol.DECIDER, 0)
        assert other.ioctl(protocol.HELLO, hello).status == protocol.E_DECIDER_PRESENT
        assert other.ioctl(protocol.SEED_GET_NEXT_REQUEST, output_size=24).status >= 0x80000000
    client.close()
    wait_until(lambda: becomes_decider(lab), 5, "a new decider's turn")


def becomes_decider(lab):
    with device.Device(lab.socket) as other:
        hello = protocol.HELLO_LAYOUT.pack(protocol.VERSION, protocol.DECIDER, 0)
        return other.ioctl(protocol.HELLO, hello).status == 0


@case("the article's structures carry IPv4 alone: IPv6 and the others end by the deadline's default", timeout=60)
def article_client_and_ipv6(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--deadline", "5")
    lab.talker("seed_client", lab.socket, "permit")
    error, microseconds, _, _ = lab.connect_timer(net.SERVER_V6, server.port).result()
    tell(f"IPv6 with the article's client: {errno.errorcode.get(error, error)} after {microseconds / 1e6:.2f} s")
    assert error in REFUSED and microseconds < 50e6, (error, microseconds)
    assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
    assert names.find_program("seed_client")


if __name__ == "__main__":
    run()
