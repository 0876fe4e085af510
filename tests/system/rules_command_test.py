#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`gatehouse rules` on a real gatehoused: what it says about rules is what happens to connections of real programs."""
import errno
import json
import pathlib
import re
import pty
import select
import shutil
import sys
import time
import os

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net, protocol  # noqa: E402
from gatetest.lab import as_user  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

# The last: it began right after a change of the policy, and was ended with the live connections that this blocks.
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ECONNABORTED)
FAR, SHUT = "10.78.0.9", "10.78.0.5"
FAR_V6 = "fd78::9"


def rules(lab, *arguments, code=0, wrapper=()):
    done = lab.run(*wrapper, names.find_program("gatehouse"), "--socket", lab.socket, "rules", *arguments, timeout=200)
    assert done.returncode == code, f"gatehouse rules {arguments}: {done.returncode}, {done.stdout} {done.stderr}"
    return done


def listed(lab):
    return [json.loads(line) for line in rules(lab, "list", "--json").stdout.splitlines()]


def write(lab, text, name="policy"):
    path = lab.directory / name
    path.write_text(text, encoding="utf-8")
    return path


def connects(lab, address, port, **options):
    """True, False when it is refused at once; anything else fails."""
    error, microseconds, _, _ = lab.connect_timer(address, port, **options).result()
    assert error == 0 or (error in REFUSED and microseconds < 30e6), (address, port, error, microseconds)
    return error == 0


@case("rules check: without gatehoused, as nobody")
def check(lab):
    path = write(lab, "permit to 10.0.0.0/8\nblock to 10.0.0.1\n")
    os.chmod(lab.directory, 0o755)
    done = rules(lab, "check", path, wrapper=as_user("nobody", []))
    assert "2 rules" in done.stdout and "never matches" in done.stderr, done
    done = rules(lab, "check", write(lab, "permit to 10.0.0.0/8\nblok all\n"), code=1)
    assert f"{path}:2:1:" in done.stderr and "\n    blok all\n    ^^^^\n" in done.stderr, done.stderr
    done = rules(lab, "list", code=2)
    assert "no gatehoused answers" in done.stderr


@case("rules load, list, diff: rules decide without a decider, hits are counted; a bad file changes nothing")
def load(lab):
    server, other = TcpServer(lab.server), TcpServer(lab.server, port=7001)
    lab.gatehoused()
    policy = write(lab, f"permit out proto tcp to {net.SERVER_V4} port 7000\nblock out proto tcp to any port 7001\n")
    rules(lab, "diff", policy, code=1)
    assert "2 rules added, 0 removed, 0 unchanged" in rules(lab, "load", policy).stdout
    assert rules(lab, "diff", policy).stdout == ""
    for _ in range(5):
        assert connects(lab, net.SERVER_V4, server.port)
    for _ in range(3):
        assert not connects(lab, net.SERVER_V4, other.port)
    wait_until(lambda: [rule["hits"] for rule in listed(lab)] == [5, 3], 5, "hits 5 and 3")
    table = rules(lab, "list").stdout
    tell(table.splitlines()[1])
    assert "s ago" in table.splitlines()[1], table
    rules(lab, "load", write(lab, "block all\nnonsense\n", "bad"), code=1)
    assert [rule["hits"] for rule in listed(lab)] == [5, 3]
    changed = write(lab, f"block out proto tcp to any port 7001\npermit out proto tcp to {net.SERVER_V4} port 7000\nblock to {SHUT}\n")
    done = rules(lab, "diff", changed, code=1)
    assert sorted(line[0] for line in done.stdout.splitlines()) == ["+", ">"], done.stdout
    rules(lab, "load", changed)
    assert [rule["hits"] for rule in listed(lab)] == [3, 5, 0], "hits stay with their rules"


