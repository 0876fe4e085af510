# SPDX-License-Identifier: MIT
"""End-to-end tests of 'gatehouse ask' against a fake gatehoused: by lines, and on a pseudo-terminal.
"""
import fcntl
import os
import pty
import select
import signal
import socket
import subprocess
import termios
import time
import unittest

import fake_gatehoused as fake
from case import Case, DEADLINE
from fake_gatehoused import DECIDER, OBSERVER, PERMIT, BLOCK, request


class AskLines(Case):
    def ask(self, *arguments, **options):
        process = self.start('ask', *arguments, **options)
        decider = self.fake.accept()
        decider.hello(DECIDER)
        observer = self.fake.accept()
        observer.hello(OBSERVER)
        return process, decider, observer

    def say(self, process, text):
        process.stdin.write(text)
        process.stdin.flush()

    def test_script(self):
        process, decider, observer = self.ask()
        self.say(process, b'y\nNO\nalways\nd\n')
        decider.offer(request(1), request(2, address='2001:db8::1', user=3999999999), request(3, port=80), request(4))
        found = [decider.decisions()[0] for _ in range(4)]
        self.assertEqual(found, [(1, PERMIT, 0, 0), (2, BLOCK, 0, 0), (3, PERMIT, 1, 0), (4, BLOCK, 1, 0)])
        process.stdin.close()
        process.stdin = None
        out, err = self.ends(process, 5)
        lines = out.splitlines()
        self.assertRegex(lines[0], r'^/usr/bin/curl pid 4242 user root tcp 10\.0\.0\.1:443 - \d+ s left, 3 more wait - '
                                   r'y/n/a/d/\?$|^.* 1 min 0 s left, 3 more wait - y/n/a/d/\?$')
        self.assertEqual(lines[1], '  permitted')
        self.assertRegex(lines[2], r'user S-1-22-1-3999999999 tcp \[2001:db8::1\]:443 - ')
        self.assertEqual(lines[3], '  blocked')
        self.assertEqual(lines[5], '  permitted, and from now on always for this program and destination')
        self.assertEqual(lines[7], '  blocked, and from now on always for this program and destination')
        self.assertIn('the input ended', err)

    def test_lifetimes_in_words(self):
        process, decider, observer = self.ask()
        table = [(b'y 10', (PERMIT, 1, 600000), '  permitted, and from now on for 10 minutes for this program and destination'),
                 (b'no for 2 hours program', (BLOCK, 2, 7200000), '  blocked, and from now on for 120 minutes for this program'),
                 (b'exit y', (PERMIT, 1, 0, fake.UNTIL_EXIT),
                  '  permitted, and from now on until the program exits for this program and destination'),
                 (b'n until reboot', (BLOCK, 1, 0, fake.UNTIL_REBOOT),
                  '  blocked, and from now on until reboot for this program and destination'),
                 (b'always program', (PERMIT, 2, 0), '  permitted, and from now on always for this program'),
                 (b'yes once', (PERMIT, 0, 0), '  permitted'), (b'1m y', (PERMIT, 1, 60000), None)]
        decider.offer(*[request(i, port=i) for i in range(1, len(table) + 1)])
        self.line(process.stdout)
        for i, (words, expected, said) in enumerate(table, 1):
            self.say(process, words + b'\n')
            self.assertEqual(decider.decisions(), [(i, *expected)], words)
            if said is not None:
                self.assertEqual(self.line(process.stdout), said + '\n')
                self.line(process.stdout)

    def test_lifetimes_that_are_none(self):
        process, decider, observer = self.ask()
        decider.offer(request(1))
        self.line(process.stdout)
        for words in (b'a 10', b'y 0', b'10', b'minutes y', b'y n', b'y 10 20', b'y exit reboot', b'y 99999 days', b'y 5 d'):
            self.say(process, words + b'\n')
            self.assertIn('That is no answer', self.line(process.stdout), words)
        self.say(process, b'y program\n')
        self.assertIn('but how long?', self.line(process.stdout))
        self.say(process, b'y\n')
        self.assertEqual(decider.decisions(), [(1, PERMIT, 0, 0)])

    def test_inbound_and_icmp(self):
        process, decider, observer = self.ask()
        decider.offer(request(1, b'/usr/sbin/sshd', layer=44, local='192.0.2.1', local_port=22, address='192.0.2.9', port=5000))
        self.assertIn('/usr/sbin/sshd pid 4242 user root in tcp 192.0.2.1:22 from 192.0.2.9:5000 - ', self.line(process.stdout))
        self.say(process, b'y\n')
        decider.decisions()
        self.line(process.stdout)
        decider.offer(request(2, b'/usr/bin/ping', protocol=1, local_port=8, port=0, address='192.0.2.9'))
        self.assertRegex(self.line(process.stdout), r'icmp echo(-request)? 192\.0\.2\.9 - ')

    def test_help_and_unclear(self):
        process, decider, observer = self.ask()
        decider.offer(request(1))
        self.line(process.stdout)
        self.say(process, b'?\nmaybe\n\n')
        self.assertIn('y  yes: permit this connection', self.line(process.stdout))
        for _ in range(7):
            self.line(process.stdout)
        for _ in range(2):
            self.assertIn('That is no answer', self.line(process.stdout))
        self.say(process, b'n')
        self.silent(process.stdout)
        self.say(process, b'\n')
        self.assertEqual(decider.decisions(), [(1, BLOCK, 0, 0)])

    def test_withdrawn_by_event(self):
        process, decider, observer = self.ask()
        decider.offer(request(1), request(2, pid=2))
        self.assertIn('pid 4242', self.line(process.stdout))
        observer.tell(fake.event(fake.DECIDED, request(1), BLOCK, fake.BY_CANCEL))
        self.assertIn('  withdrawn: /usr/bin/curl pid 4242 user root tcp 10.0.0.1:443, blocked because its program '
                      'gave up', self.line(process.stdout))
        self.assertIn('pid 2 ', self.line(process.stdout))
        self.say(process, b'y\n')
        self.assertEqual(decider.decisions(), [(2, PERMIT, 0, 0)])

    def test_event_before_its_request(self):
        process, decider, observer = self.ask()
        observer.tell(fake.event(fake.DECIDED, request(1), BLOCK, fake.BY_CANCEL))
        observer.take(fake.READ_EVENTS)  # it asks for more: it knows this one
        decider.offer(request(1), request(2, pid=2))
        self.assertIn('withdrawn: /usr/bin/curl pid 4242', self.line(process.stdout))
        self.assertIn('pid 2 ', self.line(process.stdout))

    def test_withdrawn_by_status(self):
        process, decider, observer = self.ask()
        self.say(process, b'y\nn\n')
        decider.offer(request(1), request(2))
        decider.decisions([fake.E_UNKNOWN_ID])
        self.assertEqual(decider.decisions(), [(2, BLOCK, 0, 0)])
        self.line(process.stdout)
        self.assertIn('withdrawn, the answer did not count: the connection is no longer held',
                      self.line(process.stdout))

    def test_withdrawn_at_its_deadline_without_an_event(self):
        process, decider, observer = self.ask()
        decider.offer(request(1, seconds=3))
        self.line(process.stdout)
        self.assertIn('ended because its deadline passed', self.line(process.stdout))

    def test_covered_by_always(self):
        process, decider, observer = self.ask()
        self.say(process, b'a\n')
        decider.offer(request(1), request(2, pid=2), request(3, port=80))
        decider.decisions()
        observer.tell(fake.event(fake.DECIDED, request(1), PERMIT, fake.BY_DECIDER),
                      fake.event(fake.DECIDED, request(2), PERMIT, fake.BY_ANSWER))
        self.line(process.stdout)
        self.line(process.stdout)
        rest = [self.line(process.stdout) for _ in range(2)]
        self.assertEqual(sum('pid 2 user root tcp 10.0.0.1:443, permitted by a remembered answer' in l for l in rest), 1)
        self.assertEqual(sum('tcp 10.0.0.1:80 - ' in l for l in rest), 1)
        self.silent(process.stdout, 1.5)

    def test_covered_but_no_event_is_asked_after_all(self):
        process, decider, observer = self.ask()
        self.say(process, b'a\ny\n')
        decider.offer(request(1), request(2))
        decider.decisions()
        self.assertEqual(decider.decisions(), [(2, PERMIT, 0, 0)])

    def test_no_room_to_remember(self):
        process, decider, observer = self.ask()
        self.say(process, b'a\ny\n')
        decider.offer(request(1))
        decider.decisions([fake.E_ANSWERS_FULL])
        self.assertEqual(decider.decisions(), [(1, PERMIT, 0, 0)])

    def test_no_program_cannot_be_remembered(self):
        process, decider, observer = self.ask()
        self.say(process, b'a\nd\nn\n')
        decider.offer(request(1, b'', flags=4))
        self.assertEqual(decider.decisions(), [(1, BLOCK, 0, 0)])

    def test_end_of_input_gives_back(self):
        process, decider, observer = self.ask(stdin=subprocess.DEVNULL)
        self.assertTrue(decider.is_closed())
        self.ends(process, 5)
        process, decider, observer = self.ask()
        decider.offer(request(1), request(2))
        self.line(process.stdout)
        process.stdin.close()
        process.stdin = None
        self.assertTrue(decider.is_closed())
        self.assertIn('2 held connections go back undecided', self.ends(process, 5)[1])

    def test_last_line_without_newline(self):
        process, decider, observer = self.ask()
        decider.offer(request(1))
        self.say(process, b'y')
        process.stdin.close()
        process.stdin = None
        self.assertEqual(decider.decisions(), [(1, PERMIT, 0, 0)])
        self.ends(process, 5)

    def test_reconnect_asks_again(self):
        process, decider, observer = self.ask()
        decider.offer(request(1))
        self.line(process.stdout)
        decider.close()
        observer.close()
        self.assertIn('1 held connection goes back', self.line(process.stderr))
        decider = self.fake.accept()
        decider.hello(DECIDER)
        self.fake.accept().hello(OBSERVER)
        decider.offer(request(1, flags=8))
        self.line(process.stdout)
        self.say(process, b'y\n')
        self.assertEqual(decider.decisions(), [(1, PERMIT, 0, 0)])

    def test_stop(self):
        process, decider, observer = self.ask()
        decider.offer(request(1))
        self.line(process.stdout)
        process.send_signal(signal.SIGTERM)
        self.assertTrue(decider.is_closed())
        self.assertIn('1 held connection goes back undecided', self.ends(process, 0)[1])

    def test_many_questions(self):
        process, decider, observer = self.ask()
        self.say(process, b'n\n' * 600)
        for start in (0, 300):
            decider.offer(*[request(start + i + 1) for i in range(300)])
            for i in range(300):
                self.assertEqual(decider.decisions(), [(start + i + 1, BLOCK, 0, 0)])


