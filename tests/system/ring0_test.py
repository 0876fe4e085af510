#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ring 0: what is decided is decided in the kernel, also when no process of Gatehouse lives."""
import errno
import os
import pathlib
import shutil
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import decide, names, net, protocol  # noqa: E402
from gatetest.lab import control_group, rules  # noqa: E402
from gatetest.servers import Ear, Server, TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

CACHED = "Ring 0: a connection that the policy decides by what is known at connect() is decided there"
DEAD = "Fail modes: with gatehoused and decider killed, what is decided stays decided"
CHANGE = "Policy: a change ends what it blocks and leaves the rest alone, also what only the kernel knew"


def filters(lab, *words):
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "filter", *words)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.split()


def connect(lab, address, port, how="tcp", path=None, namespace=None):
    """The errno of one connection."""
    talker = lab.connect_timer(address, port, "--how", how, path=path, namespace=namespace)
    error = talker.result()[0]
    talker.close()
    return error


def seen(lab):
    with lab.observer() as watcher:
        return watcher.platform().packets_seen


def held(lab):
    with lab.observer() as watcher:
        return watcher.platform().packets_held


class Holder(Server):
    """Accepts on [::] and keeps what it accepted."""

    port = 7100

    def __init__(self, namespace):
        super().__init__()
        self.kept = []
        self.socket = namespace.socket(socket.AF_INET6)
        self.socket.bind(("::", self.port))
        self.socket.listen(1024)
        self.socket.settimeout(0.1)
        self.start()

    def serve(self):
        try:
            self.kept.append(self.socket.accept()[0])
        except TimeoutError:
            pass

    def stop(self):
        super().stop()
        for made in (self.socket, *self.kept):
            made.close()


