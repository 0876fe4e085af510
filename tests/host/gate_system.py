#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The gate on real sockets, in network namespaces made for it.

The oracle is the program that connects: it knows its own pid, file and sockets, and says what it saw.

Usage: gate_system.py PROBE CLIENT [WORD...]     as root; only tests with a WORD in their name; exit 77: cannot run here

A test_ function gets an open gate in hold mode; an alone_ function opens its own.
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from gate_world import (CLIENT, DELETED, KNOWN, MAPPED, NAME, OTHER, OTHER_MOUNTS, PATIENCE, PORT, PROBE, PYTHON, US,
                        V4, V6, WORK, Probe, Program, Skip, check_owner, connecting, inside, main, note_links,
                        nothing_left, remote_is, remove, sh, soon, tcp, udp_server)


def test_tcp_v4(gate):
    tcp(gate, V4)


def test_tcp_v6(gate):
    tcp(gate, V6)


def test_tcp_mapped(gate):
    tcp(gate, MAPPED)


def test_tcp_loopback(gate):
    program = Program("l = socket.socket(); l.bind(('127.0.0.1', 7701)); l.listen()\n" + connecting("127.0.0.1", 7701))
    program.go()
    packet = gate.wait("packet")
    check_owner(packet, program.pid)
    assert packet["loopback"] and packet["remote_port"] == 7701
    gate.say("permit %d" % packet["id"])
    assert program.hear()["code"] == 0
    program.end()


def test_multipath_tcp(gate):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError as error:
        raise Skip("no MPTCP: %s" % error) from None
    tcp(gate, V4, protocol=262)
    tcp(gate, V6, protocol=262)


def test_fast_open(gate):
    program = Program("""
s = socket.socket()
sys.stdin.readline()
try:
    n = s.sendto(b'fast', 0x20000000, (%r, %d)); code = 0
except OSError as e:
    code = e.errno
say(code=code)
sys.stdin.readline()
""" % (V4, PORT))
    program.go()
    packet = gate.wait("packet")
    check_owner(packet, program.pid)
    gate.say("permit %d" % packet["id"])
    assert program.hear()["code"] == 0
    program.end()


def test_io_uring(gate):
    if sh(CLIENT, "ring", check=False).returncode == 77 and "ring" not in open(CLIENT, "rb").read().decode("latin1"):
        raise Skip("built without liburing")
    for how in ("inline", "async", "sqpoll"):
        client = subprocess.Popen([CLIENT, "ring", how, V4, str(PORT)], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.PIPE, preexec_fn=inside(US))
        try:
            packet = gate.wait("packet", 5)
        except AssertionError:
            if client.poll() == 77:
                raise Skip("no io_uring: " + client.stderr.read()) from None
            packet = gate.wait("packet")
        check_owner(packet, client.pid, CLIENT)
        gate.say("permit %d" % packet["id"])
        answer = json.loads(client.communicate(timeout=PATIENCE)[0])
        assert answer["result"] == 0, (how, answer)


def udp_case(gate, address, connected):
    server = udp_server(address)
    program = Program("""
s = socket.socket(socket.%s, socket.SOCK_DGRAM)
sys.stdin.readline()
if %r: s.connect((%r, %d))
for i in range(3):
    s.send(b'%%d' %% i) if %r else s.sendto(b'%%d' %% i, (%r, %d))
    say(sent=i); sys.stdin.readline()
""" % ("AF_INET6" if ":" in address else "AF_INET", connected, address, PORT, connected, address, PORT))
    program.go()
    packet = gate.wait("packet")
    check_owner(packet, program.pid)
    remote_is(packet, address, PORT, 17)
    program.go()
    second = gate.wait("packet")
    assert second["cookie"] == packet["cookie"]
    gate.say("permit %d" % packet["id"])
    gate.say("repeat %d" % second["id"])
    assert server.recv(10) == b"0" and server.recv(10) == b"1"
    program.go()
    assert server.recv(10) == b"2", "a later datagram of a permitted flow"
    gate.none()
    server.close()
    program.process.communicate("\n\n", timeout=PATIENCE)