class AskTerminal(Case):
    def setUp(self):
        super().setUp()
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.seen = self.before_seen = ''

    def tearDown(self):
        super().tearDown()
        for descriptor in (self.master, self.slave):
            if descriptor is not None:
                os.close(descriptor)

    def ask(self):
        def own_terminal():
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        process = self.start('ask', '--lines', stdin=self.slave, stdout=self.slave, preexec_fn=own_terminal)
        decider = self.fake.accept()
        decider.hello(DECIDER)
        self.fake.accept().hello(OBSERVER)
        return process, decider

    def see(self, text):
        end = time.monotonic() + DEADLINE
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                self.fail('%r was not shown, only %r' % (text, self.seen))
            self.seen += os.read(self.master, 4096).decode()
        self.before_seen, self.seen = self.seen.split(text, 1)

    def seconds_left(self):
        self.see(' s left)')
        return int(self.before_seen.rsplit('(', 1)[1])

    def keys(self, text):
        os.write(self.master, text)

    def restored(self):
        self.assertEqual(termios.tcgetattr(self.slave)[3], self.before[3])

    def decides_within(self, decider, seconds):
        decider.sock.settimeout(seconds)
        try:
            while not [c for c in decider.waiting if c[0] == fake.SUBMIT]:
                decider.waiting.append(decider.receive())
            return True
        except socket.timeout:
            return False
        finally:
            decider.sock.settimeout(DEADLINE)

    def test_single_keys(self):
        process, decider = self.ask()
        decider.offer(request(1), request(2))
        self.see('1 more wait')
        self.see('left) ')
        time.sleep(0.4)
        self.keys(b'y')
        self.assertEqual(decider.decisions(), [(1, PERMIT, 0, 0)])
        self.see('y\r\n  permitted')
        self.see('left) ')
        time.sleep(0.4)
        self.keys(b'x')
        self.see('That is no answer')
        self.keys(b'D')
        self.assertEqual(decider.decisions(), [(2, BLOCK, 1, 0)])
        self.keys(b'\x03')
        self.ends(process, 0)
        self.restored()

    def test_keys_that_say_how_long(self):
        process, decider = self.ask()
        decider.offer(request(1), request(2, port=2), request(3, port=3), request(4, port=4))
        self.see('left) ')
        time.sleep(0.4)
        self.keys(b'1')
        self.see('permit for 1 minute? ')
        self.keys(b'5')
        self.see('permit for 15 minutes? ')
        self.keys(b'y')
        self.assertEqual(decider.decisions(), [(1, PERMIT, 1, 900000)])
        self.see('left) ')
        time.sleep(0.4)
        self.keys(b'e')
        self.see('permit until the program exits? ')
        self.keys(b'n')
        self.assertEqual(decider.decisions(), [(2, BLOCK, 1, 0, fake.UNTIL_EXIT)])
        self.see('left) ')
        time.sleep(0.4)
        self.keys(b'p')
        self.see('permit to anywhere? ')
        self.keys(b'y')
        self.see('but how long?')
        self.keys(b'\x7f')
        self.see('permit? ')
        self.keys(b'r')
        self.see('permit until reboot? ')
        self.keys(b'y')
        self.assertEqual(decider.decisions(), [(3, PERMIT, 1, 0, fake.UNTIL_REBOOT)])
        self.see('left) ')
        time.sleep(0.4)
        self.keys(b'y')
        self.assertEqual(decider.decisions(), [(4, PERMIT, 0, 0)], 'what was chosen ends with its question')
        self.keys(b'\x03')
        self.ends(process, 0)

    def test_typed_ahead_does_not_answer(self):
        process, decider = self.ask()
        self.keys(b'yyyy\n')
        time.sleep(0.1)
        for number in range(1, 11):  # the last key comes too late for this where the machine is busy
            decider.offer(request(number))
            self.see('left) ')
            self.keys(b'y')
            if not self.decides_within(decider, 0.8):
                break
            decider.decisions()
        else:
            self.fail('a key typed ahead was taken for an answer')
        self.keys(b'n')
        self.assertEqual(decider.decisions(), [(number, BLOCK, 0, 0)])

    def test_one_key_answers_one_question(self):
        process, decider = self.ask()
        decider.offer(request(1), request(2))
        self.see('left) ')
        time.sleep(0.4)
        self.keys(b'yyyyyy')
        self.assertEqual(decider.decisions(), [(1, PERMIT, 0, 0)])
        self.assertFalse(self.decides_within(decider, 0.8))

    def test_time_left_counts_down(self):
        process, decider = self.ask()
        decider.offer(request(1, seconds=30))
        shown = [self.seconds_left() for _ in range(4)]
        self.assertEqual(shown, sorted(shown, reverse=True))
        self.assertTrue(30 >= shown[0] > shown[-1], shown)

    def test_control_d_ends(self):
        process, decider = self.ask()
        decider.offer(request(1))
        self.see('left) ')
        time.sleep(0.4)
        self.keys(b'\x04')
        self.assertTrue(decider.is_closed())
        self.ends(process, 5)
        self.restored()

    def test_hangup(self):
        process, decider = self.ask()
        decider.take(fake.GET_REQUESTS)
        os.close(self.master)
        self.master = None
        self.assertTrue(decider.is_closed())
        process.wait(DEADLINE)
        self.assertIn(process.returncode, (0, 5))

    def test_terminal_is_restored(self):
        for signal_number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGQUIT, -signal.SIGQUIT)):
            process, decider = self.ask()
            decider.take(fake.GET_REQUESTS)
            self.assertNotEqual(termios.tcgetattr(self.slave)[3], self.before[3])
            process.send_signal(signal_number)
            self.ends(process, code)
            self.restored()

    def test_suspended_and_continued(self):
        process, decider = self.ask()
        decider.take(fake.GET_REQUESTS)
        # An orphaned process group cannot be stopped by SIGTSTP's default; the terminal is put right all the same.
        process.send_signal(signal.SIGTSTP)
        time.sleep(0.3)
        process.send_signal(signal.SIGCONT)
        end = time.monotonic() + DEADLINE
        while termios.tcgetattr(self.slave)[3] == self.before[3] and time.monotonic() < end:
            time.sleep(0.05)
        self.assertIsNone(process.poll())
        self.assertNotEqual(termios.tcgetattr(self.slave)[3], self.before[3])
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)
        self.restored()

    def test_no_wakeups_while_idle(self):
        process, decider = self.ask()
        decider.take(fake.GET_REQUESTS)
        self.stays_asleep(process)


if __name__ == '__main__':
    unittest.main(verbosity=2)
