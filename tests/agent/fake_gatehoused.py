# SPDX-License-Identifier: MIT
"""A fake gatehoused for the tests of the gatehouse program.

It speaks include/gatehouse/transport.h over a SOCK_SEQPACKET socket and does what a test tells it:
good answers by default, wrong ones where asked. It knows nothing of deciding; the real pair is
tested elsewhere. Every wait has a deadline, so a hanging client fails its test.
"""
import os
import socket
import struct
import time

DEADLINE = 60

HELLO = (0x22 << 16) | (0x810 << 2)
GET_REQUESTS = (0x22 << 16) | (1 << 14) | (0x811 << 2)
SUBMIT = (0x22 << 16) | (2 << 14) | (0x812 << 2)
SET_POLICY = (0x22 << 16) | (2 << 14) | (0x813 << 2)
GET_STATUS = (0x22 << 16) | (1 << 14) | (0x814 << 2)
READ_EVENTS = (0x22 << 16) | (1 << 14) | (0x815 << 2)
SUBMIT_AND_GET = (0x22 << 16) | (3 << 14) | (0x816 << 2)
RULES_BEGIN = (0x22 << 16) | (2 << 14) | (0x817 << 2)
RULES_PUT = (0x22 << 16) | (2 << 14) | (0x818 << 2)
RULES_COMMIT = (0x22 << 16) | (2 << 14) | (0x819 << 2)
RULES_ADD = (0x22 << 16) | (2 << 14) | (0x81A << 2)
RULES_REMOVE = (0x22 << 16) | (2 << 14) | (0x81B << 2)
RULES_GET = (0x22 << 16) | (1 << 14) | (0x81C << 2)
PLATFORM = 0xFFFFFFFE
HITS = 0xFFFFFFFC
FLOWS = 0xFFFFFFFB

DECIDER, OBSERVER = 1, 2
PERMIT, BLOCK = 1, 2
HELD, DECIDED, LOST = 1, 2, 3
BY_DECIDER, BY_ANSWER, BY_DEADLINE, BY_CANCEL, BY_RULE = 1, 2, 3, 6, 9
UNTIL_EXIT, UNTIL_REBOOT = 2, 3

E_BAD_VERSION = 0xE0470004
E_DECIDER_PRESENT = 0xE0470007
E_UNKNOWN_ID = 0xE0470009
E_ANSWERS_FULL = 0xE0470015
E_UNKNOWN_CODE = 0xE0470016
E_STOPPING = 0xE0470013
E_NO_LOAD = 0xE0470018
E_LOAD_BUSY = 0xE0470019
E_UNKNOWN_RULE = 0xE047001A
E_RULE_IN_FILE = 0xE047001B
E_RULES_FULL = 0xE047001C
E_RULES_STORE = 0xE047001D
E_RULES_ENGINE = 0xE047001E
ACCESS_DENIED = 0xC0000022


def boot_time():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 100


def path_text(path):
    """Bytes to UTF-16LE, a second way: Python's own surrogateescape and surrogatepass."""
    return path.decode('utf-8', 'surrogateescape').encode('utf-16-le', 'surrogatepass')


def unix_sid(user):
    return struct.pack('<BB6sII', 1, 2, b'\0\0\0\0\0\x16', 1, user)


def request(identifier, path=b'/usr/bin/curl', pid=4242, address='10.0.0.1', port=443, protocol=6, user=0,
            seconds=60, flags=0, interface=0, layer=48, local='0.0.0.0', local_port=40000):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    packed = socket.inet_pton(family, address).ljust(16, b'\0')
    local = socket.inet_pton(socket.AF_INET6 if ':' in local else socket.AF_INET, local).ljust(16, b'\0')
    text = path_text(path)
    sid = unix_sid(user)
    now = boot_time()
    body = struct.pack('<IHBBQQQQQQ16s16sHHIIHH68sI',
                       (176 + len(text) + 7) // 8 * 8, len(text), 6 if family == socket.AF_INET6 else 4, protocol,
                       identifier, pid, 0, identifier, now, now + int(seconds * 10**7), local, packed, local_port,
                       port, flags, interface, layer, len(sid), sid, 0)
    assert len(body) == 176
    body += text
    return body + b'\0' * (-len(body) % 8)


def event(kind, record=b'', verdict=0, by=0, count=0):
    return struct.pack('<IHBBQQ', 24 + len(record), kind, verdict, by, boot_time(), count) + record


