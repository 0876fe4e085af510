#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold without loss: thousands at once, each its own verdict, and identical ones never confused."""
import errno
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import net, protocol  # noqa: E402
from gatetest.servers import Ear, TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

HELD = 10000
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)


def outcomes(talker, count):
    """many_connects' lines: [(errno, milliseconds, local port)] by index."""
    found = []
    while len(found) < count:
        index, error, milliseconds, port = talker.read_line().split()
        assert int(index) == len(found)
        found.append((int(error), float(milliseconds), int(port)))
    return found


def hold_and_answer(lab, kind, address, count, seed):
    """Holds count connections at once, answers them in random order with random verdicts, and compares what
    each connection got, and what reached the server, with its own verdict."""
    server = TcpServer(lab.server)
    lab.gatehoused("--deadline", "120")
    decider = lab.decider(timeout=60)
    talker = lab.talker("many_connects", count, kind, address, server.port, 200)
    assert talker.first == f"started {count}", talker.first
    requests = decider.collect(count, timeout=100)
    assert len({request.id for request in requests}) == count, "an id came twice"
    assert len({request.endpoint for request in requests}) == count, "two sockets have one endpoint"
    status = decider.status()
    assert (status.held, status.offered, status.pended) == (count, count, count), status
    assert not server.accepted, f"{len(server.accepted)} arrived before any verdict"
    order = random.Random(seed)
    order.shuffle(requests)
    verdicts = {}
    for start in range(0, count, 100):
        batch = [(request, order.choice((protocol.PERMIT, protocol.BLOCK))) for request in requests[start : start + 100]]
        for request, verdict in batch:
            assert request.process_id == talker.process.pid, request
            verdicts[request.local_port, request.remote] = verdict
        assert not any(decider.submit([(request.id, verdict) for request, verdict in batch]))
    ended = outcomes(talker, count)
    return server, decider, verdicts, ended


def check_outcomes(server, verdicts, ended, remote_of):
    wrong = []
    for index, (error, _, port) in enumerate(ended):
        verdict = verdicts[port, remote_of(index)]
        if (error != 0) if verdict == protocol.PERMIT else (error not in REFUSED):
            wrong.append((index, error, verdict))
    assert not wrong, f"{len(wrong)} of {len(ended)} got another's verdict, or none: {wrong[:10]}"
    permitted = sorted(port for (port, _), verdict in verdicts.items() if verdict == protocol.PERMIT)
    wait_until(lambda: len(server.accepted) >= len(permitted), 10, "the server's count")
    assert sorted(port for _, port in server.accepted) == permitted, "the server saw others than those permitted"


def check_counts(decider, verdicts, count):
    status, platform = decider.status(), decider.platform()
    permitted = list(verdicts.values()).count(protocol.PERMIT)
    assert (status.permitted_by_decider, status.blocked_by_decider) == (permitted, count - permitted), status
    assert status.held == 0 and status.expired == 0 and status.refused_full == 0, status
    assert platform.queue_dropped == 0 and platform.queue_user_dropped == 0 and platform.packets_held == 0, platform
    assert platform.packets_seen == count, f"{platform.packets_seen} packets for {count} connections"


@case("Hold without loss: 10,000 connections held at once, answered in random order, each gets its own verdict", 180)
def ten_thousand_to_different_places(lab):
    server, decider, verdicts, ended = hold_and_answer(lab, "distinct", net.MANY_V4, HELD, seed=1)

    def remote_of(index):
        return f"10.78.{(index + 1) // 256}.{(index + 1) % 256}"

    check_outcomes(server, verdicts, ended, remote_of)
    check_counts(decider, verdicts, HELD)
    tell(f"10,000 held at once; the longest was under way for {max(entry[1] for entry in ended) / 1000:.1f} s")


@case("Two identical connections never swap or share verdicts; 10,000 of one program to one address and port", 180)
def ten_thousand_identical(lab):
    server, decider, verdicts, ended = hold_and_answer(lab, "identical", net.SERVER_V4, HELD, seed=2)
    check_outcomes(server, verdicts, ended, lambda index: net.SERVER_V4)
    check_counts(decider, verdicts, HELD)


