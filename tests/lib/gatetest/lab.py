# SPDX-License-Identifier: MIT
"""One case's laboratory: two joined namespaces, gatehoused in the first, servers in the second.

Whatever a lab makes is named by its prefix or lies in its directory, so that clean_up() works from
another process after the case was killed.
"""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time

from . import device, leftovers, names, net, servers

READY_SECONDS = 120
STOP_SECONDS = net.PATIENCE


class Program:
    """A started program whose output goes to a file, which a failed case prints."""

    def __init__(self, process, log):
        self.process = process
        self.log = log

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text, seconds=READY_SECONDS):
        """Waits until the output has text; raises with the output when the program ends or time is up."""
        until = time.monotonic() + seconds
        while text not in self.output():
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode} before '{text}':\n{self.output()}")
            if time.monotonic() > until:
                raise AssertionError(f"no '{text}' within {seconds} s:\n{self.output()}")
            time.sleep(0.005)
        return self

    def stop(self, signal_number=signal.SIGTERM, seconds=STOP_SECONDS):
        """Signals it and waits for its end; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {seconds} s of signal {signal_number}:\n{self.output()}") from None

    def kill(self):
        return self.stop(signal.SIGKILL)


class Talker:
    """A program that is spoken to line by line."""

    def __init__(self, process):
        self.process = process
        self.first = self.read_line()
        self.pid = int(self.first.split()[1]) if self.first.startswith("ready") else process.pid

    def read_line(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the program ended: {self.process.args}")
        return line.rstrip("\n")

    def say(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line=""):
        self.say(line)
        return self.read_line()

    def result(self):
        """A line of connect_timer: (errno, microseconds, local port, end in monotonic ns)."""
        error, microseconds, port, end = self.read_line().split()
        return int(error), float(microseconds), int(port), int(end)

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Lab:
    def __init__(self, prefix, directory):
        self.prefix = prefix
        self.directory = pathlib.Path(directory)
        self.socket = self.directory / "device.sock"
        self.client = net.Namespace(f"{prefix}c")
        self.server = net.Namespace(f"{prefix}s")
        self.started = 0
        self.programs = []

    def create(self):
        self.client.create()
        self.server.create()
        net.join(self.client, self.server)
        return self

    def namespace(self, letter):
        """A further namespace of this lab."""
        return net.Namespace(f"{self.prefix}{letter}").create()

    # --- the two programs

    def start(self, arguments, namespace=None, name="program", **options):
        """Starts a program in the client namespace with its output in a file."""
        self.started += 1
        log = self.directory / f"{self.started:02}-{name}.log"
        with open(log, "wb") as file:
            process = (namespace or self.client).popen(
                [str(a) for a in arguments], stdout=file, stderr=subprocess.STDOUT, **options
            )
        self.programs.append(Program(process, log))
        return self.programs[-1]

    def daemon(self, *arguments, socket=None):
        """The words that start a gatehoused that reads and writes nothing of the machine's: no settings but these
        arguments, rules from a file and kept in a folder beside its socket. A later word goes before an earlier one."""
        socket = str(socket or self.socket)
        return [names.find_program("gatehoused"), "--config", os.devnull, "--rules", f"{self.directory}/rules",
                "--state", f"{self.directory}/{os.path.basename(socket)[:64]}.state", "--socket", socket,
                "--confine", "kill",
                *(str(argument) for argument in arguments)]  # fmt: skip

    def gatehoused(self, *arguments, namespace=None, socket=None, ready=True, **options):
        """Starts gatehoused and waits for its rules to be in place."""
        options.setdefault("stdin", subprocess.DEVNULL)
        program = self.start(self.daemon(*arguments, socket=socket), namespace, "gatehoused", **options)
        return program.wait_for("gatehoused: ready") if ready else program

    def gatehouse(self, *arguments, socket=None, wrapper=(), **options):
        """Starts `gatehouse COMMAND`, which runs on. wrapper: a command that becomes it."""
        options.setdefault("stdin", subprocess.DEVNULL)
        command = [*wrapper, names.find_program("gatehouse"), "--socket", socket or self.socket, *arguments]
        return self.start(command, None, f"gatehouse-{arguments[0]}", **options)

    def gatehouse_decides(self, *arguments, **options):
        """Starts a deciding `gatehouse` and waits until it is the decider."""
        program = self.gatehouse(*arguments, **options)
        self.wait_decider(program.pid, options.get("socket"))
        return program

    def wait_decider(self, pid, socket=None, seconds=net.PATIENCE):
        until = time.monotonic() + seconds
        while True:
            with device.observer(socket or self.socket) as watcher:
                if watcher.status().decider_pid == pid:
                    return
            if time.monotonic() > until:
                raise AssertionError(f"process {pid} did not become the decider within {seconds} s")
            time.sleep(0.02)

    def decider(self, **options):
        return device.decider(self.socket, **options)

    def observer(self, **options):
        return device.observer(self.socket, **options)

    # --- traffic

    def talker(self, program, *arguments, namespace=None, path=None, user=None, **options):
        """One of tests/lib's traffic makers, ready to be spoken to; path: a copy of it, user: who runs it."""
        command = [path or names.find_program(program), *(str(a) for a in arguments)]
        if user is not None:
            command = as_user(user, command)
        process = (namespace or self.client).popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **options
        )
        return Talker(process)

    def connect_timer(self, address, port, *arguments, **options):
        """Connects at once; result() of what it returns waits for the outcome."""
        return self.talker("connect_timer", *arguments, address, port, **options)

    def run(self, *arguments, timeout=net.PATIENCE, **options):
        return self.client.run([str(a) for a in arguments], timeout, **options)

    def copy_program(self, name, copy):
        """A copy of a traffic maker under another name: another program, by path and by file."""
        path = self.directory / copy
        shutil.copy(names.find_program(name), path)
        path.chmod(0o755)
        return str(path)


