#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gatehouse run and its desk: real connections, held by a real gatehoused, answered by several people at once."""
import errno
import json
import os
import pathlib
import random
import select
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import desk, lab as laboratory, names, net  # noqa: E402
from gatetest.servers import HttpServer, TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)


def desk_path(lab):
    return lab.directory / "desk.sock"


def history_path(lab):
    return lab.directory / "history" / "history.db"


def resident(lab, *arguments, **options):
    """gatehouse run, whose desk answers."""
    program = lab.gatehouse("run", "--desk", desk_path(lab), "--history", history_path(lab), *arguments, **options)
    desk.connect(desk_path(lab)).close()
    return program


def sit_down(lab, decider=True):
    peer = desk.connect(desk_path(lab))
    if decider:
        peer.wait_decider()
    return peer


def connects(lab, count, kind="distinct", address=net.MANY_V4, port=7000, seconds=150):
    talker = lab.talker("many_connects", count, kind, address, port, seconds)
    assert talker.first == f"started {count}", talker.first
    return talker


def outcomes(talker, count):
    """many_connects' lines: [(errno, local port)] by index."""
    found = []
    while len(found) < count:
        index, error, _, port = talker.read_line().split()
        assert int(index) == len(found)
        found.append((int(error), int(port)))
    return found


def was_permitted(error):
    assert error == 0 or error in REFUSED, error
    return error == 0


