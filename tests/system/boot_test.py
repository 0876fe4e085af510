#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules file at the start, on SIGHUP and after a kill; and rules for what only Linux's side of the host knows."""
import errno
import hashlib
import os
import pathlib
import pwd
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import leftovers, names, net, protocol  # noqa: E402
from gatetest.lab import as_user  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)
BOOT = "From boot: the rules file is in force before the first packet"
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def write(lab, text):
    """The rules file, as an editor writes it."""
    path = lab.directory / "rules"
    fresh = lab.directory / "rules.new"
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)
    return path


def code(lab, address=net.SERVER_V4, port=7000, **options):
    talker = lab.connect_timer(address, port, **options)
    try:
        return talker.result()[0]
    finally:
        talker.close()


def blocked(lab, *where, **options):
    error = code(lab, *where, **options)
    assert error in REFUSED, errno.errorcode.get(error, error)


def permitted(lab, *where, **options):
    error = code(lab, *where, **options)
    assert error == 0, errno.errorcode.get(error, error)


def reload(lab, daemon, said):
    before = daemon.output().count(said)
    daemon.process.send_signal(signal.SIGHUP)
    try:
        wait_until(lambda: daemon.output().count(said) > before, 10)
    except AssertionError:
        raise AssertionError(f"not said after SIGHUP: {said}\n{daemon.output()}") from None


@case(f"{BOOT}: permit and block, nobody decides; the rest is held")
def good_file(lab):
    server, other = TcpServer(lab.server), TcpServer(lab.server, 7001)
    write(lab, f"block to {net.SERVER_V4} port {server.port}\npermit port {other.port}\n")
    daemon = lab.gatehoused()
    assert f"2 rules of {lab.directory}/rules are in force" in daemon.output(), daemon.output()
    blocked(lab)
    with lab.observer() as watcher:
        assert watcher.status().pended == 0, "it was held"
    permitted(lab, net.SERVER_V4, other.port)
    permitted(lab, net.SERVER_V6, other.port)
    with lab.decider() as decider:
        talker = lab.connect_timer(net.SERVER_V6, server.port)
        assert decider.requests()[0].process_id == talker.pid
    assert daemon.stop() == 0, daemon.output()


@case(f"{BOOT}: a connect() that does not wait for it meets the rules, or is ended by them", timeout=90)
def first_packet(lab):
    server = TcpServer(lab.server)
    write(lab, "block all\n")
    for _ in range(3):
        daemon = lab.gatehoused(ready=False)
        wait_until(lambda: lab.client.rules(), 10, "the packet rules")
        error = code(lab, net.SERVER_V4, server.port)
        # ABORTED: it came before all rules stood, and was found and ended when they did.
        assert error in (*REFUSED, errno.ECONNABORTED), errno.errorcode.get(error, error)
        daemon.wait_for("gatehoused: ready")
        assert daemon.stop() == 0, daemon.output()


@case(f"{BOOT}: a file with errors: it starts, says them, and holds as if there were none")
def bad_file(lab):
    server = TcpServer(lab.server)
    path = write(lab, f"permit all\nblokc to {net.SERVER_V4}\n")
    daemon = lab.gatehoused("--no-decider", "block")
    assert f"{path}:2:1: found 'blokc'" in daemon.output() and "was not loaded" in daemon.output(), daemon.output()
    blocked(lab, net.SERVER_V4, server.port)
    assert daemon.stop() == 0


