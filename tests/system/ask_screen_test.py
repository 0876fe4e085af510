#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`gatehouse ask` on whole terminals (tmux), about real programs that really wait."""
import errno
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import device, names, net  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402
from gatetest.terminal import Terminal  # noqa: E402

ASK = "gatehouse ask on a terminal"
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)
NOTHING = "Nothing waits"


def ask_words(lab, *more):
    return [names.find_program("gatehouse"), "--socket", lab.socket, "ask", "--desk", lab.directory / "desk.sock", *more]


def ask(lab, *more, **options):
    """A screen that decides."""
    terminal = Terminal(lab, ask_words(lab, *more), **options)
    terminal.see(NOTHING)
    return terminal


def ready(lab, **options):
    """A server, gatehoused, and a screen."""
    server = TcpServer(lab.server)
    lab.gatehoused()
    return server, ask(lab, **options)


def rules(lab):
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "rules", "list")
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(terminal, *texts):
    """As a person does: see it, and then take a moment."""
    screen = terminal.see(*texts)
    time.sleep(0.5)  # keys count after 0.3 s; a key that comes too early is told, and press_until presses again
    return screen


def press_until(terminal, key, wanted, what):
    """A busy machine may draw late: the key is pressed again while the screen says that it came too early."""
    for _ in range(20):
        terminal.press(key)
        screen = terminal.until(lambda s: wanted(s) or "read it first" in s, what)
        if wanted(screen):
            return screen
        time.sleep(0.4)
    raise AssertionError(f"not {what}:\n{terminal.screen()}")


def answer(terminal, key, said):
    return press_until(terminal, key, lambda screen: said in screen, f"answered: {said}")


@case(f"{ASK}: a question is seen whole; y lets the program go on, n refuses it")
def yes_and_no(lab):
    server, terminal = ready(lab)
    for key, said, permitted in (("y", "permitted asked-y", True), ("n", "blocked asked-n", False)):
        program = lab.copy_program("connect_timer", f"asked-{key}")
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=program, user="nobody")
        screen = read(terminal, "1 connection waits", f"asked-{key} connects to {net.SERVER_V4}")
        for text in (program, f"port {server.port}", "nobody", str(talker.pid), " left", "started by", "command"):
            assert text in screen, f"{text} is not in\n{screen}"
        tell(screen.splitlines()[1].strip())
        answer(terminal, key, said)
        assert (talker.result()[0] == 0) == permitted, key
        terminal.see(NOTHING)
    server.expect(1)
    terminal.press("q")
    assert terminal.ended() == 0


@case(f"{ASK}: always makes a rule that is in the list; undo takes it away, and asks again")
def always_and_undo(lab):
    server, terminal = ready(lab)
    program = lab.copy_program("connect_timer", "remembered")
    first = lab.connect_timer(net.SERVER_V4, server.port, path=program)
    read(terminal, "remembered connects")
    answer(terminal, "a", "u undoes")
    assert first.result()[0] == 0
    assert program in rules(lab), rules(lab)
    assert lab.connect_timer(net.SERVER_V4, server.port, path=program).result()[0] == 0
    terminal.press("u")
    terminal.gone("u undoes")
    wait_until(lambda: program not in rules(lab), 30, "no rule any more")
    again = lab.connect_timer(net.SERVER_V4, server.port, path=program)
    read(terminal, "remembered connects")
    answer(terminal, "v", "blocked remembered")
    assert again.result()[0] in REFUSED
    assert "block" in rules(lab) and program in rules(lab), rules(lab)
    assert lab.connect_timer(net.SERVER_V4, server.port, path=program).result()[0] in REFUSED


@case(f"{ASK}: how far and how long are chosen, and shown before; one answer for all that it covers")
def scope_and_lifetime(lab):
    server, terminal = ready(lab)
    other = TcpServer(lab.server, port=7100)
    program = lab.copy_program("connect_timer", "several")
    talkers = [lab.connect_timer(net.SERVER_V4, port, path=program) for port in (server.port, server.port, other.port)]
    read(terminal, "3 connections wait")
    terminal.press("s")
    terminal.see("this destination until the program exits")
    terminal.press("s")
    terminal.see("this port, any address")
    terminal.press("s")
    terminal.see("anything it wants until the program exits", "2 others too")
    press_until(terminal, "4", lambda screen: "how many minutes? 4" in screen, "a number begun")
    terminal.press("5", "Enter")
    terminal.see("anything it wants for 45 minutes", "2 others too")
    answer(terminal, "y", "permitted several to anything for 45 minutes and 2 more")
    assert [talker.result()[0] for talker in talkers] == [0, 0, 0]
    assert re.search(r"for 4[45] minutes|4[45] min", rules(lab)), rules(lab)
    terminal.see(NOTHING)


