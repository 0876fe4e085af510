# SPDX-License-Identifier: MIT
"""What the end-to-end tests of gatehouse share: one program under test, one fake gatehoused.

The program under test is argv[1].
"""
import os
import select
import subprocess
import sys
import tempfile
import time
import unittest

import fake_gatehoused as fake
from fake_gatehoused import DECIDER

PROGRAM = sys.argv.pop(1)
DEADLINE = 60


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='gatehouse-agent-')
        self.path = os.path.join(self.folder.name, 'device.sock')
        self.fake = fake.Fake(self.path)
        self.started = []

    def tearDown(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None and not stream.closed:
                    stream.close()
        self.fake.close()
        self.folder.cleanup()

    def start(self, *arguments, **options):
        options = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **options}
        if arguments[:1] == ('ask',):  # not that of this machine, should it have one
            arguments += ('--desk', os.path.join(self.folder.name, 'desk.sock'))
        process = subprocess.Popen([PROGRAM, '--socket', self.path, *arguments], **options)
        self.started.append(process)
        return process

    def line(self, stream):
        """One line of the program, or a failure after the deadline."""
        found = b''
        end = time.monotonic() + DEADLINE
        while not found.endswith(b'\n'):
            left = end - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                self.fail('no whole line, only %r' % found)
            piece = os.read(stream.fileno(), 1)
            if not piece:
                self.fail('the end after %r' % found)
            found += piece
        return found.decode()

    def silent(self, stream, seconds=0.3):
        self.assertFalse(select.select([stream], [], [], seconds)[0], 'something was printed')

    def ends(self, process, code):
        try:
            out, err = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.fail('the program did not end')
        self.assertEqual(process.returncode, code, err)
        return (out or b'').decode(), (err or b'').decode()

    def stays_asleep(self, process):
        """Once it has come to rest, nothing wakes it."""
        def switches():
            with open('/proc/%d/status' % process.pid, encoding='ascii') as file:
                return [line for line in file if 'ctxt' in line]
        end = time.monotonic() + DEADLINE
        before = None
        while before != switches():
            self.assertLess(time.monotonic(), end, 'it wakes up again and again')
            before = switches()
            time.sleep(1.5)

    def decider(self, *arguments, **options):
        process = self.start(*arguments, **options)
        client = self.fake.accept()
        client.hello(DECIDER)
        return process, client
