# SPDX-License-Identifier: MIT
"""Runs the cases of one file and prints TAP 13.

Each case runs in a process of its own with a time limit. Whatever becomes of it, this process then
removes the case's namespaces, programs and files and looks for what is left; something left makes
the case fail. A failed case prints its exception and every program's output.

    @case("Block quickly: ...", timeout=30)
    def refused_in_time(lab): ...

    if __name__ == "__main__":
        run()
"""
import argparse
import contextlib
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from . import lab as laboratory
from . import names, net

PASS, FAIL, SKIP = "pass", "fail", "skip"
BUSY = 5  # so many times as long as on an idle machine a case may take
FILES = 1024  # descriptors that a case may have open: what Linux gives everybody
_cases = []


def case(shows, timeout=60, namespaces=True):
    """Registers a case. shows: the line of the issue it proves. timeout: for an idle machine. The function gets a Lab."""

    def register(function):
        _cases.append((function, shows, timeout, namespaces))
        return function

    return register


def missing():
    """Why no case can run here, or None."""
    if os.geteuid() != 0:
        return "not root: network namespaces and eBPF need it"
    for tool in ("ip", "nsenter", "iptables", "ip6tables", "iptables-save"):
        try:
            names.find_tool(tool)
        except names.Missing as reason:
            return str(reason)
    try:
        for program in ("gatehoused", "gatehouse", "connect_timer", "many_connects", "udp_sender"):
            names.find_program(program)
    except names.Missing as reason:
        return str(reason)
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, timeout=net.PATIENCE, check=False)
    return None if done.returncode == 0 else f"no network namespace: {done.stderr.strip()}"


def ordinary_world():
    """What a case and its programs inherit is the same for everybody, however this was started: under nohup, by cron,
    with a strict umask, in the language and time zone of whoever sits there."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    for name in ("LANGUAGE", "NO_COLOR", "NOTIFY_SOCKET", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "COLUMNS", "LINES"):
        os.environ.pop(name, None)
    os.environ.update(LC_ALL="C.UTF-8", TZ="UTC", HOME=os.environ.get("HOME", "/root"), TERM=os.environ.get("TERM", "dumb"))


def _child(function, prefix, directory, namespaces, pipe):
    """The case's own process: its result goes to the pipe, first line pass, fail or skip."""
    os.setsid()
    ordinary_world()
    result, text = FAIL, "the case did not finish"
    try:
        lab = laboratory.Lab(prefix, directory)
        if namespaces:
            lab.create()
        function(lab)
        result, text = PASS, ""
    except names.Missing as reason:
        result, text = SKIP, str(reason)
    except BaseException:  # pylint: disable=broad-except
        text = traceback.format_exc()
    os.write(pipe, f"{result}\n{text}".encode(errors="replace")[:60000])
    os._exit(0)


def _await(pid, pipe, timeout):
    """The child's result, or a failure when it is not there in time."""
    until = time.monotonic() + timeout
    data = b""
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            data = f"{FAIL}\nno end within {timeout} s".encode()
            os.kill(pid, signal.SIGUSR1)  # faulthandler tells where it was
            time.sleep(0.2)
            break
        more = os.read(pipe, 65536)
        if not more:
            break
        data += more
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    os.waitpid(pid, 0)
    result, _, text = data.decode(errors="replace").partition("\n")
    return (result or FAIL), text or ("" if result else "the case's process died")


def _logs(directory):
    """Everything the case's programs said, for a failed case."""
    lines = []
    for log in sorted(pathlib.Path(directory).glob("*.log")):
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines += [f"--- {log.name}", *said[:20], *(["..."] if len(said) > 80 else []), *said[20:][-60:]]
    return lines


def _run_case(entry, number):
    function, _, timeout, namespaces = entry
    timeout *= BUSY
    prefix = f"{net_prefix()}{number}"
    directory = tempfile.mkdtemp(prefix=f"gatehouse-{prefix}-", dir="/tmp")
    os.chmod(directory, 0o755)
    sys.stdout.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        import faulthandler  # the child alone wants it

        with open(f"{directory}/99-stack.log", "w", encoding="utf-8") as file:
            faulthandler.register(signal.SIGUSR1, file=file, all_threads=True)
            _child(function, prefix, directory, namespaces, writer)
    os.close(writer)
    try:
        result, text = _await(pid, reader, timeout)
    except BaseException:  # told to end in the middle of a case: nothing of it stays
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        laboratory.clean_up(prefix, directory)
        raise
    finally:
        os.close(reader)
    logs = _logs(directory)
    complaints = laboratory.clean_up(prefix, directory)
    if complaints and result != SKIP:
        result, text = FAIL, "\n".join([text, "left behind:", *complaints]).strip()
    return result, text, logs


def net_prefix():
    return f"{names.PREFIX}{os.getpid()}-"


def is_left(name):
    """Its number is no process any more, or is this one, which has made nothing yet."""
    match = re.search(rf"{names.PREFIX}(\d+)-", name)
    return match and (int(match[1]) == os.getpid() or not os.path.exists(f"/proc/{match[1]}"))


def sweep():
    """Removes what a run that was killed left: its number is in the names and is no longer a process. Another run may
    do the same at the same time."""
    for name in net.existing(names.PREFIX):
        if is_left(name):
            print(f"# removing {name}, left by a run that was killed")
            with contextlib.suppress(OSError, RuntimeError):
                laboratory.clean_up(name, "/nonexistent")
    for path in pathlib.Path("/tmp").glob(f"gatehouse-{names.PREFIX}*"):
        if is_left(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _comment(text):
    for line in text if isinstance(text, list) else text.splitlines():
        print(f"# {line}")


def run():
    """Runs the file's cases; exit code 1 when one failed."""
    parser = argparse.ArgumentParser(description="runs the cases of this file")
    parser.add_argument("names", nargs="*", help="only cases whose name contains one of these")
    chosen = parser.parse_args().names
    reason = missing()
    if reason:
        print(f"1..0 # SKIP {reason}")
        sys.exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for number in range(3):  # closed: the next file would get its number, and dig for one dies of that
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout.reconfigure(errors="backslashreplace")  # whatever a program's name is
    sweep()
    cases = [c for c in _cases if not chosen or any(part in c[0].__name__ for part in chosen)]
    print(f"TAP version 13\n1..{len(cases)}")
    failed = 0
    for number, entry in enumerate(cases, 1):
        function, shows, _, _ = entry
        began = time.monotonic()
        result, text, logs = _run_case(entry, number)
        title = f"{number} - {function.__name__.replace('_', ' ')} ({shows})".replace("#", "No.")
        if result == SKIP:
            print(f"ok {title} # SKIP {' '.join(text.split())}")
            continue
        print(f"{'ok' if result == PASS else 'not ok'} {title}")
        _comment(f"{time.monotonic() - began:.1f} s")
        if result != PASS:
            failed += 1
            _comment(text)
            _comment(logs)
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


def tell(text):
    """A figure worth printing, from inside a case: it goes out as a TAP comment at once."""
    print(f"# {text}", flush=True)
