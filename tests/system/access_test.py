#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may open the device: one decider at a time; root or the group gatehouse, nobody else."""
import errno
import os
import pathlib
import pwd
import signal
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import device, names, net, protocol  # noqa: E402
from gatetest.lab import as_user, with_file  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

PEER = "Survive bad input: a socket peer that is not root or in the group"
GROUP_ID = 61234
KEPT_OUT = [f"connect {errno.EACCES}"]

# A client without rights: opens the device, says HELLO, prints what came of it.
STRANGER = """
import socket, struct, sys
client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
client.settimeout(60)
try:
    client.connect(sys.argv[1])
except OSError as error:
    print("connect", error.errno)
    sys.exit()
try:
    client.send(struct.pack("<IIII", 0x22 << 16 | 0x810 << 2, 1, 64, 0) + struct.pack("<IIQ", 1, 2, 0))
except OSError:
    pass
resets = 0
while True:
    try:
        data = client.recv(4096)
    except ConnectionError:
        # What was sent is not read any more; the answer can still be behind this error.
        resets += 1
        if resets == 1:
            continue
        data = b""
    if not data:
        print("end")
        break
    tag, status, size, reserved = struct.unpack_from("<IIII", data)
    print("answer", tag, hex(status))
    if tag:
        break
"""


def stranger(lab, *wrapper):
    done = lab.run(*wrapper, sys.executable, "-c", STRANGER, lab.socket)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


@case("Survive bad input: a second decider is refused, the first goes on")
def second_decider(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    first = lab.decider()
    with device.Device(lab.socket) as second:
        hello = protocol.HELLO_LAYOUT.pack(protocol.VERSION, protocol.DECIDER, 0)
        answer = second.ioctl(protocol.HELLO, hello)
        assert answer.status == protocol.E_DECIDER_PRESENT, protocol.status_name(answer.status)
        assert second.ioctl(protocol.GET_REQUESTS).status == protocol.E_NO_HELLO, "refused means: no hello was said"
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        (request,) = first.requests()
        first.decide(request, protocol.PERMIT)
        assert talker.result()[0] == 0
        first.close()
        wait_until(lambda: second.ioctl(protocol.HELLO, hello).status == protocol.SUCCESS, 5, "the second's turn")
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "status")
    assert done.returncode == 0, done.stderr


@case("Survive bad input: a second `gatehouse` that would decide says so in one sentence")
def second_decider_program(lab):
    lab.gatehoused()
    lab.gatehouse_decides("permit")
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "permit", timeout=60)
    assert done.returncode != 0, done
    assert len(done.stderr.strip().splitlines()) == 1 and "decide" in done.stderr, done.stderr
    tell(done.stderr.strip())


@case(f"{PEER}: refused with the reason")
def nobody_is_refused(lab):
    lab.gatehoused()
    with lab.observer() as watcher:
        before = watcher.status()
        assert stranger(lab, *as_user("nobody", [])) == KEPT_OUT, "the socket file's mode is the first gate"
        lab.socket.chmod(0o666)
        lines = stranger(lab, *as_user("nobody", []))
        assert lines == ["answer 0 0xc0000022", "end"], "who connects is the second"
        after = watcher.status()
        assert after._replace(now=0, rejected_input=0) == before._replace(now=0, rejected_input=0), (before, after)


@case(f"{PEER}: `gatehouse` says it in one sentence")
def nobody_is_told(lab):
    lab.gatehoused()
    for command in ("permit", "status"):
        gatehouse = [names.find_program("gatehouse"), "--socket", str(lab.socket), command]
        done = lab.run(*as_user("nobody", gatehouse), timeout=60)
        assert done.returncode != 0, done
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "root" in done.stderr or "gatehouse" in done.stderr.replace("gatehouse:", ""), done.stderr
        tell(done.stderr.strip())


@case("the group gatehouse may, by its first group and by a further one")
def group_may(lab):
    group = lab.directory / "group"
    group.write_text(f"root:x:0:\nnogroup:x:65534:\ngatehouse:x:{GROUP_ID}:\n", encoding="utf-8")
    # gatehoused sees this group file; the machine's own stays as it is.
    lab.start([*with_file(group, "/etc/group"), *lab.daemon()], name="gatehoused").wait_for("gatehoused: ready")
    user = pwd.getpwnam("nobody").pw_uid
    first = ["setpriv", f"--reuid={user}", f"--regid={GROUP_ID}", "--clear-groups", "--"]
    further = ["setpriv", f"--reuid={user}", "--regid=65534", f"--groups={GROUP_ID}", "--"]
    assert stranger(lab, *as_user("nobody", [])) == KEPT_OUT
    for wrapper in (first, further):
        lines = stranger(lab, *wrapper)
        assert lines == ["answer 1 0x0"], (wrapper, lines)


def open_handles(lab, user):
    """A process of that user in the group, which opens handles until it is refused; what it says, and how to end it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(GROUP_ID)
        os.setuid(user)
        held = []
        try:
            while len(held) < 100:
                one = device.Device(lab.socket)
                one.hello(2)
                held.append(one)
        except (OSError, device.DeviceClosed):
            pass
        os.write(writing, str(len(held)).encode())
        signal.pause()
    os.close(writing)
    count = int(os.read(reading, 8))
    os.close(reading)
    return count, child


@case("Survive bad input: users of the group cannot take all places, neither one from another nor all from root")
def places(lab):
    group = lab.directory / "group"
    group.write_text(f"root:x:0:\ngatehouse:x:{GROUP_ID}:\n", encoding="utf-8")
    lab.directory.chmod(0o755)
    lab.start([*with_file(group, "/etc/group"), *lab.daemon()], name="gatehoused").wait_for("gatehoused: ready")
    counts, children = zip(*[open_handles(lab, 61000 + user) for user in range(3)])
    try:
        assert counts == (24, 24, 0), counts
        with lab.observer() as watcher:
            watcher.status()
        held = [lab.observer() for _ in range(16)]
        done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "status")
        assert done.returncode == 3 and "as many clients at once as it may" in done.stderr, done.stderr
        for one in held:
            one.close()
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@case("the device does not answer on a stream or datagram socket")
def other_socket_kinds(lab):
    lab.gatehoused()
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as client:
            try:
                client.connect(str(lab.socket))
            except OSError:
                continue
            raise AssertionError(f"connected as {kind}")


if __name__ == "__main__":
    run()