@case(f"{BOOT}: a file that others than root can change, or that includes one, is not loaded, at the start or later", timeout=90)
def others_write(lab):
    server = TcpServer(lab.server)
    path, more, addresses = write(lab, "permit all\n"), lab.directory / "more", lab.directory / "addresses"
    more.write_text("permit to 192.0.2.1\n", encoding="utf-8")
    addresses.write_text("192.0.2.2\n", encoding="utf-8")
    nobody = pwd.getpwnam("nobody").pw_uid
    path.chmod(0o666)
    daemon = lab.gatehoused("--no-decider", "block")
    refusal = "can be changed by others than root"
    assert refusal in daemon.output() and "was not loaded" in daemon.output(), daemon.output()
    blocked(lab, net.SERVER_V4, server.port)
    check = daemon.process.args + ["--check"]
    done = lab.run(*check)
    assert done.returncode == 1 and refusal in done.stdout + done.stderr, done
    path.chmod(0o644)
    reload(lab, daemon, "rules of")
    permitted(lab, net.SERVER_V4, server.port)
    parts = {path: "", more: 'include "more"\n', addresses: 'set some = file "addresses"\nblock to $some\n'}
    for changed, text in parts.items():
        for mode, owner in ((0o664, 0), (0o646, 0), (0o600, nobody)):
            write(lab, f"{text}block all\n")
            changed.chmod(mode)
            os.chown(changed, owner, -1)
            before = daemon.output().count(f"{changed}: it {refusal}")
            reload(lab, daemon, "was not loaded")
            assert daemon.output().count(f"{changed}: it {refusal}") == before + 1, daemon.output()
            permitted(lab, net.SERVER_V4, server.port)
        os.chown(changed, 0, -1)
        changed.chmod(0o644)
    assert lab.run(*check).returncode == 0
    reload(lab, daemon, "rules of")
    blocked(lab, net.SERVER_V4, server.port)
    assert daemon.stop() == 0