def test_udp_connected_v4(gate):
    udp_case(gate, V4, True)


def test_udp_connected_v6(gate):
    udp_case(gate, V6, True)


def test_udp_connected_mapped(gate):
    udp_case(gate, MAPPED, True)


def test_udp_unconnected_v4(gate):
    udp_case(gate, V4, False)


def test_udp_unconnected_v6(gate):
    udp_case(gate, V6, False)


def test_udp_unconnected_mapped(gate):
    udp_case(gate, MAPPED, False)


def test_udp_options(gate):
    """IPv4 options and IPv6 extension headers before the ports: kernel and host find the same socket."""
    for address, level, option, value in ((V4, 0, 4, b"\1\1\1\0"), (V6, 41, 54, b"\0\0\1\4\0\0\0\0"),
                                          (V6, 41, 59, b"\0\1\1\14" + b"\0" * 12)):
        program = Program("s=socket.socket(socket.%s,socket.SOCK_DGRAM)\ns.setsockopt(%d,%d,%r)\n"
                          "s.sendto(b'x',(%r,%d))\nsys.stdin.readline()" % (
                              "AF_INET6" if ":" in address else "AF_INET", level, option, value, address, PORT))
        packet = gate.wait("packet")
        check_owner(packet, program.pid)
        remote_is(packet, address, PORT, 17)
        gate.say("block %d" % packet["id"])
        program.end()


def test_events_lost(gate):
    """More sockets closed than the ring holds: the sweep finds the rest."""
    count = 17000
    gate.process.send_signal(signal.SIGSTOP)
    program = Program("for i in range(%d):\n with socket.socket(socket.AF_INET,socket.SOCK_DGRAM) as s:"
                      " s.sendto(b'x',(%r,%d))\nsay(done=1)" % (count, V4, PORT))
    program.hear()
    program.end()
    gate.process.send_signal(signal.SIGCONT)
    closed = set()
    while len(closed) < count:
        closed.add(gate.wait("closed")["cookie"])
    assert gate.counts()["events_lost"] > 0, "nothing was lost: the test shows nothing"
    gate.none(closed=False)


def test_udp_per_destination(gate):
    """A permit of one destination of an unconnected socket opens no other."""
    program = Program("s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nfor p in (1,2,1,2):\n"
                      " sys.stdin.readline()\n try: s.sendto(b'x',(%r,7800+p))\n except OSError: pass\n"
                      " say(sent=p)\nsys.stdin.readline()" % V4)
    for port, verdict in ((7801, "permit"), (7802, "block")):
        program.go()
        program.hear()
        gate.say("%s %d" % (verdict, gate.wait("packet", remote_port=port)["id"]))
    before = gate.counts()["datagrams_blocked"]
    for _ in range(2):
        program.go()
        program.hear()
    gate.none()
    assert gate.counts()["datagrams_blocked"] == before + 1
    program.end()


def test_reuseport(gate):
    """Two sockets with one tuple and opposite verdicts: each gets its own, whatever the host believed."""
    server = udp_server(V4)
    code = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(('10.77.0.1', 7777))
while sys.stdin.readline():
    try: s.sendto(%r, ('10.77.0.2', 7700)); say(ok=1)
    except OSError as e: say(ok=e.errno)
"""
    good, bad = Program(code % b"good"), Program(code % b"bad")
    for program in (good, bad):
        program.go()
    for program in (good, bad):
        program.hear()
    decided = {}
    while len(decided) < 2:
        packet = gate.wait("packet")
        assert packet["pid"] in (good.pid, bad.pid)
        decided[packet["pid"]] = packet["cookie"]
        gate.say("%s %d" % ("permit" if packet["pid"] == good.pid else "block", packet["id"]))
    gate.counts()  # it answers in turn: by then both verdicts are stored
    assert len(set(decided.values())) == 2, "two sockets"
    for _ in range(20):
        for program in (good, bad):
            program.go()
            program.hear()
    seen = [server.recv(10) for _ in range(20)]
    server.settimeout(0.5)
    try:
        while True:
            seen.append(server.recv(10))
    except OSError:
        pass
    assert set(seen) == {b"good"} and len(seen) >= 20, seen
    server.close()
    good.end()
    bad.end()


def test_forked_socket(gate):
    """Two processes send through one socket: each destination is charged to the one that sent there."""
    program = Program("""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('10.77.0.1', 7778))
