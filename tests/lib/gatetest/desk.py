# SPDX-License-Identifier: MIT
"""A peer of the desk (docs/desk.md) with exact control: answers what it wants when it wants, and reads or does not."""
import collections
import json
import select
import socket
import time


class DeskClosed(Exception):
    """The desk ended the connection."""


class Peer:
    """One connection to a desk. Lines that nobody took yet wait in lines."""

    def __init__(self, path, timeout=60):
        self.timeout = timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.rest = b""
        self.lines = collections.deque()
        self.last_tag = 0
        self.questions = {}  # id: question, of those that wait
        self.asked = {}  # id: question, all
        self.gone = {}  # id: line
        self.answered = {}  # tag: line
        self.order = []  # tags, as they were answered
        self.undone = {}
        self.hello = None
        self.ready = False
        self.connections = []
        self.errors = []

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def say(self, **line):
        self.socket.sendall(json.dumps(line).encode() + b"\n")

    def answer(self, question, verdict, scope="connection", until="once", **more):
        self.last_tag += 1
        self.say(type="answer", tag=self.last_tag, id=question["id"], verdict=verdict, scope=scope, until=until, **more)
        return self.last_tag

    def undo(self, number):
        self.last_tag += 1
        self.say(type="undo", tag=self.last_tag, undo=number)
        return self.last_tag

    def _take(self, line):
        kind = line["type"]
        if kind == "question":
            assert line["id"] not in self.asked, f"asked twice: {line}"
            self.questions[line["id"]] = self.asked[line["id"]] = line
        elif kind == "gone":
            assert line["id"] not in self.gone, f"gone twice: {line}"
            self.gone[line["id"]] = line
            del self.questions[line["id"]]
        elif kind == "answered":
            assert line["tag"] not in self.answered, f"answered twice: {line}"
            self.answered[line["tag"]] = line
            self.order.append(line["tag"])
        elif kind == "undone":
            self.undone[line["tag"]] = line
        elif kind == "hello":
            self.hello = line
        elif kind == "ready":
            self.ready = True
        elif kind == "connection":
            self.connections.append(line)
        elif kind == "error":
            self.errors.append(line)

    def read(self, seconds):
        """Takes what comes within that time, at least one piece; False when nothing came."""
        if not select.select([self.socket], [], [], max(0, seconds))[0]:
            return False
        data = self.socket.recv(1 << 18)
        if not data:
            raise DeskClosed("the desk closed the socket")
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            assert len(line) < 65536
            self._take(json.loads(line))
        return True

    def until(self, condition, what, seconds=None):
        """Reads until condition(); its value."""
        end = time.monotonic() + (self.timeout if seconds is None else seconds)
        while True:
            value = condition()
            if value:
                return value
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                raise AssertionError(f"{what} did not come within the time; questions {len(self.questions)}, "
                                     f"errors {self.errors[-3:]}, hello {self.hello}")  # fmt: skip

    def wait_questions(self, count, seconds=None):
        """Until so many questions wait here; in their order."""
        self.until(lambda: len(self.questions) >= count, f"{count} questions", seconds)
        return list(self.questions.values())

    def wait_answered(self, tag, seconds=None):
        return self.until(lambda: self.answered.get(tag), f"the reply to answer {tag}", seconds)

    def wait_gone(self, question, seconds=None):
        return self.until(lambda: self.gone.get(question["id"]), f"the end of {question['id']}", seconds)

    def wait_undone(self, tag, seconds=None):
        return self.until(lambda: self.undone.get(tag), f"the reply to undo {tag}", seconds)

    def wait_decider(self, decider=True, seconds=None):
        return self.until(lambda: self.hello and self.hello["decider"] == decider and self.hello,
                          f"hello with decider {decider}", seconds)  # fmt: skip


def connect(path, seconds=60):
    """A peer, once a desk answers there."""
    until = time.monotonic() + seconds
    while True:
        try:
            return Peer(path)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