@case("rules add and remove: on top of the file, at once, by id and by number; a rule of the file is not removed")
def add_and_remove(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    policy = write(lab, "permit out proto tcp\n")
    rules(lab, "load", policy)
    assert connects(lab, net.SERVER_V4, server.port)
    identifier = rules(lab, "add", f"block to {net.SERVER_V4} port 7000").stdout.strip()
    assert not connects(lab, net.SERVER_V4, server.port)
    assert connects(lab, net.SERVER_V6, server.port)
    rules(lab, "load", policy)
    assert [(rule["id"], rule["place"]) for rule in listed(lab)][0] == (identifier, "added"), "a load leaves added rules"
    assert not connects(lab, net.SERVER_V4, server.port)
    done = rules(lab, "remove", "2", code=3)
    assert f"{policy}:1" in done.stderr, done.stderr
    rules(lab, "remove", identifier[:8])
    assert connects(lab, net.SERVER_V4, server.port)
    rules(lab, "add", "block", "program", lab.copy_program("connect_timer", "with a space"), "for", "1", "hours")
    assert not connects(lab, net.SERVER_V4, server.port, path=str(lab.directory / "with a space"))
    rules(lab, "remove", "1")
    assert connects(lab, net.SERVER_V4, server.port, path=str(lab.directory / "with a space"))
    rules(lab, "remove", "2", code=1)


@case("rules load while the state folder is gone: the old policy stands, and the sentence names the setting")
def no_state(lab):
    lab.gatehoused()
    rules(lab, "load", write(lab, "permit out\n"))
    shutil.rmtree(lab.directory / f"{lab.socket.name}.state")
    done = rules(lab, "load", write(lab, "block out\n", "second"), code=3)
    assert "setting 'state'" in done.stderr and "old policy stands" in done.stderr, done.stderr
    assert [rule["rule"] for rule in listed(lab)] == ["permit out"]


@case("rules add for N seconds ends by itself")
def lifetime(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    rules(lab, "load", write(lab, "permit out proto tcp\n"))
    rules(lab, "add", f"block to {net.SERVER_V4} for 15 seconds")
    assert not connects(lab, net.SERVER_V4, server.port)
    assert re.search(r"  in \d+ s  block to ", rules(lab, "list").stdout.splitlines()[1])
    wait_until(lambda: len(listed(lab)) == 1, 60, "the rule's end")
    assert connects(lab, net.SERVER_V4, server.port)


@case("a rule until exit stays while one of its programs runs, and ends with the last")
def until_exit(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    rules(lab, "load", write(lab, "block out proto tcp\n"))
    program = lab.copy_program("udp_sender", "runs")
    rules(lab, "add", f'permit program "{program}" until exit')
    assert not connects(lab, net.SERVER_V4, server.port), "other programs are no matter of the rule"
    running = [lab.talker("udp_sender", "connected", net.SERVER_V4, 7000, path=program) for _ in range(2)]
    for talker in running:
        talker.say("0 hello")
    wait_until(lambda: listed(lab)[0]["hits"] == 2, 5, "two connections by the rule")
    running[0].close()
    time.sleep(1)
    assert [rule["until"] for rule in listed(lab)] == ["exit", "removed"]
    running[1].close()
    wait_until(lambda: len(listed(lab)) == 1, 5, "the rule's end")


def table_policy(lab, programs):
    return f"""set far = {{ 10.78.0.0/24, fd78::/64 }}
permit program "{programs['alpha']}" out proto tcp to any port {{ 7000, 7001 }}
block program "{lab.directory}/be*" log
permit user nobody to $far port 7000
block to {SHUT}
ask program "{programs['gamma']}" out proto tcp
permit to $far
block proto tcp to any port 7001
ask out
block all
"""


def explained(lab, program, address, port, user):
    to = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    more = ["--user", user or "root"]
    (found,) = [json.loads(line) for line in rules(lab, "explain", program, to, *more, "--json").stdout.splitlines()]
    return found["action"], found["number"]


def happens(lab, decider, program, address, port, user):
    """permit, block or ask, as the program and the decider see it; what is asked is permitted."""
    talker = lab.connect_timer(address, port, path=program, user=user)
    asked = False
    until = time.monotonic() + 50
    while not asked and time.monotonic() < until:
        if select.select([talker.process.stdout], [], [], 0)[0]:
            break
        try:
            (request,) = decider.requests(timeout=0.05)
        except TimeoutError:
            continue
        asked = True
        decider.decide(request, protocol.PERMIT)
    error = talker.result()[0]
    assert error == 0 or (error in REFUSED and not asked), (program, address, port, error, asked)
    return "ask" if asked else "permit" if error == 0 else "block"


@case("rules explain says what happens: 40 connections of four programs, two users, six destinations; hits say so too", timeout=180)
def explain(lab):
    TcpServer(lab.server)
    TcpServer(lab.server, port=7001)
    os.chmod(lab.directory, 0o755)
    programs = {name: lab.copy_program("connect_timer", name) for name in ("alpha", "beta", "gamma", "delta")}
    lab.gatehoused()
    rules(lab, "load", write(lab, table_policy(lab, programs)))
    counts, actions, wrong = {}, {}, []
    with lab.decider() as decider:
        for program in programs.values():
            for address, port in ((net.SERVER_V4, 7000), (net.SERVER_V4, 7001), (FAR, 7000), (SHUT, 7001), (FAR_V6, 7000)):
                for user in (None, "nobody"):
                    said, number = explained(lab, program, address, port, user)
                    found = happens(lab, decider, program, address, port, user)
                    if said != found:
                        wrong.append((program, address, port, user, said, found))
                    counts[number] = counts.get(number, 0) + 1
                    actions[said] = actions.get(said, 0) + 1
    assert not wrong, wrong
    tell(f"{actions}, by rules {sorted(counts)}")
    assert sum(actions.values()) == 40 and set(actions) == {"permit", "block", "ask"}
    hits = {rule["number"]: rule["hits"] for rule in listed(lab)}
    expected = {number: counts.get(number, 0) for number in hits}
    assert hits == expected, f"counted {hits}, explained {expected}"


@case("a change of rules decides what is held: add, load, remove; what it asks about waits on", timeout=90)
def held(lab):
    servers = {port: TcpServer(lab.server, port=port) for port in (7000, 7001, 7002)}
    lab.gatehoused("--deadline", "120")
    watcher = lab.gatehouse("watch", "--json")
    with lab.decider() as decider:
        wait_until(lambda: decider.status().observers == 1, 10, "the watcher")
        talkers = {port: [lab.connect_timer(net.SERVER_V4, port) for _ in range(8)] for port in servers}
        requests = {request.id: request for request in decider.collect(24)}  # all of them in a decider's hands
        rules(lab, "add", f"permit out proto tcp to {net.SERVER_V4} port 7000")
        assert all(talker.result()[0] == 0 for talker in talkers[7000])
        gone = next(request for request in requests.values() if request.remote_port == 7000)
        assert decider.submit([(gone.id, protocol.BLOCK, 0, 0)]) == [0xE0470009]  # unknown id
        rules(lab, "load", write(lab, "ask out proto tcp to any port 7002\nblock out proto tcp to any port { 7001, 7002 }\n"))
        assert all(talker.result()[0] in REFUSED for talker in talkers[7001])
        assert decider.status().held == 8
        for request in requests.values():
            if request.remote_port == 7002:
                decider.decide(request, protocol.PERMIT)
        assert all(talker.result()[0] == 0 for talker in talkers[7002])
        rules(lab, "add", "ask out proto tcp to any port 7000")
        asked = lab.connect_timer(net.SERVER_V4, 7000)
        decider.collect(1)
        rules(lab, "remove", next(rule["id"] for rule in listed(lab) if rule["rule"].startswith("ask") and "7000" in rule["rule"]))
        assert asked.result()[0] == 0
    wait_until(lambda: watcher.output().count('"by":"rule"') == 17, 30, "an event for each")


@case("rules that log: watch shows the id that the list has")
def log(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    watcher = lab.gatehouse("watch", "--json")
    with lab.observer() as counter:
        wait_until(lambda: counter.status().observers == 2, 10, "the watcher")
    rules(lab, "load", write(lab, "permit out proto tcp log\n"))
    assert connects(lab, net.SERVER_V4, server.port)
    wait_until(lambda: watcher.output().strip(), 5, "an event")
    found = json.loads(watcher.output().splitlines()[0])
    assert (found["by"], found["verdict"], found["rule"]) == ("rule", "permit", listed(lab)[0]["id"]), found


@case("flows: a connection with its program, its rule and what it carried; -f tells its begin and its end")
def flows(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    rules(lab, "load", write(lab, "permit out proto tcp\n"))
    follower = lab.gatehouse("flows", "-f", "--json")
    with lab.observer() as counter:
        wait_until(lambda: counter.status().observers == 2, 10, "the follower")
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    assert talker.result()[0] == 0
    wait_until(lambda: '"ended"' in follower.output(), 6, "the flow's end")
    found = json.loads(follower.output().splitlines()[-1])
    assert (found["event"], found["pid"], found["way"], found["remote_port"]) == ("ended", talker.process.pid, "out", server.port)
    assert found["program"].endswith("connect_timer") and found["rule"] == listed(lab)[0]["id"], found
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "flows")
    assert done.returncode == 0 and found["rule"][:6] in done.stdout.splitlines()[1], done


class Asker:
    """`gatehouse ask` on a terminal."""

    def __init__(self, lab):
        self.keys, theirs = pty.openpty()
        command = [names.find_program("gatehouse"), "--socket", str(lab.socket), "ask", "--lines", "--desk", str(lab.directory / "desk.sock")]
        self.process = lab.client.popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        lab.wait_decider(self.process.pid)
        self.text = ""

    def answer(self, what, keys):
        until = time.monotonic() + net.PATIENCE
        while what not in self.text or "left) " not in self.text.split(what)[-1]:
            if not select.select([self.keys], [], [], max(0, until - time.monotonic()))[0]:
                raise AssertionError(f"no question about {what}: {self.text!r}")
            self.text += os.read(self.keys, 4096).decode(errors="replace")
        self.text = ""
        time.sleep(0.4)
        for key in keys:
            os.write(self.keys, key.encode())
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(net.PATIENCE)


@case("answers with a lifetime are rules: always, 10 minutes, until exit, until reboot; they decide without ask", timeout=90)
def answers(lab):
    servers = {port: TcpServer(lab.server, port=port) for port in (7000, 7001, 7002, 7003)}
    lab.gatehoused("--deadline", "60")
    asker = Asker(lab)
    program = lab.copy_program("connect_timer", "asked")
    for port, keys, permitted in ((7000, "a", True), (7001, "10y", True), (7002, "rn", False)):
        talker = lab.connect_timer(net.SERVER_V4, port, path=program)
        asker.answer(f":{port}", keys)
        assert (talker.result()[0] == 0) == permitted, port
    udp = lab.talker("udp_sender", "connected", net.SERVER_V4, 7003)
    udp.say("0 hello")
    asker.answer(":7003", "ey")
    wait_until(lambda: len(listed(lab)) == 4, 5, "four rules")
    found = {rule["until"]: rule for rule in listed(lab)}
    assert {rule["place"] for rule in found.values()} == {"answer"}
    assert set(found) == {"removed", "time", "exit", "reboot"}, found
    assert program in found["removed"]["rule"] and "port 7000" in found["removed"]["rule"], found
    asker.stop()
    for _ in range(3):
        assert connects(lab, net.SERVER_V4, 7000, path=program)
        assert connects(lab, net.SERVER_V4, 7001, path=program)
        assert not connects(lab, net.SERVER_V4, 7002, path=program)
    udp.close()
    wait_until(lambda: len(listed(lab)) == 3, 5, "the end of the answer for a program that exited")
    assert servers


@case("answers and added rules survive a killed gatehoused; while it is dead what is decided stays so", timeout=90)
def survive(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused("--deadline", "60")
    asker = Asker(lab)
    program = lab.copy_program("connect_timer", "asked")
    talker = lab.connect_timer(net.SERVER_V4, server.port, path=program)
    asker.answer(f":{server.port}", "a")
    assert talker.result()[0] == 0
    asker.stop()
    rules(lab, "add", f'block program "{lab.copy_program("connect_timer", "shut")}"')
    rules(lab, "load", write(lab, f"permit to {FAR}\n"))
    before = [(rule["id"], rule["place"]) for rule in listed(lab)]
    assert [place for _, place in before] == ["added", "file", "answer"], before
    assert connects(lab, net.SERVER_V4, server.port, path=program)
    daemon.kill()
    assert connects(lab, net.SERVER_V4, server.port, path=program), "decided before, so decided now"
    lab.gatehoused("--deadline", "60")
    assert [(rule["id"], rule["place"]) for rule in listed(lab)] == before
    assert connects(lab, net.SERVER_V4, server.port, path=program)
    assert connects(lab, FAR, server.port)
    assert not connects(lab, net.SERVER_V4, server.port, path=str(lab.directory / "shut"))
    rules(lab, "remove", "1", "3")
    assert len(listed(lab)) == 1


@case("rules of a hundred thousand addresses and of ten thousand lines load, list and explain")
def many(lab):
    lab.gatehoused()
    addresses = "".join(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n" for i in range(0, 200000, 2))
    write(lab, addresses, "addresses")
    lines = "".join(f'permit program "/opt/program-{i}" to 192.0.2.{i & 255}\n' for i in range(10000))
    policy = write(lab, f'set many = file "{lab.directory}/addresses"\nblock to $many\n{lines}')
    began = time.monotonic()
    done = rules(lab, "load", policy)
    tell(f"{done.stdout.strip()}; {time.monotonic() - began:.2f} s")
    assert "10001 rules added" in done.stdout
    assert len(listed(lab)) == 10001
    for address, number in (("10.1.0.2", 1), ("10.1.0.3", None)):
        found = json.loads(rules(lab, "explain", "/x", address, "--json").stdout)
        assert found.get("number") == number, found.get("number")


@case("many rules whose stored file is gone or changed: they hold, each command says so, a load mends it")
def lost(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    lines = "".join(f'permit program "/opt/program-{i}" to 192.0.2.{i & 255}\n' for i in range(2000))
    policy = write(lab, f"block out proto tcp to {net.SERVER_V4}\n{lines}")
    state = lab.directory / f"{lab.socket.name}.state"
    for way in ("gone", "changed"):
        rules(lab, "load", policy)
        assert len(listed(lab)) == 2001
        stored = [path for path in state.rglob("rules") if path.is_file()]
        assert stored, list(state.rglob("*"))
        for path in stored:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.unlink()
            if way == "changed":
                path.write_bytes(data)
        for arguments in (["list"], ["explain", "/x", net.SERVER_V4], ["diff", policy]):
            done = rules(lab, *arguments, code=3)
            assert "in force" in done.stderr and "rules load" in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not connects(lab, net.SERVER_V4, server.port)
        rules(lab, "add", f"permit to {net.SERVER_V4}")
        assert connects(lab, net.SERVER_V4, server.port)
        assert lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "status").returncode == 0
        assert "could not be read" in rules(lab, "load", policy).stdout
        assert len(listed(lab)) == 2002
        rules(lab, "remove", "1")
        assert not connects(lab, net.SERVER_V4, server.port)


@case("who may not change rules is refused, in one sentence")
def refused(lab):
    lab.gatehoused()
    os.chmod(lab.directory, 0o755)
    policy = write(lab, "block all\n")
    for arguments in (["load", policy], ["add", "block all"], ["list"], ["remove", "1"]):
        done = rules(lab, *arguments, code=3, wrapper=as_user("nobody", []))
        assert done.stderr.startswith("gatehouse: ") and done.stderr.count("\n") == 1, done.stderr
    assert listed(lab) == []


if __name__ == "__main__":
    run()