r, w = os.pipe()
child = os.fork()
if child == 0:
    s.sendto(b'x', ('10.77.0.2', 7901)); os.write(w, b'.'); time.sleep(90); os._exit(0)
os.read(r, 1)
s.sendto(b'x', ('10.77.0.2', 7902))
say(child=child)
sys.stdin.readline()
os.kill(child, 9)
""")
    child = program.hear()["child"]
    packets = [gate.wait("packet"), gate.wait("packet")]
    assert {p["remote_port"]: p["pid"] for p in packets} == {7901: child, 7902: program.pid}
    assert packets[0]["cookie"] == packets[1]["cookie"]
    program.go()
    program.end()


def test_another_user(gate):
    program = Program("os.setgid(1234); os.setuid(4321)\n" + connecting(V4))
    program.go()
    packet = gate.wait("packet")
    assert (packet["uid"], packet["gid"], packet["pid"]) == (4321, 1234, program.pid)
    gate.say("block %d" % packet["id"])
    program.hear()
    program.end()


def test_another_mount_namespace(gate):
    """A program that only a container sees has no path on the host; the host's own file keeps its path there."""
    place = WORK + "/place"
    os.makedirs(place, exist_ok=True)
    fake = "unshare -m sh -c 'mount -t tmpfs none %s && cp %s %s/python3 && exec %s/python3 -c \"$1\"' x" % (
        place, PYTHON, place, place)
    code = "import os,socket\ns=socket.socket()\ntry: s.connect((%r,%d))\nexcept OSError: pass" % (V4, PORT)
    env = dict(os.environ, PYTHONHOME=sys.base_prefix)
    for words, flags in ((["sh", "-c", fake + ' "$0"', code], KNOWN | OTHER_MOUNTS),
                         (["unshare", "-m", PYTHON, "-c", code], KNOWN)):
        process = subprocess.Popen(words, preexec_fn=inside(US), env=env)
        packet = gate.wait("packet")
        assert packet["flags"] == flags, packet
        assert packet["path"] == (PYTHON if flags == KNOWN else place + "/python3"), packet["path"]
        gate.say("block %d" % packet["id"])
        process.wait(PATIENCE)


def test_mounted_over(gate):
    """The path crosses mount points."""
    place = WORK + "/deep/mount"
    os.makedirs(place, exist_ok=True)
    sh("mount", "-t", "tmpfs", "none", place)
    try:
        os.makedirs(place + "/" + "d" * 255 + "/e")
        program = place + "/" + "d" * 255 + "/e/client \u00e9\""
        shutil.copy(CLIENT, program)
        process = subprocess.Popen([program, "connect", V4, str(PORT), "1"], stdout=subprocess.DEVNULL,
                                   preexec_fn=inside(US))
        packet = gate.wait("packet")
        assert packet["path"].encode("latin1").decode() == program, packet["path"]
        assert packet["flags"] == KNOWN and packet["inode"] == os.stat(program).st_ino
        gate.say("block %d" % packet["id"])
        process.wait(PATIENCE)
    finally:
        sh("umount", place)


def test_deleted(gate):
    copy = WORK + "/gone"
    shutil.copy(CLIENT, copy)
    process = subprocess.Popen([copy, "connect", V4, str(PORT), "2"], stdout=subprocess.DEVNULL, preexec_fn=inside(US))
    first = gate.wait("packet")
    assert first["flags"] == KNOWN and first["path"] == copy
    os.unlink(copy)
    gate.say("block %d" % first["id"])
    second = gate.wait("packet")
    assert second["flags"] == KNOWN | DELETED and second["path"] == copy, second
    gate.say("block %d" % second["id"])
    process.wait(PATIENCE)