@case(f"{BOOT}: no file: it starts, and there are no rules")
def no_file(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused("--no-decider", "block")
    assert f"there is no file {lab.directory}/rules" in daemon.output(), daemon.output()
    blocked(lab, net.SERVER_V4, server.port)
    assert daemon.stop() == 0


@case("SIGHUP loads the rules again: a good file counts, a bad or missing one changes nothing", timeout=60)
def hangup(lab):
    server = TcpServer(lab.server)
    path = write(lab, "block all\n")
    daemon = lab.gatehoused()
    blocked(lab, net.SERVER_V4, server.port)
    write(lab, "permit all\n")
    reload(lab, daemon, "rules of")
    permitted(lab, net.SERVER_V4, server.port)
    write(lab, "block all\npermti all\n")
    reload(lab, daemon, "was not loaded")
    assert f"{path}:2:1: found 'permti'" in daemon.output(), daemon.output()
    permitted(lab, net.SERVER_V4, server.port)
    path.unlink()
    reload(lab, daemon, "there is no file")
    permitted(lab, net.SERVER_V4, server.port)
    for _ in range(20):  # faster than it loads: the last file counts
        daemon.process.send_signal(signal.SIGHUP)
    write(lab, "block all\n")
    reload(lab, daemon, "rules of")
    wait_until(lambda: code(lab, net.SERVER_V4, server.port) in REFUSED, 10, "the last file's rules")
    assert daemon.stop() == 0, daemon.output()


@case("the end of the terminal it was started on ends it; one that ignores SIGHUP stays", timeout=60)
def terminal(lab):
    script = ("import os, pty, signal, sys, time\n"
              "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # the tests may run under nohup
              "pid, master = pty.fork()\n"
              "if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])\n"
              "print(pid, flush=True)\n"
              "text = b''\n"
              "while b'ready' not in text: text += os.read(master, 4096)\n"
              "print('ready', flush=True)\n"
              "sys.stdin.readline()\n"
              "os.close(master)\n"
              "time.sleep(600)\n")  # fmt: skip
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    for wrapper, ends in (([], True), (ignoring, False)):
        process = lab.client.popen([sys.executable, "-c", script, *wrapper, *lab.daemon()], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        if ends:
            wait_until(lambda: not os.path.exists(f"/proc/{pid}/exe"), 20, "its end")
            assert not lab.client.rules() and not leftovers.pins(lab.client.cookie)
        else:
            time.sleep(1)
            assert lab.client.rules(), "it ended"
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not lab.client.rules(), 10, "its end")
        process.kill()
        process.wait()


# --- What stays


@case("killed and started again: what was in force stands, whatever the file says now; after an orderly end the file counts",
      timeout=90)
def kept(lab):
    server = TcpServer(lab.server)
    write(lab, "permit all\n")
    lab.gatehoused().kill()
    write(lab, "block all\n")
    daemon = lab.gatehoused("--no-decider", "block")
    permitted(lab, net.SERVER_V4, server.port)
    assert daemon.stop() == 0
    daemon = lab.gatehoused("--no-decider", "permit")
    blocked(lab, net.SERVER_V4, server.port)
    assert daemon.stop() == 0
    write(lab, "block all\noops\n")
    daemon = lab.gatehoused("--no-decider", "permit")
    blocked(lab, net.SERVER_V4, server.port)  # what was kept stands
    assert daemon.stop() == 0


@case("the folders of the rules: made, root's alone, one gatehoused each; what cannot be is said, and nothing starts",
      timeout=60)
def folders(lab):
    state = lab.directory / "a" / "b"
    first = lab.gatehoused("--state", state)
    for folder in (state, state / "volatile"):
        assert folder.stat().st_mode & 0o7777 == 0o700, oct(folder.stat().st_mode)
    other = lab.namespace("o")
    done = other.run(lab.daemon("--state", state, socket=lab.directory / "o.sock"), timeout=60)
    assert done.returncode == 2 and f"another gatehoused runs already, and keeps its rules in {state}" in done.stderr, done
    assert len(done.stderr.splitlines()) == 1 and not other.rules(), done
    assert first.stop() == 0
    state.chmod(0o777)
    file = lab.directory / "file"
    file.write_text("", encoding="utf-8")
    for path, words in ((state, "chmod 700"), (file / "x", "Not a directory"), (file, "File exists|Not a directory"),
                        (lab.directory / "back\\slash", "backslash")):
        done = lab.client.run(lab.daemon("--state", path), timeout=60)
        assert done.returncode == 2 and any(word in done.stderr for word in words.split("|")), (path, done)
        assert len(done.stderr.splitlines()) == 1 and not lab.client.rules(), done
        tell(done.stderr.strip())


@case("what is kept until a reboot goes with one, and not before")
def reboot(lab):
    state = lab.directory / "state"
    lab.gatehoused("--state", state).stop()
    mark = state / "volatile" / "mark"
    mark.write_text("", encoding="utf-8")
    lab.gatehoused("--state", state).stop()
    assert mark.exists(), "a restart of gatehoused is no reboot"
    boot_id = state / "volatile" / "boot-id"
    assert boot_id.read_bytes() == pathlib.Path("/proc/sys/kernel/random/boot_id").read_bytes()
    boot_id.write_text("00000000-0000-0000-0000-000000000000\n", encoding="utf-8")
    lab.gatehoused("--state", state).stop()
    assert not mark.exists(), "a reboot is one"


# --- Who connects


@case("rules by SHA-256: the program of that content is meant, under any name; the first connect() waits for it", timeout=90)
def by_sha256(lab):
    server = TcpServer(lab.server)
    program = names.find_program("connect_timer")
    copy, longer = lab.copy_program("connect_timer", "copy"), lab.copy_program("connect_timer", "longer")
    with open(longer, "ab") as file:
        file.write(bytes(150 << 20))  # long enough to be seen while it is read
    digests = [hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for path in (program, longer)]
    write(lab, f"permit program sha256 {digests[0]}\nblock all\n")
    daemon = lab.gatehoused("--no-decider", "block")
    for path in (program, copy):
        permitted(lab, net.SERVER_V4, server.port, path=path)
    blocked(lab, net.SERVER_V4, server.port, path=longer)
    write(lab, f"block program sha256 {digests[0]}\npermit program sha256 {digests[1]}\nblock all\n")
    reload(lab, daemon, "rules of")
    blocked(lab, net.SERVER_V4, server.port, path=copy)
    os.utime(longer)  # another time of change: it has to be read again
    began = time.monotonic()
    talker = lab.connect_timer(net.SERVER_V4, server.port, path=longer)
    blocked(lab, net.SERVER_V6, server.port, path=copy)
    tell(f"another program was decided after {(time.monotonic() - began) * 1000:.0f} ms")
    error, microseconds, _, _ = talker.result()
    assert error == 0, errno.errorcode.get(error)
    tell(f"the program of 150 MiB connected after {microseconds / 1e3:.0f} ms")
    began = time.monotonic()
    permitted(lab, net.SERVER_V4, server.port, path=longer)
    tell(f"and the next time after {(time.monotonic() - began) * 1000:.0f} ms")
    with open(copy, "r+b") as file:  # changed: no more the one that is meant
        file.seek(0, 2)
        file.write(b"x")
    write(lab, f"permit program sha256 {digests[0]}\nblock all\n")
    reload(lab, daemon, "rules of")
    blocked(lab, net.SERVER_V4, server.port, path=copy)
    permitted(lab, net.SERVER_V4, server.port)
    assert daemon.stop() == 0, daemon.output()


@case("rules by user and group", timeout=60)
def by_user_and_group(lab):
    server = TcpServer(lab.server)
    os.chmod(lab.directory, 0o755)
    program = lab.copy_program("connect_timer", "timer")
    write(lab, "block user nobody\npermit all\n")
    daemon = lab.gatehoused("--no-decider", "block")
    permitted(lab, net.SERVER_V4, server.port, path=program)
    blocked(lab, net.SERVER_V4, server.port, path=program, user="nobody")
    write(lab, "block group nogroup\npermit all\n")
    reload(lab, daemon, "rules of")
    permitted(lab, net.SERVER_V4, server.port, path=program)
    blocked(lab, net.SERVER_V4, server.port, path=program, user="nobody")
    assert daemon.stop() == 0, daemon.output()


class Cgroup:
    """A control group of this test, in cgroup2 mounted for it."""

    def __init__(self, lab, name):
        self.mount = lab.directory / "cgroup2"
        self.mount.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "cgroup2", "none", self.mount], check=True)
        self.path = name
        self.folder = self.mount / name
        self.folder.mkdir(parents=True)

    def wrap(self, command):
        return ["sh", "-c", f'echo $$ > "{self.folder}/cgroup.procs" && exec "$@"', "sh", *command]

    def remove(self):
        folder = self.folder
        while folder != self.mount:
            folder.rmdir()
            folder = folder.parent
        subprocess.run(["umount", self.mount], check=True)


