# SPDX-License-Identifier: MIT
"""What the tests of the page share: `gatehouse ui` with a fake desk, and HTTP said byte by byte.

The program under test is argv[1].
"""
import json
import os
import pathlib
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import fake_desk

PROGRAM = sys.argv.pop(1)
DEADLINE = 60
# A test here has more than a thousand connections.
SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
if SOFT != resource.RLIM_INFINITY and SOFT < 4096:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096 if HARD == resource.RLIM_INFINITY else min(4096, HARD), HARD))


class Answer:
    """One response, read to its end."""

    def __init__(self, raw):
        head, _, self.body = raw.partition(b'\r\n\r\n')
        lines = head.decode('latin-1').split('\r\n')
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = {name.lower(): value for name, _, value in (line.partition(': ') for line in lines[1:])}

    @property
    def json(self):
        return json.loads(self.body)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='gatehouse-page-')
        self.path = os.path.join(self.folder.name, 'desk.sock')
        self.desk = fake_desk.FakeDesk(self.path)
        self.process = None
        self.start()

    def start(self, *arguments):
        self.process = subprocess.Popen(
            [PROGRAM, 'ui', '--no-open', '--desk', self.path, '--socket', os.path.join(self.folder.name, 'device.sock'), '--history',
             os.path.join(self.folder.name, 'history.db'), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(select.select([self.process.stdout], [], [], DEADLINE)[0], 'no link was printed')
        self.link = self.process.stdout.readline().decode().strip()
        self.assertRegex(self.link, r'^http://127\.0\.0\.1:\d+/#[0-9a-f]{32}$', self.link or self.process.communicate()[1])
        self.port, self.token = int(self.link.split(':')[2].split('/')[0]), self.link.split('#')[1]
        self.host = f'127.0.0.1:{self.port}'

    def tearDown(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.assertEqual(self.process.wait(DEADLINE), 0, 'how it ended')
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            said = self.process.stderr.read()
            self.process.stderr.close()
            self.desk.close()
            self.folder.cleanup()
        self.assertEqual(said, b'')

    # --- HTTP by hand

    def dial(self, address='127.0.0.1'):
        peer = socket.create_connection((address, self.port), timeout=DEADLINE)
        self.addCleanup(peer.close)
        return peer

    def say(self, raw, address='127.0.0.1'):
        """Sends bytes, reads until the other end closes."""
        with self.dial(address) as peer:
            try:
                peer.sendall(raw)
            except OSError:
                pass  # it refused before it had all
            return Answer(self.read_all(peer))

    @staticmethod
    def read_all(peer):
        pieces = []
        try:
            while piece := peer.recv(65536):
                pieces.append(piece)
        except ConnectionError:
            pass
        return b''.join(pieces)

    def ask(self, method, path, headers=None, body=None, address='127.0.0.1'):
        """A request with the headers of the page's own, but for those given; None leaves one out."""
        wanted = {'Host': self.host, 'Connection': 'close', **({'Content-Type': 'application/json', 'Content-Length': str(len(body))} if body is not None else {}),
                  **(headers or {})}
        head = ''.join(f'{name}: {value}\r\n' for name, value in wanted.items() if value is not None)
        return self.say(f'{method} {path} HTTP/1.1\r\n{head}\r\n'.encode() + (body or b''), address)

    def call(self, name, body, **headers):
        return self.ask('POST', '/api/' + name, {'Authorization': 'Bearer ' + self.token, **headers}, json.dumps(body).encode())

    def stream(self):
        """An open stream; events(peer) reads it."""
        peer = self.dial()
        peer.sendall(f'GET /api/stream HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self.token}\r\n\r\n'.encode())
        return Stream(peer)


class Stream:
    """Server-Sent Events in a chunked response."""

    def __init__(self, peer):
        self.peer, self.raw, self.text, self.begun = peer, b'', b'', False

    def _take_chunks(self):
        if not self.begun and b'\r\n\r\n' in self.raw:
            head, _, self.raw = self.raw.partition(b'\r\n\r\n')
            assert head.startswith(b'HTTP/1.1 200 ') and b'text/event-stream' in head, head
            self.begun = True
        while self.begun and b'\r\n' in self.raw:
            size, _, rest = self.raw.partition(b'\r\n')
            size = int(size, 16)
            if len(rest) < size + 2:
                break
            self.text += rest[:size]
            self.raw = rest[size + 2:]

    def event(self, kind, seconds=DEADLINE):
        """The next event of this type; others are passed over."""
        until = time.monotonic() + seconds
        while True:
            while b'\n\n' in self.text:
                one, _, self.text = self.text.partition(b'\n\n')
                if one.startswith(b'data: '):
                    event = json.loads(one[6:])
                    if event['type'] == kind:
                        return event
            self.peer.settimeout(max(0.01, until - time.monotonic()))
            piece = self.peer.recv(65536)
            if not piece:
                raise AssertionError(f'the stream ended before a {kind}')
            self.raw += piece
            self._take_chunks()
