# SPDX-License-Identifier: MIT
"""End-to-end tests of the gatehouse program against a fake gatehoused.

Each test starts the real program, plays gatehoused's side, and looks at what the program sent, printed and
returned. 'gatehouse ask' has its own file, ask_test.py.
"""
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import time
import unittest

import fake_gatehoused as fake
from case import Case, DEADLINE, PROGRAM
from fake_gatehoused import DECIDER, OBSERVER, PERMIT, BLOCK, request


class Decide(Case):
    def test_permit_and_line(self):
        process, client = self.decider('permit')
        client.offer(request(7))
        self.assertEqual(client.decisions(), [(7, PERMIT, 0, 0)])
        self.assertRegex(self.line(process.stdout),
                         r'^\d\d:\d\d:\d\d\.\d\d\d /usr/bin/curl pid 4242 user root tcp 10\.0\.0\.1:443 permit\n$')
        process.send_signal(signal.SIGTERM)
        self.assertTrue(client.is_closed())
        self.assertEqual(self.ends(process, 0), ('', ''))

    def test_block_with_exceptions(self):
        odd = b'/opt/\xff\xfe/\xc3\xa9\xf0\x9f\x98\x80'
        process, client = self.decider('block', '--except', '/opt/none/one', odd, '--quiet', '--except=/opt/none/two')
        client.offer(request(1), request(2, b'/opt/none/one'), request(3, odd), request(4, b'/opt/none/two'),
                     request(5, b'/opt/none/on'), request(6, b'/opt/none/one/'), request(7, b'', flags=4))
        self.assertEqual([(i, v) for i, v, _, _ in client.decisions()],
                         [(1, BLOCK), (2, PERMIT), (3, PERMIT), (4, PERMIT), (5, BLOCK), (6, BLOCK), (7, BLOCK)])
        self.silent(process.stdout)
        process.send_signal(signal.SIGINT)
        out, err = self.ends(process, 0)
        self.assertEqual(err.count('it is excepted once there is one'), 3)

    def test_permit_except_blocks(self):
        process, client = self.decider('permit', '--quiet', '--except', '/opt/none/one')
        client.offer(request(1), request(2, b'/opt/none/one'))
        self.assertEqual([v for _, v, _, _ in client.decisions()], [PERMIT, BLOCK])

    def test_exception_by_link_means_its_target(self):
        target = os.path.join(os.path.realpath(self.folder.name), 'target')
        link = os.path.join(os.path.realpath(self.folder.name), 'link')
        open(target, 'w').close()
        os.symlink(target, link)
        process, client = self.decider('block', '--quiet', '--except', link)
        self.assertIn('link leads to %s: that program is excepted.' % target, self.line(process.stderr))
        client.offer(request(1, target.encode()), request(2, link.encode()))
        self.assertEqual([v for _, v, _, _ in client.decisions()], [PERMIT, BLOCK])

    def test_two_reads_and_answers_out_of_order(self):
        process, client = self.decider('permit', '--quiet')
        first = client.take(fake.GET_REQUESTS)
        second = client.take(fake.GET_REQUESTS)
        client.answer(second[1], request(2))
        client.answer(first[1], request(1))
        one, two = client.take(fake.SUBMIT_AND_GET), client.take(fake.SUBMIT_AND_GET)
        self.assertEqual([struct.unpack_from('<Q', c[3], 8)[0] for c in (one, two)], [2, 1])
        client.answer(two[1], bytes(8) + request(3))
        client.answer(one[1], bytes(8) + request(4))
        self.assertEqual([client.decisions()[0][0] for _ in range(2)], [3, 4])
        for i in range(5, 200):
            client.offer(request(i))
            self.assertEqual(client.decisions(), [(i, PERMIT, 0, 0)])
        self.assertIsNone(process.poll())

    def test_statuses_alone_are_followed_by_a_read(self):
        process, client = self.decider('permit', '--quiet')
        for i in range(0, 30, 3):
            client.offer(request(i), request(i + 1))
            client.decisions([0, fake.E_UNKNOWN_ID])
            client.offer(request(i + 2))
            self.assertEqual(client.decisions(alone=True), [(i + 2, PERMIT, 0, 0)])
        self.assertIsNone(process.poll())

    def test_statuses_that_end_early(self):
        process, client = self.decider('permit', '--quiet', '--once')
        client.offer(request(1), request(2))
        code, tag, size, body = client.take(fake.SUBMIT_AND_GET)
        client.answer(tag, bytes(4))
        out, err = self.ends(process, 4)
        self.assertIn('gatehoused answers decisions with a wrong size', err)

    def test_answers_to_submits_that_come_late(self):
        """The pool of batches runs short, then recovers; nothing is lost."""
        process, client = self.decider('permit', '--json')
        submits, offered = [], 0
        for call in (client.take(fake.GET_REQUESTS), client.take(fake.GET_REQUESTS)):
            client.waiting.append(call)
        while True:
            reads = [c for c in client.waiting if c[0] == fake.GET_REQUESTS]
            if not reads:
                client.sock.settimeout(1)  # gatehouse waits for its answers for 5 s, and then ends
                try:
                    client.waiting.append(client.receive())
                    continue
                except socket.timeout:
                    break
                finally:
                    client.sock.settimeout(DEADLINE)
            offered += 1
            client.offer(request(offered))
            submits.append(client.take(fake.SUBMIT))
        self.assertGreaterEqual(offered, 3)
        for call in submits:
            client.answer(call[1], struct.pack('<I', 0))
        for i in range(offered + 1, offered + 20):
            client.offer(request(i))
            client.decisions()
        ids = [json.loads(self.line(process.stdout))['id'] for _ in range(offered + 19)]
        self.assertEqual(ids, [str(i) for i in range(1, offered + 20)])

    def test_full_batch(self):
        process, client = self.decider('block', '--quiet')
        client.offer(*[request(i, b'') for i in range(373)])
        self.assertEqual([i for i, _, _, _ in client.decisions()], list(range(373)))

    def test_decision_that_did_not_count(self):
        process, client = self.decider('permit')
        client.offer(request(7))
        client.decisions([fake.E_UNKNOWN_ID])
        self.assertIn('permit (did not count: the connection is no longer held', self.line(process.stdout))

    def test_json(self):
        path = b'/opt/a"\\\n\xff\x1b'
        process, client = self.decider('permit', '--json')
        client.offer(request(2**63 + 1, path, user=3999999999, address='fe80::1', port=53, protocol=17, interface=2))
        client.decisions()
        found = json.loads(self.line(process.stdout))
        self.assertEqual(os.fsencode(found['program']), path)
        self.assertEqual((found['id'], found['verdict'], found['status']), (str(2**63 + 1), 'permit', 0))
        self.assertEqual((found['protocol'], found['remote_address'], found['remote_port']), ('udp', 'fe80::1%2', 53))
        self.assertEqual((found['user'], found['sid'], found['pid']), (None, 'S-1-22-1-3999999999', 4242))

    def test_control_characters_stay_off_the_terminal(self):
        process, client = self.decider('permit')
        client.offer(request(1, '/tmp/\x1b[31mred\n\u202e\\'.encode() + b'\x9b\x80'))
        client.decisions()
        self.assertIn(' /tmp/\\x1b[31mred\\x0a\\u{202e}\\\\\\x9b\\x80 pid', self.line(process.stdout))

    def test_slow_reader_stops_no_decision(self):
        process, client = self.decider('permit')
        for i in range(0, 250 * 72, 250):
            client.offer(*[request(i + k, b'/opt/' + b'x' * 20) for k in range(250)])
            self.assertEqual(len(client.decisions()), 250)
        found, lines, told, end = b'', 0, 250 * 72, time.monotonic() + DEADLINE
        while b'lines are missing here' not in found or lines != told:
            self.assertLess(time.monotonic(), end, '%d of %d lines: %r' % (lines, told, found[-300:]))
            while select.select([process.stdout], [], [], 0.5)[0]:
                found += os.read(process.stdout.fileno(), 65536)
            lines = found.count(b' permit\n') + sum(map(int, re.findall(rb'(\d+) lines are missing', found)))
            if b'lines are missing here' not in found:  # it comes with the next line that there is room for
                client.offer(request(1))
                client.decisions()
                told += 1

    def test_closed_output_stops_no_decision(self):
        process, client = self.decider('permit')
        process.stdout.close()
        for i in range(5):
            client.offer(request(i))
            self.assertEqual(client.decisions(), [(i, PERMIT, 0, 0)])

    def test_two_system_calls_a_batch(self):
        if subprocess.run(['sh', '-c', 'command -v strace'], stdout=subprocess.DEVNULL).returncode != 0:
            self.skipTest('strace is not installed')
        trace = os.path.join(self.folder.name, 'trace')
        process = subprocess.Popen(['strace', '-o', trace, PROGRAM, '--socket', self.path, 'permit', '--quiet',
                                    '--once'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.started.append(process)
        client = self.fake.accept()
        client.hello(DECIDER)
        client.take(fake.GET_REQUESTS)
        for i in range(20):
            client.offer(request(i))
            client.decisions()
            time.sleep(0.01)
        client.close()
        process.wait(DEADLINE)
        calls = [re.match(r'(\w+)\(', l) for l in open(trace, errors='replace')]
        names = [m.group(1) for m in calls if m]
        sends = [i for i, name in enumerate(names) if name in ('sendto', 'sendmsg', 'sendmmsg')]
        # The first is HELLO, the second the two reads. Each later one answers a batch: right before it
        # is the receive that brought the batch, and nothing between.
        self.assertGreaterEqual(len(sends), 21)
        for at in sends[3:20]:
            self.assertEqual(names[at - 1], 'recvfrom', names[at - 4:at + 1])
        self.assertEqual(len(names[sends[3]:sends[13]]), 10 * 2, names[sends[3]:sends[13]])


class Ends(Case):
    def test_no_gatehoused(self):
        self.fake.stop()
        for command in ('permit', 'ask', 'status', 'watch', 'policy'):
            out, err = self.ends(self.start(command), 2)
            self.assertEqual(err, "gatehouse: no gatehoused answers at %s: start it with 'sudo gatehoused', or name "
                                  "its socket with --socket.\n" % self.path)
        self.fake.listen()

    def test_socket_of_something_else(self):
        self.fake.stop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(self.path)
            other.listen(1)
            out, err = self.ends(self.start('status'), 2)
        self.assertIn("is not gatehoused's socket", err)
        os.unlink(self.path)
        self.fake.listen()

    def test_path_too_long(self):
        process = subprocess.Popen([PROGRAM, '--socket', '/' + 'x' * 108, 'status'], stderr=subprocess.PIPE)
        self.started.append(process)
        self.assertIn('a socket\'s path has 1 to 107 bytes', self.ends(process, 1)[1])

    def test_access_denied(self):
        """The reason waits in a socket whose other end is closed, with the client's HELLO unread."""
        process = self.start('permit')
        client = self.fake.accept()
        client.answer(0, b'', fake.ACCESS_DENIED)
        client.sock.recv(1, socket.MSG_PEEK)
        client.close()
        self.assertIn("access denied: run as root, or as a member of the group 'gatehouse'", self.ends(process, 3)[1])

    def test_second_decider(self):
        for command in ('permit', 'block', 'ask'):
            process = self.start(command)
            self.fake.accept().hello(DECIDER, status_code=fake.E_DECIDER_PRESENT)
            self.assertIn('another program decides already', self.ends(process, 3)[1])

    def test_version_refused(self):
        process = self.start('status')
        self.fake.accept().hello(OBSERVER, status_code=fake.E_BAD_VERSION)
        self.assertIn('another protocol version', self.ends(process, 3)[1])
        process = self.start('status')
        self.fake.accept().hello(OBSERVER, version=2)
        self.assertIn('protocol version 2 and this program 1', self.ends(process, 3)[1])

    def test_silent_gatehoused(self):
        process = self.start('status')
        client = self.fake.accept()
        begin = time.monotonic()
        self.assertIn('gives no answer for 5 seconds', self.ends(process, 4)[1])
        self.assertGreater(time.monotonic() - begin, 4)
        client.close()

    def test_stop_while_gatehoused_is_silent(self):
        process = self.start('permit')
        client = self.fake.accept()
        client.take(fake.HELLO)
        process.send_signal(signal.SIGINT)
        self.ends(process, 0)  # it ends with 4 when it waits for the answer

    def test_lost_with_once(self):
        process, client = self.decider('permit', '--once')
        client.take(fake.GET_REQUESTS)
        client.close()
        self.assertIn('the connection to gatehoused ended', self.ends(process, 4)[1])

    def test_reconnect(self):
        process, client = self.decider('permit')
        client.offer(request(1))
        client.decisions()
        self.fake.stop()
        client.close()
        self.assertIn('Trying again until it is back', self.line(process.stderr))
        time.sleep(0.5)
        self.fake.listen()
        client = self.fake.accept()
        client.hello(DECIDER)
        self.assertEqual(self.line(process.stderr), 'gatehouse: gatehoused is back.\n')
        client.offer(request(2))
        self.assertEqual(client.decisions(), [(2, PERMIT, 0, 0)])
        process.send_signal(signal.SIGTERM)
        self.ends(process, 0)

    def test_stop_while_reconnecting(self):
        process, client = self.decider('permit')
        self.fake.stop()
        client.close()
        self.line(process.stderr)
        process.send_signal(signal.SIGINT)
        self.ends(process, 0)
        self.fake.listen()

    def test_reconnect_to_another_decider(self):
        process, client = self.decider('permit')
        client.close()
        self.fake.accept().hello(DECIDER, status_code=fake.E_DECIDER_PRESENT)
        self.assertIn('another program decides already', self.ends(process, 3)[1])

    def test_stopping_is_retried(self):
        process, client = self.decider('permit')
        code, tag, size, body = client.take(fake.GET_REQUESTS)
        client.answer(tag, b'', fake.E_STOPPING)
        client.is_closed()
        self.fake.accept().hello(DECIDER)


class Hostile(Case):
    """Wrong answers end the connection with a sentence; nothing is decided from them."""

    def wrong(self, send, sentence):
        process, client = self.decider('permit', '--once')
        code, tag, size, body = client.take(fake.GET_REQUESTS)
        client.take(fake.GET_REQUESTS)
        send(client, tag)
        self.assertIn(sentence, self.ends(process, 4)[1])
        self.assertEqual(client.sock.recv(65536), b'', 'a decision was sent')

    def test_messages(self):
        good = request(1)
        raw = lambda message: lambda client, tag: client.sock.send(message)
        answer = lambda *a, **k: lambda client, tag: client.answer(tag, *a, **k)
        self.wrong(raw(b'x'), 'a message of a wrong size')
        self.wrong(raw(struct.pack('<IIII', 99, 0, 0, 0)), 'an answer to no call')
        self.wrong(raw(struct.pack('<IIII', 0, 0, 0, 0)), 'an answer to no call')
        self.wrong(answer(good, information=len(good) + 1), 'whose size does not fit')
        self.wrong(answer(good, information=0xFFFFFFFF), 'whose size does not fit')
        self.wrong(answer(good * 400), 'a message of a wrong size')
        self.wrong(answer(b''), 'an answer without a request')

    def test_records(self):
        good = request(1)

        def changed(at, value):
            return lambda client, tag: client.answer(tag, good + good[:at] + value + good[at + len(value):])

        for size in (0, 8, 175, 176, len(good) - 8, len(good) + 8, len(good) + 1, 0xFFFFFFFF):
            self.wrong(changed(0, struct.pack('<I', size)), 'cannot be read')
        self.wrong(changed(4, struct.pack('<H', 27)), 'odd size')
        self.wrong(changed(4, struct.pack('<H', 65534)), 'cannot be read')
        self.wrong(changed(6, b'\5'), 'neither IPv4 nor IPv6')
        self.wrong(changed(102, struct.pack('<H', 69)), 'SID is too long')
        self.wrong(changed(len(good) - 1, b'\1'), 'padding is not zero')
        self.wrong(lambda client, tag: client.answer(tag, good + good[:100]), 'cut short')

    def test_submit_answers(self):
        for codes in ([], [0, 0]):
            process, client = self.decider('permit', '--once')
            client.offer(request(1))
            client.decisions(codes)
            self.assertRegex(self.ends(process, 4)[1], 'wrong size|longer than asked for')

    def test_submit_never_answered(self):
        process, client = self.decider('permit', '--once')
        client.offer(request(1))
        client.take(fake.SUBMIT)
        self.assertIn('does not take decisions for 5 seconds', self.ends(process, 4)[1])

    def test_status(self):
        good = fake.status()
        for output in (b'', good[:215], good[:4] + struct.pack('<I', 215) + good[8:],
                       good[:4] + struct.pack('<I', 300) + good[8:], struct.pack('<I', 2) + good[4:]):
            process = self.start('status')
            client = self.fake.accept()
            client.hello(OBSERVER)
            client.answer(client.take(fake.GET_STATUS)[1], output)
            self.assertIn('cannot be read', self.ends(process, 4)[1])


class Look(Case):
    def observer(self, *arguments):
        process = self.start(*arguments)
        client = self.fake.accept()
        client.hello(OBSERVER)
        return process, client

    def test_status(self):
        process, client = self.observer('status')
        client.answer(client.take(fake.GET_STATUS)[1], fake.status(decider=4711))
        client.answer(client.take(fake.PLATFORM)[1], fake.platform())
        client.answer(client.take(fake.RULES_GET)[1], struct.pack('<QIIII', 77, 4000, 0, 12, 3))
        out, err = self.ends(process, 0)
        for line in (r'deadline of a held connection +60\.000 s', r'undecided at its deadline +block',
                     r'while nobody decides +hold', r'who decides +pid 4711', r'  held +7', r'waiting for a decider +5',
                     r'in a decider\'s hands +2', r'most that can be held +65536', r'driver loaded for +24 s',
                     r'undecided at their deadline +1006', r'packets seen +2000', r'kernel events lost +2008',
                     r'rules of the file +12', r'rules added, and answers +3', r'generation of the rules +77'):
            self.assertRegex(out, line)
        self.assertNotIn(' 0\n', out)

    def test_status_leaves_zeros_out(self):
        process, client = self.observer('status')
        good = fake.status()
        client.answer(client.take(fake.GET_STATUS)[1], good[:88] + bytes(len(good) - 88))
        client.answer(client.take(fake.PLATFORM)[1], fake.platform())
        client.answer(client.take(fake.RULES_GET)[1], struct.pack('<QIIII', 77, 4000, 0, 12, 3))
        out, err = self.ends(process, 0)
        self.assertNotIn('undecided at their deadline', out)
        self.assertRegex(out, r'packets seen +2000')
        self.assertIn('\n(16 more are 0; --json has them)\n', out)

    def test_status_json_has_every_field(self):
        process, client = self.observer('status', '--json')
        client.answer(client.take(fake.GET_STATUS)[1], fake.status() + b'newer')
        client.answer(client.take(fake.PLATFORM)[1], fake.platform())
        client.answer(client.take(fake.RULES_GET)[1], struct.pack('<QIIII', 77, 4000, 0, 12, 3))
        found = json.loads(self.ends(process, 0)[0])
        counters = ('classified pended permitted_by_decider blocked_by_decider permitted_by_answer blocked_by_answer '
                    'expired cancelled refused_full refused_memory refused_no_decider cannot_pend reauthorized '
                    'requeued rejected_input events_lost').split()
        self.assertEqual([found[name] for name in counters], list(range(1000, 1016)))
        numbers = ('version now loaded_at decider_pid observers capacity held queued offered answers verdicts').split()
        self.assertEqual([found[name] for name in numbers],
                         [1, 1234567890, 1000000000, 0, 3, 65536, 7, 5, 2, 9, 11])
        self.assertEqual(found['policy'], {'version': 1, 'deadline_ms': 60000, 'undecided': 'block',
                                           'no_decider': 'hold'})
        counters = ('packets_seen packets_damaged packets_unknown datagrams_blocked datagrams_overflow queue_dropped '
                    'queue_user_dropped flows events_lost').split()
        self.assertEqual([found['platform'][name] for name in counters], list(range(2000, 2009)))
        self.assertEqual(found['platform']['packets_held'], 6)
        self.assertEqual(found['rules'], {'file': 12, 'added': 3, 'generation': 77})

    def test_status_without_platform(self):
        process, client = self.observer('status', '--json')
        client.answer(client.take(fake.GET_STATUS)[1], fake.status())
        client.answer(client.take(fake.PLATFORM)[1], b'', fake.E_UNKNOWN_CODE)
        client.answer(client.take(fake.RULES_GET)[1], b'', fake.E_UNKNOWN_CODE)
        found = json.loads(self.ends(process, 0)[0])
        self.assertNotIn('platform', found)
        self.assertNotIn('rules', found)

    def test_status_into_a_full_disk(self):
        with open('/dev/full', 'w') as full:
            process = self.start('status', stdout=full)
            client = self.fake.accept()
            client.hello(OBSERVER)
            client.answer(client.take(fake.GET_STATUS)[1], fake.status())
            client.answer(client.take(fake.PLATFORM)[1], fake.platform())
            client.answer(client.take(fake.RULES_GET)[1], b'', fake.E_UNKNOWN_CODE)
            self.assertIn('cannot write the output', self.ends(process, 6)[1])

    def test_watch_into_a_full_disk(self):
        with open('/dev/full', 'w') as full:
            process = self.start('watch', stdout=full)
            client = self.fake.accept()
            client.hello(OBSERVER)
            client.tell(fake.event(fake.HELD, request(1)))
            self.assertIn('cannot write the output', self.ends(process, 6)[1])

    def test_policy_shows(self):
        process, client = self.observer('policy')
        client.answer(client.take(fake.GET_STATUS)[1], fake.status(fake.policy(1500, 1, 2)))
        out, err = self.ends(process, 0)
        self.assertRegex(out, r'1\.500 s\n.*permit\n.*block\n')

    def test_policy_sets_only_what_is_named(self):
        process, client = self.observer('policy', '--json', '--deadline', '2.5', '--no-decider=permit')
        client.answer(client.take(fake.GET_STATUS)[1], fake.status(fake.policy(60000, 1, 0)))
        code, tag, size, body = client.take(fake.SET_POLICY)
        self.assertEqual(body, fake.policy(2500, 1, 1))
        client.answer(tag)
        client.answer(client.take(fake.GET_STATUS)[1], fake.status(fake.policy(2500, 1, 1)))
        self.assertEqual(json.loads(self.ends(process, 0)[0]), {'version': 1, 'deadline_ms': 2500,
                                                                'undecided': 'permit', 'no_decider': 'permit'})

    def test_policy_refused(self):
        process, client = self.observer('policy', '--undecided', 'permit')
        client.answer(client.take(fake.GET_STATUS)[1], fake.status())
        client.answer(client.take(fake.SET_POLICY)[1], b'', 0xE0470010)
        self.assertIn('a setting is out of its range', self.ends(process, 3)[1])

    def test_watch(self):
        process, client = self.observer('watch')
        client.tell(fake.event(fake.HELD, request(1)), fake.event(fake.DECIDED, request(1), BLOCK, fake.BY_DEADLINE))
        self.assertRegex(self.line(process.stdout), r'/usr/bin/curl pid 4242 user root tcp 10\.0\.0\.1:443 held\n$')
        self.assertRegex(self.line(process.stdout), r':443 block because its deadline passed\n$')
        client.tell(fake.event(fake.LOST, count=12))
        self.assertRegex(self.line(process.stdout), r' 12 events were lost')
        process.send_signal(signal.SIGINT)
        self.ends(process, 0)

    def test_watch_json(self):
        process, client = self.observer('watch', '--json')
        client.tell(fake.event(fake.DECIDED, request(1), PERMIT, fake.BY_ANSWER), fake.event(fake.LOST, count=3))
        found = json.loads(self.line(process.stdout))
        self.assertEqual((found['event'], found['verdict'], found['by'], found['id']),
                         ('decided', 'permit', 'answer', '1'))
        self.assertRegex(found['time'], r'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$')
        self.assertEqual(json.loads(self.line(process.stdout))['count'], 3)
        client.close()
        self.ends(process, 4)

    def test_watch_rules_that_log(self):
        for arguments, check in (((), lambda line: self.assertRegex(line, r':443 block by a rule 00000000deadbeef\n$')),
                                 (('--json',), lambda line: self.assertEqual(
                                     [json.loads(line)[name] for name in ('by', 'rule', 'way')],
                                     ['rule', '00000000deadbeef', 'out']))):
            process, client = self.observer('watch', *arguments)
            client.tell(fake.event(fake.DECIDED, request(1), BLOCK, fake.BY_RULE, 0xdeadbeef))
            check(self.line(process.stdout))
            client.close()
            self.ends(process, 4)

    def test_watch_ends_when_nobody_reads(self):
        process, client = self.observer('watch')
        process.stdout.close()
        client.tell(fake.event(fake.LOST, count=3))
        process.wait(DEADLINE)
        self.assertEqual(process.returncode, 0)

    def test_watch_hostile(self):
        good = fake.event(fake.HELD, request(1))
        for output in (good[:23], good[:-8], struct.pack('<I', len(good) - 8) + good[4:],
                       struct.pack('<I', len(good) + 8) + good[4:] + b'\0' * 8, good[:4] + b'\7\0' + good[6:],
                       struct.pack('<I', 0) + good[4:], good[:4] + b'\3\0' + good[6:]):
            process, client = self.observer('watch')
            client.tell(output)
            out, err = self.ends(process, 4)
            self.assertIn('cannot be read', err)
            self.assertEqual(out, '')


class Idle(Case):
    def test_permit_does_not_wake_up(self):
        process, client = self.decider('permit')
        client.take(fake.GET_REQUESTS)
        client.take(fake.GET_REQUESTS)
        self.stays_asleep(process)


if __name__ == '__main__':
    unittest.main(verbosity=2)