def rules(lab, *words):
    """`gatehouse rules WORDS`, which must succeed; what it says."""
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "rules", *words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@contextlib.contextmanager
def control_group(name):
    """One of our own: its folder, and its path in rules."""
    mounts = pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    root = next((line.split()[1] for line in mounts if line.split()[2] == "cgroup2"), None)
    if root is None:
        raise names.Missing("cgroup2 is not mounted")
    folder = pathlib.Path(root, name)
    folder.mkdir()
    try:
        yield folder, f"/{name}"
    finally:
        inside = folder / "cgroup.procs"
        for pid in inside.read_text(encoding="ascii").split():  # the case failed while its program was here
            os.kill(int(pid), signal.SIGKILL)
        servers.wait_until(lambda: not inside.read_text(encoding="ascii"), 30, f"the end of what is in {folder}")
        folder.rmdir()


def with_file(file, place):
    """A wrapper command that sees file at place; nobody else does."""
    script = f'mount --bind {file} {place} && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


def raw_watched(lab):
    """What raw sockets send is looked at from now on."""
    servers.wait_until(lambda: sum("/xt_raw_pend " in line for line in lab.client.rules()) == 2, 30, "rules for raw sockets")
    with lab.observer() as watcher:  # answered after what follows the rules
        watcher.platform()


def as_user(user, command):
    """The command run as another user with no further groups; the process stays the same one."""
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--", *command]


def clean_up(prefix, directory):
    """Ends and removes all a lab made, and returns what could not be removed, a sentence each."""
    complaints = []
    cookies = {}
    for name in net.existing(prefix):
        namespace = net.Namespace(name)
        cookies[name] = namespace.cookie
        namespace.kill_all()
        complaints += leftovers.remove_pair(namespace)
    for name in net.existing(prefix):
        net.remove(name)
    complaints += leftovers.find(prefix, directory, cookies)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory)
    if os.path.exists(directory):
        complaints.append(f"{directory} could not be removed")
    return complaints
