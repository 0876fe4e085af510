#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gatehoused.conf and --check, and each fail mode that it can set, with real connects."""
import errno
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import leftovers, names, net, protocol  # noqa: E402
from gatetest.lab import as_user  # noqa: E402
from gatetest.servers import Ear, TcpServer, UdpServer, soon, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)
MODES = "Fail modes, chosen in gatehoused.conf: closed or open when"
CHECK = "gatehoused.conf, a documented file, is checked by gatehoused --check"
SAMPLE = names.TREE / "packaging/gatehoused.conf"


def config(lab, text, name="gatehoused.conf"):
    path = lab.directory / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def check(lab, *arguments, wrapper=()):
    """(exit code, lines) of --check, which writes nothing to stderr."""
    done = lab.client.run([*wrapper, *lab.daemon(*arguments), "--check"], timeout=60, stdin=subprocess.DEVNULL)
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout.splitlines()


def checked(lab, *arguments):
    done = lab.client.run([*lab.daemon(*arguments), "--check", "--json"], timeout=60, stdin=subprocess.DEVNULL)
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1), done
    return found


def connect(lab, port, address=net.SERVER_V4):
    error, microseconds, _, _ = lab.connect_timer(address, port).result()
    return error, microseconds / 1e6


# --- The file


@case("a file's settings are in force, and the command line goes before them")
def settings_count(lab):
    file = config(lab, f"deadline = 93 # seconds\nundecided = permit\nsocket = {lab.directory}/other.sock\nhold-loopback=yes\n")
    server = TcpServer(lab.client)
    lab.gatehoused("--config", file, "--undecided", "block")
    with lab.observer() as watcher:  # at the socket of the command line
        policy = watcher.status().policy
    assert (policy.deadline_ms, policy.undecided) == (93000, protocol.BLOCK), policy
    with lab.decider() as decider:
        talker = lab.connect_timer("127.0.0.1", server.port)
        decider.decide(decider.requests()[0], protocol.PERMIT)
        assert talker.result()[0] == 0


@case("a bad file: no start, exit code 1, every error with its place, and nothing is changed")
def bad_file(lab):
    rows = [
        ("deadline = 121\n", ["1:12: deadline takes seconds from 0.1 to 120"]),
        ("\ndead = opne\ncapacity 5\n", ['2:8: dead takes closed or open, not "opne"; did you mean "open"?', '3:10: found "5"']),
        ("deadlime = 5\n", ['1:1: found "deadlime", which is no setting; did you mean "deadline"?']),
        ("special-pool = yes\n", ["special-pool"]),
    ]
    for text, expected in rows:
        path = config(lab, text)
        done = lab.client.run(lab.daemon("--config", path), timeout=60, stdin=subprocess.DEVNULL)
        lines = done.stderr.splitlines()
        assert done.returncode == 1 and done.stdout == "" and len(lines) == len(expected), done
        for line, words in zip(lines, expected):
            assert words in line and (str(path) in line or words == "special-pool"), (line, words)
            tell(line)
    assert not lab.socket.exists() and not lab.client.rules() and not leftovers.pins(lab.client.cookie)
    assert not (lab.directory / "device.sock.state").exists(), "the state folder was made"


@case("a file that others can write, or that was named and is not there: no start")
def unsafe_file(lab):
    path = config(lab, "queue = 5\n")
    for mode in (0o622, 0o660):
        path.chmod(mode)
        done = lab.client.run(lab.daemon("--config", path), timeout=60)
        assert done.returncode == 1 and str(path) in done.stderr and "chmod" in done.stderr, done
    path.chmod(0o600)
    os.chown(path, 65534, 0)
    done = lab.client.run(lab.daemon("--config", path), timeout=60)
    assert done.returncode == 1 and "chown" in done.stderr, done
    path.unlink()
    done = lab.client.run(lab.daemon("--config", path), timeout=60)
    assert done.returncode == 1 and f"{path} is not there" in done.stderr, done


@case(f"{CHECK}: right or not, as text that is a file of settings itself, without being root")
def check_text(lab):
    file = config(lab, "deadline = 2.5\n# x\ndead = open\n")
    os.chmod(lab.directory, 0o755)
    code, lines = check(lab, "--config", file, "--capacity", "100")
    assert code == 0 and f"# {file} is right." in lines, lines
    assert "deadline = 2.5 # line 1" in lines and "dead = open # line 3" in lines, lines
    assert "capacity = 100 # command line" in lines and "queue = 4747 # default" in lines, lines
    again = config(lab, "\n".join(lines) + "\n", "again.conf")
    code, second = check(lab, "--config", again)
    assert code == 0 and [line.split(" #")[0] for line in second if line[0] != "#"] == [
        line.split(" #")[0] for line in lines if line[0] != "#"], second  # fmt: skip
    wrong = config(lab, "deadline = 2.5\nqueue = many\n", "wrong.conf")
    code, lines = check(lab, "--config", wrong)
    assert code == 1 and f'# {wrong}:2:9: queue takes a whole number from 0 to 65535, not "many".' in lines, lines
    assert "deadline = 60 # default" in lines, "what is in force without a file that is wrong"
    public = config(lab, "dead = open\n", "public.conf")
    public.chmod(0o644)
    code, lines = check(lab, "--config", public, wrapper=as_user("nobody", []))
    assert code == 0 and "dead = open # line 1" in lines, lines
    assert not lab.client.rules() and not (lab.directory / "device.sock.state").exists()