def test_block_is_quick(gate):
    def attempt(address):
        program = Program(connecting(address))
        program.go()
        packet = gate.wait("packet")
        start = time.monotonic()
        gate.say("block %d" % packet["id"])
        code = program.hear()["code"]
        took = time.monotonic() - start
        assert code == 111, "errno %d" % code
        program.end()
        return took
    for address in (V4, V6, MAPPED):
        soon(lambda: attempt(address), 0.1)


def test_many_blocked_at_once(gate):
    """The kernel's limit of ICMP errors must not be felt."""
    count = 1000

    def attempt():
        program = Program("""
import selectors
sel = selectors.DefaultSelector(); socks = []
for i in range(%d):
    s = socket.socket(); s.setblocking(False); s.connect_ex((%r, %d)); sel.register(s, 2); socks.append(s)
say(started=1)
sys.stdin.readline()
t = time.monotonic(); refused = 0
while refused < %d and time.monotonic() - t < 30:
    for key, _ in sel.select(0.1):
        refused += key.fileobj.getsockopt(1, 4) == 111; sel.unregister(key.fileobj)
say(refused=refused, seconds=time.monotonic() - t)
""" % (count, V4, PORT, count))
        program.hear()
        packets = [gate.wait("packet") for _ in range(count)]
        assert len({p["cookie"] for p in packets}) == count
        program.go()
        for packet in packets:
            gate.say("block %d" % packet["id"])
        answer = program.hear()
        assert answer["refused"] == count, answer
        program.end()
        return answer["seconds"]
    soon(attempt, 0.9)


def test_ten_thousand_held(gate):
    """All held at once, answered in random order: each gets its own verdict."""
    count = 10000
    program = Program("""
import resource, selectors
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
sel = selectors.DefaultSelector()
for i in range(%d):
    s = socket.socket(); s.setblocking(False); s.connect_ex((%r, %d)); sel.register(s, 2, s.getsockname()[1])
say(started=1)
results = {}
end = time.monotonic() + 60
while len(results) < %d and time.monotonic() < end:
    for key, _ in sel.select(0.5):
        results[key.data] = key.fileobj.getsockopt(1, 4); sel.unregister(key.fileobj)
say(results=results)
""" % (count, V4, PORT, count))
    program.hear()
    packets = {packet["local_port"]: packet for packet in (gate.wait("packet") for _ in range(count))}
    assert len(packets) == count
    seed = int(os.environ.get("GATEHOUSE_SEED", random.randrange(10**6)))
    print("GATEHOUSE_SEED=%d" % seed, flush=True)
    choose = random.Random(seed)
    order = sorted(packets)
    choose.shuffle(order)
    expected = {}
    for port in order:
        expected[str(port)] = choose.choice((0, 111))
        gate.say("%s %d" % ("block" if expected[str(port)] else "permit", packets[port]["id"]))
    assert program.hear()["results"] == expected
    counts = gate.counts()
    assert counts["queue_dropped"] == counts["queue_user_dropped"] == 0, counts
    program.end()


def test_connect_again(gate):
    """A socket that connects again is asked about again."""
    program = Program("""
s = socket.socket()
for i in range(2):
    sys.stdin.readline()
    try: s.connect((%r, %d)); say(code=0)
    except OSError as e: say(code=e.errno)
sys.stdin.readline()
""" % (V4, PORT))
    program.go()
    first = gate.wait("packet")
    gate.say("block %d" % first["id"])
    assert program.hear()["code"] == 111
    program.go()
    second = gate.wait("packet")
    assert second["cookie"] == first["cookie"] and not second["stale"]
    gate.say("permit %d" % second["id"])
    assert program.hear()["code"] == 0
    program.end()


