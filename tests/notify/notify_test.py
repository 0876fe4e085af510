# SPDX-License-Identifier: MIT
"""gatehouse notify against a desk and a notification service that the test drives, on a bus of the test's own.

notify_test.py GATEHOUSE SERVICE
"""
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'page'))
from fake_desk import FakeDesk  # noqa: E402

GATEHOUSE, SERVICE = sys.argv[1:3]
DEADLINE = 60
BUTTONS = ['permit-once', 'Permit once', 'permit-always', 'Permit always', 'block', 'Block']


class Service:
    """The notification service; what it was told, in order."""

    def __init__(self, environment, *capabilities):
        self.process = subprocess.Popen([SERVICE, *capabilities], env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, bufsize=0)
        self.rest = b''
        assert self.next()['call'] == 'ready'

    def next(self, seconds=DEADLINE):
        end = time.monotonic() + seconds
        while b'\n' not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError('the service was told nothing')
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, 'the service ended'
            self.rest += data
        line, self.rest = self.rest.split(b'\n', 1)
        return json.loads(line)

    def shown(self):
        line = self.next()
        assert line['call'] == 'Notify', line
        return line

    def closed(self, number):
        line = self.next()
        assert line == {'call': 'CloseNotification', 'id': number}, line

    def silent(self, seconds=0.5):
        """Told nothing: what would be told has nothing to wait for."""
        try:
            line = self.next(seconds)
        except AssertionError:
            return
        raise AssertionError(line)

    def person(self, words):
        self.process.stdin.write(words.encode() + b'\n')

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Notify(unittest.TestCase):
    capabilities = ('body', 'body-markup', 'actions')

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='gatehouse-notify-')
        self.path = pathlib.Path(self.folder.name)
        address = 'unix:path=%s' % (self.path / 'bus')
        self.environment = {**os.environ, 'DBUS_SESSION_BUS_ADDRESS': address}
        self.bus = subprocess.Popen(['dbus-daemon', '--session', '--nofork', '--nopidfile', '--print-address=1',
                                     '--address=' + address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertTrue(self.bus.stdout.readline().startswith(b'unix:'))
        self.desk = FakeDesk(self.path / 'desk.sock')
        self.services, self.started = [], []

    def tearDown(self):
        for process in self.started:
            process.kill()
            process.wait()
            process.stderr.close()
        for service in self.services:
            service.end()
        self.desk.close()
        self.bus.kill()
        self.bus.wait()
        self.bus.stdout.close()
        self.folder.cleanup()

    def service(self, *capabilities):
        self.services.append(Service(self.environment, *(capabilities or self.capabilities)))
        return self.services[-1]

    def notify(self):
        process = subprocess.Popen([GATEHOUSE, 'notify', '--desk', str(self.path / 'desk.sock')], env=self.environment,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.started.append(process)
        return process

    def answer(self):
        return self.desk.answers.get(timeout=DEADLINE)

    def test_one_question(self):
        service = self.service()
        self.notify()
        question = self.desk.ask(program='/opt/a <b>&amp;/evil', name='example.org')
        shown = service.shown()
        self.assertEqual(shown['actions'], BUTTONS)
        self.assertEqual((shown['urgency'], shown['expires'], shown['replaces']), (2, 0, 0))
        self.assertEqual(shown['title'], 'evil wants to connect')
        # Marks of others are text.
        self.assertIn('/opt/a &lt;b&gt;&amp;amp;/evil', shown['body'])
        self.assertIn('to example.org (192.0.2.1) port 443 https, tcp', shown['body'])
        self.assertIn('user: alice', shown['body'])
        service.person('click %d permit-once' % shown['id'])
        answer = self.answer()
        self.assertEqual((answer['id'], answer['verdict'], answer['scope'], answer['until']),
                         (question, 'permit', 'connection', 'once'))
        service.closed(shown['id'])

    def test_buttons(self):
        service = self.service()
        self.notify()
        for key, verdict, scope, until in (('permit-always', 'permit', 'destination', 'always'),
                                           ('block', 'block', 'connection', 'once')):
            question = self.desk.ask()
            shown = service.shown()
            service.person('click %d nonsense' % shown['id'])
            service.person('click 4242 block')
            service.person('click %d %s' % (shown['id'], key))
            answer = self.answer()
            self.assertEqual((answer['id'], answer['verdict'], answer['scope'], answer['until']),
                             (question, verdict, scope, until))
            service.closed(shown['id'])

    def test_answered_elsewhere(self):
        service = self.service()
        self.notify()
        question = self.desk.ask()
        shown = service.shown()
        self.desk.gone(question, 'permit', 'decider', 'bob', 'connection')
        service.closed(shown['id'])
        # A click that comes too late answers nothing.
        service.person('click %d block' % shown['id'])
        service.silent()
        self.assertTrue(self.desk.answers.empty())

    def test_several_of_one_destination(self):
        service = self.service()
        self.notify()
        first = self.desk.ask()
        shown = service.shown()
        second = self.desk.ask(local='10.0.0.2:40001')
        again = service.shown()
        self.assertEqual((again['id'], again['replaces']), (shown['id'], shown['id']))
        self.assertIn('(2 connections)', again['title'])
        service.person('click %d block' % shown['id'])
        self.assertEqual({self.answer()['id'], self.answer()['id']}, {first, second})
        service.closed(shown['id'])

    def test_many(self):
        service = self.service()
        self.notify()
        questions = [self.desk.ask(address='192.0.2.%d' % i) for i in range(5)]
        lines = []
        while not lines or not lines[-1]['title'].startswith('2 more'):
            lines.append(service.shown())
        singles = [line for line in lines if 'wants to connect' in line['title']]
        summary = lines[-1]['id']
        self.assertEqual(len(singles), 3)
        self.assertEqual(lines[-1]['actions'], [])
        # One is answered: the next takes its place, and the summary counts one less.
        self.desk.gone(questions[0], 'block', 'deadline')
        told = [service.next() for _ in range(3)]
        (gone,) = [line for line in told if line['call'] == 'CloseNotification']
        (fewer,) = [line for line in told if line.get('title', '').startswith('1 more')]
        (promoted,) = [line for line in told if line not in (gone, fewer)]
        self.assertEqual((gone['id'], fewer['id']), (singles[0]['id'], summary))
        self.assertIn('192.0.2.3', promoted['body'])
        for question in questions[1:]:
            self.desk.gone(question, 'block', 'deadline')
        open_now = {singles[1]['id'], singles[2]['id'], promoted['id'], summary}
        while open_now:
            line = service.next()
            if line['call'] == 'CloseNotification':
                open_now.discard(line['id'])
            else:
                open_now.add(line['id'])

    def test_dismissed(self):
        service = self.service()
        self.notify()
        question = self.desk.ask()
        shown = service.shown()
        service.person('close %d 2' % shown['id'])
        service.silent()
        self.assertTrue(self.desk.answers.empty())
        self.desk.gone(question, 'block', 'deadline')
        self.desk.ask()
        service.shown()

    def test_answer_that_does_not_count(self):
        service = self.service()
        self.desk.takes = False
        self.notify()
        question = self.desk.ask()
        shown = service.shown()
        service.person('click %d permit-always' % shown['id'])
        answer = self.answer()
        service.closed(shown['id'])
        self.desk.tell({'type': 'answered', 'tag': answer['tag'], 'id': question, 'status': 'refused',
                        'sentence': 'There is no room for one more answer.'})
        again = service.shown()
        self.assertIn('There is no room', again['body'])

    def test_service_comes_and_goes(self):
        process = self.notify()
        self.desk.ask()
        self.assertTrue(select.select([process.stderr], [], [], DEADLINE)[0])
        self.assertIn(b'no notification can be shown', process.stderr.readline())
        service = self.service()
        service.shown()
        service.end()
        service = self.service()
        shown = service.shown()
        self.assertEqual(shown['replaces'], 0)
        service.person('click %d permit-once' % shown['id'])
        self.assertEqual(self.answer()['verdict'], 'permit')

    def test_without_buttons_and_marks(self):
        service = self.service('body')
        self.notify()
        self.desk.ask(program='/opt/<b>')
        shown = service.shown()
        self.assertEqual(shown['actions'], [])
        self.assertIn('/opt/<b>', shown['body'])
        self.assertIn("Answer with 'gatehouse ask'", shown['body'])

    def test_desk_comes_and_goes(self):
        self.desk.close()
        service = self.service()
        process = self.notify()
        service.silent()
        self.desk.open()
        self.desk.ask()
        shown = service.shown()
        self.desk.close()
        service.closed(shown['id'])
        self.assertIsNone(process.poll())
        self.desk.open()
        self.desk.ask()
        service.shown()

    def test_two_sessions(self):
        """Two people's sessions at one desk: what one answers disappears from the other."""
        services = [self.service()]
        self.notify()
        other = Notify('test_one_question')
        other.folder = tempfile.TemporaryDirectory(prefix='gatehouse-notify-')
        address = 'unix:path=%s/bus' % other.folder.name
        environment = {**os.environ, 'DBUS_SESSION_BUS_ADDRESS': address}
        bus = subprocess.Popen(['dbus-daemon', '--session', '--nofork', '--nopidfile', '--print-address=1',
                                '--address=' + address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            bus.stdout.readline()
            before, self.environment = self.environment, environment
            services.append(self.service())
            self.notify()
            self.environment = before
            self.desk.ask()
            shown = [service.shown() for service in services]
            services[1].person('click %d permit-once' % shown[1]['id'])
            self.answer()
            for service, note in zip(services, shown):
                service.closed(note['id'])
        finally:
            bus.kill()
            bus.wait()
            bus.stdout.close()
            other.folder.cleanup()

    def test_ends(self):
        service = self.service()
        process = self.notify()
        self.desk.ask()
        shown = service.shown()
        process.send_signal(signal.SIGTERM)
        service.closed(shown['id'])
        self.assertEqual(process.wait(DEADLINE), 0)
        process = self.notify()
        service.shown()
        self.bus.terminate()
        self.assertEqual(process.wait(DEADLINE), 4)
        self.assertIn(b'session', process.stderr.read())

    def test_no_bus(self):
        self.environment['DBUS_SESSION_BUS_ADDRESS'] = 'unix:path=/nowhere/bus'
        process = self.notify()
        code = process.wait(DEADLINE)
        self.assertIn(code, (2, 4))
        self.assertIn(b'session', process.stderr.read())


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