@case(f"{ASK}: keys that are typed ahead answer one question, not the next")
def typed_ahead(lab):
    server, terminal = ready(lab)
    talkers = []
    for name in ("first", "second", "third"):
        talkers.append(lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", name)))
        read(terminal, name)
    terminal.press("y", "y", "y", "y", "y", "y")
    terminal.see("2 connections wait", "second connects")
    assert talkers[0].result()[0] == 0
    time.sleep(0.5)
    with device.observer(lab.socket) as watcher:
        assert watcher.status().held == 2
    for talker, key in zip(talkers[1:], "yn"):
        answer(terminal, key, "permitted second" if key == "y" else "blocked third")
        assert (talker.result()[0] == 0) == (key == "y")


@case(f"{ASK}: Space marks several, one key answers them")
def marks(lab):
    server, terminal = ready(lab)
    talkers = []
    for name in ("alpha", "beta", "gamma"):
        talkers.append(lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", name)))
        read(terminal, name)
    for name, count in (("alpha", 1), ("beta", 2)):
        terminal.see(f"{name} connects")
        time.sleep(0.5)
        for _ in range(20):  # until the pause is over
            terminal.press("Space")
            time.sleep(0.3)
            if f"{count} marked" in terminal.screen():
                break
        terminal.see(f"{count} marked")
        terminal.press("Down")
    read(terminal, "gamma connects", "2 marked")
    answer(terminal, "n", "blocked 2 connections")
    assert talkers[0].result()[0] in REFUSED and talkers[1].result()[0] in REFUSED
    answer(terminal, "y", "permitted gamma")
    assert talkers[2].result()[0] == 0


@case(f"{ASK}: other sizes while it is shown; too small a window says so and takes no answer")
def resize(lab):
    server, terminal = ready(lab)
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    for columns, rows in ((40, 10), (200, 60), (80, 24), (60, 12), (41, 11)):
        terminal.see("connect_timer")
        terminal.resize(columns, rows)
        screen = terminal.until(lambda s, r=rows: len(s.splitlines()) == r and "connect_timer" in s and "quit" in s or
                                len(s.splitlines()) == r and r < 12 and "always" in s, f"drawn at {columns}x{rows}")
        assert max(len(line) for line in screen.splitlines()) <= columns, screen
    terminal.resize(20, 5)
    terminal.see("1 wait")
    terminal.press("y")
    time.sleep(0.5)
    with device.observer(lab.socket) as watcher:
        assert watcher.status().held == 1
    terminal.resize(80, 24)
    read(terminal, "connect_timer connects")
    answer(terminal, "y", "permitted connect_timer")
    assert talker.result()[0] == 0


@case(f"{ASK}: help, all details, filter", timeout=90)
def views(lab):
    server, terminal = ready(lab)
    talkers = []
    for name in ("apple", "banana"):
        talkers.append(lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", name)))
        read(terminal, name)
    terminal.press("?")
    terminal.see("yes: permit")
    terminal.press("Escape")
    terminal.see("apple connects")
    terminal.press("Enter")
    terminal.see("All that is known of it", str(talkers[0].pid))
    terminal.press("Escape")
    terminal.see("apple connects")
    terminal.press("/")
    terminal.see("Enter keeps it")
    terminal.type("banana")
    terminal.see("1 of 2 shown", "banana connects")
    terminal.press("Enter")
    answer(terminal, "n", "blocked banana")
    assert talkers[1].result()[0] in REFUSED
    terminal.press("Escape")
    read(terminal, "apple connects")
    answer(terminal, "y", "permitted apple")
    assert talkers[0].result()[0] == 0


def one_terminal(lab, server, name):
    terminal = ask(lab, environment={"TERM": name}, name=name)
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    read(terminal, "connect_timer connects to", "1 connection waits")
    answer(terminal, "y", "permitted connect_timer")
    assert talker.result()[0] == 0
    terminal.press("q")
    assert terminal.ended() == 0


@case(f"{ASK}: terminals of several kinds", timeout=120)
def terminals(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    for name in ("vt100", "xterm-256color", "linux", "screen", "xterm"):
        if not any(os.path.exists(f"{folder}/{name[0]}/{name}") for folder in ("/lib/terminfo", "/usr/share/terminfo", "/etc/terminfo")):
            tell(f"TERM={name} is not known on this machine")
            continue
        one_terminal(lab, server, name)
        tell(f"TERM={name}")


@case(f"{ASK}: a terminal that cannot keeps the line prompt: TERM dumb, unknown, unset, and --lines", timeout=120)
def poor_terminals(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    for number, (name, more) in enumerate((("dumb", ()), ("unknown", ()), (None, ()), ("no-such-terminal", ()), ("xterm", ("--lines",)))):
        terminal = Terminal(lab, ask_words(lab, *more), environment={"TERM": name}, name=f"poor{number}")
        lab.wait_decider(terminal.pid(), seconds=30)
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        terminal.see("left)")
        time.sleep(0.5)
        terminal.press("y")
        terminal.see("permitted")
        assert talker.result()[0] == 0
        assert NOTHING not in terminal.screen()
        terminal.press("C-c")
        terminal.ended()


@case(f"{ASK}: a script that is no terminal answers by lines, as ever")
def no_terminal(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    words = [str(word) for word in ask_words(lab)]
    process = lab.client.popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, "TERM": "xterm"})
    lab.wait_decider(process.pid, seconds=30)
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    assert "y/n/a/d" in process.stdout.readline()
    process.stdin.write("y\n")
    process.stdin.flush()
    assert talker.result()[0] == 0
    process.stdin.close()
    assert process.wait(30) == 5


@case(f"{ASK}: programs with letters of any script, and with what a terminal would act on")
def odd_names(lab):
    server, terminal = ready(lab)
    for name, seen in (("門と猫 café", "門と猫 café"), ("e\u0301clair", "e\u0301clair"), ("bell\x07\x1b[31mred", "bell\\x07\\x1b[31mred"),
                       ("\u202egnp.exe", "\\u{202e}gnp.exe")):
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", name))
        screen = read(terminal, f"{seen} connects")
        tell(screen.splitlines()[1].strip())
        # Columns stand where they stand for other names.
        assert terminal.screen().splitlines()[1].startswith(">  "), screen
        answer(terminal, "y", "permitted")
        assert talker.result()[0] == 0
        terminal.see(NOTHING)


@case(f"{ASK}: a terminal without UTF-8 gets ASCII alone")
def plain_letters(lab):
    server, terminal = ready(lab, environment={"LC_ALL": "C"})
    talker = lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", "門"))
    screen = read(terminal, "\\u{9580} connects", "->")
    # tmux shows lines of the other set of letters as what they are there.
    assert screen.isascii(), screen
    answer(terminal, "y", "permitted")
    assert talker.result()[0] == 0


def long_path(lab, size):
    """A folder so deep that a program in it has a path of size bytes."""
    path = os.fsencode(str(lab.directory))
    here = os.open(path, os.O_RDONLY)
    try:
        while len(path) + 1 + 40 < size:
            name = b"d" * min(200, size - len(path) - 1 - 40)
            os.mkdir(name, dir_fd=here)
            inner = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
            path += b"/" + name
        name = b"p" * (size - len(path) - 1 - 8) + b"-the-end"
        with open(names.find_program("connect_timer"), "rb") as source:
            target = os.open(name, os.O_WRONLY | os.O_CREAT, 0o755, dir_fd=here)
            with open(target, "wb") as file:
                shutil.copyfileobj(source, file)
    finally:
        os.close(here)
    return os.fsdecode(path + b"/" + name)


@case(f"{ASK}: a path of 4,095 bytes: its end is seen, and all of it with Enter", timeout=90)
def long_paths(lab):
    server, terminal = ready(lab)
    path = long_path(lab, 4095)
    talker = lab.connect_timer(net.SERVER_V4, server.port, path=path)
    screen = read(terminal, "-the-end connects")
    assert max(len(line) for line in screen.splitlines()) <= 80
    terminal.press("Enter")
    screen = terminal.see("All that is known of it", "line 1 of ")
    seen = ""
    terminal.resize(120, 60)
    screen = terminal.until(lambda s: len(s.splitlines()) == 60 and "All that" in s, "drawn at 120x60")
    lines = screen.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith(" program"))
    end = next(i for i, line in enumerate(lines) if line.startswith(" to "))
    seen = "".join(line[13:].rstrip("\n") for line in lines[begin:end])
    assert path in seen.replace(" ", ""), f"{len(seen)} of {len(path)}:\n{screen}"
    terminal.press("Escape")
    terminal.resize(80, 24)
    read(terminal, "-the-end connects")
    answer(terminal, "n", "blocked")
    assert talker.result()[0] in REFUSED


@case(f"{ASK}: an executable that is gone, or that another one lies in place of, is told")
def deleted(lab):
    server, terminal = ready(lab)
    for what, said in (("gone", "its file is gone"), ("other", "another file lies there now")):
        # A program that removes its own file before it connects.
        script = lab.directory / f"{what}.py"
        interpreter = lab.directory / f"swapped-{what}"
        shutil.copy(os.path.realpath(sys.executable), interpreter)
        replace = f"open({str(interpreter)!r}, 'w').close()" if what == "other" else "pass"
        script.write_text(f"import os, socket\nos.unlink({str(interpreter)!r})\n{replace}\ns = socket.socket()\n"
                          f"print(s.connect_ex(({net.SERVER_V4!r}, {server.port})))\n", encoding="utf-8")
        process = lab.client.popen([str(interpreter), str(script)], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "PYTHONHOME": sys.base_prefix})
        screen = read(terminal, f"swapped-{what} connects", said)
        tell(next(line for line in screen.splitlines() if said in line).strip()[:100])
        answer(terminal, "y", "permitted")
        assert process.communicate(timeout=30)[0].strip() == "0"
        terminal.see(NOTHING)


@case(f"{ASK}: 200 questions at once, all seen, one answer for all", timeout=180)
def many(lab):
    server, terminal = ready(lab)
    with device.observer(lab.socket) as watcher:
        watcher.set_policy(deadline_ms=120000)
    talkers = [lab.connect_timer(net.SERVER_V4, server.port) for _ in range(200)]
    terminal.until(lambda screen: "200 connections wait" in screen, "200 connections wait", 60)
    terminal.press("End")
    terminal.see("> ")
    terminal.press("Home")
    read(terminal, "connects to")
    for _ in range(3):
        terminal.press("s")
    terminal.see("anything it wants", "199 others too")
    answer(terminal, "y", "and 199 more")
    assert [talker.result()[0] for talker in talkers] == [0] * 200
    terminal.see(NOTHING)


@case(f"{ASK}: gatehoused killed and back; the screen says so, and goes on")
def killed(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused()
    terminal = ask(lab)
    lab.connect_timer(net.SERVER_V4, server.port)
    read(terminal, "connect_timer connects")
    daemon.kill()
    terminal.see("nothing waits", "gatehoused")
    lab.gatehoused()
    # The connection that was held is asked about again, if its program still waits.
    lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", "afterwards"))
    terminal.until(lambda screen: "afterwards" in screen, "asked again")
    terminal.press("C-c")
    terminal.ended()
    left(terminal)


@case(f"{ASK}: the terminal goes away: it ends, and what was held goes back")
def hang_up(lab):
    server, terminal = ready(lab)
    lab.connect_timer(net.SERVER_V4, server.port)
    read(terminal, "connect_timer connects")
    pid = terminal.pid()
    terminal.hang_up()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "the end of gatehouse")
    with device.observer(lab.socket) as watcher:
        wait_until(lambda: watcher.status().decider_pid == 0, 30, "no decider")
        assert watcher.status().held == 1


def resident(lab, name="first"):
    """`gatehouse run`, which decides."""
    program = lab.gatehouse("run", "--desk", lab.directory / "desk.sock", "--history", "none", "--quiet")
    lab.wait_decider(program.pid, seconds=30)
    tell(f"{name} gatehouse run: {program.pid}")
    return program


@case(f"{ASK}: two screens on one `gatehouse run`: each sees what the other answers, and both go on when it is killed",
      timeout=120)
def two_screens(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = resident(lab)
    here, there = ask(lab, name="here"), ask(lab, name="there")
    for first, second, key, said in ((here, there, "y", "permitted"), (there, here, "n", "blocked")):
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", f"both-{key}"))
        read(second, f"both-{key} connects")
        read(first, f"both-{key} connects")
        answer(first, key, f"{said} both-{key}")
        second.see(f"root {said} it: both-{key}", NOTHING)
        assert (talker.result()[0] == 0) == (key == "y")
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    read(here, "connect_timer connects")
    decider.kill()
    for terminal in (here, there):
        terminal.see(NOTHING, "nothing waits")
    resident(lab, "second")
    for terminal in (here, there):
        read(terminal, "connect_timer connects")
    answer(there, "y", "permitted connect_timer")
    assert talker.result()[0] == 0
    here.press("q")
    assert here.ended() == 0


def left(terminal):
    """The program's screen is no more, the one before it is shown. tmux reads what ended programs said, in its time."""
    wait_until(lambda: terminal.pane("alternate_on") == "0" and terminal.pane("cursor_flag") == "1", 30, "the screen of before")


def settings(terminal):
    device_path = terminal.pane("pane_tty")
    return subprocess.run(["stty", "-F", device_path, "-a"], capture_output=True, text=True, check=True).stdout


@case(f"{ASK}: signals that end it leave the terminal as it was", timeout=120)
def signals(lab):
    TcpServer(lab.server)
    lab.gatehoused()
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGSEGV", "SIGABRT", "SIGQUIT"):
        plain = Terminal(lab, ["true"], name=f"plain-{name}")
        plain.ended()
        before = settings(plain)
        terminal = ask(lab, name=name)
        assert settings(terminal) != before and terminal.pane("alternate_on") == "1"
        os.kill(terminal.pid(), getattr(signal, name))
        code = terminal.ended()
        left(terminal)
        assert settings(terminal) == before, f"{name}:\n{settings(terminal)}\n{before}"
        tell(f"{name}: exit status {code}")


@case(f"{ASK}: Ctrl-Z gives the terminal back, fg takes it again")
def stop_and_go_on(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    terminal = Terminal(lab, ["env", "PS1=ready> ", "sh", "-i"])
    terminal.see("ready>")
    terminal.type(" ".join(str(word) for word in ask_words(lab)))
    terminal.press("Enter")
    terminal.see(NOTHING)
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    read(terminal, "connect_timer connects")
    terminal.press("C-z")
    terminal.until(lambda screen: screen.count("ready>") == 2, "the shell's next prompt")
    assert terminal.pane("alternate_on") == "0"
    terminal.type("fg")
    terminal.press("Enter")
    read(terminal, "connect_timer connects")
    assert terminal.pane("alternate_on") == "1"
    answer(terminal, "y", "permitted connect_timer")
    assert talker.result()[0] == 0


@case(f"{ASK}: quitting says what becomes of what is held")
def quitting(lab):
    server, terminal = ready(lab)
    lab.connect_timer(net.SERVER_V4, server.port)
    read(terminal, "connect_timer connects")
    terminal.press("q")
    terminal.see("1 held: they go back undecided. q again leaves")
    terminal.press("Escape")
    terminal.gone("q again leaves")
    terminal.press("q")
    terminal.see("q again leaves")
    terminal.press("q")
    assert terminal.ended() == 0
    terminal.see("1 held connection goes back undecided.")


@case(f"{ASK}: what nobody answers ends at its deadline, and is told")
def deadline(lab):
    server, terminal = ready(lab)
    with device.observer(lab.socket) as watcher:
        watcher.set_policy(deadline_ms=10000)
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    terminal.see("connect_timer connects")
    terminal.see(NOTHING, "nobody answered in time")
    assert talker.result()[0] in REFUSED


@case(f"{ASK}: no colours where NO_COLOR asks for none")
def colours(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    seen = {}
    for name, environment in (("with", {}), ("without", {"NO_COLOR": "1"})):
        terminal = ask(lab, environment=environment, name=name)
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        read(terminal, "connect_timer connects")
        answer(terminal, "y", "permitted connect_timer")
        talker.result()
        seen[name] = terminal.screen(colours=True)
        terminal.press("q")
        terminal.ended()
    assert re.search(r"\x1b\[[0-9;]*3[0-7]", seen["with"]), repr(seen["with"])
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", seen["without"]), repr(seen["without"])


@case(f"{ASK}: while nothing waits it does not wake up")
def idle(lab):
    _, terminal = ready(lab)
    pid = terminal.pid()

    def switches():
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE).group(1))

    counts = []
    while len(counts) < 10 and counts[-1:] != [0]:  # until it has come to rest
        before = switches()
        time.sleep(3)
        counts.append(switches() - before)
    assert counts[-1] == 0, f"so many times in 3 s each: {counts}"


if __name__ == "__main__":
    run()
