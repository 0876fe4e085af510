# SPDX-License-Identifier: MIT
"""A client of the device socket with exact control: holds requests, answers in any order, sends nonsense."""
import os
import collections
import select
import socket
import struct
import time

from . import net, protocol

Answer = collections.namedtuple("Answer", "status data")


class DeviceClosed(Exception):
    """The other end closed the socket."""


class Device:
    """One open handle of the device."""

    def __init__(self, path, timeout=net.PATIENCE):
        self.timeout = timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * protocol.MESSAGE_MAX)
        self.socket.connect(str(path))
        self.socket.settimeout(timeout)
        self.last_tag = 0
        self.answers = {}
        self.reading = None  # tag of the GET_REQUESTS under way

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- calls and answers

    def send_raw(self, data):
        self.socket.send(data)

    def call(self, code, data=b"", output_size=65536, tag=None, reserved=0):
        """Sends one call, returns its tag."""
        if tag is None:
            self.last_tag += 1
            tag = self.last_tag
        self.send_raw(protocol.CALL_LAYOUT.pack(code, tag, output_size, reserved) + data)
        return tag

    def _receive(self, until):
        left = until - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            raise TimeoutError("no answer from gatehoused")
        message = self.socket.recv(protocol.MESSAGE_MAX + 1)
        if not message:
            raise DeviceClosed("gatehoused closed the socket")
        tag, status, information, processor = protocol.ANSWER_LAYOUT.unpack_from(message)
        data = message[protocol.ANSWER_LAYOUT.size :]
        assert processor <= os.cpu_count() and information == len(data), f"answer: {information} announced, {len(data)} came"
        assert tag not in self.answers, f"two answers for tag {tag}"
        self.answers[tag] = Answer(status, data)

    def answer(self, tag, timeout=None):
        """Waits for the answer to tag; those to others are kept for their turn."""
        until = time.monotonic() + (self.timeout if timeout is None else timeout)
        while tag not in self.answers:
            self._receive(until)
        return self.answers.pop(tag)

    def ioctl(self, code, data=b"", output_size=65536, timeout=None):
        return self.answer(self.call(code, data, output_size), timeout)

    def ok(self, code, data=b"", output_size=65536, timeout=None):
        answer = self.ioctl(code, data, output_size, timeout)
        assert answer.status == protocol.SUCCESS, protocol.status_name(answer.status)
        return answer.data

    # --- Gatehouse's protocol

    def hello(self, role):
        data = self.ok(protocol.HELLO, protocol.HELLO_LAYOUT.pack(protocol.VERSION, role, 0))
        version, granted, reserved = protocol.HELLO_LAYOUT.unpack(data)
        assert (version, granted, reserved) == (protocol.VERSION, role, 0), (version, granted, reserved)
        return self

    def requests(self, timeout=None, output_size=130000):
        """The next held connections; TimeoutError when there is none. The read stays under way then."""
        if self.reading is None:
            self.reading = self.call(protocol.GET_REQUESTS, output_size=output_size)
        answer = self.answer(self.reading, timeout)
        self.reading = None
        assert answer.status == protocol.SUCCESS, protocol.status_name(answer.status)
        found = protocol.records(answer.data, protocol.Request)
        assert found, "GET_REQUESTS returned no request"
        return found

    def collect(self, count, timeout=net.PATIENCE):
        """Requests until there are count of them."""
        until = time.monotonic() + timeout
        found = []
        while len(found) < count:
            try:
                found += self.requests(until - time.monotonic())
            except TimeoutError:
                raise AssertionError(f"{len(found)} of {count} requests came within {timeout} s: {found[:5]}") from None
        return found

    def none_within(self, seconds):
        """True if no request comes."""
        try:
            found = self.requests(seconds)
        except TimeoutError:
            return True
        raise AssertionError(f"a request came that should not: {found}")

    def submit(self, decisions):
        """decisions as protocol.pack_decisions takes them; returns a status for each."""
        data = self.ok(protocol.SUBMIT_DECISIONS, protocol.pack_decisions(decisions))
        statuses = list(struct.unpack(f"<{len(decisions)}I", data))
        return statuses

    def decide(self, request, verdict, scope=0, lifetime_ms=0):
        """One verdict, which must be taken."""
        statuses = self.submit([(request.id, verdict, scope, lifetime_ms)])
        assert statuses == [protocol.SUCCESS], [protocol.status_name(status) for status in statuses]

    def status(self):
        return protocol.parse_status(self.ok(protocol.GET_STATUS))

    def set_policy(self, deadline_ms=60000, undecided=protocol.BLOCK, no_decider=protocol.NO_DECIDER_HOLD):
        data = protocol.POLICY_LAYOUT.pack(protocol.VERSION, deadline_ms, undecided, no_decider, 0)
        self.ok(protocol.SET_POLICY, data)

    def platform(self):
        return protocol.PlatformStatus(*protocol.PLATFORM_LAYOUT.unpack(self.ok(protocol.PLATFORM_STATUS)))

    def events(self, timeout=None):
        return protocol.records(self.ok(protocol.READ_EVENTS, timeout=timeout), protocol.Event)


def decider(path, timeout=net.PATIENCE):
    return Device(path, timeout).hello(protocol.DECIDER)


def observer(path, timeout=net.PATIENCE):
    return Device(path, timeout).hello(protocol.OBSERVER)
