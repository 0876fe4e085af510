#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The gate on real sockets, in network namespaces made for it. The oracle is the program that connects: it knows its own
pid, file and sockets, and says what it saw.

Usage: gate_system.py PROBE CLIENT [TEST...]     as root; exit 77: cannot run here
"""
import ctypes
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PROBE, CLIENT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
NAME = "gate-%d" % os.getpid()
US, PEER, OTHER = NAME + "-a", NAME + "-b", NAME + "-c"
KNOWN, OTHER_MOUNTS, DELETED, PATH_CUT = 1, 2, 4, 8
V4, V6, MAPPED = "10.77.0.2", "fd77::2", "::ffff:10.77.0.2"
PORT = 7700
PYTHON = os.path.realpath(sys.executable)
WORK = tempfile.mkdtemp(prefix="gate-")
LIBC = ctypes.CDLL(None, use_errno=True)


OURS = set()  # links and programs seen in our namespaces
STARTED = []  # processes of the running test


class Skip(Exception):
    pass


def sh(*words, check=True, **more):
    result = subprocess.run(words, capture_output=True, text=True, **more)
    if check and result.returncode:
        raise RuntimeError("%s: %s" % (" ".join(words), result.stderr))
    return result


def inside(space):
    """For preexec_fn: joins the network namespace and stays in the host's mount namespace."""
    def enter():
        fd = os.open("/run/netns/" + space, os.O_RDONLY)
        if LIBC.setns(fd, 0x40000000):
            os._exit(99)
        os.close(fd)
    return enter