def open_connection(lab, server, address=net.SERVER_V4):
    """A connection of this very process, from inside the client namespace, that stays."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with lab.client.entered():
        made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(net.PATIENCE)
    made.connect((address, server.port))
    return made


def lives(connection):
    """Does it still carry data? The server greets nobody and reads nothing, so only an error tells."""
    try:
        return connection.send(b"x") == 1 and connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    except OSError as error:
        assert error.errno in (errno.ECONNABORTED, errno.EPIPE, errno.ECONNRESET), error
        return False


def warm(lab, *connections):
    """Makes the first of its kind, which the engine decides."""
    for where in connections:
        connect(lab, *where)


# --- Cached ------------------------------------------------------------------------------------------

@case(f"{CACHED}: TCP, permitted: not a packet comes to gatehoused after the first")
def tcp_permitted(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    filters(lab, "add", "permit", "--program", names.find_program("connect_timer"))
    for address, how in ((net.SERVER_V4, "tcp"), (net.SERVER_V6, "tcp"), (net.SERVER_V4, "mapped"), (net.SERVER_V4, "fastopen")):
        assert connect(lab, address, server.port, how) == 0
        before = seen(lab)
        for _ in range(5):
            assert connect(lab, address, server.port, how) == 0, (address, how)
        assert seen(lab) == before, (address, how, seen(lab) - before)
    other = lab.copy_program("connect_timer", "other_timer")
    assert connect(lab, net.SERVER_V4, server.port, path=other) == errno.ECONNREFUSED, "another program is not permitted"


@case(f"{CACHED}: 1,000 connects to new destinations under a rule for the whole program: one packet")
def thousand_destinations(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    filters(lab, "add", "permit", "--program", names.find_program("many_connects"))
    warming = lab.talker("many_connects", 1, "distinct", net.SERVER_V4, server.port, 120)
    assert warming.read_line().split()[1] == "0"
    warming.close()
    talker = lab.talker("many_connects", 1000, "distinct", net.MANY_V4, server.port, 120)
    lines = [talker.read_line().split() for _ in range(1000)]
    talker.close()
    assert all(int(line[1]) == 0 for line in lines), [line for line in lines if int(line[1])][:5]
    count = seen(lab)
    tell(f"1,000 destinations: {count} packets in user space")
    assert count == 1, count


@case(f"{CACHED}: TCP, blocked: refused in connect(), without a packet")
def tcp_blocked(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "permit")
    filters(lab, "add", "block", "--program", names.find_program("connect_timer"))
    ear = Ear(lab.server)
    for address, how in ((net.SERVER_V4, "tcp"), (net.SERVER_V6, "tcp"), (net.SERVER_V4, "mapped"), (net.SERVER_V4, "fastopen")):
        assert connect(lab, address, server.port, how) == errno.ECONNREFUSED
        before = seen(lab)
        talker = lab.connect_timer(address, server.port, "--how", how, "--count", 50)
        results = [talker.result() for _ in range(50)]
        talker.close()
        assert all(error == errno.ECONNREFUSED for error, *_ in results), results[:3]
        assert seen(lab) == before, (address, how)
    tell(f"refused in {min(us for _, us, *_ in results):.1f} us at best")
    assert not server.accepted and not ear.heard(protocol=6), "something of a blocked connection left"


def datagrams(lab, how, address, verdict):
    server = UdpServer(lab.server)
    lab.gatehoused("--no-decider", "block" if verdict == "permit" else "permit")
    filters(lab, "add", verdict, "--program", names.find_program("udp_sender"))
    warming = lab.talker("udp_sender", how, address, server.port)
    warming.ask("0 first")
    wait_until(lambda: seen(lab) == 1 and held(lab) == 0, 5, "the first datagram's verdict")
    for number in range(5):
        talker = lab.talker("udp_sender", how, address, server.port)
        said = [talker.ask(f"0 {number}.{i}") for i in range(3)]
        time.sleep(0.05)
        talker.close()
    assert seen(lab) == 1, f"{seen(lab)} packets came to gatehoused"
    if verdict == "permit":
        wait_until(lambda: len(server.received) == 16, 5, "16 datagrams")
        return
    ear_count = len(server.received)
    with lab.observer() as watcher:
        blocked = watcher.platform().datagrams_blocked
    tell(f"{how} {address}: a blocked sender sees {said}, {blocked} counted")
    # A connected socket is told of the refusal by every other send, which then sends nothing.
    assert ear_count == 0 and blocked >= (11 if how == "connected" else 16), (ear_count, blocked)


for _how in ("connected", "unconnected"):
    for _address in (net.SERVER_V4, net.SERVER_V6):
        for _verdict in ("permit", "block"):
            case(f"{CACHED}: UDP, {_how}, {_address}, {_verdict}")(
                lambda lab, how=_how, address=_address, verdict=_verdict: datagrams(lab, how, address, verdict)
            )


@case(f"{CACHED}: what goes to this machine's own addresses is loopback, also when one was just added")
def own_addresses(lab):
    server = TcpServer(lab.client)
    there = TcpServer(lab.server, port=server.port + 1)
    lab.gatehoused("--no-decider", "block")  # loopback passes by the driver's own filter
    for address in ("127.0.0.1", "::1", net.CLIENT_V4, net.CLIENT_V6):
        assert connect(lab, address, server.port) == 0, address
        assert connect(lab, address, server.port) == 0, address
    assert connect(lab, net.SERVER_V4, there.port) == errno.ECONNREFUSED
    net.ip("-n", lab.client.name, "address", "add", "10.77.0.77/24", "dev", "gate0")
    for _ in range(2):
        assert connect(lab, "10.77.0.77", server.port) == 0
    filters(lab, "add", "block", "--to", "10.77.0.0/24")
    for _ in range(3):
        assert connect(lab, net.SERVER_V4, there.port) == errno.ECONNREFUSED
        assert connect(lab, "10.77.0.77", server.port) == errno.ECONNREFUSED, "a filter of the user is heavier than loopback's"


@case(f"{CACHED}: another user, and the same program in another file, are other connections")
def who_matters(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    filters(lab, "add", "permit", "--program", names.find_program("connect_timer"))
    copy = lab.copy_program("connect_timer", "copied")
    for _ in range(3):
        assert connect(lab, net.SERVER_V4, server.port) == 0
        assert connect(lab, net.SERVER_V4, server.port, path=copy) == errno.ECONNREFUSED
    os.unlink(copy)
    os.link(names.find_program("connect_timer"), copy) if os.stat(names.find_program("connect_timer")).st_dev == os.stat(lab.directory).st_dev else None
    if os.path.exists(copy):
        assert connect(lab, net.SERVER_V4, server.port, path=copy) == errno.ECONNREFUSED, "the same file by another path"


# --- Who calls is found out each time ----------------------------------------------------------------

ACTOR = r"""
import ctypes, os, platform, socket, sys, threading
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # whatever is kept for each processor is met again
host, port = sys.argv[1], int(sys.argv[2])

