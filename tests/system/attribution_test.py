#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who connects: the process, its program and its user are named exactly, for each way of connecting."""
import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net, protocol  # noqa: E402
from gatetest.lab import rules  # noqa: E402
from gatetest.servers import TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run  # noqa: E402

EXACT = "eBPF for exact attribution: pid, start time, executable by device and inode, path, user"
IP_PKTINFO = 8  # Python knows that of IPv6 alone
KINDS = "TCP and UDP, IPv4 and IPv6, IPv4-mapped addresses, io_uring, TCP Fast Open, connected and unconnected UDP"


def started_at(pid):
    """When the process was created, in seconds since 1970, from its boot-time ticks."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    while True:
        before, now, after = time.clock_gettime(time.CLOCK_BOOTTIME), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
        if after - before < 0.01:  # else another program ran in between
            return now - before + ticks


def windows_time(value):
    return value / 1e7 - 11644473600


def check(request, pid, path, user="root", started=None, protocol_number=6):
    """The request names this process, program and user, and no other."""
    assert request.process_id == pid, f"pid {pid} expected: {request}"
    assert request.path == os.path.realpath(path), f"{path} expected: {request}"
    assert request.user == pwd.getpwnam(user).pw_uid, f"user {user} expected: {request}"
    assert request.protocol == protocol_number, request
    assert request.flags & (protocol.REQUEST_NO_PROCESS | protocol.REQUEST_NO_PROGRAM) == 0, request
    if started is not None:
        assert abs(windows_time(request.process_start) - started) < 0.5, (windows_time(request.process_start), started)


def check_connect_timer(lab, how, address, remote, version, user=None):
    """One held and permitted connection of connect_timer, and everything the request says about it."""
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    program = lab.copy_program("connect_timer", f"timer-{how}")
    talker = lab.talker("connect_timer", "--how", how, "--wait", address, server.port, path=program, user=user)
    if talker.first.startswith("unavailable"):
        raise names.Missing(f"io_uring: {talker.first}")
    started = started_at(talker.pid)
    talker.say()
    (request,) = decider.requests()
    check(request, talker.pid, program, user or "root", started)
    assert (request.ip_version, request.remote, request.remote_port) == (version, remote, server.port), request
    assert request.local == (net.CLIENT_V4 if version == 4 else net.CLIENT_V6), request
    assert not server.accepted, "a connection arrived before its verdict"
    decider.decide(request, protocol.PERMIT)
    error, _, local_port, _ = talker.result()
    assert error == 0, f"permitted, but connect said {os.strerror(error)}"
    assert local_port == request.local_port, (local_port, request)


@case(f"{EXACT}; {KINDS}: TCP, IPv4")
def tcp_over_ipv4(lab):
    check_connect_timer(lab, "tcp", net.SERVER_V4, net.SERVER_V4, 4)


@case(f"{KINDS}: TCP, IPv6")
def tcp_over_ipv6(lab):
    check_connect_timer(lab, "tcp", net.SERVER_V6, net.SERVER_V6, 6)


@case(f"{KINDS}: IPv4-mapped addresses")
def ipv4_mapped(lab):
    check_connect_timer(lab, "mapped", net.SERVER_V4, net.SERVER_V4, 4)


@case(f"{KINDS}: io_uring")
def io_uring(lab):
    check_connect_timer(lab, "uring", net.SERVER_V4, net.SERVER_V4, 4)


@case(f"{KINDS}: TCP Fast Open")
def tcp_fast_open(lab):
    check_connect_timer(lab, "fastopen", net.SERVER_V4, net.SERVER_V4, 4)


@case(f"{EXACT}: a process that runs the same file by another name is the other program from then on")
def linked_program(lab):
    shell = shutil.which("bash")
    if shell is None:
        raise names.Missing("bash")
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    first, second = str(lab.directory / "first-name"), str(lab.directory / "second-name")
    shutil.copy(shell, first)
    os.link(first, second)
    talk = f": 3<>/dev/tcp/{net.SERVER_V4}/{server.port}"
    process = lab.client.popen([first, "-c", f"{talk}; exec {second} -c '{talk}'"])
    for name in (first, second):
        (request,) = decider.requests()
        check(request, process.pid, name)
        decider.decide(request, protocol.PERMIT)
    assert process.wait(net.PATIENCE) == 0


@case(f"{EXACT}: another user")
def another_user(lab):
    check_connect_timer(lab, "tcp", net.SERVER_V4, net.SERVER_V4, 4, user="nobody")


def check_udp(lab, how, address, version):
    server = UdpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    program = lab.copy_program("udp_sender", f"sender-{how}")
    talker = lab.talker("udp_sender", how, address, server.port, path=program, user="nobody")
    assert talker.ask("0 first") == "sent 0"
    (request,) = decider.requests()
    check(request, talker.pid, program, "nobody", started_at(talker.pid), 17)
    assert (request.ip_version, request.remote, request.remote_port) == (version, address, server.port), request
    assert request.local_port == int(talker.first.split()[2]), (talker.first, request)
    assert not server.received, "a datagram arrived before its verdict"
    decider.decide(request, protocol.PERMIT)
    wait_until(lambda: server.received, 5, "the datagram")
    assert server.payloads == [b"first"], server.payloads
    assert talker.ask("0 second") == "sent 0"
    wait_until(lambda: len(server.received) == 2, 5, "the flow's next datagram")
    assert decider.none_within(0.5)
    assert server.payloads == [b"first", b"second"], "the flow's next datagram is decided already"


@case(f"{KINDS}: connected UDP, IPv4")
def udp_connected(lab):
    check_udp(lab, "connected", net.SERVER_V4, 4)


@case(f"{KINDS}: unconnected UDP, IPv4")
def udp_unconnected(lab):
    check_udp(lab, "unconnected", net.SERVER_V4, 4)


@case(f"{KINDS}: connected UDP, IPv6")
def udp_connected_ipv6(lab):
    check_udp(lab, "connected", net.SERVER_V6, 6)


@case(f"{KINDS}: unconnected UDP, IPv6")
def udp_unconnected_ipv6(lab):
    check_udp(lab, "unconnected", net.SERVER_V6, 6)


@case("unconnected UDP: a verdict for one destination says nothing of another by the same socket")
def udp_destinations_apart(lab):
    server = UdpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    talker = lab.talker("udp_sender", "unconnected", net.SERVER_V4, server.port, net.MANY_V4, server.port)
    talker.ask("0 permitted")
    talker.ask("1 blocked")
    verdicts = {net.SERVER_V4: protocol.PERMIT, net.MANY_V4: protocol.BLOCK}
    for request in decider.collect(2):
        decider.decide(request, verdicts[request.remote])
    wait_until(lambda: server.received, 5, "the permitted datagram")
    talker.ask("1 blocked again")
    talker.ask("0 permitted again")
    wait_until(lambda: len(server.received) == 2, 5, "the permitted flow's next datagram")
    time.sleep(0.3)
    assert server.payloads == [b"permitted", b"permitted again"], server.payloads


def send_from(sock, source, text, to):
    """One datagram from that address of this machine. What is refused is no failure; an earlier refusal is told first."""
    if ":" in source:
        chosen = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, socket.inet_pton(socket.AF_INET6, source) + bytes(4))
    else:
        chosen = (socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + socket.inet_aton(source) + bytes(4))
    for _ in range(2):
        try:
            sock.sendmsg([text], [chosen], 0, *to)
            return
        except OSError:
            pass


@case("UDP: a verdict for one source address says nothing of another by the same socket to the same place", timeout=90)
def udp_sources_apart(lab):
    server = UdpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    others = {net.CLIENT_V4: "10.77.0.77", net.CLIENT_V6: "fd77::77"}
    net.ip("-n", lab.client.name, "address", "add", f"{others[net.CLIENT_V4]}/24", "dev", "gate0")
    net.ip("-n", lab.client.name, "address", "add", f"{others[net.CLIENT_V6]}/64", "dev", "gate0", "nodad")
    path = lab.directory / "policy"

    def load(text):
        path.write_text(text, encoding="ascii")
        rules(lab, "load", str(path))

    with contextlib.ExitStack() as stack:
        sockets = []
        for first, to in ((net.CLIENT_V4, net.SERVER_V4), (net.CLIENT_V6, net.SERVER_V6)):
            for connected in (False, True):
                sock = stack.enter_context(lab.client.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM))
                if connected:
                    sock.connect((to, server.port))
                sockets.append((sock, first, others[first], () if connected else ((to, server.port),)))
        load("permit out\n")  # the first ones are decided without a look at the source
        blocking = "".join(f"block out from {other}\n" for other in others.values()) + "permit out\n"
        permitting = f"permit out from {net.CLIENT_V4}\npermit out from {net.CLIENT_V6}\nblock out\n"
        for number, policy in enumerate((None, blocking, permitting, permitting + "block in\n", blocking)):
            if policy:
                load(policy)
            for turn in range(3):
                text = f"{number}.{turn}".encode()
                before = len(server.received)
                for sock, first, other, to in sockets:
                    send_from(sock, other, b"other " + text, to)
                    send_from(sock, first, b"first " + text, to)
                count = 4 if policy else 8
                wait_until(lambda wanted=before + count: len(server.received) >= wanted, 30, f"{count} datagrams under {policy}")
                with lab.observer() as watcher:
                    wait_until(lambda: watcher.platform().packets_held == 0, 30, "verdicts")
                found = sorted(server.payloads[before:])
                assert found == sorted([b"first " + text] * 4 + [b"other " + text] * (0 if policy else 4)), (policy, found)


@case("two sockets on one local port (SO_REUSEPORT) are told apart")
def reuseport_twins(lab):
    server = UdpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    talker = lab.talker("udp_sender", "twins", net.SERVER_V4, server.port, net.MANY_V4, server.port)
    ports = talker.first.split()[2:]
    assert ports[0] == ports[1], ports
    talker.ask("0 first twin")
    talker.ask("1 second twin")
    requests = decider.collect(2)
    assert len({request.endpoint for request in requests}) == 2, requests
    for request in requests:
        decider.decide(request, protocol.BLOCK if request.remote == net.MANY_V4 else protocol.PERMIT)
    wait_until(lambda: server.received, 5, "the permitted datagram")
    time.sleep(0.3)
    assert server.payloads == [b"first twin"], server.payloads


@case(f"{EXACT}: a program that replaced itself is the new one")
def after_exec(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    program = lab.copy_program("connect_timer", "after-exec")
    talker = lab.talker("sh", "-c", f"exec {program} {net.SERVER_V4} {server.port}", path="/bin/sh")
    (request,) = decider.requests()
    check(request, talker.pid, program)
    decider.decide(request, protocol.PERMIT)


@case(f"{EXACT}: the path is the one the program was started by, whatever became of its file since")
def replaced_file(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    program = lab.copy_program("connect_timer", "trusted")
    talker = lab.talker("connect_timer", "--wait", net.SERVER_V4, server.port, path=program)
    os.rename(program, f"{program}-moved")
    shutil.copy("/bin/true", program)
    talker.say()
    (request,) = decider.requests()
    check(request, talker.pid, program)
    decider.decide(request, protocol.BLOCK)


@case("a path rule names a program by its file: a copy elsewhere is not excepted")
def except_is_exact(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    trusted = lab.copy_program("connect_timer", "trusted")
    other = lab.copy_program("connect_timer", "other")
    lab.gatehouse_decides("block", "--except", trusted)
    for path, refused in ((trusted, False), (other, True)):
        error, _, _, _ = lab.connect_timer(net.SERVER_V4, server.port, path=path).result()
        assert (error != 0) == refused, f"{path}: {os.strerror(error)}"
    server.expect(1)


@case("a path rule never matches a program from another mount namespace")
def except_stays_in_its_mounts(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    trusted = lab.copy_program("connect_timer", "trusted")
    evil = lab.copy_program("connect_timer", "evil")
    lab.gatehouse_decides("block", "--except", trusted)
    script = f"mount --bind {evil} {trusted} && exec {trusted} {net.SERVER_V4} {server.port}"
    talker = lab.talker("sh", "--mount", "--propagation", "private", "sh", "-c", script, path=names.find_tool("unshare"))
    error, _, _, _ = talker.result()
    assert error != 0, "a file mounted over the trusted path in another mount namespace was let out"
    assert not server.accepted, server.accepted


@case("a socket handed to another process: the process that connects is named")
def socket_passed_on(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    with lab.client.socket() as sock:
        pid = os.fork()
        if pid == 0:
            sock.settimeout(90)
            os._exit(0 if sock.connect_ex((net.SERVER_V4, server.port)) == 0 else 1)
        (request,) = decider.requests()
        assert request.process_id == pid, f"{pid} expected: {request}"
        decider.decide(request, protocol.PERMIT)
        assert os.waitpid(pid, 0)[1] == 0
        assert sock.getpeername()[1] == server.port


@case("--hold-loopback: loopback connections are held and marked as such")
def loopback(lab):
    server = TcpServer(lab.client, port=7001)
    lab.gatehoused("--hold-loopback")
    decider = lab.decider()
    talker = lab.connect_timer("127.0.0.1", server.port)
    (request,) = decider.requests()
    assert request.flags & protocol.REQUEST_LOOPBACK, request
    assert request.process_id == talker.pid, request
    decider.decide(request, protocol.PERMIT)
    assert talker.result()[0] == 0


@case("loopback connections pass by a built-in rule, so that asking cannot lock itself out")
def loopback_is_free(lab):
    server = TcpServer(lab.client, port=7001)
    lab.gatehoused("--no-decider", "block")
    for address in ("127.0.0.1", "::1", net.CLIENT_V4, net.CLIENT_V6):
        assert lab.connect_timer(address, server.port).result()[0] == 0, address


@case("10 connections of a thread each: one process")
def threads_are_one_process(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    code = (
        "import socket, threading\n"
        f"def go(): socket.create_connection(('{net.SERVER_V4}', {server.port}), 90).close()\n"
        "threads = [threading.Thread(target=go) for _ in range(10)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]"
    )
    process = lab.client.popen([sys.executable, "-c", code])
    for request in decider.collect(10):
        assert request.process_id == process.pid, (process.pid, request)
        assert request.path == os.path.realpath(sys.executable), request
        decider.decide(request, protocol.PERMIT)
    assert process.wait(net.PATIENCE) == 0
    server.expect(10)


if __name__ == "__main__":
    run()