def test_generation(gate):
    server = udp_server(V4)
    program = Program("s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.connect((%r,%d))\n"
                      "while sys.stdin.readline(): s.send(b'x')" % (V4, PORT))
    program.go()
    gate.say("permit %d" % gate.wait("packet", stale=False)["id"])
    server.recv(10)
    gate.say("generation")
    gate.counts()  # answered after it
    program.go()
    packet = gate.wait("packet")
    assert packet["stale"]
    check_owner(packet, program.pid)
    gate.say("permit %d" % packet["id"])
    server.recv(10)
    program.go()
    server.recv(10)
    gate.none()
    server.close()
    program.end()


def test_destroy(gate):
    for address in (V4, V6, MAPPED):
        program = Program(connecting(address, before="") + """
try: s.recv(1); say(code=0)
except OSError as e: say(code=e.errno)
""")
        program.go()
        packet = gate.wait("packet")
        gate.say("permit %d" % packet["id"])
        assert program.hear()["code"] == 0
        program.go()
        time.sleep(0.1)
        gate.say("destroy %d" % packet["id"])
        assert gate.wait("destroyed")["code"] == 0
        assert program.hear()["code"] == 103
        program.end()


def test_closed_while_held(gate):
    program = Program(connecting(V4))
    program.go()
    packet = gate.wait("packet")
    program.kill()
    assert gate.wait("closed")["cookie"] == packet["cookie"]
    gate.say("drop %d" % packet["id"])


def test_closed_later(gate):
    """A permitted socket's end is told too, if lazily."""
    program = Program(connecting(V4))
    program.go()
    packet = gate.wait("packet")
    gate.say("permit %d" % packet["id"])
    assert program.hear()["code"] == 0
    program.go()
    program.end()
    gate.say("counts")
    assert gate.wait("closed")["cookie"] == packet["cookie"]


def test_damaged(gate):
    """Packets without ports: a later fragment, a cut header, an unknown version cannot be judged."""
    program = Program("""
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)
r.setsockopt(0, 3, 1)
def ip(protocol, fragment, payload):
    return bytes([0x45, 0, 0, 20 + len(payload), 0, 1, fragment >> 8, fragment & 255, 64, protocol, 0, 0]) + \\
        socket.inet_aton('10.77.0.1') + socket.inet_aton(%r) + payload
r.sendto(ip(17, 5, b'x' * 16), (%r, 0))
r.sendto(ip(17, 0, b'xy'), (%r, 0))
sys.stdin.readline()
""" % (V4, V4, V4))
    gate.wait("damaged")
    gate.wait("damaged")
    program.end()


def test_raw_has_its_maker(gate):
    """A datagram of a raw socket has no connect(): who made the socket is named for it."""
    program = Program("""
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)
r.sendto(bytes([0x1e, 0x61, 0x1e, 0x62, 0, 8, 0, 0]), (%r, 0))
sys.stdin.readline()
""" % V4)
    packet = gate.wait("packet", local_port=7777, remote_port=7778)
    check_owner(packet, program.pid)
    gate.say("block %d" % packet["id"])
    program.end()


def test_other_namespaces(gate):
    """Another namespace is neither held nor seen."""
    program = Program("l=socket.socket(); l.bind(('127.0.0.1',7790)); l.listen()\n" + connecting("127.0.0.1", 7790),
                      space=OTHER)
    program.go()
    assert program.hear()["code"] == 0
    program.end()
    gate.none()


def test_second_gate(gate):
    second = Probe("queue=4748")
    assert not second.ready and "another gatehoused" in second.error, second.error
    assert len(second.error.splitlines()) == 1, second.error
    tcp(gate, V4)


def test_two_namespaces(gate):
    """Two gates side by side, and each takes out its own only."""
    other = Probe(space=OTHER)
    assert other.ready, other.error
    program = Program("l=socket.socket(); l.bind(('127.0.0.1',7791)); l.listen()\n" + connecting("127.0.0.1", 7791),
                      space=OTHER)
    program.go()
    packet = other.wait("packet")
    check_owner(packet, program.pid)
    other.say("permit %d" % packet["id"])
    assert program.hear()["code"] == 0
    program.end()
    gate.none()
    other.quit()
    remove(OTHER)
    tcp(gate, V4)



