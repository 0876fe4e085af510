#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Starting: gatehoused starts, or fails with one clear sentence that names what is missing, and leaves nothing."""
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import leftovers, names, net, protocol  # noqa: E402
from gatetest.lab import as_user, with_file  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

START = "Start or fail with one clear sentence when a kernel feature, a right or a tool is missing, naming it"


def refuses(lab, arguments, naming, wrapper=(), program="gatehoused"):
    """Runs the program, which must end soon with one sentence on stderr that names one of naming, and leave nothing."""
    words = lab.daemon() if program == "gatehoused" else [names.find_program(program)]
    command = [*wrapper, *words, *(str(a) for a in arguments)]
    done = lab.client.run(command, timeout=60, stdin=subprocess.DEVNULL)
    lines = done.stderr.strip().splitlines()
    assert done.returncode not in (0, None) and done.returncode > 0, f"exit code {done.returncode}: {done}"
    assert len(lines) == 1, f"not one sentence: {lines}"
    assert any(word.lower() in lines[0].lower() for word in naming), f"{naming} is not named: {lines[0]}"
    assert "ready" not in done.stdout, done.stdout
    tell(lines[0])
    assert not lab.client.rules(), f"rules are left: {lab.client.rules()}"
    assert not leftovers.pins(lab.client.cookie), leftovers.pins(lab.client.cookie)
    return lines[0]


@case(f"{START}: a right: not root")
def not_root(lab):
    refuses(lab, ["--socket", lab.socket], ("root", "CAP_"), as_user("nobody", []))


@case(f"{START}: a right: root without CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN")
def without_capabilities(lab):
    for taken, naming in (
        ("-net_admin", ("net_admin", "iptables", "queue", "right")),
        ("-sys_admin,-bpf", ("sys_admin", "bpf", "right")),
    ):
        wrapper = ["setpriv", f"--bounding-set={taken}", f"--inh-caps={taken}", "--"]
        refuses(lab, ["--socket", lab.socket], naming, wrapper)


@case(f"{START}: a tool: no iptables")
def without_iptables(lab):
    empty = lab.directory / "bin"
    empty.mkdir()
    folder = os.path.dirname(names.find_tool("iptables"))
    refuses(lab, ["--socket", lab.socket], ("iptables",), with_file(empty, folder))


@case(f"{START}: no BPF file system and no right place to mount one")
def without_bpffs(lab):
    wrapper = ["unshare", "--mount", "sh", "-c", 'umount -l /sys/fs/bpf 2>/dev/null; exec "$@"', "sh"]
    program = lab.start([*wrapper, *lab.daemon()], name="gatehoused")
    try:
        program.wait_for("gatehoused: ready")
        tell("bpffs was hidden: it mounted its own")
        assert program.stop() == 0, program.output()
        # What it pinned is in a mount that only it could see: it must be asked to clear up from there.
        lab.client.run([*wrapper, names.find_program("gatehoused"), "--remove"])
    except AssertionError:
        lines = program.output().strip().splitlines()
        assert program.process.poll() not in (0, None) and len(lines) == 1 and "bpf" in lines[0].lower(), lines
        tell(lines[0])


@case(f"{START}: the socket path is taken by a live gatehoused")
def socket_taken(lab):
    first = lab.gatehoused()
    other = lab.namespace("o")
    done = other.run(lab.daemon("--state", lab.directory / "other"), timeout=60)
    lines = done.stderr.strip().splitlines()
    assert done.returncode > 0 and len(lines) == 1 and str(lab.socket) in lines[0], (done.returncode, lines)
    tell(lines[0])
    assert not other.rules(), other.rules()
    with lab.observer() as watcher:
        assert watcher.status().version == protocol.VERSION, "the first goes on"
    assert first.stop() == 0


@case(f"{START}: this namespace has a gatehoused already")
def namespace_taken(lab):
    first = lab.gatehoused()
    rules = lab.client.rules()
    second = lab.directory / "second.sock"
    done = lab.client.run(lab.daemon(socket=second), timeout=60)
    lines = done.stderr.strip().splitlines()
    assert done.returncode > 0 and len(lines) == 1, (done.returncode, lines)
    tell(lines[0])
    assert lab.client.rules() == rules, "the first one's rules are touched"
    server = TcpServer(lab.server)
    decider = lab.decider()
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    decider.decide(decider.requests()[0], protocol.PERMIT)
    assert talker.result()[0] == 0, "the first goes on"
    assert not second.exists() and first.stop() == 0