@case(f"{CHECK}: as JSON, with the rules file: its errors name file, line and column")
def check_json(lab):
    rules = lab.directory / "rules"
    found = checked(lab)
    assert found["ok"] and not found["rules"]["found"] and found["settings"]["dead"] == {"value": "closed", "from": "default"}
    rules.write_text('permit program "/usr/bin/curl" out\nblock all\n', encoding="utf-8")
    found = checked(lab)
    assert found["ok"] and found["rules"]["count"] == 2 and found["rules"]["errors"] == [], found
    rules.write_text("block all\nblokc all\n", encoding="utf-8")
    found = checked(lab)
    error = found["rules"]["errors"][0]
    assert not found["ok"] and (error["file"], error["line"], error["column"]) == (str(rules), 2, 1), found
    tell(error["message"])
    rules.unlink()
    file = config(lab, "dead = opne\n")
    found = checked(lab, "--config", file)
    error = found["config"]["errors"][0]
    assert not found["ok"] and (error["line"], error["column"]) == (1, 8) and "open" in error["message"], found


@case("the documented sample is right, names every setting, and says what is the default anyway")
def sample(lab):
    if not SAMPLE.exists():
        raise names.Missing(f"{SAMPLE} is not in the tree")
    copy = config(lab, SAMPLE.read_text(encoding="utf-8"))
    shown = json.loads(subprocess.run([names.find_program("gatehoused"), "--check", "--json", "--config", copy, "--rules",
                                       f"{lab.directory}/rules"], capture_output=True, check=True).stdout)  # fmt: skip
    text = copy.read_text(encoding="utf-8")
    for name, setting in shown["settings"].items():
        assert f"\n{name} = " in text or f"\n#{name} = " in text, f"{name} is not in the sample"
        assert setting["from"] != "file", f"{name} is set, though the sample is a sample"
    uncommented = config(lab, "".join(line[1:] if line.startswith("#") and line[1:2].isalpha() else line
                                      for line in text.splitlines(True)), "all.conf")  # fmt: skip
    for line in subprocess.run([names.find_program("gatehoused"), "--check", "--config", uncommented, "--rules",
                                f"{lab.directory}/rules"], capture_output=True, text=True, check=False).stdout.splitlines():
        assert not line.startswith(f"# {uncommented}:"), line


# --- Fail modes


@case(f"{MODES} undecided: block and permit at the deadline", timeout=60)
def undecided(lab):
    server = TcpServer(lab.server)
    for word, expected in (("block", REFUSED), ("permit", (0,))):
        file = config(lab, f"deadline = 1\nundecided = {word}\ndead = {'open' if word == 'block' else 'closed'}\n")
        daemon = lab.gatehoused("--config", file)
        with lab.decider() as decider:
            decider.reading = decider.call(protocol.GET_REQUESTS, output_size=130000)  # is there before it
            talker = lab.connect_timer(net.SERVER_V4, server.port)
            decider.requests()
            error, microseconds, _, _ = talker.result()
        assert error in expected and 0.9e6 < microseconds < 50e6, (word, error, microseconds)
        assert daemon.stop() == 0


@case(f"{MODES} no decider is there: hold, block and permit", timeout=60)
def no_decider(lab):
    server = TcpServer(lab.server)
    for word, expected, seconds in (("hold", REFUSED, (0.9, 90)), ("block", REFUSED, (0, 90)), ("permit", (0,), (0, 90))):
        file = config(lab, f"deadline = {1 if word == 'hold' else 120}\nno-decider = {word}\n")
        daemon = lab.gatehoused("--config", file)
        error, took = connect(lab, server.port)
        assert error in expected and seconds[0] < took < seconds[1], (word, error, took)
        assert daemon.stop() == 0


@case(f"{MODES} gatehoused is dead: closed and open, whatever the undecided get", timeout=120)
def dead(lab):
    server, echo = TcpServer(lab.server), UdpServer(lab.server)
    for word, other in (("closed", "permit"), ("open", "block")):
        file = config(lab, f"deadline = 2\nundecided = {other}\nno-decider = {other}\ndead = {word}\n")
        daemon = lab.gatehoused("--config", file)
        ear = Ear(lab.server)
        daemon.kill()
        error, took = connect(lab, server.port)
        sender = lab.talker("udp_sender", "connected", net.SERVER_V4, echo.port)
        sender.ask(f"0 {word}")
        if word == "closed":
            time.sleep(0.3)
            assert error in (*REFUSED, errno.ETIMEDOUT) and took < 90, (error, took)
            assert not ear.heard(protocol=6) and not ear.heard(protocol=17), ear.frames
        else:
            assert error == 0 and took < 90, (error, took)
            wait_until(lambda: word.encode() in echo.payloads, 5, "the datagram")
        tell(f"dead = {word}: connect() {errno.errorcode.get(error, 'succeeds')} after {took:.2f} s")


@case(f"{MODES} gatehoused is dead: a restart with the other word counts at once", timeout=60)
def dead_changes(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--dead", "closed", "--deadline", "1").kill()
    lab.gatehoused("--dead", "open", "--deadline", "1").kill()
    def open_gate():
        error, took = connect(lab, server.port)
        assert error == 0, error
        return took

    soon(open_gate)


if __name__ == "__main__":
    run()