def connects(times=4):
    said = set()
    for _ in range(times):
        with socket.socket() as made:
            said.add(made.connect_ex((host, port)))
    return " ".join(map(str, sorted(said)))

def thread(user):
    # glibc would change every thread
    number = {"x86_64": 117, "aarch64": 147}[platform.machine()]
    said = []
    def run():
        failed = ctypes.CDLL(None).syscall(number, user, 0, 0)
        said.append("failed" if failed else connects())
    runner = threading.Thread(target=run)
    runner.start()
    runner.join()
    return said[0]

def forked(user):
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.setresuid(user, 0, 0)
        os.write(theirs, connects().encode())
        os._exit(0)
    said = os.read(ours, 100).decode()
    os.waitpid(child, 0)
    os.close(ours)
    os.close(theirs)
    return said

print("ready", os.getpid(), flush=True)
while True:
    word, _, rest = sys.stdin.buffer.raw.read(200).decode().strip().partition(" ")
    if not word:
        break
    said = "done"
    if word == "connect":
        said = connects()
    elif word == "user":
        os.setresuid(int(rest), 0, 0)
    elif word == "group":
        os.setresgid(int(rest), 0, 0)
    elif word == "groups":
        os.setgroups([int(group) for group in rest.split()])
    elif word == "thread":
        said = thread(int(rest))
    elif word == "fork":
        said = forked(int(rest))
    elif word == "exec":
        os.execv(rest, [rest, *sys.orig_argv[1:]])
    print(said, flush=True)
