#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What comes in: rules for those who listen, by the program that listens, and what passes all the same."""
import contextlib
import errno
import json
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import decide, names, net, protocol  # noqa: E402
from gatetest.lab import raw_watched, rules  # noqa: E402
from gatetest.servers import Server, TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

PORT = 7300
NO_ECHO = 0.7
SILENCE = 1.3  # longer than the first SYN is waited for: so long nothing must come; what has to come is waited for longer


def filters(lab, *words):
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "filter", *words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    if words[0] == "add" and "--in" in words:
        watched(lab)
    return [int(line) for line in done.stdout.split()]


def watched(lab):
    """Waits until what comes in is looked at: the packet rules for it stand a moment after the first filter."""
    wait_until(lambda: sum(line.startswith("-A INPUT ") and line.endswith(" -j gatehouse-in") for line in lab.client.rules()) == 4, 30,
               "the packet rules for TCP and UDP, IPv4 and IPv6")  # fmt: skip


def listener(lab, port=PORT, path=None, shared=False, address="::"):
    words = ["--shared"] if shared else []
    return lab.talker("listener", *words, address, port, path=path)


def stream(lab, address, port=PORT, seconds=net.PATIENCE):
    """What connect() from outside says: 0 or an errno; silence is ETIMEDOUT."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with lab.server.socket(family) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect((address, port))
            sock.sendall(b"hello")
            assert sock.recv(16) == b"hello"
            return 0
        except TimeoutError:
            return errno.ETIMEDOUT
        except OSError as error:
            return error.errno


def silent(lab, address, port=PORT, seconds=SILENCE):
    """Does connect() from outside hear nothing?"""
    return stream(lab, address, port, seconds) == errno.ETIMEDOUT


def datagram(lab, address, port=PORT, seconds=net.PATIENCE, sock=None):
    """Does a datagram come back?"""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        if sock is None:
            sock = stack.enter_context(lab.server.socket(family, socket.SOCK_DGRAM))
        sock.settimeout(seconds)
        sock.sendto(b"hello", (address, port))
        try:
            return sock.recv(16) == b"hello"
        except TimeoutError:
            return False


BOTH = (net.CLIENT_V4, net.CLIENT_V6)


@case("Inbound: a program that listens is permitted, another is not; TCP and UDP, IPv4 and IPv6; silence for who asks", 60)
def by_program(lab):
    lab.gatehoused()
    good, other = lab.copy_program("listener", "good"), lab.copy_program("listener", "other")
    server, blocked = listener(lab, PORT, good), listener(lab, PORT + 1, other)
    assert not [line for line in lab.client.rules() if "INPUT" in line], "rules without any filter for them"
    filters(lab, "add", "permit", "--in", "--program", good, "--weight", "9")
    filters(lab, "add", "block", "--in", "--program", other)
    for address in BOTH:
        assert stream(lab, address) == 0 and server.read_line().startswith("accepted ")
        assert datagram(lab, address) and server.read_line().startswith("got ")
        assert silent(lab, address, PORT + 1)
        assert not datagram(lab, address, PORT + 1, 0.3)
        assert stream(lab, address, PORT + 2) == errno.ECONNREFUSED, "where nobody listens the kernel answers"
    filters(lab, "remove", "--all")
    wait_until(lambda: not [line for line in lab.client.rules() if "INPUT" in line], 5, "the end of the rules")
    assert stream(lab, net.CLIENT_V4, PORT + 1) == 0
    assert blocked.read_line().startswith("accepted "), "the blocked ones left a trace"


@case("Inbound: a server that was there before gatehoused is known by its program", 40)
def started_before(lab):
    good, other = lab.copy_program("listener", "good"), lab.copy_program("listener", "other")
    server, blocked = listener(lab, PORT, good), listener(lab, PORT + 1, other)
    lab.gatehoused()
    filters(lab, "add", "permit", "--in", "--program", good, "--weight", "9")
    filters(lab, "add", "block", "--in")
    for address in BOTH:
        assert stream(lab, address) == 0 and datagram(lab, address)
        assert silent(lab, address, PORT + 1) and not datagram(lab, address, PORT + 1, 0.3)
    with lab.observer() as watcher:
        assert watcher.platform().packets_unknown == 0
    server.close()
    blocked.close()


@case("Inbound: of two programs at one port (SO_REUSEPORT) the one that would get it counts", 60)
def shared_port(lab):
    lab.gatehoused()
    good, other = lab.copy_program("listener", "good"), lab.copy_program("listener", "other")
    servers = [listener(lab, PORT, path, shared=True, address=net.CLIENT_V4) for path in (good, other)]
    filters(lab, "add", "block", "--in", "--program", other)
    count = 60
    socks = []
    for _ in range(count):
        sock = lab.server.socket()
        sock.setblocking(False)
        sock.connect_ex((net.CLIENT_V4, PORT))
        socks.append(sock)
    ports = {sock.getsockname()[1]: sock for sock in socks}
    there, before, until = set(), None, time.monotonic() + net.PATIENCE
    while there != before or not there and time.monotonic() < until:  # until no more of them come
        before = set(there)
        time.sleep(3)
        for port, sock in ports.items():
            with contextlib.suppress(OSError):
                sock.getpeername()
                there.add(port)
    accepted = {int(servers[0].read_line().split()[1]) for _ in there}
    assert accepted == there, (accepted, there)
    assert 0 < len(there) < count, f"{len(there)} of {count}"
    for sock in socks:
        sock.close()
    filters(lab, "remove", "--all")
    tell(f"{len(there)} of {count} connections came to the permitted program, the others to nobody")


def came(talker):
    """What udp_sender has got, one datagram; None: nothing yet."""
    line = talker.ask("?")
    if line == "end":
        return None
    assert talker.read_line() == "end"
    return line


@case("Inbound: what answers a permitted datagram passes, from whichever socket it was sent; nothing else does", 40)
def answers(lab):
    echo = UdpServer(lab.server)
    lab.gatehoused()
    filters(lab, "add", "permit", "--proto", "udp")
    filters(lab, "add", "block", "--in")
    for kind in ("connected", "unconnected"):
        for address in (net.SERVER_V4, net.SERVER_V6):
            talker = lab.talker("udp_sender", kind, address, echo.port)
            talker.say(f"0 {kind}")
            assert talker.read_line() == "sent 0"
            wait_until(lambda talker=talker, kind=kind: came(talker) == f"got {kind}", 5, f"the answer to {kind} {address}")
            port = int(talker.first.split()[2])
            with lab.server.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as strange:
                strange.sendto(b"strange", (net.CLIENT_V6 if ":" in address else net.CLIENT_V4, port))
            time.sleep(0.1)
            assert talker.ask("?") == "end", "a stranger's datagram came in"
            talker.close()
    echo.stop()


@case("Inbound: what a permitted peer is answered is no new connection", 30)
def answers_out(lab):
    lab.gatehoused()
    server = listener(lab)
    filters(lab, "add", "permit", "--in")
    filters(lab, "add", "block")
    for address in BOTH:
        assert datagram(lab, address), "the answer was held or blocked"
    server.close()


@case("Inbound: a new block ends a connection and a datagram flow that live", 40)
def revoked(lab):
    lab.gatehoused()
    server = listener(lab)
    filters(lab, "add", "permit", "--in")
    for address in BOTH:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with lab.server.socket(family) as sock, lab.server.socket(family, socket.SOCK_DGRAM) as peer:
            sock.settimeout(net.PATIENCE)
            sock.connect((address, PORT))
            sock.sendall(b"a")
            assert sock.recv(1) == b"a"
            assert datagram(lab, address, sock=peer)
            ids = filters(lab, "add", "block", "--in", "--weight", "9")
            try:
                ended = sock.recv(1)
            except ConnectionError:
                ended = b""
            assert ended == b"", "the connection lives on"
            assert not datagram(lab, address, seconds=0.3, sock=peer)
            filters(lab, "remove", *map(str, ids))
            assert datagram(lab, address, sock=peer)
    server.close()


@case("Inbound: a new block ends connections, never the socket that listens, also when the connection is over", 40)
def listeners_stay(lab):
    lab.gatehoused()
    server = listener(lab)
    filters(lab, "add", "permit", "--in")
    peers = [(address, lab.server.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM))
             for address in BOTH]  # fmt: skip
    for address, peer in peers:
        assert stream(lab, address) == 0
        assert datagram(lab, address, sock=peer)
    ids = filters(lab, "add", "block", "--in", "--weight", "9")
    for address, peer in peers:
        assert silent(lab, address, seconds=0.3)
    filters(lab, "remove", *map(str, ids))
    for address, peer in peers:
        assert stream(lab, address) == 0, "nobody listens any more"
        assert datagram(lab, address, sock=peer)
        peer.close()
    server.close()


@case("Inbound: asked about: the decider sees who listens and who comes; the packet goes on, or nobody hears of it", 60)
def asked(lab):
    lab.gatehoused()
    good = lab.copy_program("listener", "good")
    server = listener(lab, PORT, good)
    rules(lab, "add", f'ask in program "{good}"')
    watched(lab)
    seen = []

    def judge(request):
        seen.append(request)
        return verdict

    with decide.Deciding(lab, judge, delay=0.05):
        for verdict, way in ((protocol.PERMIT, 0), (protocol.BLOCK, errno.ETIMEDOUT)):
            for address in BOTH:
                assert stream(lab, address, seconds=SILENCE if way else net.PATIENCE) == way
                request = wait_until(lambda: seen, 30, "the question").pop(0)
                assert (request.path, request.process_id, request.local_port) == (good, server.pid, PORT), request
                assert request.layer in (44, 46) and request.local == address, request
                assert datagram(lab, address, seconds=SILENCE if way else net.PATIENCE) == (way == 0)
                request = wait_until(lambda: seen, 30, "the question").pop(0)
                assert (request.path, request.protocol) == (good, socket.IPPROTO_UDP), request
                assert not seen, f"asked twice: {seen}"
    with lab.observer() as watcher:
        status = watcher.status()
    assert (status.held, status.permitted_by_decider, status.blocked_by_decider) == (0, 4, 4), status
    heard = [server.read_line().split()[0] for _ in range(4)]
    assert heard == ["accepted", "got"] * 2, heard


@case("Inbound: a SYN that is sent again while it is held is asked about once; the listener's end is the end", 60)
def held(lab):
    lab.gatehoused()
    server = listener(lab)
    rules(lab, "add", "ask in")
    watched(lab)
    decider = lab.decider()
    socks = []
    for _ in range(2):
        sock = lab.server.socket()
        sock.setblocking(False)
        sock.connect_ex((net.CLIENT_V4, PORT))
        socks.append(sock)
    requests = decider.collect(2)
    time.sleep(3.2)  # SYNs are sent again after 1 and 3 seconds
    assert decider.status().pended == 2, decider.status()
    assert not any(decider.submit([(requests[0].id, protocol.PERMIT)]))
    by_port = {sock.getsockname()[1]: sock for sock in socks}
    sock = by_port[requests[0].remote_port]
    sock.setblocking(True)
    sock.settimeout(net.PATIENCE)
    sock.sendall(b"hello")
    assert sock.recv(16) == b"hello"
    server.close()
    wait_until(lambda: decider.status().held == 0, 5, "the end of what was held")
    assert decider.status().cancelled == 1, decider.status()
    for sock in socks:
        sock.close()


def echo(namespace, address, count=1, seconds=net.PATIENCE, kind=socket.SOCK_DGRAM):
    """How many of count echo requests are answered; a refusal is none."""
    v6 = ":" in address
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    answered = 0
    with namespace.socket(family, kind, protocol) as sock:
        sock.settimeout(seconds)
        for number in range(count):
            request = bytearray((128 if v6 else 8, 0, 0, 0, 0x12, 0x34, 0, number)) + b"gatehouse"
            if kind == socket.SOCK_RAW and not v6:
                words = sum(int.from_bytes((request + b"\0")[i : i + 2], "big") for i in range(0, len(request), 2))
                words = (words & 0xFFFF) + (words >> 16)
                request[2:4] = (0xFFFF - (words & 0xFFFF) - (words >> 16)).to_bytes(2, "big")
            until = time.monotonic() + seconds
            try:
                sock.sendto(request, (address, 0))
                while time.monotonic() < until:
                    data = sock.recv(2048)
                    data = data[20:] if kind == socket.SOCK_RAW and not v6 else data
                    if data[0] in (0, 129) and data[8:] == b"gatehouse":
                        answered += 1
                        break
            except OSError:
                pass
    return answered


def echo_rules(lab):
    return [line for line in lab.client.rules() if "echo" in line and line.startswith("-A")]


@case("Echo: passes as ever without a rule for it, and nothing looks at it", 40)
def echo_without_rules(lab):
    lab.gatehoused()
    assert not echo_rules(lab), echo_rules(lab)
    rules(lab, "add", "block out proto tcp")
    for here, there in ((lab.client, (net.SERVER_V4, net.SERVER_V6)), (lab.server, BOTH)):
        for address in there:
            assert echo(here, address) == 1, address
            assert echo(here, address, kind=socket.SOCK_RAW) == 1, address
    assert not echo_rules(lab), echo_rules(lab)


@case("Echo: goes out and comes in as rules say, ping sockets and raw ones, IPv4 and IPv6", 60)
def echo_by_rules(lab):
    lab.gatehoused()
    rules(lab, "add", "block proto { icmp, icmp6 }")
    wait_until(lambda: len(echo_rules(lab)) == 16, 5, "the rules")
    for here, there in ((lab.client, (net.SERVER_V4, net.SERVER_V6)), (lab.server, BOTH)):
        for address in there:
            assert echo(here, address, seconds=NO_ECHO) == 0, address
            assert echo(here, address, seconds=NO_ECHO, kind=socket.SOCK_RAW) == 0, address
    rules(lab, "add", "permit out proto { icmp, icmp6 } program \"/**/python3*\"")
    for address in (net.SERVER_V4, net.SERVER_V6):
        assert echo(lab.client, address, 3) == 3, address
        assert echo(lab.client, address, 3, kind=socket.SOCK_RAW) == 3, address
    assert echo(lab.server, net.CLIENT_V4, seconds=NO_ECHO) == 0
    rules(lab, "add", "permit in proto icmp icmp-type echo-request")
    assert echo(lab.server, net.CLIENT_V4, 3) == 3
    assert echo(lab.server, net.CLIENT_V6, seconds=NO_ECHO) == 0
    with lab.observer() as watcher:
        assert watcher.platform().packets_damaged == 0


@case("Echo: asked about once for a program's pings, which wait meanwhile", 40)
def echo_asked(lab):
    lab.gatehoused()
    rules(lab, "add", "ask out proto icmp")
    with decide.Deciding(lab, lambda request: protocol.PERMIT, delay=0.1) as deciding:
        assert echo(lab.client, net.SERVER_V4, 5) == 5
        assert len(deciding.seen) == 1, deciding.seen
        request = deciding.seen[0][0]
        assert (request.protocol, request.local_port, request.remote_port) == (1, 8, 0), request
        assert request.process_id and "python" in request.path and request.remote == net.SERVER_V4, request
    with decide.blocking(lab) as deciding:
        assert echo(lab.client, net.SERVER_V4, seconds=NO_ECHO) == 0
        assert len(deciding.seen) == 1


def by_hand(lab, protocol_number, payload, seconds=net.PATIENCE, address=net.SERVER_V4):
    """A raw socket of the client sends payload; what the server end hears of it."""
    with lab.server.socket(socket.AF_INET, socket.SOCK_RAW, protocol_number) as ear:
        ear.settimeout(seconds)
        with lab.client.socket(socket.AF_INET, socket.SOCK_RAW, protocol_number) as sock:
            try:
                sock.sendto(payload, (address, 0))
            except OSError:
                pass
            with contextlib.suppress(TimeoutError):
                while True:
                    if ear.recv(2048).endswith(payload):
                        return True
    return False


def lost(lab, *words):
    """Does nothing of it come?"""
    return not by_hand(lab, *words, seconds=0.5)


def hand_made_tcp(flags, port):
    return (4711).to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(8) + bytes((0x50, flags, 4, 0)) + bytes(4)


@case("Raw sockets: any protocol, hand-made TCP and echo requests, by a rule for raw sockets and by program", 60)
def raw(lab):
    ack, syn = hand_made_tcp(0x10, PORT), hand_made_tcp(0x02, PORT)
    udp = (4711).to_bytes(2, "big") + PORT.to_bytes(2, "big") + (12).to_bytes(2, "big") + bytes(2) + b"hand"
    sorts = ((253, b"experiment"), (socket.IPPROTO_TCP, ack), (socket.IPPROTO_TCP, syn), (socket.IPPROTO_UDP, udp))
    lab.gatehoused()
    rules(lab, "add", "permit out proto { tcp, udp }")
    assert by_hand(lab, 253, b"experiment") and by_hand(lab, socket.IPPROTO_TCP, ack), "without a rule for it"
    assert not [line for line in lab.client.rules() if "gatehouse-raw" in line]
    rules(lab, "add", "block out raw")
    raw_watched(lab)
    for number, payload in sorts:
        assert lost(lab, number, payload), (number, payload)
    assert echo(lab.client, net.SERVER_V4, seconds=NO_ECHO, kind=socket.SOCK_RAW) == 0 and echo(lab.client, net.SERVER_V4) == 1
    echo_server = UdpServer(lab.server)
    with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(net.PATIENCE)
        sock.sendto(b"usual", (net.SERVER_V4, echo_server.port))
        assert sock.recv(16) == b"usual", "sockets that are not raw are none of the rule's business"
    echo_server.stop()
    rules(lab, "add", 'permit out raw program "/**/python3*"')
    for number, payload in sorts:
        assert by_hand(lab, number, payload), (number, payload)
    assert echo(lab.client, net.SERVER_V4, 3, kind=socket.SOCK_RAW) == 3


@case("Raw sockets: the verdict of a socket's own connection does not count for hand-made packets of the same ports", 40)
def raw_beside(lab):
    server = Carrier(lab.server, PORT, 5, 5)
    lab.gatehoused()
    rules(lab, "add", "permit out proto tcp")
    rules(lab, "add", "block out raw")
    with lab.client.socket() as sock:
        sock.connect((net.SERVER_V4, PORT))
        port = sock.getsockname()[1].to_bytes(2, "big")
        assert lost(lab, socket.IPPROTO_TCP, port + hand_made_tcp(0x10, PORT)[2:])
        assert lost(lab, socket.IPPROTO_TCP, port + hand_made_tcp(0x02, PORT)[2:])
        sock.sendall(b"hello")
        assert len(sock.recv(5)) > 0, "the connection itself goes on"
    server.stop()


def passed_by(lab):
    """In how many families the rules let TCP that starts nothing pass without a look."""
    return sum(line == "-A OUTPUT ! -p tcp -j gatehouse" for line in lab.client.rules())


@case("Raw sockets: TCP that starts nothing is not looked at until one makes some by hand; that one is lost, the next ones asked", 90)
def raw_seen(lab):
    ack = hand_made_tcp(0x10, PORT)
    with lab.client.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as before, \
            lab.server.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as ear:  # fmt: skip

        def send(sock, seconds=net.PATIENCE):
            """A raw socket that was there before gatehoused, which makes the IP header by hand too."""
            ear.settimeout(seconds)
            header = bytes((0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0))
            sock.sendto(header + socket.inet_aton(net.CLIENT_V4) + socket.inet_aton(net.SERVER_V4) + ack, (net.SERVER_V4, 0))
            with contextlib.suppress(TimeoutError):
                while True:
                    if ear.recv(2048).endswith(ack):
                        return True
            return False

        assert send(before)
        daemon = lab.gatehoused()
        rules(lab, "add", "permit out proto { tcp, udp }")
        rules(lab, "add", "ask out raw")
        raw_watched(lab)
        assert passed_by(lab) == 2, "nobody has made TCP by hand"
        assert echo(lab.client, net.SERVER_V4) == 1 and passed_by(lab) == 2, "ping makes none"
        assert stream(lab, net.CLIENT_V4, PORT + 7) == errno.ECONNREFUSED, "a reset is the kernel's own"
        assert passed_by(lab) == 2
        assert not send(before, 0.5), "lost, and not refused: the program is told nothing"
        wait_until(lambda: passed_by(lab) == 0, 30, "rules that look at everything")
        with decide.permitting(lab) as deciding:
            assert send(before)
            assert by_hand(lab, socket.IPPROTO_TCP, ack)
            assert deciding.seen and deciding.seen[0][0].protocol == socket.IPPROTO_TCP, deciding.seen
        with decide.blocking(lab):
            assert lost(lab, socket.IPPROTO_TCP, hand_made_tcp(0x10, PORT + 1))
        assert "they are back" not in daemon.output(), "nobody touched the rules"
        daemon.kill()
        lab.gatehoused()
        wait_until(lambda: passed_by(lab) == 0, 30, "the same after it was killed")
        assert lab.run("iptables", "-F").returncode == 0
        wait_until(lambda: sum("/xt_gate " in line for line in lab.client.rules()) == 2, 30, "the rules, put back")
        assert passed_by(lab) == 0


@case("Raw sockets: with dead=open nobody could hold what they make, so the rules look at everything", 60)
def raw_open(lab):
    lab.gatehoused("--dead", "open")
    rules(lab, "add", "block out raw")
    raw_watched(lab)
    assert passed_by(lab) == 0
    assert lost(lab, socket.IPPROTO_TCP, hand_made_tcp(0x10, PORT))
    rules(lab, "add", "permit out raw")
    wait_until(lambda: not lost(lab, socket.IPPROTO_TCP, hand_made_tcp(0x10, PORT)), 30, "what is permitted")


@case("Raw sockets: gatehoused killed while none had made TCP by hand: the guard holds it, and the next one asks", 60)
def raw_killed(lab):
    ack = hand_made_tcp(0x10, PORT)
    daemon = lab.gatehoused()
    rules(lab, "add", "permit out proto { tcp, udp }")
    rules(lab, "add", "block out raw")
    raw_watched(lab)
    assert passed_by(lab) == 2
    daemon.kill()
    daemon = lab.gatehoused()
    assert passed_by(lab) == 2, "nothing was seen"
    daemon.kill()
    assert lost(lab, socket.IPPROTO_TCP, ack)
    lab.gatehoused()
    wait_until(lambda: passed_by(lab) == 0, 30, "rules that look at everything")
    assert lost(lab, socket.IPPROTO_TCP, ack)


def flows(lab):
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "flows", "--json")
    assert done.returncode == 0, (done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def carry(sock, there, back):
    """Sends so many bytes, receives so many, and closes."""
    sender = threading.Thread(target=sock.sendall, args=(bytes(there),))
    sender.start()
    while back:
        data = sock.recv(min(back, 1 << 16))
        assert data
        back -= len(data)
    sender.join()
    sock.close()


class Carrier(Server):
    """Takes connections: reads so many bytes of each, sends so many, and closes."""

    def __init__(self, namespace, port, takes, gives):
        super().__init__()
        self.takes, self.gives = takes, gives
        self.socket = namespace.socket(socket.AF_INET6)
        self.socket.bind(("::", port))
        self.socket.listen(16)
        self.socket.settimeout(0.1)
        self.start()

    def serve(self):
        with contextlib.suppress(TimeoutError):
            taken = self.socket.accept()[0]
            taken.settimeout(90)
            carry(taken, self.gives, self.takes)


def ended(lab, count):
    """So many flows that have ended and were counted."""
    def look():
        found = [flow for flow in flows(lab) if flow.get("bytes_out") is not None and flow.get("ended")]
        return found if len(found) >= count else None

    try:
        return wait_until(look, 5, f"the end of {count} flows")
    except AssertionError:
        for flow in flows(lab):
            tell(str(flow))
        raise


@case("Flows: bytes in and out to the byte, of TCP that goes out and that comes in, decided here or in the kernel", 60)
def carried(lab):
    there, back = 10_000_007, 3_333_333
    outside, inside = Carrier(lab.server, PORT, there, back), Carrier(lab.client, PORT + 1, back, there)
    lab.gatehoused()
    rules(lab, "add", "permit all")
    watched(lab)
    for address in (net.SERVER_V4, net.SERVER_V6, net.SERVER_V4):
        sock = lab.client.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.connect((address, PORT))
        carry(sock, there, back)
    for address in BOTH:
        sock = lab.server.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.connect((address, PORT + 1))
        carry(sock, back, there)
    for flow in ended(lab, 5):
        assert (flow["bytes_out"], flow["bytes_in"]) == (there, back), flow
        assert flow["program"].endswith("python3.11") or "python" in flow["program"], flow
    directions = sorted(flow["way"] for flow in flows(lab))
    assert directions == ["in", "in", "out", "out", "out"], directions
    outside.stop()
    inside.stop()


@case("Inbound: a flush takes the rules for what comes in and for echo requests away, and they come back; no false alarm", 60)
def flushed(lab):
    rules = lab.directory / "rules"
    rules.write_text("permit out\nblock all\n", encoding="utf-8")
    daemon = lab.gatehoused()
    server = listener(lab)
    for chain, count in (("INPUT", 6), ("OUTPUT", 6), ("gatehouse-raw", 6)):
        wait_until(lambda *_, c=chain, n=count: sum(f"-A {c} " in line for line in lab.client.rules()) == n, 30, chain)
    stands = sorted(line for line in lab.client.rules() if line.startswith("-A"))
    time.sleep(1.2)
    assert "they are back" not in daemon.output(), "its own rules for echo requests are nobody else's"
    for chain in ((), ("INPUT",)):
        for command in ("iptables", "ip6tables"):
            assert lab.run(command, "-F", *chain).returncode == 0
        wait_until(lambda: sorted(line for line in lab.client.rules() if line.startswith("-A")) == stands, 5, "the rules")
        for address in BOTH:
            assert silent(lab, address), address
    server.close()


@case("Inbound: gatehoused killed: what lives goes on, nothing new comes in; and it does when gatehoused is back", 60)
def killed(lab):
    gatehoused = lab.gatehoused()
    server = listener(lab)
    filters(lab, "add", "permit", "--in")
    with lab.server.socket() as sock, lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        sock.settimeout(net.PATIENCE)
        sock.connect((net.CLIENT_V4, PORT))
        assert datagram(lab, net.CLIENT_V4, sock=peer)
        gatehoused.kill()
        sock.sendall(b"still")
        assert sock.recv(16) == b"still"
        assert datagram(lab, net.CLIENT_V4, sock=peer)
        assert silent(lab, net.CLIENT_V4) and not datagram(lab, net.CLIENT_V4, seconds=0.3)
        lab.gatehoused()
        sock.sendall(b"again")
        assert sock.recv(16) == b"again"
    assert stream(lab, net.CLIENT_V4) == 0, "there are no filters now: nothing is looked at"
    server.close()


@case("Inbound: 2,000 connections to a permitted server, all of them arrive", 60)
def many(lab):
    lab.gatehoused()
    with lab.client.entered():
        server = TcpServer(lab.client, PORT)
    filters(lab, "add", "permit", "--in", "--port", str(PORT))
    begun = time.monotonic()
    for _ in range(2000):
        with lab.server.socket() as sock:
            sock.settimeout(net.PATIENCE)
            sock.connect((net.CLIENT_V4, PORT))
    tell(f"{(time.monotonic() - begun) / 2000 * 1e6:.0f} us for each, the test's own part included")
    server.expect(2000)
    with lab.observer() as watcher:
        wait_until(lambda: watcher.platform().flows < 100, 5, "the end of the flows")
    server.stop()


if __name__ == "__main__":
    run()