def policy(deadline=60000, undecided=2, no_decider=0):
    return struct.pack('<IIIIQ', 1, deadline, undecided, no_decider, 0)


def status(now_policy=None, decider=0, first=1000):
    """Every counter has its own value: first, first + 1, ..."""
    return (struct.pack('<II', 1, 216) + (now_policy or policy()) +
            struct.pack('<QQQ', 1234567890, 1000000000, decider) +
            struct.pack('<8I', 3, 65536, 7, 5, 2, 9, 11, 0) + struct.pack('<16Q', *range(first, first + 16)))


def platform(first=2000):
    return struct.pack('<II9Q', 80, 6, *range(first, first + 9))


class Client:
    """One connection of the program under test."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(DEADLINE)
        self.both = []  # (tag, statuses) of SUBMIT_AND_GETs that wait for an offer
        self.waiting = []  # (code, tag, size, input) that were received and not yet taken

    def receive(self):
        message = self.sock.recv(131072)
        if not message:
            raise EOFError('the client closed')
        code, tag, size, reserved = struct.unpack_from('<IIII', message)
        assert tag != 0 and reserved == 0
        return code, tag, size, message[16:]

    def take(self, *codes):
        """The next call of these kinds; others wait."""
        for i, call in enumerate(self.waiting):
            if call[0] in codes:
                return self.waiting.pop(i)
        while True:
            call = self.receive()
            if call[0] in codes:
                return call
            self.waiting.append(call)

    def answer(self, tag, output=b'', status_code=0, information=None):
        self.sock.send(struct.pack('<IIII', tag, status_code, len(output) if information is None else information, 0) +
                       output)

    def hello(self, role=None, version=1, status_code=0):
        code, tag, size, body = self.take(HELLO)
        assert size == 16
        got_version, got_role, reserved = struct.unpack('<IIQ', body)
        assert got_version == 1 and reserved == 0
        assert role is None or got_role == role, got_role
        self.answer(tag, struct.pack('<IIQ', version, 0, 0) if status_code == 0 else b'', status_code)
        return got_role

    def offer(self, *records):
        """Answers a SUBMIT_AND_GET whose decisions were taken, while there is one, or a GET_REQUESTS."""
        if self.both:
            tag, begun = self.both.pop(0)
            self.answer(tag, begun + b''.join(records))
            return
        code, tag, size, body = self.take(GET_REQUESTS)
        assert body == b'' and size >= 65712
        self.answer(tag, b''.join(records))

    def decisions(self, statuses=None, alone=False):
        """
        Takes one SUBMIT and answers it, or one SUBMIT_AND_GET, which is answered now when a status is no success or it
        has to come alone, else by an offer; a list of (id, verdict, scope, lifetime), with until behind if it is not 0.
        """
        code, tag, size, body = self.take(SUBMIT, SUBMIT_AND_GET)
        version, count = struct.unpack_from('<II', body)
        assert version == 1 and len(body) == 8 + 24 * count and size >= 4 * count
        assert code == SUBMIT or size >= (4 * count + 7 & ~7) + 176
        found = []
        for i in range(count):
            identifier, verdict, scope, lifetime, until = struct.unpack_from('<QIIII', body, 8 + 24 * i)
            found.append((identifier, verdict, scope, lifetime, until)[:5 if until else 4])
        codes = statuses if statuses is not None else [0] * count
        answer = struct.pack('<%dI' % len(codes), *codes)
        if code == SUBMIT_AND_GET:
            answer += b'\0' * (-len(answer) % 8)
            if not any(codes) and not alone:
                self.both.append((tag, answer))
                return found
        self.answer(tag, answer)
        return found

    def tell(self, *events):
        code, tag, size, body = self.take(READ_EVENTS)
        self.answer(tag, b''.join(events))

    def is_closed(self):
        """True once the client closed; calls that wait in the socket are forgotten."""
        try:
            while self.sock.recv(131072):
                pass
            return True
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()


class Fake:
    def __init__(self, path):
        self.path = path
        self.clients = []  # kept open until a test closes them
        self.listen()

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.listener.settimeout(DEADLINE)

    def accept(self):
        self.clients.append(Client(self.listener.accept()[0]))
        return self.clients[-1]

    def close(self):
        self.stop()
        for client in self.clients:
            client.close()

    def stop(self):
        self.listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