def alone_ip_netns_exec():
    gate = Probe(prefix=("ip", "netns", "exec", US))
    assert gate.ready, gate.error
    tcp(gate, V4)
    client = subprocess.Popen(["ip", "netns", "exec", US, CLIENT, "connect", V4, str(PORT), "1"],
                              stdout=subprocess.DEVNULL)
    check_owner(gate.wait("packet"), client.pid, CLIENT)
    gate.say("policy permit")
    gate.quit()
    client.kill()
    client.wait()
    result = sh("ip", "netns", "exec", US, PROBE, "remove", check=False)
    assert result.returncode == 0, result.stderr


def alone_killed():
    """kill -9: decided flows go on, held ones wait, and the next gate has both."""
    server = udp_server(V4)
    gate = Probe()
    udp = Program("s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nwhile sys.stdin.readline(): "
                  "s.sendto(b'x',(%r,%d))" % (V4, PORT))
    udp.go()
    gate.say("permit %d" % gate.wait("packet")["id"])
    server.recv(10)
    held = Program(connecting(V4))
    held.go()
    first = gate.wait("packet")
    links = {one for one in note_links() if one[0] == "link"}
    gate.kill()
    udp.go()
    assert server.recv(10) == b"x", "decided flow without a gate"
    gate = Probe()
    assert gate.ready, gate.error
    udp.go()
    assert server.recv(10) == b"x"
    again = gate.wait("packet")
    assert again["cookie"] == first["cookie"] and again["remote_port"] == PORT
    check_owner(again, held.pid)
    gate.say("permit %d" % again["id"])
    answer = held.hear()
    assert answer["code"] == 0, answer
    gate.none()
    assert len(links) >= 9 and {one for one in note_links() if one[0] == "link"} == links, "the links were replaced"
    held.end()
    udp.end()
    server.close()
    gate.quit()
    remove()


def alone_reopen_with_traffic():
    """While a gate is replaced nothing slips through undecided, and nothing decided is lost."""
    server = udp_server(V4)
    server.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE: all is read at the end
    gate = Probe("policy=hold")
    sender = Program("""
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
s.sendto(b'good',(%r,%d))
sys.stdin.readline()
n=0
end=time.monotonic()+4
while time.monotonic()<end:
    s.sendto(b'good',(%r,%d)); n+=1
    b=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
    try: b.sendto(b'bad',(%r,%d))
    except PermissionError: pass
    b.close()
    time.sleep(0.001)
say(n=n)
""" % ((V4, PORT) * 3))
    gate.say("permit %d" % gate.wait("packet")["id"])
    server.recv(10)
    sender.go()
    for _ in range(3):
        gate.kill()
        gate = Probe("policy=hold")
        assert gate.ready, gate.error
    sent = sender.hear()["n"]
    good = 0
    server.settimeout(2)
    try:
        while True:
            data = server.recv(10)
            assert data == b"good", "an undecided datagram passed"
            good += 1
    except TimeoutError:
        pass
    assert good == sent, (good, sent)
    sender.end()
    server.close()
    gate.quit()
    remove()


def alone_nobody_serves():
    """Closed: refused when the deadline and the grace are over. Open: passes at once."""
    gate = Probe("deadline=500")
    gate.kill()
    program = Program(connecting(V4))
    program.go()
    answer = program.hear()
    assert answer["code"] == 111 and 2 < answer["seconds"] < 2 * PATIENCE, answer
    program.end()
    gate = Probe("dead=open")
    program = Program(connecting(V4))
    program.go()
    gate.wait("packet")
    gate.kill()
    assert program.hear()["code"] == 0
    program.end()

    def attempt():
        program = Program(connecting(V6))
        program.go()
        answer = program.hear()
        assert answer["code"] == 0, answer
        program.end()
        return answer["seconds"]
    soon(attempt, 0.5)
    remove()