@case("rules by systemd unit and control group, of the group itself and of those above it", timeout=60)
def by_cgroup(lab):
    server = TcpServer(lab.server)
    top = f"{lab.prefix}test.slice"
    group = Cgroup(lab, f"{top}/curl.service/inner")
    try:
        program = names.find_program("connect_timer")

        def inside():
            done = lab.client.run(group.wrap([program, net.SERVER_V4, str(server.port)]), timeout=60)
            return int(done.stdout.split()[0 if not done.stdout.startswith("ready") else 2])

        daemon = None
        for rule in ('block unit "curl.service"', f'block unit "{top}"', f'block cgroup "/{top}"',
                     f'block cgroup "/{top}/curl.service/inner"'):
            write(lab, f"{rule}\npermit all\n")
            if daemon is None:
                daemon = lab.gatehoused("--no-decider", "block")
            else:
                reload(lab, daemon, "rules of")
            assert inside() in REFUSED, rule
            permitted(lab, net.SERVER_V4, server.port)
        for rule in ('block unit "other.service"', f'block cgroup "/{top}/curl"', 'block cgroup "/curl.service"'):
            write(lab, f"{rule}\npermit all\n")
            reload(lab, daemon, "rules of")
            assert inside() == 0, rule
        assert daemon.stop() == 0, daemon.output()
    finally:
        group.remove()


if __name__ == "__main__":
    run()