"""


def actor(lab, port):
    """Two copies of Python and a link to the first; the first of them, running the above."""
    first, second, link = (str(lab.directory / name) for name in ("actor", "another", "linked"))
    for path in (first, second):
        shutil.copy(os.path.realpath(sys.executable), path)
    os.link(first, link)
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix, "PYTHONDONTWRITEBYTECODE": "1"}
    return first, second, link, lambda: lab.talker("", "-c", ACTOR, net.SERVER_V4, port, path=first, env=environment)


YES, NO = "0", str(errno.ECONNREFUSED)


@case(f"{CACHED}: by who calls now: after exec, another user, group or control group, in a thread, after fork, under a new policy")
def caller_of_now(lab):
    server = TcpServer(lab.server)
    first, second, link, start = actor(lab, server.port)
    with control_group(f"{lab.prefix}group") as (folder, group):
        policy, closed = lab.directory / "policy", lab.directory / "closed"
        refused = f'block user 4242 out\nblock group 4343 out\nblock cgroup "{group}" out\n'
        policy.write_text(f'{refused}permit program "{first}" out\n', encoding="ascii")
        closed.write_text(f'{refused}block program "{first}" out\n', encoding="ascii")
        lab.gatehoused("--no-decider", "block")
        rules(lab, "load", str(policy))
        talker = start()
        before = pathlib.Path(f"/proc/{talker.pid}/cgroup").read_text(encoding="utf-8").split("0::")[1].strip()
        home = pathlib.Path(str(folder)[: -len(group)] + before, "cgroup.procs")

        def run_as(path):
            talker.say(f"exec {path}")
            assert talker.read_line() == f"ready {talker.pid}"

        def turn(there, back, why):
            """Permitted, refused after there, permitted after back; and so again, when all of it was decided before."""
            for _ in range(2):
                assert talker.ask("connect") == YES, f"before {why}"
                there()
                said = talker.ask("connect")
                assert said == NO, (why, said)
                back()
            assert talker.ask("connect") == YES, f"after {why}"

        turn(lambda: talker.ask("user 4242"), lambda: talker.ask("user 0"), "another user")
        turn(lambda: talker.ask("group 4343"), lambda: talker.ask("group 0"), "another group")
        for groups in ("groups 1 2", "groups 1", "groups"):
            assert talker.ask(groups) == "done" and talker.ask("connect") == YES, groups
        turn(lambda: (folder / "cgroup.procs").write_text(str(talker.pid), encoding="ascii"),
             lambda: home.write_text(str(talker.pid), encoding="ascii"), "another control group")  # fmt: skip
        turn(lambda: rules(lab, "load", str(closed)), lambda: rules(lab, "load", str(policy)), "another policy")
        turn(lambda: run_as(second), lambda: run_as(first), "another program in the same process")
        turn(lambda: run_as(link), lambda: run_as(first), "the same file by another name")
        for how in ("thread", "fork"):
            for _ in range(2):
                assert talker.ask(f"{how} 4242") == NO, f"{how}: another user"
                assert talker.ask(f"{how} 0") == YES, how
                assert talker.ask("connect") == YES, f"after {how}"
        packets = seen(lab)
        assert talker.ask("connect") == YES and seen(lab) == packets, "and none of it reached gatehoused"
        os.unlink(first)
        assert talker.ask("connect") == YES and seen(lab) == packets + 1, "without its name it is another program, asked about"
        talker.close()


# --- Policy changes ----------------------------------------------------------------------------------

@case(f"{CHANGE}: TCP")
def change_ends_flows(lab):
    server = Holder(lab.server)
    lab.gatehoused("--no-decider", "block")
    (first, *_) = filters(lab, "add", "permit", "--program", os.path.realpath(sys.executable))
    connections = [open_connection(lab, server, address) for address in (net.SERVER_V4, net.SERVER_V6) for _ in range(4)]
    assert seen(lab) == 2, f"the kernel decided all but the first two: {seen(lab)}"
    assert all(lives(connection) for connection in connections)
    filters(lab, "add", "permit", "--program", os.path.realpath(sys.executable), "--weight", "9")
    time.sleep(0.5)
    assert all(lives(connection) for connection in connections), "one that is permitted never notices"
    filters(lab, "add", "block", "--to", net.SERVER_V4, "--weight", "12")
    wait_until(lambda: not any(lives(connection) for connection in connections[:4]), 5, "the end of what is blocked now")
    assert all(lives(connection) for connection in connections[4:]), "IPv6 is not blocked"
    try:
        open_connection(lab, server)
        raise AssertionError("a new one was permitted")
    except ConnectionRefusedError:
        pass
    assert first


@case(f"{CHANGE}: UDP, by the next datagram")
def change_ends_datagrams(lab):
    server = UdpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    filters(lab, "add", "permit", "--program", names.find_program("udp_sender"))
    lab.talker("udp_sender", "connected", net.SERVER_V4, server.port).ask("0 warm")
    wait_until(lambda: len(server.received) == 1, 5, "the first datagram")
    talkers = [lab.talker("udp_sender", how, net.SERVER_V4, server.port) for how in ("connected", "unconnected")]
    for talker in talkers:
        talker.ask("0 before")
    wait_until(lambda: len(server.received) == 3, 5, "two datagrams")
    assert seen(lab) == 1
    filters(lab, "add", "block", "--to", net.SERVER_V4, "--weight", "12")
    time.sleep(0.2)
    for _ in range(3):
        for talker in talkers:
            talker.ask("0 after")
        time.sleep(0.05)
    time.sleep(0.3)
    assert len(server.received) == 3, server.payloads


# --- Nobody lives ------------------------------------------------------------------------------------

@case(f"{DEAD}: permit and block, TCP and UDP; undecided connections are refused or held")
def killed(lab):
    server, datagram_server = TcpServer(lab.server), UdpServer(lab.server)
    daemon = lab.gatehoused("--no-decider", "hold", "--deadline", "1")
    decider = lab.gatehouse_decides("block", "--quiet")
    good, bad, new = (lab.copy_program("connect_timer", name) for name in ("good", "bad", "new"))
    filters(lab, "add", "permit", "--program", good)
    filters(lab, "add", "permit", "--program", names.find_program("udp_sender"))
    filters(lab, "add", "block", "--program", bad)
    addresses = (net.SERVER_V4, net.SERVER_V6)
    for address in addresses:
        assert connect(lab, address, server.port, path=good) == 0
        assert connect(lab, address, server.port, path=bad) == errno.ECONNREFUSED
        lab.talker("udp_sender", "connected", address, datagram_server.port).ask("0 warm")
    wait_until(lambda: len(datagram_server.received) == 2, 5, "the first datagrams")
    daemon.kill()
    decider.kill()
    for address in addresses:
        for _ in range(20):
            assert connect(lab, address, server.port, path=good) == 0, address
            assert connect(lab, address, server.port, path=bad) == errno.ECONNREFUSED, address
        lab.talker("udp_sender", "connected", address, datagram_server.port).ask("0 dead")
    wait_until(lambda: len(datagram_server.received) == 4, 5, "datagrams while nobody lives")
    waiting = lab.connect_timer(net.SERVER_V4, server.port, path=new)
    assert waiting.result()[0] in (errno.ECONNREFUSED, errno.EHOSTUNREACH), "undecided: refused in the end"
    accepted = 42
    wait_until(lambda: len(server.accepted) >= accepted, 30, "the arrival of all that were permitted")
    lab.gatehoused("--no-decider", "block", "--deadline", "1")
    assert connect(lab, net.SERVER_V4, server.port, path=good) == errno.ECONNREFUSED, "the new one's policy is in force"
    assert len(server.accepted) == accepted


@case(f"{DEAD}: --dead open lets undecided ones pass, blocked ones stay blocked")
def killed_open(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused("--no-decider", "block", "--dead", "open")
    bad = lab.copy_program("connect_timer", "bad")
    filters(lab, "add", "block", "--program", bad)
    assert connect(lab, net.SERVER_V4, server.port, path=bad) == errno.ECONNREFUSED
    daemon.kill()
    for _ in range(5):
        assert connect(lab, net.SERVER_V4, server.port) == 0
        assert connect(lab, net.SERVER_V4, server.port, path=bad) == errno.ECONNREFUSED


@case(f"{DEAD}: a rule for a time ends on time all the same", timeout=120)
def ends_while_dead(lab):
    server = TcpServer(lab.server)
    policy = lab.directory / "policy"
    for rule, dead, during, after in (("block", "open", errno.ECONNREFUSED, 0), ("permit", "closed", 0, None)):
        daemon = lab.gatehoused("--no-decider", "block", "--dead", dead, "--deadline", "1")
        policy.write_text(f"{rule} out proto tcp to {net.SERVER_V4} for 10 seconds\npermit out to {net.SERVER_V6}\n", encoding="ascii")
        began = time.monotonic()
        rules(lab, "load", str(policy))
        warm(lab, (net.SERVER_V4, server.port), (net.SERVER_V6, server.port))
        before = seen(lab)
        for _ in range(2):
            said = connect(lab, net.SERVER_V4, server.port)
            if time.monotonic() < began + 8:  # else the machine is slow, and it may be over
                assert (said, seen(lab)) == (during, before), "decided in the kernel"
        daemon.kill()
        said = connect(lab, net.SERVER_V4, server.port)
        if time.monotonic() < began + 8:
            assert said == during, "while it lasts, also with nobody there"
        # None: refused in the end, in whichever way.
        wait_until(lambda after=after: connect(lab, net.SERVER_V4, server.port) in
                   ((errno.ECONNREFUSED, errno.EHOSTUNREACH) if after is None else (after,)), 40, "the rule's end")
        assert connect(lab, net.SERVER_V6, server.port) == 0, "what has no end goes on"
        lab.gatehoused().stop()


@case(f"{DEAD}: while gatehoused is killed and started again, no decided connect() fails and no undecided one passes")
def taken_over(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    good = lab.copy_program("connect_timer", "good")
    filters(lab, "add", "permit", "--program", good)
    assert connect(lab, net.SERVER_V4, server.port, path=good) == 0
    lab.programs[0].kill()
    stream = lab.talker("connect_timer", "--count", 4000, net.SERVER_V4, server.port, path=good)
    lab.gatehoused("--no-decider", "permit")
    results = [stream.result() for _ in range(4000)]
    stream.close()
    errors = {error for error, *_ in results}
    assert errors == {0}, errors
    tell(f"4,000 connects over a restart, the slowest {max(us for _, us, *_ in results) / 1000:.1f} ms")


# --- Hits --------------------------------------------------------------------------------------------

HITS = 0xFFFFFFFC


def hits(lab):
    """{rule id: hits} of all layers together, and the latest use, as seconds ago."""
    found, first, ago = {}, 0, {}
    with lab.observer() as watcher:
        while True:
            data = watcher.ok(HITS, struct.pack("<Q", first), 16 + 32 * 3)
            count, _, first = struct.unpack_from("<IIQ", data)
            for number in range(count):
                key, times, last = struct.unpack_from("<16sQQ", data, 16 + 32 * number)
                rule = key[8:].hex()
                found[rule] = found.get(rule, 0) + times
                ago[rule] = time.time() - (last / 1e7 - 11644473600)
            if not first:
                return found, ago


@case("Hit counters: exact, whoever decided, over kill -9, a restart and a reload", timeout=90)
def hits_are_exact(lab):
    server = TcpServer(lab.server)
    good, bad = (lab.copy_program("connect_timer", name) for name in ("good", "bad"))
    policy = lab.directory / "policy"
    policy.write_text(f'permit program "{good}" out\nblock program "{bad}" out\npermit program "/never" out\n', encoding="ascii")
    daemon = lab.gatehoused("--no-decider", "block")
    rules(lab, "load", str(policy))
    done = {good: 0, bad: 0}

    def go(count, *addresses):
        for address in addresses:
            for path, wanted in ((good, 0), (bad, errno.ECONNREFUSED)):
                talker = lab.connect_timer(address, server.port, "--count", count, path=path)
                assert {talker.result()[0] for _ in range(count)} == {wanted}
                talker.close()
                done[path] += count

    both = (net.SERVER_V4, net.SERVER_V6)
    go(1, *both)
    counted, ago = hits(lab)
    assert sorted(counted.values()) == [2, 2], counted
    assert all(-1 <= seconds < 90 for seconds in ago.values()), ago
    go(50, *both)
    packets = seen(lab)
    assert packets == 4, packets
    assert sorted(hits(lab)[0].values()) == sorted(done.values()), hits(lab)
    daemon.kill()
    go(20, *both)
    daemon = lab.gatehoused("--no-decider", "block")
    assert sorted(hits(lab)[0].values()) == sorted(done.values()), (hits(lab), done)
    go(5, *both)
    rules(lab, "load", str(policy))
    go(5, net.SERVER_V4)
    policy.write_text(f'block program "{bad}" out\n# moved\npermit program "{good}" out\n', encoding="ascii")
    rules(lab, "load", str(policy))
    go(5, net.SERVER_V6)
    assert sorted(hits(lab)[0].values()) == sorted(done.values()), (hits(lab), done)
    tell(rules(lab, "list"))


@case("A program that sends one datagram and ends at once: it leaves when a rule permits it, from the first on; else it is gone")
def one_datagram_and_gone(lab):
    server = UdpServer(lab.server)
    policies = [lab.directory / name for name in ("one", "two")]
    for policy, other in zip(policies, (1, 2)):
        policy.write_text(f"permit out proto udp to any port {{ {other}, {server.port} }}\nblock out proto udp\n", encoding="ascii")
    lab.gatehoused("--no-decider", "block")
    send = ("import socket, sys\nsocket.socket(int(sys.argv[1]), socket.SOCK_DGRAM)"
            ".sendto(sys.argv[4].encode(), (sys.argv[2], int(sys.argv[3])))")
    sent = []
    for number in range(12):
        family, address = ((socket.AF_INET, net.SERVER_V4), (socket.AF_INET6, net.SERVER_V6))[number % 2]
        rules(lab, "load", str(policies[number % 2]))  # another policy: the kernel has kept nothing
        for port in (server.port, 9):
            done = lab.run(sys.executable, "-c", send, int(family), address, port, f"{port} {number}")
            assert done.returncode == 0, done.stderr
        sent.append(f"{server.port} {number}".encode())
    wait_until(lambda: len(server.received) >= len(sent), 5, f"all of them: {server.received}")
    assert sorted(data for _, data in server.received) == sorted(sent)


# --- Somebody touches the rules ----------------------------------------------------------------------

def flushed(lab, flush, repaired=True):
    """Flushes the rules as flush says while one program connects over and over: nothing undecided may pass."""
    server, datagram_server = TcpServer(lab.server), UdpServer(lab.server)
    daemon = lab.gatehoused("--no-decider", "block")
    good = lab.copy_program("connect_timer", "good")
    filters(lab, "add", "permit", "--program", good)
    ear = Ear(lab.server)
    for address in (net.SERVER_V4, net.SERVER_V6):
        assert connect(lab, address, server.port, path=good) == 0
    rules = sorted(rule for rule in lab.client.rules() if rule.startswith("-A"))
    accepted = 2
    wait_until(lambda: len(server.accepted) >= accepted, 30, "the arrival of both")
    if not repaired:
        daemon.kill()
    began = time.monotonic()
    for command in flush:
        if callable(command):
            command()
            continue
        done = lab.client.run(command)
        # A chain that is in use again already cannot be taken away.
        assert done.returncode == 0 or (repaired and command[-1] == "-X"), done.stderr
    talkers = [lab.connect_timer(address, server.port) for address in (net.SERVER_V4, net.SERVER_V6)]
    senders = [lab.talker("udp_sender", "connected", address, datagram_server.port) for address in (net.SERVER_V4, net.SERVER_V6)]
    for sender in senders:
        sender.ask("0 hello")
    for address in (net.SERVER_V4, net.SERVER_V6):
        assert connect(lab, address, server.port, path=good) == 0, "a decided one never notices"
    if repaired:
        wait_until(lambda: sorted(rule for rule in lab.client.rules() if rule.startswith("-A")) == rules, 5, "the rules")
        tell(f"back after {time.monotonic() - began:.2f} s")
        assert [talker.result()[0] for talker in talkers] == [errno.ECONNREFUSED] * 2, "undecided: refused once the rules are back"
        daemon.wait_for("they are back")
    else:
        time.sleep(1.5)
    wait_until(lambda: len(server.accepted) >= accepted + 2, 5, "the arrival of both connections")
    time.sleep(0.2)
    assert len(server.accepted) == accepted + 2 and not datagram_server.received, "something undecided passed"
    assert not ear.heard(protocol=17)


GUARD = "A guard holds when somebody flushes the packet rules"
FLUSHES = {
    "iptables -F OUTPUT": [["iptables", "-F", "OUTPUT"], ["ip6tables", "-F", "OUTPUT"]],
    "iptables -F, -X": [["iptables", "-F"], ["iptables", "-X"], ["ip6tables", "-F"], ["ip6tables", "-X"]],
    "an ACCEPT before ours": [["iptables", "-I", "OUTPUT", "-j", "ACCEPT"], ["ip6tables", "-I", "OUTPUT", "-j", "ACCEPT"]],
}
for _name, _commands in FLUSHES.items():
    if "ACCEPT" not in _name:
        case(f"{GUARD}: {_name}")(lambda lab, commands=_commands: flushed(lab, commands))
    case(f"{GUARD}, while gatehoused is dead: {_name}")(lambda lab, commands=_commands: flushed(lab, commands, False))


@case(f"{GUARD}: an ACCEPT before ours: ours are put before it")
def overtaken(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused("--no-decider", "block")
    for command in FLUSHES["an ACCEPT before ours"]:
        assert lab.client.run(command).returncode == 0
    for address in (net.SERVER_V4, net.SERVER_V6):
        assert connect(lab, address, server.port) == errno.ECONNREFUSED
    daemon.wait_for("they are back")
    assert not server.accepted


def delete_tables(namespace):
    """What `nft flush ruleset` does: one transaction that deletes the tables of both families."""
    netlink_netfilter, batch_begin, batch_end, delete = 12, 16, 17, 10 << 8 | 2

    def message(kind, flags, family, data=b"", subsystem=0):
        body = struct.pack("=BBH", family, 0, socket.htons(subsystem)) + data
        return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body

    name = struct.pack("=HH", 4 + 7, 1) + b"filter\0\0"
    batch = message(batch_begin, 1, 0, subsystem=10) + message(delete, 1, 2, name) + message(delete, 5, 10, name)
    with namespace.entered():
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink_netfilter)
    with link:
        link.settimeout(net.PATIENCE)
        link.send(batch + message(batch_end, 1, 0, subsystem=10))
        (error,) = struct.unpack_from("=i", link.recv(4096), 16)
        assert error == 0, os.strerror(-error)


@case(f"{GUARD}: the tables themselves are deleted (nft flush ruleset)")
def tables_deleted(lab):
    flushed(lab, [lambda: delete_tables(lab.client)])


@case(f"{GUARD}, while gatehoused is dead: the tables themselves are deleted")
def tables_deleted_dead(lab):
    flushed(lab, [lambda: delete_tables(lab.client)], False)


if __name__ == "__main__":
    run()