class Probe:
    def __init__(self, *options, space=US, prefix=()):
        self.process = subprocess.Popen([*prefix, PROBE, "open", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=None if prefix else inside(space))
        STARTED.append(self.process)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.ready = self.wait("ready", 20) is not None
        except AssertionError:
            self.ready = False
        if not self.ready:
            self.process.kill()
            self.error = self.process.stderr.read()
            self.process.wait()

    def _read(self):
        for line in self.process.stdout:
            if line.endswith("\n"):  # the last one is cut when the probe is killed
                self.lines.put(json.loads(line))
        self.lines.put(None)

    def wait(self, event, seconds=5, **fields):
        end = time.monotonic() + seconds
        while True:
            try:
                message = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError("no %s %r within %s s" % (event, fields, seconds)) from None
            if message is None:
                raise AssertionError("the probe ended while %s was awaited" % event)
            if message["event"] == event and all(message[k] == v for k, v in fields.items()):
                return message

    def none(self, seconds=0.3):
        """Fails when a packet comes."""
        try:
            packet = self.wait("packet", seconds)
        except AssertionError:
            return
        raise AssertionError("a packet came: %r" % packet)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def counts(self):
        self.say("counts")
        return self.wait("counts")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def quit(self):
        if self.process.poll() is None:
            self.say("quit")
        self.process.wait(10)


class Program:
    """A Python program in the namespace; it speaks JSON lines and takes its orders from standard input."""

    def __init__(self, code, space=US, prefix=(), program=PYTHON, **more):
        code = "import json,os,socket,sys,time\ndef say(**f): print(json.dumps(f),flush=True)\n" \
               "say(pid=os.getpid())\n" + code
        self.process = subprocess.Popen([*prefix, program, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, preexec_fn=inside(space), **more)
        STARTED.append(self.process)
        self.pid = self.hear()["pid"]

    def hear(self):
        line = self.process.stdout.readline()
        assert line, "the program ended without a word"
        return json.loads(line)

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(10)

    def kill(self):
        self.process.kill()
        self.end()


def connecting(address, port=PORT, kind="socket.SOCK_STREAM", before="", protocol=0):
    family = "AF_INET6" if ":" in address else "AF_INET"
    return """
s = socket.socket(socket.%s, %s, %d)
%s
sys.stdin.readline()
t = time.monotonic()
try:
    s.connect((%r, %d)); code = 0
except OSError as e:
    code = e.errno
say(code=code, seconds=time.monotonic() - t)
sys.stdin.readline()
""" % (family, kind, protocol, before, address, port)


def start_ns(pid):
    ticks = int(open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[19])
    return ticks


def check_owner(packet, pid, path=PYTHON, flags=KNOWN):
    info = os.stat(path)
    expect = dict(pid=pid, path=path, flags=flags, device=info.st_dev, inode=info.st_ino, uid=0, gid=0)
    found = {key: packet[key] for key in expect}
    assert found == expect, "owner %r, expected %r" % (found, expect)
    assert packet["start"] // 10**7 == start_ns(pid), "start time"


def remote_is(packet, address, port, protocol):
    if address.startswith("::ffff:"):
        address = address[7:]
    found = (packet["remote"], packet["remote_port"], packet["protocol"], packet["version"])
    assert found == (address, port, protocol, 6 if ":" in address else 4), found


def tcp(gate, address, path=PYTHON, flags=KNOWN, **more):
    program = Program(connecting(address, **more))
    program.go()
    packet = gate.wait("packet")
    check_owner(packet, program.pid, path, flags)
    remote_is(packet, address, PORT, 6)
    gate.say("permit %d" % packet["id"])
    assert program.hear()["code"] == 0
    program.end()
    return packet


# ---- tests; each gets an open gate in hold mode ----

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
            packet = gate.wait("packet", 3)
        except AssertionError:
            if client.wait(1) == 77:
                raise Skip("no io_uring: " + client.stderr.read()) from None
            raise
        check_owner(packet, client.pid, CLIENT)
        gate.say("permit %d" % packet["id"])
        answer = json.loads(client.communicate(timeout=5)[0])
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
    program.process.communicate("\n\n", timeout=5)


def udp_server(address):
    made = []

    def make():
        inside(PEER)()
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(3)
        s.bind((address if address != MAPPED else "::", PORT))
        made.append(s)
    thread = threading.Thread(target=make)  # only this thread changes its namespace
    thread.start()
    thread.join()
    return made[0]


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
    gate.none()


def test_udp_per_destination(gate):
    """A permit of one destination of an unconnected socket opens no other."""
    program = Program("s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nfor p in (1,2,1,2):\n"
                      " sys.stdin.readline(); s.sendto(b'x',(%r,7800+p))\nsys.stdin.readline()" % V4)
    program.go()
    gate.say("permit %d" % gate.wait("packet", remote_port=7801)["id"])
    program.go()
    gate.say("block %d" % gate.wait("packet", remote_port=7802)["id"])
    time.sleep(0.2)
    before = gate.counts()["datagrams_blocked"]
    program.go()
    time.sleep(0.1)
    program.go()
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
    end = time.monotonic() + 5
    while len(decided) < 2 and time.monotonic() < end:
        packet = gate.wait("packet")
        assert packet["pid"] in (good.pid, bad.pid)
        decided[packet["pid"]] = packet["cookie"]
        gate.say("%s %d" % ("permit" if packet["pid"] == good.pid else "block", packet["id"]))
    assert len(set(decided.values())) == 2, "two sockets"
    for _ in range(20):
        for program in (good, bad):
            program.go()
            program.hear()
    seen = []
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
    s.sendto(b'x', ('10.77.0.2', 7901)); os.write(w, b'.'); time.sleep(5); os._exit(0)
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
        process.wait(10)


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
        process.wait(5)
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
    process.wait(5)


def test_block_is_quick(gate):
    for address in (V4, V6, MAPPED):
        program = Program(connecting(address))
        program.go()
        packet = gate.wait("packet")
        start = time.monotonic()
        gate.say("block %d" % packet["id"])
        code = program.hear()["code"]
        took = time.monotonic() - start
        assert code == 111, "errno %d" % code
        assert took < 0.010, "%.1f ms" % (took * 1000)
        program.end()


def test_many_blocked_at_once(gate):
    """The kernel's limit of ICMP errors must not be felt."""
    count = 1000
    program = Program("""
import selectors
sel = selectors.DefaultSelector(); socks = []
for i in range(%d):
    s = socket.socket(); s.setblocking(False); s.connect_ex((%r, %d)); sel.register(s, 2); socks.append(s)
say(started=1)
sys.stdin.readline()
t = time.monotonic(); refused = 0
while refused < %d and time.monotonic() - t < 5:
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
    assert answer["refused"] == count and answer["seconds"] < 0.9, answer
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
    time.sleep(0.1)
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


def test_raw_has_no_owner(gate):
    """A datagram of a raw socket has no connect(): nobody is named for it."""
    program = Program("""
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)
r.sendto(bytes([0x1e, 0x61, 0x1e, 0x62, 0, 8, 0, 0]), (%r, 0))
sys.stdin.readline()
""" % V4)
    packet = gate.wait("packet", local_port=7777, remote_port=7778)
    assert packet["flags"] == 0 and packet["cookie"] != 0
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
    assert not second.ready and "another gatehoused" in second.error and len(second.error.splitlines()) == 1, second.error
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


# ---- tests that open the gate themselves ----

def remove(space=US):
    note_links()
    result = sh(PROBE, "remove", check=False, preexec_fn=inside(space))
    assert result.returncode == 0, result.stderr


def pin_directory(space):
    found = []

    def look():
        inside(space)()
        with socket.socket() as s:
            found.append(int.from_bytes(s.getsockopt(socket.SOL_SOCKET, 71, 8), sys.byteorder))  # SO_NETNS_COOKIE
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return "/sys/fs/bpf/gatehouse/%x" % found[0]


def note_links():
    """Remembers the links and programs of our namespaces: after a removal none of them may be there."""
    ids = set()
    for space in (US, OTHER):
        place = pin_directory(space)
        for name in os.listdir(place) if os.path.isdir(place) else []:
            if name.startswith("link_"):
                shown = json.loads(sh("bpftool", "-j", "link", "show", "pinned", place + "/" + name).stdout)
                ids.add(("link", shown["id"]))
                ids.add(("prog", shown["prog_id"]))
            elif name.startswith("xt_"):
                ids.add(("prog", json.loads(sh("bpftool", "-j", "prog", "show", "pinned", place + "/" + name).stdout)["id"]))
    OURS.update(ids)
    return ids


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
    assert answer["code"] == 0 and answer["seconds"] < 4, answer
    gate.none()
    assert len(links) == 5 and {one for one in note_links() if one[0] == "link"} == links, "the links were replaced"
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
    server.settimeout(0.3)
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
    assert answer["code"] == 111 and 2 < answer["seconds"] < 6, answer
    program.end()
    gate = Probe("undecided=permit")
    program = Program(connecting(V4))
    program.go()
    gate.wait("packet")
    gate.kill()
    assert program.hear()["code"] == 0
    program.end()
    program = Program(connecting(V6))
    program.go()
    answer = program.hear()
    assert answer["code"] == 0 and answer["seconds"] < 0.5, answer
    program.end()
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
    assert rules.count("-j gatehouse") == 2, rules
    gate.quit()
    remove()
    assert sh("ip", "netns", "exec", US, "iptables", "-S").stdout == before
    sh("ip", "netns", "exec", US, "iptables", "-F", "OUTPUT")


def nothing_left():
    for space in (US, OTHER):
        for command in ("iptables-save", "ip6tables-save"):
            text = sh("ip", "netns", "exec", space, command).stdout
            assert "gatehouse" not in text, text
        assert not os.path.exists(pin_directory(space)), os.listdir(pin_directory(space))
    for kind in ("link", "prog"):
        end = time.monotonic() + 2  # the kernel frees a program a moment after its last user
        while True:
            there = {(kind, one["id"]) for one in json.loads(sh("bpftool", "-j", kind).stdout)}
            if not there & OURS or time.monotonic() > end:
                break
            time.sleep(0.05)
        assert not there & OURS, there & OURS
    if not os.path.isdir("/sys/fs/bpf/gatehouse"):  # else another gate of this machine is at work
        assert BPFFS_BEFORE or not os.path.ismount("/sys/fs/bpf"), "the mount stayed"


# ---- running ----

def build_world():
    for space in (US, PEER, OTHER):
        sh("ip", "netns", "add", space)
        sh("ip", "-n", space, "link", "set", "lo", "up")
    sh("ip", "-n", US, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", PEER)
    for space, number in ((US, 1), (PEER, 2)):
        sh("ip", "-n", space, "addr", "add", "10.77.0.%d/24" % number, "dev", "eth0")
        sh("ip", "-n", space, "addr", "add", "fd77::%d/64" % number, "dev", "eth0", "nodad")
        sh("ip", "-n", space, "link", "set", "eth0", "up")
        sh("ip", "netns", "exec", space, "sysctl", "-qw", "net.ipv4.tcp_fastopen=3", check=False)
    return subprocess.Popen([PYTHON, "-c", """
import socket, threading
l = socket.create_server(('::', %d), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
print('up', flush=True)
kept = []
while True:
    c, _ = l.accept(); kept.append(c); kept = kept[-2000:]
""" % PORT], preexec_fn=inside(PEER), stdout=subprocess.PIPE)


def tear_down(server):
    if server:
        server.kill()
        server.wait()
    for space in (US, OTHER):
        if os.path.exists("/run/netns/" + space):
            sh(PROBE, "remove", check=False, preexec_fn=inside(space))
    for space in (US, PEER, OTHER):
        sh("ip", "netns", "del", space, check=False)
    shutil.rmtree(WORK, ignore_errors=True)


def run(name, test, counts):
    start = time.monotonic()
    try:
        if name.startswith("test_"):
            gate = Probe()
            assert gate.ready, gate.error
            test(gate)
            gate.quit()
            remove()
        else:
            test()
        nothing_left()
        result = "ok"
    except Skip as reason:
        result = "skip: %s" % reason
    except Exception as error:  # a failed test must not stop the others
        result = "FAILED: %s: %s" % (type(error).__name__, error)
    finally:
        for process in STARTED:
            if process.poll() is None:
                process.kill()
                process.wait()
        STARTED.clear()
        for space in (US, OTHER):
            sh(PROBE, "remove", check=False, preexec_fn=inside(space))
    counts[result.split(":")[0]] = counts.get(result.split(":")[0], 0) + 1
    print("%-34s %5.2fs  %s" % (name, time.monotonic() - start, result), flush=True)


def main():
    global BPFFS_BEFORE
    if os.getuid():
        print("skip: needs root")
        return 77
    for tool in ("ip", "iptables", "ip6tables", "bpftool", "unshare"):
        if not shutil.which(tool):
            print("skip: needs %s" % tool)
            return 77
    BPFFS_BEFORE = os.path.ismount("/sys/fs/bpf")
    counts, server = {}, None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        server = build_world()
        server.stdout.readline()
        for name, test in list(globals().items()):
            if re.match("(test|alone)_", name) and (not sys.argv[3:] or any(w in name for w in sys.argv[3:])):
                run(name, test, counts)
    finally:
        tear_down(server)
    print("%d passed, %d failed, %d skipped" % (counts.get("ok", 0), counts.get("FAILED", 0), counts.get("skip", 0)))
    return 1 if counts.get("FAILED") or not counts.get("ok") else 0


sys.exit(main())
