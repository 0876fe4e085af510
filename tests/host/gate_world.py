# SPDX-License-Identifier: MIT
"""What the tests of the gate stand on: namespaces, the probe, programs that say what they saw, and what must be gone.

Used by gate_system.py. Everything made here is named after the process and taken away by tear_down.
"""
import ctypes
import json
import os
import queue
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
PATIENCE = 60  # seconds, for what has to come: the machine may be busy


class Skip(Exception):
    pass


class Ended(Exception):
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
            self.ready = self.wait("ready", 3 * PATIENCE) is not None  # the kernel looks through many programs
        except (AssertionError, Ended):
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

    def wait(self, event, seconds=PATIENCE, **fields):
        end = time.monotonic() + seconds
        while True:
            try:
                message = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError("no %s %r within %s s" % (event, fields, seconds)) from None
            if message is None:
                raise Ended("the probe ended while %s was awaited" % event)
            if message["event"] == event and all(message[k] == v for k, v in fields.items()):
                return message

    def none(self, seconds=0.3, **fields):
        """Fails when a packet comes, or one with these fields."""
        try:
            packet = self.wait("packet", seconds, **fields)
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
        self.process.wait(PATIENCE)


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
        return self.process.wait(PATIENCE)

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


def soon(attempt, seconds):
    """attempt() says how long something took that takes a second when it goes wrong. A busy machine has more tries."""
    took = [attempt()]
    while took[-1] > seconds and len(took) < 10:
        took.append(attempt())
    assert took[-1] <= seconds, took


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


def udp_server(address):
    made = []

    def make():
        inside(PEER)()
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(PATIENCE)
        s.bind((address if address != MAPPED else "::", PORT))
        made.append(s)
    thread = threading.Thread(target=make)  # only this thread changes its namespace
    thread.start()
    thread.join()
    return made[0]


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
                # a trace point's link cannot be given a new program: a gate that adopts the others replaces it
                ids.add(("trace" if name == "link_gate_exec" else "link", shown["id"]))
                ids.add(("prog", shown["prog_id"]))
            elif name.startswith("xt_"):
                shown = json.loads(sh("bpftool", "-j", "prog", "show", "pinned", place + "/" + name).stdout)
                ids.add(("prog", shown["id"]))
    OURS.update(ids)
    return ids


def nothing_left():
    for space in (US, OTHER):
        for command in ("iptables-save", "ip6tables-save"):
            text = sh("ip", "netns", "exec", space, command).stdout
            assert "gatehouse" not in text, text
        assert not os.path.exists(pin_directory(space)), os.listdir(pin_directory(space))
    for kind in ("link", "prog"):
        end = time.monotonic() + PATIENCE  # the kernel frees a program a moment after its last user
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
        if os.path.exists("/run/netns/" + space):  # of a run that was killed and had this number
            sh(PROBE, "remove", check=False, preexec_fn=inside(space))
            sh("ip", "netns", "del", space, check=False)
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


def main(tests):
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
        for name, test in tests:
            if not sys.argv[3:] or any(word in name for word in sys.argv[3:]):
                run(name, test, counts)
    finally:
        tear_down(server)
    print("%d passed, %d failed, %d skipped" % (counts.get("ok", 0), counts.get("FAILED", 0), counts.get("skip", 0)))
    return 1 if counts.get("FAILED") or not counts.get("ok") else 0