@case("desk: one question, two people; the first answer counts, and the other is told whose it was")
def first_wins(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    resident(lab)
    alice, bob = sit_down(lab), sit_down(lab)
    program = lab.copy_program("connect_timer", "asks me")
    talker = lab.connect_timer(net.SERVER_V4, server.port, path=program, user="nobody")
    (question,) = alice.wait_questions(1)
    (same,) = bob.wait_questions(1)
    assert question["id"] == same["id"]
    for name, value in (("program", program), ("pid", talker.pid), ("user", "nobody"), ("direction", "out"),
                        ("protocol", "tcp"), ("address", net.SERVER_V4), ("port", server.port)):  # fmt: skip
        assert question[name] == value, (name, question)
    assert 0 < question["left_ms"] <= 60000 and question["held_ms"] < 60000, question
    tell(json.dumps(question)[:300])
    told = alice.wait_answered(alice.answer(question, "permit"))
    assert told["status"] == "ok" and told["covered"] == 0, told
    assert talker.result()[0] == 0
    gone = bob.wait_gone(question)
    assert (gone["verdict"], gone["by"], gone["scope"]) == ("permit", "decider", "connection") and gone["who"], gone
    assert alice.wait_gone(question)["yours"] is True and "yours" not in gone
    late = bob.wait_answered(bob.answer(question, "block"))
    assert late["status"] == "late" and late["who"] == gone["who"] and "permitted" in late["sentence"], late


@case("desk: a question says what is known of its process: command line, parents, in time or not at all")
def facts(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    resident(lab)
    alice = sit_down(lab)
    program = lab.copy_program("connect_timer", "asks me")
    # A busy machine may not have looked within the patience of the desk; not always.
    for _ in range(20):
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=program)
        (question,) = alice.wait_questions(1)
        alice.wait_answered(alice.answer(question, "block"))
        alice.wait_gone(question)
        assert talker.result()[0] in REFUSED
        if "command" in question:
            break
    assert "asks me" in question["command"] and question["parents"][0]["pid"] == os.getpid(), question
    assert "package" not in question and "deleted" not in question, question


class Person(threading.Thread):
    """Answers everything it sees, in an order and with verdicts of its own, several under way at once."""

    def __init__(self, lab, seed, count, together):
        super().__init__(daemon=True)
        self.together = together
        self.peer = sit_down(lab)
        self.random = random.Random(seed)
        self.count = count
        self.given = {}  # tag: (question, verdict)
        self.failure = None

    def run(self):
        try:
            self._run()
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def _run(self):
        peer = self.peer
        mine = set()
        peer.wait_questions(self.count, 100)
        end = time.monotonic() + 110
        rounds = 0
        while len(peer.gone) < self.count:
            # At the beginning nobody gets ahead, however busy the machine is.
            rounds += 1
            if rounds <= 8:
                self.together.wait(100)
            assert time.monotonic() < end, f"{len(peer.gone)} of {self.count} ended"
            waiting = [question for question in peer.questions.values() if question["id"] not in mine]
            self.random.shuffle(waiting)
            for question in waiting[: self.random.randint(5, 40)]:
                verdict = self.random.choice(("permit", "block"))
                mine.add(question["id"])
                self.given[peer.answer(question, verdict)] = (question, verdict)
            peer.read(0.05 if waiting else 1)
        peer.until(lambda: len(peer.answered) == len(self.given), "all replies")


@case("desk: 1,000 connections held, two people answer at once; each gets the verdict that its own ok said", timeout=200)
def thousand(lab):
    count = 1000
    server = TcpServer(lab.server)
    lab.gatehoused("--deadline", "120")
    resident(lab, "--quiet")
    together = threading.Barrier(2)
    people = [Person(lab, seed, count, together) for seed in (1, 2)]
    talker = connects(lab, count, port=server.port)
    for person in people:
        person.start()
    for person in people:
        person.join(300)
        if person.failure is not None:
            raise person.failure
        assert not person.is_alive(), "somebody still answers"
    ended = outcomes(talker, count)
    decided = {}
    for person in people:
        assert person.peer.order == sorted(person.peer.order), "replies came in another order than answers"
        for tag, (question, verdict) in person.given.items():
            line = person.peer.answered[tag]
            if line["status"] == "ok":
                assert question["id"] not in decided, "two answers counted"
                decided[question["id"]] = (question, verdict)
            else:
                assert line["status"] == "late", line
    assert len(decided) == count
    ports = {}
    for question, verdict in decided.values():
        ports[(question["local"].split(":")[-1], question["address"])] = verdict
    first = net.MANY_V4.split(".")
    wrong = 0
    for index, (error, port) in enumerate(ended):
        number = int(first[2]) * 256 + int(first[3]) + index
        address = f"{first[0]}.{first[1]}.{number // 256}.{number % 256}"
        wrong += was_permitted(error) != (ports[(str(port), address)] == "permit")
    assert wrong == 0, f"{wrong} connections got another verdict than their answer's"
    for person in people:
        for identifier, (_, verdict) in decided.items():
            gone = person.peer.gone[identifier]
            assert gone["verdict"] == verdict and gone["by"] == "decider", gone
    shares = [sum(line["status"] == "ok" for line in person.peer.answered.values()) for person in people]
    tell(f"answers that counted: {shares}; late: {[len(p.given) - s for p, s in zip(people, shares)]}")
    assert min(shares) > 0, "the two did not answer at the same time"


@case("desk: one answer for a destination, a port, a program covers the others that wait, and what comes later")
def scopes(lab):
    server, other = TcpServer(lab.server), TcpServer(lab.server, port=7100)
    lab.gatehoused()
    resident(lab)
    alice, bob = sit_down(lab), sit_down(lab)
    for number, (scope, covered) in enumerate((("destination", 2), ("port", 3), ("program", 4))):
        program = lab.copy_program("connect_timer", f"covers{number}")
        talkers = [lab.connect_timer(address, port, path=program) for address, port in (
            (net.SERVER_V4, server.port), (net.SERVER_V4, server.port), (net.SERVER_V4, server.port),
            (net.MANY_V4, server.port), (net.SERVER_V4, other.port))]  # fmt: skip
        questions = alice.wait_questions(5)
        like = next(q for q in questions if q["address"] == net.SERVER_V4 and q["port"] == server.port)
        told = alice.wait_answered(alice.answer(like, "permit", scope, "minutes", minutes=5))
        assert told["status"] == "ok" and told["covered"] == covered, (scope, told)
        alice.until(lambda: len(alice.questions) == 4 - covered, "the covered ones' ends")
        bob.until(lambda: like["id"] in bob.gone and len(bob.questions) == 4 - covered, "the covered ones' ends")
        by_answer = [gone for gone in bob.gone.values() if gone["by"] == "answer" and gone["scope"] == scope]
        assert len(by_answer) == covered and all(gone["who"] for gone in by_answer), by_answer
        for question in list(alice.questions.values()):
            alice.wait_answered(alice.answer(question, "block"))
        errors = [talker.result()[0] for talker in talkers]
        assert sum(was_permitted(error) for error in errors) == covered + 1, (scope, errors)
        assert was_permitted(lab.connect_timer(net.SERVER_V4, server.port, path=program).result()[0])


@case("desk: undo takes the rule back and ends what it let through; a second undo says so")
def undo(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    resident(lab)
    alice = sit_down(lab)
    for scope, until in (("program", "always"), ("destination", "reboot"), ("connection", "once")):
        keeper = subprocess_holding(lab, server.port)
        (question,) = alice.wait_questions(1)
        told = alice.wait_answered(alice.answer(question, "permit", scope, until))
        assert told["status"] == "ok" and told["undo"], told
        assert keeper.stdout.readline().strip() == "connected"
        undone = alice.wait_undone(alice.undo(told["undo"]))
        assert undone["status"] == "ok", undone
        tell(undone["sentence"])
        assert keeper.stdout.readline().strip() == "ended", "what was open goes on"
        keeper.wait(net.PATIENCE)
        again = alice.wait_undone(alice.undo(told["undo"]))
        assert again["status"] == "refused" and "already" in again["sentence"], again
        rules = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "rules", "list", "--json").stdout
        assert "python" not in rules, rules
        asks = subprocess_holding(lab, server.port)
        (question,) = alice.wait_questions(1)
        refusal = alice.wait_answered(alice.answer(question, "block", "program", "always"))
        assert asks.stdout.readline().strip() == "refused"
        asks.wait(net.PATIENCE)
        undone = alice.wait_undone(alice.undo(refusal["undo"]))
        assert undone["status"] == "ok" and "refused" in undone["sentence"], undone


def subprocess_holding(lab, port):
    """A program that connects, says so, and says when its connection ends."""
    script = (
        "import socket\n"
        "s = socket.socket()\n"
        "try: s.connect(('%s', %d))\n"
        "except OSError: print('refused', flush=True); raise SystemExit\n"
        "print('connected', flush=True)\n"
        "s.settimeout(90)\n"
        "import time\n"
        "end = time.monotonic() + 90\n"
        "try:\n"
        "    while time.monotonic() < end:\n"
        "        s.send(b'x'); time.sleep(0.05)\n"
        "    print('lives', flush=True)\n"
        "except OSError: print('ended', flush=True)\n" % (net.SERVER_V4, port)
    )
    return lab.client.popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


@case("desk: run is killed with questions on it; the next one has them all again")
def run_killed(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--deadline", "120")
    program = resident(lab)
    alice = sit_down(lab)
    talker = connects(lab, 50, port=server.port)
    before = alice.wait_questions(50)
    for question in before[:10]:
        alice.wait_answered(alice.answer(question, "permit"))
    program.kill()
    resident(lab)
    alice = sit_down(lab)
    questions = alice.wait_questions(40)
    local = {question["local"] for question in before[10:]}
    assert {question["local"] for question in questions} == local
    for question in questions:
        assert alice.wait_answered(alice.answer(question, "block"))["status"] == "ok"
    ended = outcomes(talker, 50)
    assert sum(was_permitted(error) for error, _ in ended) == 10, ended


@case("desk: gatehoused is killed; peers are told, and asked again when it is back")
def gatehoused_killed(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused("--deadline", "120")
    resident(lab)
    alice, bob = sit_down(lab), sit_down(lab)
    talker = connects(lab, 20, port=server.port)
    first = alice.wait_questions(20)
    bob.wait_questions(20)
    assert alice.wait_answered(alice.answer(first[0], "permit"))["status"] == "ok"
    daemon.kill()
    hello = alice.wait_decider(False)
    assert hello["sentence"], hello
    alice.until(lambda: not alice.questions, "the ends of what waited")
    assert {gone["by"] for identifier, gone in alice.gone.items() if identifier != first[0]["id"]} == {"unload"}
    late = alice.wait_answered(alice.answer(first[5], "permit"))
    assert late["status"] == "late", late
    lab.gatehoused("--deadline", "120")
    for peer in (alice, bob):
        peer.wait_decider(True)
    for question in alice.wait_questions(19, 90):
        assert alice.wait_answered(alice.answer(question, "permit"))["status"] == "ok"
    assert all(was_permitted(error) for error, _ in outcomes(talker, 20))


@case("desk: a peer is killed in the middle of its answers; what it said counts, the other goes on")
def peer_killed(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--deadline", "120")
    resident(lab)
    alice, bob = sit_down(lab), sit_down(lab)
    talker = connects(lab, 100, port=server.port)
    for question in alice.wait_questions(100)[:30]:
        alice.answer(question, "permit")
    alice.close()
    bob.until(lambda: len(bob.gone) == 30, "the ends that alice's answers made")
    for question in list(bob.questions.values()):
        assert bob.wait_answered(bob.answer(question, "block"))["status"] == "ok"
    assert sum(was_permitted(error) for error, _ in outcomes(talker, 100)) == 30


@case("desk: somebody else decides: peers are told so, and asked as soon as that one ends")
def role_taken(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    other = lab.decider()
    resident(lab)
    alice = sit_down(lab, decider=False)
    hello = alice.wait_decider(False)
    assert "another program decides" in hello["sentence"], hello
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    other.requests()
    assert not alice.read(1) or not alice.questions
    other.close()
    alice.wait_decider(True)
    (question,) = alice.wait_questions(1)
    alice.answer(question, "permit")
    assert talker.result()[0] == 0


@case("desk: a peer that does not read is dropped and makes nobody wait; nonsense is refused, line by line", timeout=120)
def bad_peers(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--deadline", "120")
    resident(lab, "--quiet")
    deaf, alice = sit_down(lab), sit_down(lab)
    rude = sit_down(lab)
    for line in (b"\n", b"nonsense\n", b'{"type":"answer"}\n', b"[1,2]\n", b'{"type":"answer","id":"0","verdict":"x"}\n'):
        rude.socket.sendall(line)
    rude.until(lambda: len(rude.errors) == 5, "five errors")
    rude.socket.sendall(b"x" * 70000)
    try:
        while rude.read(net.PATIENCE):
            pass
        raise AssertionError("a line of 70,000 bytes was taken")
    except (desk.DeskClosed, ConnectionError):
        pass
    # Errors are what a peer can order without end, and this one reads none of them.
    deaf.socket.setblocking(False)
    sent = 0
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end:
            try:
                sent += deaf.socket.send(b"x\n" * 4096)
            except BlockingIOError:
                time.sleep(0.01)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert time.monotonic() < end, f"a peer that reads nothing was kept; it sent {sent} bytes"
    talker = connects(lab, 200, port=server.port)
    for question in alice.wait_questions(200):
        alice.answer(question, "permit")
    assert all(was_permitted(error) for error, _ in outcomes(talker, 200))


@case("desk: only root, its own user and members of the group come to it; a second desk at one place is refused")
def access(lab):
    lab.gatehoused()
    program = resident(lab)
    os.chmod(lab.directory, 0o755)
    os.chmod(desk_path(lab), 0o666)
    script = (
        "import socket\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(%r); print(s.recv(4096).decode(), end='')\n" % str(desk_path(lab))
    )
    done = lab.run(*laboratory.as_user("nobody", [sys.executable, "-c", script]))
    line = json.loads(done.stdout)
    assert line["type"] == "error" and "gatehouse" in line["sentence"], line
    second = lab.gatehouse("run", "--desk", desk_path(lab), "--history", "none")
    assert second.process.wait(60) == 3 and "another desk" in second.output(), second.output()
    assert program.stop() == 0
    assert not desk_path(lab).exists()


class Lines:
    """gatehouse ask at the desk, as lines over pipes."""

    def __init__(self, lab):
        command = [names.find_program("gatehouse"), "--socket", lab.socket, "ask", "--desk", desk_path(lab)]
        self.process = lab.client.popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)  # fmt: skip
        self.text = ""

    def read_until(self, what, seconds=30):
        until = time.monotonic() + seconds
        while what not in self.text:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"no {what!r} from ask, but {self.text!r}")
            data = os.read(self.process.stdout.fileno(), 4096)
            if not data:
                raise AssertionError(f"ask ended: {self.text!r}")
            self.text += data.decode()
        text, self.text = self.text, ""
        return text

    def type(self, answer):
        self.process.stdin.write(answer.encode() + b"\n")


@case("gatehouse ask at the desk: two people in two terminals; what one answers is withdrawn from the other")
def two_asks(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    program = resident(lab)
    alice, bob = Lines(lab), Lines(lab)
    for number, (answer, permitted) in enumerate((("y", True), ("n", False), ("yes 10 minutes", True), ("d", False))):
        path = lab.copy_program("connect_timer", f"lines{number}")
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=path)
        one, other = (alice, bob) if number % 2 == 0 else (bob, alice)
        assert path in one.read_until("y/n/a/d/?")
        other.read_until("y/n/a/d/?")
        one.type(answer)
        text = one.read_until("permitted" if permitted else "blocked")
        assert "withdrawn" not in text, text
        text = other.read_until("by root")
        assert "withdrawn" in text and path in text, text
        assert was_permitted(talker.result()[0]) == permitted
    alice.process.stdin.close()
    assert alice.process.wait(net.PATIENCE) == 5, "the input ended"
    program.kill()
    bob.read_until("Trying again")
    resident(lab)
    bob.read_until("the desk is back")
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    bob.read_until("y/n/a/d/?")
    bob.type("y")
    assert talker.result()[0] == 0
    bob.process.terminate()
    assert bob.process.wait(net.PATIENCE) == 0


def log(lab):
    """What the history has, oldest first."""
    done = lab.run(names.find_program("gatehouse"), "log", "--history", history_path(lab), "--json")
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


@case("run: prints and records what was decided, by whom, and what it carried; run --json prints objects")
def recorded(lab):
    HttpServer(lab.server, body=b"x" * 5000)
    lab.gatehoused()
    program = resident(lab, "--json")
    alice = sit_down(lab)
    alice.say(type="watch", connections=True)
    curl = [names.find_tool("curl"), "-sS", "-m", "90", f"http://{net.SERVER_V4}/"]
    for verdict in ("permit", "block"):
        process = lab.client.popen(curl, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        (question,) = alice.wait_questions(1)
        assert alice.wait_answered(alice.answer(question, verdict))["status"] == "ok"
        alice.wait_gone(question)
        assert len(process.communicate(timeout=90)[0]) == (5000 if verdict == "permit" else 0)
    wait_until(lambda: program.output().count("\n") >= 2, 20, "two lines")
    lines = [json.loads(line) for line in program.output().splitlines()]
    assert [line["verdict"] for line in lines] == ["permit", "block"], lines
    for line in lines:
        assert line["program"].endswith("curl") and line["by"] == "decider" and line["who"], line
        assert line["scope"] == "connection" and line["address"] == net.SERVER_V4, line
    ended = alice.until(lambda: [line for line in alice.connections if line["ended"] and line["bytes_in"]], "the end")
    assert ended[0]["bytes_in"] >= 5000, ended
    assert program.stop() == 0
    kept = log(lab)
    assert len(kept) == 2, f"one row for each connection: {kept}"
    assert {row["verdict"] for row in kept} == {"permit", "block"} and all(row["who"] for row in kept), kept
    (permitted,) = [row for row in kept if row["verdict"] == "permit"]
    assert permitted["bytes_in"] >= 5000 and permitted["bytes_out"] > 0 and permitted["ended"], permitted
    tell(json.dumps(permitted)[:300])


@case("run: a rule that logs is recorded with its text; one that covers what waits is recorded with who gave it")
def recorded_rules(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    path = lab.copy_program("connect_timer", "ruled")
    rule = f'permit program "{path}" log'
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "rules", "add", rule)
    assert done.returncode == 0, done
    program = resident(lab, "--json")
    alice = sit_down(lab)
    assert lab.connect_timer(net.SERVER_V4, server.port, path=path).result()[0] == 0
    other = lab.copy_program("connect_timer", "asked")
    talkers = [lab.connect_timer(net.SERVER_V4, server.port, path=other) for _ in range(3)]
    told = alice.wait_answered(alice.answer(alice.wait_questions(3)[0], "permit", "program", "exit"))
    assert told["covered"] == 2, told
    assert all(talker.result()[0] == 0 for talker in talkers)
    wait_until(lambda: program.output().count("\n") >= 4, 20, "four lines")
    assert program.stop() == 0
    kept = log(lab)
    (ruled,) = [row for row in kept if row["program"] == path]
    assert ruled["by"] == "rule" and ruled["verdict"] == "permit" and ruled["rule"] == rule, ruled
    asked = [row for row in kept if row["program"] == other]
    assert sorted(row["by"] for row in asked) == ["answer", "answer", "decider"], asked
    assert len({row["who"] for row in asked}) == 1 and asked[0]["who"], asked
    assert len({row["rule_id"] for row in asked}) == 1 and asked[0]["rule_id"], asked


@case("run: a history that cannot be written stops no decision")
def history_fails(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    blocked = lab.directory / "file"
    blocked.write_text("no folder", encoding="utf-8")
    program = lab.gatehouse("run", "--desk", desk_path(lab), "--history", blocked / "history.db")
    alice = sit_down(lab)
    for _ in range(3):
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        (question,) = alice.wait_questions(1)
        alice.answer(question, "permit")
        assert talker.result()[0] == 0
        alice.wait_gone(question)
    assert program.stop() == 0


@case("run: waits for a gatehoused that is not there yet, and ends well on a signal at any time")
def waits(lab):
    program = resident(lab)
    alice = sit_down(lab, decider=False)
    assert "gatehoused" in alice.wait_decider(False)["sentence"]
    lab.gatehoused()
    alice.wait_decider(True)
    assert program.stop(signal.SIGTERM) == 0
    program = resident(lab)
    assert program.stop(signal.SIGINT) == 0


if __name__ == "__main__":
    run()