def alone_existing_sockets():
    """What was connected before the start stays connected."""
    server = udp_server(V4)
    program = Program("u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.connect((%r,%d))\n"
                      "t=socket.create_connection((%r,%d)); say(ready=1)\n"
                      "while sys.stdin.readline(): u.send(b'x'); t.send(b'y'); say(sent=1)" % ((V4, PORT) * 2))
    program.hear()
    gate = Probe()
    program.go()
    program.hear()
    assert server.recv(10) == b"x"
    gate.none()
    program.end()
    server.close()
    gate.quit()
    remove()


def alone_queue_taken():
    holder = subprocess.Popen([PROBE, "echo", "4747"], stdout=subprocess.PIPE, text=True, preexec_fn=inside(US))
    holder.stdout.readline()
    gate = Probe()
    assert not gate.ready and "4747" in gate.error and "taken" in gate.error, gate.error
    holder.kill()
    holder.wait()
    nothing_left()


def alone_no_rights():
    def drop():
        inside(US)()
        os.setgid(65534)
        os.setuid(65534)
    copy = "/tmp/%s-probe" % NAME
    shutil.copy(PROBE, copy)
    os.chmod(copy, 0o755)
    result = sh(copy, "open", check=False, preexec_fn=drop, stdin=subprocess.DEVNULL)
    os.unlink(copy)
    assert result.returncode == 1 and "CAP_NET_ADMIN" in result.stderr and len(result.stderr.splitlines()) == 1, \
        result.stderr
    nothing_left()


def alone_no_iptables():
    """A tool is missing: one sentence, and all that was made is undone."""
    gate = Probe(prefix=("nsenter", "--net=/run/netns/" + US, "unshare", "-m", "sh", "-c",
                         'mount -t tmpfs none /usr/sbin && exec "$0" "$@"'))
    assert not gate.ready and "install the package iptables" in gate.error and len(gate.error.splitlines()) == 1, \
        gate.error
    nothing_left()


def alone_iptables_legacy():
    """The older iptables, put in the place of the newer in a mount namespace of its own."""
    if not os.path.exists("/usr/sbin/xtables-legacy-multi") or not os.path.exists("/usr/sbin/xtables-nft-multi"):
        raise Skip("both kinds of iptables are needed")
    prefix = ("nsenter", "--net=/run/netns/" + US, "unshare", "-m", "sh", "-c",
              'mount --bind /usr/sbin/xtables-legacy-multi /usr/sbin/xtables-nft-multi && exec "$0" "$@"')
    if sh(*prefix, "iptables", "-S", check=False).returncode:
        raise Skip("the kernel has no ip_tables")
    gate = Probe(prefix=prefix)
    assert gate.ready, gate.error
    tcp(gate, V4)
    tcp(gate, V6)
    gate.quit()
    note_links()
    sh(*prefix, PROBE, "remove")
    assert "gatehouse" not in sh(*prefix, "iptables", "-S").stdout + sh(*prefix, "ip6tables", "-S").stdout
    nothing_left()


def alone_remove_nothing():
    remove()
    remove()
    nothing_left()


def alone_foreign_rules_stay():
    sh("ip", "netns", "exec", US, "iptables", "-A", "OUTPUT", "-p", "tcp", "--dport", "9999", "-j", "DROP")
    before = sh("ip", "netns", "exec", US, "iptables", "-S").stdout
    gate = Probe()
    assert gate.ready, gate.error
    gate.quit()
    gate = Probe()
    rules = sh("ip", "netns", "exec", US, "iptables", "-S", "OUTPUT").stdout
    assert rules.count("-j gatehouse\n") == 2, rules  # for TCP that starts something, and for what is not TCP
    gate.quit()
    remove()
    assert sh("ip", "netns", "exec", US, "iptables", "-S").stdout == before
    sh("ip", "netns", "exec", US, "iptables", "-F", "OUTPUT")


sys.exit(main([(name, test) for name, test in list(globals().items()) if name.startswith(("test_", "alone_"))]))