@case("a stale socket file, left by a kill, is no obstacle")
def stale_socket(lab):
    lab.gatehoused().kill()
    assert lab.socket.exists(), "this case needs the file that a killed gatehoused leaves"
    lab.gatehoused()
    with lab.observer() as watcher:
        assert watcher.status().version == protocol.VERSION


def old_version(lab):
    """What a killed gatehoused of another version leaves: its maps laid out otherwise, a link that this one has not."""
    folder = pathlib.Path(next(path for path in leftovers.pins(lab.client.cookie)))
    state = folder / "gate_state"

    def bpftool(*arguments):
        return subprocess.run([names.find_tool("bpftool"), *map(str, arguments)], check=True, capture_output=True, text=True).stdout

    value = json.loads(bpftool("-j", "map", "dump", "pinned", state))
    layout = bytes(int(byte, 16) for byte in value[0]["value"])
    assert struct.unpack_from("<I", layout)[0] == value[0].get("formatted", {"value": {"layout": layout[0]}})["value"]["layout"]
    foreign = struct.pack("<I", struct.unpack_from("<I", layout)[0] - 1) + layout[4:]
    bpftool("map", "update", "pinned", state, "key", 0, 0, 0, 0, "value", *foreign)
    bpftool("link", "pin", "pinned", folder / "link_gate_release", folder / "link_gate_gone")
    bpftool("prog", "pin", "pinned", folder / "xt_pend", folder / "xt_gone")
    return {folder / "link_gate_gone", folder / "xt_gone"}


@case("another version of gatehoused was killed: nothing passes meanwhile, its rules stand, nothing of it stays", timeout=90)
def replaced(lab):
    servers = [TcpServer(lab.server, port=port) for port in (7000, 7001)]
    daemon = lab.gatehoused("--deadline", "90")
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "rules", "add", "permit", "to", net.SERVER_V4, "port", "7000")
    assert done.returncode == 0, done
    assert lab.connect_timer(net.SERVER_V4, 7000).result()[0] == 0
    servers[0].stop()
    listening, lived = lab.server.socket(socket.AF_INET, socket.SOCK_STREAM), lab.client.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((net.SERVER_V4, 7000))
    listening.listen()
    lived.settimeout(net.PATIENCE)
    lived.connect((net.SERVER_V4, 7000))
    other, _ = listening.accept()
    other.settimeout(net.PATIENCE)
    daemon.kill()
    foreign = old_version(lab)
    assert all(path.exists() for path in foreign)
    waits = lab.connect_timer(net.SERVER_V4, 7001)
    lab.gatehoused("--deadline", "90")
    assert not any(path.exists() for path in foreign)
    with lab.decider() as decider:
        request = decider.collect(1)[0]
        assert request.remote_port == 7001 and decider.status().held == 1
        decider.decide(request, protocol.BLOCK)
        assert waits.result()[0] != 0
    assert lab.connect_timer(net.SERVER_V4, 7000).result()[0] == 0, "the rules that were kept stand"
    for end, peer in ((lived, other), (other, lived)):
        end.sendall(b"a connection from before goes on")
        assert peer.recv(100)
    for sock in (lived, other, listening):
        sock.close()


@case(f"{START}: something that is no socket lies at the socket's path")
def path_is_a_file(lab):
    lab.socket.write_text("precious", encoding="utf-8")
    refuses(lab, ["--socket", lab.socket], (str(lab.socket),))
    assert lab.socket.read_text(encoding="utf-8") == "precious"


@case(f"{START}: another program's live socket at the path")
def path_is_another_socket(lab):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(lab.socket))
        other.listen()
        refuses(lab, ["--socket", lab.socket], (str(lab.socket),))
        assert lab.socket.exists()


@case(f"{START}: a directory that cannot be written")
def directory_not_writable(lab):
    wrapper = ["unshare", "--mount", "sh", "-c",
               f'mount -t tmpfs -o ro none {lab.directory}/ro && exec "$@"', "sh"]  # fmt: skip
    (lab.directory / "ro").mkdir()
    path = f"{lab.directory}/ro/device.sock"
    refuses(lab, ["--socket", path], (path, f"{lab.directory}/ro"), wrapper)


@case(f"{START}: a socket path that is too long")
def path_too_long(lab):
    refuses(lab, ["--socket", f"{lab.directory}/{'x' * 120}"], ("long", "bytes"))


