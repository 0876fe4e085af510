#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gatehouse ui in headless Chromium, above a real gatehoused and gatehouse run: programs wait, a person clicks, they go on.

The browser and the page stand outside the lab's namespaces: they share only the desk's socket and loopback.
"""
import errno
import json
import pathlib
import select
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import browser, names, net  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run  # noqa: E402

DEADLINE = 60
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)


def start_page(lab, port=0):
    """gatehouse ui; returns its process and link."""
    process = subprocess.Popen(
        [names.find_program("gatehouse"), "--socket", lab.socket, "ui", "--no-open", "--port", str(port), "--desk", lab.directory / "desk.sock",
         "--history", lab.directory / "history" / "history.db"],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)  # fmt: skip
    assert select.select([process.stdout], [], [], DEADLINE)[0], "no link was printed"
    link = process.stdout.readline().strip()
    assert link.startswith("http://127.0.0.1:"), link
    return process, link


class World:
    """gatehoused, gatehouse run, gatehouse ui and a browser that shows it."""

    def __init__(self, lab, rules=None, resident=True):
        names.find_tool("chromium"), names.find_tool("chromedriver")
        self.lab = lab
        if rules is not None:
            (lab.directory / "rules").write_text(rules)
        lab.gatehoused("--deadline", "120")  # a busy browser takes its time
        self.resident = self.run_resident() if resident else None
        self.page, self.link = start_page(lab)
        self.browser = browser.Driver()
        self.browser.open(self.link)
        self.browser.find("#desk.on")

    def run_resident(self):
        program = self.lab.gatehouse("run", "--desk", self.lab.directory / "desk.sock", "--history", self.lab.directory / "history" / "history.db")
        wait_until(lambda: (self.lab.directory / "desk.sock").exists(), DEADLINE)
        return program

    def __enter__(self):
        return self

    def __exit__(self, *_):
        complaints = [each for each in self.browser.complaints() if "/api/" not in each]
        self.browser.close()
        self.page.terminate()
        code = self.page.wait(DEADLINE)
        self.page.stdout.close()
        assert code == 0, f"gatehouse ui ended with {code}"
        assert complaints == [], complaints

    def choose(self, number, *labels):
        for label in labels:
            self.browser.click(f'[data-id="{number}"] .choices button', label)

    def answer(self, name, button, *labels):
        """Answers the question of the program with this name; returns when its card is gone."""
        card = self.browser.find(".card.armed", name)
        number = card.attribute("data-id")
        self.choose(number, *labels)
        self.browser.click(f'[data-id="{number}"].armed .{button}')
        self.browser.gone(f'[data-id="{number}"]')

    def view(self, name):
        self.browser.run("location.hash = arguments[0]", "#/" + name)
        self.browser.find(f"#main[data-view={name}]")

    def rules(self):
        done = self.lab.run(names.find_program("gatehouse"), "--socket", self.lab.socket, "rules", "list", "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@case("page: a program waits, its question is on the page; Permit lets it go on, Block refuses it", timeout=180)
def permit_and_block(lab):
    server = TcpServer(lab.server)
    with World(lab) as world:
        asks = lab.copy_program("connect_timer", "asks-me")
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=asks)
        text = world.browser.find(".card.armed", "asks-me").text
        assert net.SERVER_V4 in text and str(server.port) in text, text
        world.answer("asks-me", "permit")
        assert talker.result()[0] == 0
        world.browser.find(".past li", "permitted by you")
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=asks)
        world.answer("asks-me", "block")
        assert talker.result()[0] in REFUSED
        world.browser.find(".past li", "blocked by you")
        assert world.rules() == []


@case("page: an answer for always is a rule, with hits; it is removed and comes back on the page", timeout=180)
def always(lab):
    server = TcpServer(lab.server)
    with World(lab, "permit proto icmp\n") as world:
        asks = lab.copy_program("connect_timer", "often")
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=asks)
        world.answer("often", "permit", "Anything", "Always")
        assert talker.result()[0] == 0
        for _ in range(3):
            assert lab.connect_timer(net.SERVER_V4, server.port, path=asks).result()[0] == 0
        world.view("rules")
        world.browser.find("table.rules tr", "/rules:1")
        row = world.browser.find("table.rules tr", "often")
        assert "answer" in row.text, row.text
        wait_until(lambda: int(world.browser.find("table.rules tr", "often").text.split("answer")[1].split()[0]) >= 3, DEADLINE)
        (rule,) = [each for each in world.rules() if each["place"] == "answer"]
        world.browser.click(f'tr[data-id="{rule["id"]}"] button')
        wait_until(lambda: not [each for each in world.rules() if each["place"] == "answer"], DEADLINE)
        world.browser.gone(f'tr[data-id="{rule["id"]}"]')
        world.browser.find(".toast", "The rule is gone.")
        world.browser.click(".toast:last-child .undo")
        wait_until(lambda: [each for each in world.rules() if "often" in each["rule"] and each["place"] == "added"], DEADLINE)


@case("page: a rule is added on the page, with its error shown first, and decides", timeout=180)
def add_rule(lab):
    server = TcpServer(lab.server)
    with World(lab) as world:
        world.view("rules")
        world.browser.find(".empty", "no rule")
        field = world.browser.find(".add input")
        field.type("blok port 7")
        world.browser.click(".add button")
        world.browser.find("#rule-trouble pre", "found 'blok'")
        world.browser.run("document.querySelector('.add input').value = ''")
        field.type(f"block to {net.SERVER_V4} port {server.port}")
        world.browser.click(".add button")
        world.browser.find("table.rules tr", f"port {server.port}")
        assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] in REFUSED


@case("page: undo takes an answer back; the program asks again", timeout=180)
def undo(lab):
    server = TcpServer(lab.server)
    with World(lab) as world:
        asks = lab.copy_program("connect_timer", "undone")
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=asks)
        world.answer("undone", "permit", "Anything", "10 min")
        assert talker.result()[0] == 0
        assert len(world.rules()) == 1
        world.browser.click(".toast .undo")
        wait_until(lambda: world.rules() == [], DEADLINE)
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=asks)
        world.answer("undone", "block")
        assert talker.result()[0] in REFUSED


@case("page: each decision is live, and an edge of the map", timeout=180)
def live_and_map(lab):
    server = TcpServer(lab.server)
    with World(lab) as world:
        asks = lab.copy_program("connect_timer", "roads")
        for button in ("permit", "block"):
            talker = lab.connect_timer(net.SERVER_V4, server.port, path=asks)
            world.view("questions")
            world.answer("roads", button)
            talker.result()
        world.view("live")
        world.browser.find("table.rows tr.permit", "roads")
        world.browser.find("table.rows tr.block", "roads")
        world.browser.find("table.rows tr.permit", net.SERVER_V4)
        world.view("map")
        world.browser.find(".node[aria-label^='roads:']")
        world.browser.find(f".node[aria-label^='{net.SERVER_V4}:']")
        world.browser.find(".ribbon.permit")
        world.browser.find(".ribbon.block")
        world.browser.run("document.querySelector(\".node[aria-label^='roads:']\").dispatchEvent(new MouseEvent('click', {bubbles: true}))")
        world.browser.find(".detail .edges li.block", net.SERVER_V4)


@case("page: two browsers; the second sees whose answer it was", timeout=180)
def two_browsers(lab):
    server = TcpServer(lab.server)
    with World(lab) as world, browser.Driver() as other:
        page, link = start_page(lab)
        try:
            other.open(link)
            talker = lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", "shared"))
            other.find(".card", "shared")
            world.answer("shared", "permit")
            assert talker.result()[0] == 0
            other.gone(".card")
            other.find(".past li", "permitted by root")
        finally:
            page.terminate()
            page.wait(DEADLINE)
            page.stdout.close()


@case("page: gatehouse run ends and comes back: the page says so, and the connection is asked about again", timeout=180)
def resident_comes_back(lab):
    server = TcpServer(lab.server)
    with World(lab) as world:
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", "patient"))
        world.browser.find(".card", "patient")
        world.resident.kill()
        world.browser.find("#banner", "Trying again")
        world.browser.gone(".card")
        (lab.directory / "desk.sock").unlink(missing_ok=True)
        world.run_resident()
        world.answer("patient", "permit")
        assert talker.result()[0] == 0


@case("page: without gatehouse run the page has a desk of its own", timeout=180)
def own_desk(lab):
    server = TcpServer(lab.server)
    with World(lab, resident=False) as world:
        asks = lab.copy_program("connect_timer", "alone")
        for button, good in (("permit", True), ("block", False)):
            talker = lab.connect_timer(net.SERVER_V4, server.port, path=asks)
            world.answer("alone", button)
            assert (talker.result()[0] == 0) == good
        world.view("live")
        world.browser.find("table.rows tr.permit", "alone")
        world.browser.find("table.rows tr.block", "alone")


@case("page: what happened before is found in the history, by program and by address, and drawn on the map", timeout=180)
def history(lab):
    server = TcpServer(lab.server)
    with World(lab) as world:
        for name, button in (("earlier", "permit"), ("other", "block")):
            talker = lab.connect_timer(net.SERVER_V4, server.port, path=lab.copy_program("connect_timer", name))
            world.answer(name, button)
            talker.result()
        with browser.Driver() as other:
            other.open(world.link)
            other.find("#desk.on")
            other.run("location.hash = '#/history'")
            search = other.find(".history input[type=search]")
            for words, found, absent in (("arlie", "earlier", "other"), (str(lab.directory / "oth"), "other", "earlier"),
                                         ('"; DROP TABLE connections; --', None, "earlier"), ("%", None, "other"), ("[", None, "other")):
                other.run("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", {browser.ELEMENT: search.number}, words)
                if found is None:
                    other.find(".history .empty", "Nothing found")
                else:
                    other.find(".history tr", found)
                wait_until(lambda: absent not in other.find(".history").text, DEADLINE, f"{absent} left out for {words}")
            other.run("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", {browser.ELEMENT: search.number}, net.SERVER_V4)
            other.find(".history tr.permit", "earlier")
            other.find(".history tr.block", "other")
            other.run("location.hash = '#/map'")
            other.find(".node[aria-label^='earlier:']")
            other.click(".controls button", "24 h")
            other.find(".controls button[aria-checked=true]", "24 h")
            other.find(".node[aria-label^='other:']")
            other.run("location.hash = '#/live'")
            other.find("table.rows tr.permit", "earlier")


if __name__ == "__main__":
    run()
