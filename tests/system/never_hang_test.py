#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Never hang: whoever dies, whenever, each connection ends, the right way and in bounded time."""
import ctypes
import errno
import fcntl
import os
import pathlib
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import decide, device, net, protocol  # noqa: E402
from gatetest.servers import Ear, TcpServer, UdpServer, soon, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

NO_DECIDER = "Never hang: no decider"
DECIDER_KILLED = "Never hang: decider killed with requests in hand"
DEADLINE = "Never hang: deadline passed"
DAEMON_KILLED = "Never hang: gatehoused killed and restarted with packets held"
GONE = "Never hang: application gone while held"
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)
# After a drop, a SYN is sent again 1, 2, 3 ... s later: what comes on top of a deadline that the kernel keeps alone.
RETRANSMIT_SLACK = 25


def status(lab):
    with lab.observer() as watcher:
        return watcher.status()


@case(f"{NO_DECIDER}, --no-decider block: refused at once")
def no_decider_block(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")

    def refused():
        error, microseconds, _, _ = lab.connect_timer(net.SERVER_V4, server.port).result()
        assert error in REFUSED, error
        return microseconds / 1e6

    tries = soon(refused)
    assert status(lab).refused_no_decider == tries and not server.accepted, (tries, status(lab))


@case(f"{NO_DECIDER}, --no-decider permit: goes through at once")
def no_decider_permit(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "permit")

    def permitted():
        error, microseconds, _, _ = lab.connect_timer(net.SERVER_V4, server.port).result()
        assert error == 0, error
        return microseconds / 1e6

    soon(permitted)


@case(f"{NO_DECIDER}, --no-decider hold: waits for one that comes later")
def no_decider_hold(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "hold")
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    wait_until(lambda: status(lab).queued == 1, 5, "the held connection")
    time.sleep(1)
    with decide.permitting(lab):
        error, microseconds, _, _ = talker.result()
    assert error == 0 and microseconds > 1e6, (error, microseconds)


@case(f"{NO_DECIDER}, --no-decider hold: refused at the deadline when none comes")
def no_decider_hold_expires(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "hold", "--deadline", "2")
    error, microseconds, _, _ = lab.connect_timer(net.SERVER_V4, server.port).result()
    assert error in REFUSED and 1.9e6 < microseconds < 60e6, (error, microseconds)
    assert status(lab).expired == 1, status(lab)


def child_decider(lab, requests):
    """A decider in a process of its own that takes requests and does nothing with them; its pid when it has them."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        device.decider(lab.socket).collect(requests)
        os.write(writer, b"have them")
        time.sleep(120)
        os._exit(0)
    os.close(writer)
    return pid, reader


@case(f"{DECIDER_KILLED}: the next decider gets them, marked as offered before")
def decider_killed(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "hold")
    pid, reader = child_decider(lab, 5)
    wait_until(lambda: status(lab).decider_pid == pid, 10, "the first decider")
    talkers = [lab.connect_timer(net.SERVER_V4, server.port) for _ in range(5)]
    assert os.read(reader, 16) == b"have them"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_until(lambda: status(lab).queued == 5, 5, "the requests' return to the queue")
    assert status(lab).decider_pid == 0 and status(lab).requeued == 5, status(lab)
    decider = lab.decider()
    requests = decider.collect(5)
    assert all(request.flags & protocol.REQUEST_REOFFERED for request in requests), requests
    for request in requests:
        decider.decide(request, protocol.PERMIT)
    assert [talker.result()[0] for talker in talkers] == [0] * 5


@case(f"{DECIDER_KILLED}: nobody follows, refused at the deadline")
def decider_killed_for_good(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "hold", "--deadline", "6")
    pid, reader = child_decider(lab, 1)
    wait_until(lambda: status(lab).decider_pid == pid, 10, "the first decider")
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    assert os.read(reader, 16) == b"have them"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    error, microseconds, _, _ = talker.result()
    assert error in REFUSED and 5.8e6 < microseconds < 60e6, (error, microseconds)


def deadline(lab, undecided):
    server = TcpServer(lab.server)
    lab.gatehoused("--deadline", "5", "--undecided", undecided)
    decider = lab.decider()
    decider.reading = decider.call(protocol.GET_REQUESTS, output_size=130000)  # is there before them
    talkers = [lab.connect_timer(address, server.port) for address in (net.SERVER_V4, net.SERVER_V6)]
    requests = decider.collect(2)
    results = [talker.result() for talker in talkers]
    for error, microseconds, _, _ in results:
        assert (error == 0) if undecided == "permit" else (error in REFUSED), results
        assert 4.9e6 < microseconds < 60e6, results
    assert decider.status().expired == 2, decider.status()
    late = decider.submit([(request.id, protocol.PERMIT) for request in requests])
    assert late == [protocol.E_UNKNOWN_ID] * 2, [protocol.status_name(entry) for entry in late]
    tell(f"deadline 5 s, undecided {undecided}: connect() ended after {results[0][1] / 1e6:.3f} s")


@case(f"{DEADLINE}, --undecided block")
def deadline_blocks(lab):
    deadline(lab, "block")


@case(f"{DEADLINE}, --undecided permit")
def deadline_permits(lab):
    deadline(lab, "permit")


@case("Default deadline 60 s, default closed")
def defaults(lab):
    lab.gatehoused()
    policy = status(lab).policy
    assert (policy.deadline_ms, policy.undecided) == (60000, protocol.BLOCK), policy


@case(f"{DAEMON_KILLED}: connect() just takes longer", timeout=90)
def daemon_killed_and_restarted(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused()
    decider = lab.decider()
    talkers = [lab.connect_timer(address, server.port) for address in (net.SERVER_V4, net.SERVER_V6)]
    decider.collect(2)
    daemon.kill()
    time.sleep(0.5)
    assert not server.accepted, "a held connection got out when gatehoused was killed"
    lab.gatehoused()
    with decide.permitting(lab) as deciding:
        results = [talker.result() for talker in talkers]
    assert [error for error, *_ in results] == [0, 0], results
    pids = {request.process_id for request, _ in deciding.seen}
    assert pids == {talker.pid for talker in talkers}, "the new gatehoused knows who connects"
    tell(f"killed while two were held, back after 0.5 s: connect() took {results[0][1] / 1e6:.2f} s")


@case(f"{DAEMON_KILLED}: again and again, nothing gets out undecided", timeout=120)
def daemon_killed_often(lab):
    server = TcpServer(lab.server)
    ear = Ear(lab.server)
    talkers = []
    for _ in range(5):
        daemon = lab.gatehoused()
        with lab.decider() as decider:
            talkers.append(lab.connect_timer(net.SERVER_V4, server.port))
            decider.requests()
            daemon.kill()
    assert not server.accepted and not ear.heard(protocol=6), "something left while gatehoused was killed"
    lab.gatehoused()
    with decide.blocking(lab):
        results = [talker.result() for talker in talkers]
    assert all(error in REFUSED for error, *_ in results), results
    assert not server.accepted


@case("gatehoused killed and not restarted, closed: refused by the deadline plus a retransmission, nothing leaves", 90)
def daemon_gone_closed(lab):
    server, echo = TcpServer(lab.server), UdpServer(lab.server)
    daemon = lab.gatehoused("--deadline", "3", "--undecided", "permit", "--dead", "closed")
    decider = lab.decider()
    ear = Ear(lab.server)
    held = lab.connect_timer(net.SERVER_V4, server.port)
    decider.requests()
    daemon.kill()
    fresh = lab.connect_timer(net.SERVER_V6, server.port)
    sender = lab.talker("udp_sender", "connected", net.SERVER_V4, echo.port)
    sender.ask("0 while gone")
    for name, talker in (("held", held), ("fresh", fresh)):
        error, microseconds, _, _ = talker.result()
        tell(f"gatehoused gone, closed, deadline 3 s: {name} connect() got {errno.errorcode.get(error)} "
             f"after {microseconds / 1e6:.2f} s")  # fmt: skip
        assert error in (*REFUSED, errno.ETIMEDOUT), os.strerror(error)
        assert microseconds < (3 + RETRANSMIT_SLACK) * 1e6, microseconds
    assert not ear.heard(protocol=6) and not ear.heard(protocol=17), "something left while nobody decided"


@case("gatehoused killed and not restarted, open: passes", timeout=90)
def daemon_gone_open(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused("--deadline", "3", "--undecided", "block", "--dead", "open")
    decider = lab.decider()
    held = lab.connect_timer(net.SERVER_V4, server.port)
    decider.requests()
    daemon.kill()
    fresh = lab.connect_timer(net.SERVER_V6, server.port)
    for name, talker in (("held", held), ("fresh", fresh)):
        error, microseconds, _, _ = talker.result()
        tell(f"gatehoused gone, open, deadline 3 s: {name} connect() ended after {microseconds / 1e6:.2f} s")
        assert error == 0, os.strerror(error)
        assert microseconds < (3 + RETRANSMIT_SLACK) * 1e6, microseconds


@case("kill -9 of gatehoused: what was decided goes on working", timeout=60)
def decided_flows_survive(lab):
    server, echo = TcpServer(lab.server, greeting=b"hello"), UdpServer(lab.server)
    daemon = lab.gatehoused()
    judge = lambda request: protocol.PERMIT if request.remote == net.SERVER_V4 else protocol.BLOCK  # noqa: E731
    with decide.Deciding(lab, judge, until_closed=True):
        sender = lab.talker("udp_sender", "unconnected", net.SERVER_V4, echo.port, net.MANY_V4, echo.port)
        sender.ask("0 before")
        sender.ask("1 before, blocked")
        with lab.client.socket() as stream:
            stream.settimeout(net.PATIENCE)
            stream.connect((net.SERVER_V4, server.port))
            wait_until(lambda: echo.payloads == [b"before"], 5, "the permitted datagram")
            time.sleep(0.2)
            daemon.kill()
            assert stream.recv(16) == b"hello", "an established connection goes on"
        sender.ask("0 after")
        sender.ask("1 after, blocked")
        wait_until(lambda: len(echo.received) == 2, 5, "the permitted flow's next datagram")
        time.sleep(0.3)
        assert echo.payloads == [b"before", b"after"], echo.payloads


@case("gatehoused asked to stop with connections held: it ends, nothing undecided gets out", timeout=60)
def daemon_stopped_politely(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused("--deadline", "5")
    decider = lab.decider()
    talkers = [lab.connect_timer(net.SERVER_V4, server.port) for _ in range(20)]
    decider.collect(20)
    assert daemon.stop() == 0, daemon.output()
    results = [talker.result() for talker in talkers]
    assert all(error in (*REFUSED, errno.ETIMEDOUT) for error, *_ in results), results
    assert not server.accepted, server.accepted
    assert not lab.socket.exists(), "the socket file is left"


@case(f"{GONE}: cancelled is counted, and no packet leaves", timeout=60)
def application_killed(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    ear = Ear(lab.server)
    talkers = [lab.connect_timer(address, server.port) for address in (net.SERVER_V4, net.SERVER_V6)]
    requests = decider.collect(2)
    for talker in talkers:
        os.kill(talker.pid, signal.SIGKILL)
    wait_until(lambda: decider.status().cancelled == 2, 5, "the count of cancelled")
    wait_until(lambda: decider.platform().packets_held == 0, 5, "an empty queue")
    late = decider.submit([(request.id, protocol.PERMIT) for request in requests])
    assert late == [protocol.E_UNKNOWN_ID] * 2, [protocol.status_name(entry) for entry in late]
    time.sleep(1.5)
    assert not ear.heard(protocol=6) and not server.accepted, "a dead program's SYN left"
    assert decider.status().held == 0, decider.status()


@case(f"{GONE}: it closed the socket itself; UDP too", timeout=60)
def application_closed(lab):
    server, echo = TcpServer(lab.server), UdpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    ear = Ear(lab.server)
    stream = lab.client.socket()
    stream.setblocking(False)
    assert stream.connect_ex((net.SERVER_V4, server.port)) == errno.EINPROGRESS
    datagrams = lab.client.socket(kind=socket.SOCK_DGRAM)
    datagrams.sendto(b"held", (net.SERVER_V4, echo.port))
    requests = decider.collect(2)
    stream.close()
    datagrams.close()
    wait_until(lambda: decider.status().cancelled == 2, 5, "the count of cancelled")
    wait_until(lambda: decider.platform().packets_held == 0, 5, "an empty queue")
    late = decider.submit([(request.id, protocol.PERMIT) for request in requests])
    assert late == [protocol.E_UNKNOWN_ID] * 2, [protocol.status_name(entry) for entry in late]
    time.sleep(1.5)
    assert not ear.heard(protocol=6) and not ear.heard(protocol=17), "a closed socket's packet left"


@case(f"{GONE}: 2,000 at once", timeout=90)
def many_killed(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider(timeout=30)
    ear = Ear(lab.server)
    talker = lab.talker("many_connects", 2000, "identical", net.SERVER_V4, server.port, 150)
    decider.collect(2000, timeout=100)
    talker.process.kill()
    wait_until(lambda: decider.status().cancelled == 2000, 20, "the count of cancelled")
    wait_until(lambda: decider.platform().packets_held == 0, 10, "an empty queue")
    assert decider.status().held == 0 and not ear.heard(protocol=6), decider.status()


@case(f"{GONE}: it gave up the connect() and began another on the same socket")
def connects_anew(lab):
    server = TcpServer(lab.server)
    lab.server.run(["iptables", "-A", "INPUT", "-p", "tcp", "--syn"])
    lab.gatehoused()
    decider = lab.decider()
    disconnect = ctypes.CDLL(None, use_errno=True).connect
    with lab.client.socket() as stream:
        stream.setblocking(False)
        for count, port in enumerate((7001, server.port, server.port), 1):
            disconnect(stream.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16)
            assert stream.connect_ex((net.SERVER_V4, port)) == errno.EINPROGRESS
            last = decider.collect(1)[0]
            assert last.local_port == stream.getsockname()[1], (last, stream.getsockname())
            # What became of the one before comes another way, and may come later.
            wait_until(lambda: (decider.status().held, decider.status().cancelled) == (1, count - 1), 30, f"{count - 1} given up")  # noqa: B023
        decider.decide(last, protocol.PERMIT)
        server.expect(1)
    counted = lab.server.run(["iptables", "-nvxL", "INPUT"]).stdout.splitlines()[-1].split()[0]
    assert counted == "1", f"{counted} SYNs left, not only the last one's"


@case("Block quickly: also while lo is down, which takes the way of a refusal")
def refused_without_lo(lab):
    server = TcpServer(lab.server)
    net.ip("-n", lab.client.name, "link", "set", "lo", "down")
    lab.gatehoused("--no-decider", "block")
    for address in (net.SERVER_V4, net.SERVER_V6, f"::ffff:{net.SERVER_V4}"):

        def refused():
            talker = lab.connect_timer(address, server.port)  # noqa: B023
            assert select.select([talker.process.stdout], [], [], net.PATIENCE)[0], f"connect() to {address} hangs"  # noqa: B023
            error, microseconds, _, _ = talker.result()
            assert error == errno.ECONNABORTED, error
            return microseconds / 1e6

        soon(refused)


@case("Never hang: a reader of gatehoused's words that stopped reading")
def words_unread(lab):
    server = TcpServer(lab.server)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8192)
    program = lab.client.popen(lab.daemon("--verbose", "--no-decider", "permit"), stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)
    wait_until(lambda: len(lab.client.rules()) >= 12, 10, "the rules")
    for _ in range(60):
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        assert select.select([talker.process.stdout], [], [], net.PATIENCE)[0], "gatehoused waits for its reader"
        assert talker.result()[0] == 0
        talker.close()
    program.terminate()
    assert program.wait(net.PATIENCE) == 0
    words = os.read(reader, 65536)
    os.close(reader)
    assert b"ready" in words and len(words) > 3900, f"{len(words)} bytes: {words[:200]}"


@case("Never hang: more clients than gatehoused has descriptors for")
def few_descriptors(lab):
    server = TcpServer(lab.server)
    program = lab.gatehoused(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80)))
    clients = [device.Device(lab.socket) for _ in range(96)]

    def ticks():
        with open(f"/proc/{program.pid}/stat", encoding="ascii") as file:
            return sum(int(word) for word in file.read().rsplit(")", 1)[1].split()[11:13])

    wait_until(lambda: select.select([clients[-1].socket], [], [], 0)[0], 5, "the refusal of the last client")
    before = ticks()
    time.sleep(1)
    assert ticks() - before < 30, f"{ticks() - before} of 100 ticks spent on nothing"
    for client in clients:
        client.close()
    with decide.permitting(lab):
        assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0


if __name__ == "__main__":
    run()