@case("Hold without loss, IPv6: 2,000 identical connections", 120)
def identical_over_ipv6(lab):
    server, decider, verdicts, ended = hold_and_answer(lab, "identical", net.SERVER_V6, 2000, seed=3)
    check_outcomes(server, verdicts, ended, lambda index: net.SERVER_V6)
    check_counts(decider, verdicts, 2000)


@case("Two identical connections with opposite verdicts, answered in both orders", 60)
def opposite_verdicts(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    for first in (protocol.PERMIT, protocol.BLOCK):
        program = lab.copy_program("connect_timer", f"pair-{first}")
        pair = [lab.connect_timer(net.SERVER_V4, server.port, path=program) for _ in range(2)]
        requests = decider.collect(2)
        second = protocol.PERMIT + protocol.BLOCK - first
        verdicts = {requests[0].process_id: first, requests[1].process_id: second}
        assert len(verdicts) == 2, requests
        decider.decide(requests[0], first)
        time.sleep(0.2)
        decider.decide(requests[1], second)
        for talker in pair:
            error = talker.result()[0]
            assert (error == 0) == (verdicts[talker.pid] == protocol.PERMIT), (talker.pid, error, verdicts)
    server.expect(2)


@case("...unless the answer's scope says so: an answer for the program and destination covers those held and later", 60)
def wider_answer_covers_others(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    program = lab.copy_program("connect_timer", "chatty")
    group = [lab.connect_timer(net.SERVER_V4, server.port, path=program) for _ in range(3)]
    elsewhere = lab.connect_timer(net.MANY_V4, server.port, path=program)
    other = lab.connect_timer(net.SERVER_V4, server.port)
    requests = decider.collect(5)
    chosen = next(r for r in requests if r.process_id == group[1].pid)
    decider.decide(chosen, protocol.PERMIT, protocol.SCOPE_PROGRAM_DESTINATION, 10000)
    assert [talker.result()[0] for talker in group] == [0, 0, 0]
    assert decider.status().permitted_by_answer == 2, decider.status()
    assert decider.status().held == 2, "the other program and the other destination stay held"
    assert lab.connect_timer(net.SERVER_V4, server.port, path=program).result()[0] == 0
    assert decider.status().answers == 1, decider.status()
    wait_until(lambda: decider.status().answers == 0, 5, "the end of the answer's lifetime")
    late = lab.connect_timer(net.SERVER_V4, server.port, path=program)
    (request,) = decider.requests()
    assert request.process_id == late.pid, request
    for held in [r for r in requests if r.process_id in (elsewhere.pid, other.pid)] + [request]:
        decider.decide(held, protocol.BLOCK)
    assert all(talker.result()[0] in REFUSED for talker in (elsewhere, other, late))


@case("A held connection sends nothing until its verdict, then one SYN", 60)
def one_packet_after_the_verdict(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    ear = Ear(lab.server)
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    (request,) = decider.requests()
    time.sleep(3.5)
    assert not ear.heard(protocol=6), "something of a held connection is on the wire"
    assert decider.platform().packets_seen == 1, "the SYN was queued again while it was held"
    submitted = time.monotonic_ns()
    decider.decide(request, protocol.PERMIT)
    error, microseconds, _, end = talker.result()
    assert error == 0 and microseconds > 3.5e6, (error, microseconds)
    tell(f"connect() returned {(end - submitted) / 1e6:.2f} ms after the verdict was sent")
    assert len(ear.heard(protocol=6, syn=True)) == 1, ear.frames


@case("Several datagrams of one held flow arrive in order after a permit", 60)
def datagrams_in_order(lab):
    from gatetest.servers import UdpServer

    server = UdpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    talker = lab.talker("udp_sender", "connected", net.SERVER_V4, server.port)
    for number in range(4):
        assert talker.ask(f"0 datagram {number}") == "sent 0"
    (request,) = decider.requests()
    assert decider.none_within(0.3), "one flow is one request"
    decider.decide(request, protocol.PERMIT)
    wait_until(lambda: len(server.received) == 4, 5, "all four datagrams")
    assert server.payloads == [b"datagram %d" % number for number in range(4)], server.payloads
    assert len(set(server.received)) == 4, server.received


if __name__ == "__main__":
    run()