@case(f"{START}: bad option values")
def bad_options(lab):
    rows = [
        (["--deadline"], ("--deadline",)),
        (["--deadline", "0"], ("deadline",)),
        (["--deadline", "-1"], ("deadline",)),
        (["--deadline", "121"], ("deadline",)),
        (["--deadline", "soon"], ("deadline",)),
        (["--deadline", "5x"], ("deadline",)),
        (["--deadline", "99999999999999999999"], ("deadline",)),
        (["--undecided", "maybe"], ("undecided",)),
        (["--undecided", ""], ("undecided",)),
        (["--no-decider", "ask"], ("no-decider",)),
        (["--nonsense"], ("nonsense",)),
        (["extra"], ("extra",)),
        (["--socket"], ("--socket",)),
        (["--socket", ""], ("socket",)),
        (["--dead", "maybe"], ("dead",)),
        (["--capacity", "15"], ("capacity",)),
        (["--hold-loopback=perhaps"], ("hold-loopback",)),
        (["--state", ""], ("state",)),
        (["--config", ""], ("config",)),
        (["--config", "/nowhere/gatehoused.conf"], ("/nowhere/gatehoused.conf",)),
        (["--json"], ("--check",)),
        (["--remov"], ("--remov",)),
        (["--deadlin", "5"], ('did you mean "--deadline"',)),
        (["--remove", "--check"], ("one of them",)),
    ]
    for arguments, naming in rows:
        refuses(lab, arguments if "--socket" in arguments else ["--socket", lab.socket, *arguments], naming)
    assert not lab.socket.exists()


@case(f"{START}: `gatehouse` without gatehoused, with bad words")
def gatehouse_refuses(lab):
    rows = [
        (["--socket", lab.socket, "status"], (str(lab.socket), "gatehoused")),
        (["--socket", lab.socket, "permit"], (str(lab.socket), "gatehoused")),
        (["--socket", lab.socket, "dance"], ("dance",)),
        (["--socket", lab.socket, "block", "--except"], ("except",)),
        (["--socket"], ("socket",)),
    ]
    for arguments, naming in rows:
        refuses(lab, arguments, naming, program="gatehouse")


@case("--help says what there is, and starts nothing")
def help_text(lab):
    for program, arguments, words in (
        ("gatehoused", [], ("--socket", "--deadline", "--undecided", "--no-decider", "--remove")),
        ("gatehouse", [], ("permit", "block", "ask", "status", "watch", "policy", "--socket")),
        ("gatehouse", ["block"], ("--except", "--json")),
        ("gatehouse", ["status"], ("--json",)),
    ):
        done = lab.client.run([names.find_program(program), *arguments, "--help"], timeout=60)
        assert done.returncode == 0, done
        missing = [word for word in words if word not in done.stdout]
        assert not missing, f"{program} --help does not name {missing}:\n{done.stdout}"
    for arguments in (["--help"], ["--version"], ["--check", "--config", "/dev/null"]):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = lab.client.run([names.find_program("gatehoused"), *arguments], capture_output=False, stdout=full,
                                  stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 1 and "cannot write the output" in done.stderr, done
    assert not lab.client.rules()


@case("SIGTERM and SIGINT end gatehoused in good order", timeout=60)
def signals_end_it(lab):
    for number in (signal.SIGTERM, signal.SIGINT):
        program = lab.gatehoused()
        began = time.monotonic()
        code = program.stop(number)
        assert code == 0, f"{number!r}: exit code {code}\n{program.output()}"
        assert not lab.socket.exists(), "the socket file is left"
        tell(f"{signal.Signals(number).name}: ended after {time.monotonic() - began:.2f} s")


@case("gatehoused makes the socket's directory when it is missing")
def makes_directory(lab):
    path = lab.directory / "new" / "device.sock"
    lab.gatehoused(socket=path)
    assert path.is_socket() and not os.stat(path.parent).st_mode & 0o022, oct(os.stat(path.parent).st_mode)


def answers(lab):
    try:
        lab.observer().close()
        return True
    except OSError:
        return False


@case("without standard streams nothing else takes their numbers")
def no_standard_streams(lab):
    server = TcpServer(lab.server)
    closed = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-']
    command = [*closed, *lab.daemon()]
    program = lab.client.popen(command)
    wait_until(lambda: len(lab.client.rules()) >= 12 and answers(lab), 10, "the rules, and an answer at the socket")
    decider = lab.client.popen([*closed, names.find_program("gatehouse"), "--socket", str(lab.socket), "permit"])
    lab.wait_decider(decider.pid)
    for process in (program, decider):
        assert [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
    assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
    for process in (decider, program):
        process.terminate()
        assert process.wait(net.PATIENCE) == 0


if __name__ == "__main__":
    run()
