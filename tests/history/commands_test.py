#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""log, export, top, apps, show and why, on histories that write_history makes; each in a folder of its own.

commands_test.py GATEHOUSE WRITE_HISTORY [CLASS...]
"""
import csv
import io
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

GATEHOUSE, WRITER = sys.argv[1:3]
SECONDS = 60  # the longest that anything is waited for
NOW = int(time.time() * 1e6)
MINUTE = 60 * 10**6


def record(minutes_ago=0, **members):
    found = dict(began=NOW - minutes_ago * MINUTE, program='/usr/bin/curl', remote='192.0.2.1', remote_port=443,
                 local='10.0.0.1', local_port=40000, pid=4711, user=0, verdict=1, by=9, rule='permit all',
                 rule_id=0x123456789abcdef0, place='/etc/gatehouse/rules:3')
    found.update(members)
    return found


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='history-commands-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.file = self.folder / 'history.db'

    def write(self, *records):
        lines = ''.join(json.dumps(one) + '\n' for one in records)
        subprocess.run([WRITER, self.file], input=lines, text=True, check=True, timeout=SECONDS)

    def command(self, *words, socket='/nonexistent/socket'):
        more = ['--socket', socket] if words[0] == 'why' else []
        return [GATEHOUSE, *words, '--history', str(self.file), *more]

    def run_command(self, *words, code=0, environment=(), **more):
        done = subprocess.run(self.command(*words, **more), capture_output=True, text=True, timeout=SECONDS,
                              errors='surrogateescape', env={**os.environ, 'TZ': 'UTC', **dict(environment)})
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        if code:
            self.assertRegex(done.stderr, r'^gatehouse: .*\.\n$')
        return done.stdout

    def json(self, *words, **more):
        return [json.loads(line) for line in self.run_command(*words, '--json', **more).splitlines()]


class Rows(Case):
    def test_filters(self):
        self.write(record(50), record(40, program='/usr/bin/ssh', remote_port=22, verdict=2, by=1, who='bob', user=1),
                   record(30, name='www.example.org', verdict=2, by=3), record(20, remote='2001:db8::1', user=65534),
                   record(10, program=None))

        def ids(*words, code=0):
            return [int(row['id']) for row in self.json('log', *words, code=code)]
        self.assertEqual(ids(), [1, 2, 3, 4, 5])
        self.assertEqual(ids('--limit', '2'), [4, 5])
        self.assertEqual(ids('--program', 'ssh'), [2])
        self.assertEqual(ids('--program', '/usr/bin/*'), [1, 2, 3, 4])
        self.assertEqual(ids('--program', ''), [5])
        self.assertEqual(ids('--to', '192.0.2.0/24'), [1, 2, 3, 5])
        self.assertEqual(ids('--to', '192.0.2.1:22'), [2])
        self.assertEqual(ids('--to', '*.example.org'), [3])
        self.assertEqual(ids('--to', '[2001:db8::]/32'), [4])
        self.assertEqual(ids('--user', 'root'), [1, 3, 5])
        self.assertEqual(ids('--user', '65534'), [4])
        self.assertEqual(ids('--verdict', 'block'), [2, 3])
        self.assertEqual(ids('--by', 'bob'), [2])
        self.assertEqual(ids('--by', 'deadline'), [3])
        self.assertEqual(ids('--since', '35m', '--until', '15m'), [3, 4])
        self.assertEqual(ids('--program', 'telnet', code=1), [])

    def test_usage(self):
        self.write(record())
        for words in (['log', '--to', 'a b'], ['log', '--since', 'soon'], ['log', '--limit', 'x'], ['log', '--user', 'no-body'],
                      ['log', '--verdict', 'none'], ['log', 'word'], ['show'], ['show', 'a', 'b'], ['why', 'a', 'b', 'c'],
                      ['export', '--csv', '--json'], ['top', '--until', 'now']):
            self.run_command(*words, code=1)

    def test_no_history(self):
        for words in (['log'], ['top'], ['apps'], ['show', 'x'], ['export'], ['why']):
            self.run_command(*words, code=2)

    def test_no_regular_file(self):
        """A pipe in place of the file is told of, not waited for."""
        os.mkfifo(self.file)
        for words in (['log'], ['top'], ['apps'], ['show', 'x'], ['export'], ['why']):
            self.run_command(*words, code=6)

    def test_odd_bytes(self):
        """What others wrote acts on no terminal, and JSON gives the exact bytes."""
        bad = '/opt/\x1b[2J\u202e\n'
        self.write(record(program=bad, name='a\u001b]0;x\u0007', who='\u001b', by=1, rule='block "\u001b"\n', verdict=2))
        for words in (['log'], ['apps'], ['top'], ['show', '*'], ['why']):
            shown = self.run_command(*words)
            self.assertNotRegex(shown, '[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]', words)
        for words in (['export'], ['export', '--csv'], ['log', '--json'], ['apps', '--json'], ['why', '--json']):
            shown = self.run_command(*words)
            self.assertNotRegex(shown, '[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]', words)
            self.assertEqual(shown.count('\n'), 2 if '--csv' in words else 1, words)
        self.assertEqual(self.json('log')[0]['program'], bad)

    def test_csv(self):
        self.write(record(name='=1+1', program='/a,"b"', bytes_out=5, bytes_in=7), record())
        rows = list(csv.DictReader(io.StringIO(self.run_command('export', '--csv'))))
        self.assertEqual([row['program'] for row in rows], ['/a,"b"', '/usr/bin/curl'])
        self.assertEqual((rows[0]['name'], rows[0]['bytes_in'], rows[1]['bytes_in']), ("'=1+1", '7', ''))
        self.assertEqual(len(self.json('export')), 2)

    def test_line(self):
        self.write(record(began=1795356306 * 10**6, bytes_out=1536, bytes_in=0, count=3),
                   record(began=1795356306 * 10**6, inbound=1, verdict=2, by=3, user=None))
        self.assertEqual(self.run_command('log').splitlines(), [
            'Nov 22 14:05:06 permit /usr/bin/curl pid 4711 user root tcp 192.0.2.1:443 by rule /etc/gatehouse/rules:3, '
            '3 times, 1.5 KiB out, 0 in',
            'Nov 22 14:05:06 block  /usr/bin/curl pid 4711 in tcp from 192.0.2.1:443 because its deadline passed'])

    def test_export_to_a_slow_reader(self):
        """A pipe that nobody reads for a while holds nothing up."""
        self.write(*(record(i) for i in range(3000)))
        process = subprocess.Popen(self.command('export'), stdout=subprocess.PIPE)
        self.assertTrue(process.stdout.readline())
        self.write(record())
        self.assertGreaterEqual(len(process.stdout.read().splitlines()), 2999)
        self.assertEqual(process.wait(SECONDS), 0)
        process.stdout.close()


class Sums(Case):
    def test_apps(self):
        self.write(record(50, bytes_out=1000, bytes_in=1), record(40, bytes_out=24, bytes_in=2, remote='192.0.2.2'),
                   record(30, verdict=2, count=5), record(20, program='/usr/bin/ssh'), record(10, verdict=0))
        found = self.json('apps')
        self.assertEqual([app['program'] for app in found], ['/usr/bin/ssh', '/usr/bin/curl'])
        self.assertEqual([found[1][name] for name in ('permitted', 'blocked', 'bytes_out', 'bytes_in', 'destinations')],
                         [2, 5, 1024, 3, 2])
        lines = self.run_command('apps').splitlines()
        self.assertRegex(lines[2], r'^/usr/bin/curl +\S+ .* 2 +5 +1\.0 KiB +3 +2$')
        self.assertEqual(len(self.json('apps', '--limit', '1')), 1)
        self.run_command('apps', '--program', 'none', code=1)

    def test_top(self):
        self.write(record(90), *(record(i, remote=f'192.0.2.{i % 3}') for i in range(9)),
                   *(record(i, program='/usr/bin/ssh', name='example.org', verdict=2) for i in range(5)))
        found = self.json('top')
        self.assertEqual([row.get('program') for row in found], ['/usr/bin/curl', '/usr/bin/ssh', None, None, None, None])
        self.assertEqual((found[0]['permitted'], found[1]['blocked'], found[2]['destination']), (9, 5, 'example.org'))
        self.assertEqual(self.json('top', '--since', '2h')[0]['permitted'], 10)
        self.assertIn('DESTINATION', self.run_command('top'))
        self.run_command('top', '--since', '2030-01-01', code=1)

    def test_show(self):
        self.write(*(record(i, remote=f'192.0.2.{i % 2}', verdict=1 + (i == 3)) for i in range(60)),
                   record(5, program='/opt/curl'), record(4, program='/usr/bin/ssh'))
        found = self.json('show', 'curl')
        self.assertEqual([one['program'] for one in found], ['/usr/bin/curl', '/opt/curl'])
        self.assertEqual((found[0]['permitted'], found[0]['blocked'], found[0]['destination_count']), (59, 1, 2))
        self.assertEqual(sum(bar['permitted'] for bar in found[0]['chart']), 59)
        self.assertEqual({row['destination'] for row in found[0]['destinations']}, {'192.0.2.0', '192.0.2.1'})
        self.assertEqual(found[0]['decided'][0]['rule'], 'permit all')
        self.assertIn('█', self.run_command('show', '/usr/bin/curl', environment={'LC_ALL': 'C.UTF-8'}))
        plain = self.run_command('show', '/usr/bin/curl', environment={'LC_ALL': 'C'})
        self.assertTrue(plain.isascii() and '#' in plain, plain)
        self.run_command('show', '/usr/bin/none', code=1)


class Why(Case):
    def allowed(self, text):
        """The command that is proposed, as a shell reads it."""
        line = next(line for line in text.splitlines() if line.startswith('To allow it: '))
        words = subprocess.run(['sh', '-c', 'printf "%s\\n" ' + line.split(': ', 1)[1]], capture_output=True, text=True,
                               check=True, timeout=SECONDS).stdout.splitlines()
        return words

    def check_rule(self, rule):
        rules = self.folder / 'rules'
        rules.write_text(rule + '\n')
        done = subprocess.run([GATEHOUSE, 'rules', 'check', rules], capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, (rule, done.stderr))

    def test_reasons(self):
        reasons = [(dict(by=9, rule='block out to any'), r"the rule 'block out to any' \(/etc/gatehouse/rules:3\) blocks it"),
                   (dict(by=9, rule=None, place=None, rule_id=7), 'a rule that is gone by now blocks it'),
                   (dict(by=1, who='alice'), 'alice blocked it'), (dict(by=1), 'the program that decides blocked it'),
                   (dict(by=2), 'an answer that was given'),
                   (dict(by=3, decided=NOW + MINUTE), 'nobody answered within 1 min'),
                   (dict(by=4), 'nobody was there to be asked'), (dict(by=5), 'too many connections'),
                   (dict(by=8), 'could not be held'), (dict(by=0), 'a filter')]
        for members, reason in reasons:
            self.write(record(verdict=2, rule_id=members.get('rule_id', 0), **{key: value for key, value in members.items() if key != 'rule_id'}))
            shown = self.run_command('why').splitlines()
            self.assertRegex(shown[0], r'^curl \(pid 4711, user root\) was blocked on .* when it connected by tcp to '
                                       r'192\.0\.2\.1:443: .*' + reason + '.*\\.$')
            self.assertIn('gatehoused does not answer now', shown[2])

    def test_how_to_allow(self):
        cases = [(dict(), 'permit program "/usr/bin/curl" out proto tcp to 192.0.2.1 port 443'),
                 (dict(name='example.org'), 'permit program "/usr/bin/curl" out proto tcp to example.org port 443'),
                 (dict(name="x';reboot"), 'permit program "/usr/bin/curl" out proto tcp to 192.0.2.1 port 443'),
                 (dict(program="/opt/it's \"*\" \\ $x"), r'''permit program "/opt/it's \"\*\" \\ $x" out proto tcp to 192.0.2.1 port 443'''),
                 (dict(program='/opt/a\u202e\x1b/\u00e4'), 'permit program "/opt/a*/\u00e4" out proto tcp to 192.0.2.1 port 443'),
                 (dict(inbound=1, local_port=22), 'permit program "/usr/bin/curl" in proto tcp from 192.0.2.1 to any port 22'),
                 (dict(protocol=1, remote_port=0), 'permit program "/usr/bin/curl" out proto icmp to 192.0.2.1'),
                 (dict(protocol=58, remote='2001:db8::1', remote_port=0), 'permit program "/usr/bin/curl" out proto icmp6 to 2001:db8::1'),
                 (dict(protocol=17, program='mnt:[7]/x'), 'permit out proto udp to 192.0.2.1 port 443')]
        for members, rule in cases:
            self.write(record(verdict=2, **members))
            words = self.allowed(self.run_command('why'))
            self.assertEqual(words, ['gatehouse', 'rules', 'add', rule])
            self.check_rule(rule)

    def test_which(self):
        self.write(record(30, verdict=2, program='/usr/bin/ssh', remote='192.0.2.22'), record(20, verdict=2),
                   record(10, verdict=1), record(5, program='/usr/bin/wget'))
        self.assertIn('192.0.2.22', self.run_command('why', 'ssh'))
        self.assertIn('192.0.2.22', self.run_command('why', '192.0.2.22'))
        self.assertIn('192.0.2.22', self.run_command('why', '/usr/bin/ssh', '192.0.2.0/24'))
        self.assertIn('A later one was permitted', self.run_command('why', 'curl'))
        self.run_command('why', 'wget', code=1)
        self.run_command('why', 'curl', '192.0.2.22', code=2)  # it asks the rules, and gatehoused is not there
        self.assertEqual(self.json('why', 'ssh')[0]['address'], '192.0.2.22')


class Follow(Case):
    def start_writer(self):
        process = subprocess.Popen([WRITER, self.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.kill()
        process.wait(SECONDS)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def add(self, writer, *records):
        for one in records:
            writer.stdin.write(json.dumps(one) + '\n')
        writer.stdin.write('\n')
        writer.stdin.flush()
        self.assertEqual(writer.stdout.readline(), 'written\n')

    def line(self, process):
        self.assertTrue(select.select([process.stdout], [], [], SECONDS)[0], 'no line came')
        return json.loads(os.read(process.stdout.fileno(), 65536).decode().splitlines()[0])

    def test_log(self):
        writer = self.start_writer()
        self.add(writer, record(pid=1))
        process = subprocess.Popen(self.command('log', '-f', '--json', '--verdict', 'permit'), stdout=subprocess.PIPE)
        self.addCleanup(self.stop, process)
        self.assertEqual(self.line(process)['pid'], 1)
        for pid in range(2, 6):
            self.add(writer, record(pid=1000 + pid, verdict=2), record(pid=pid))
            self.assertEqual(self.line(process)['pid'], pid)
        self.file.unlink()  # the writer begins a new one, whose rows count from 1 again
        self.add(writer, record(pid=77))
        self.assertEqual(self.line(process)['pid'], 77)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(SECONDS), 0)

    def test_nobody_reads(self):
        writer = self.start_writer()
        self.add(writer, record())
        process = subprocess.Popen(self.command('log', '-f', '--json'), stdout=subprocess.PIPE)
        self.addCleanup(self.stop, process)
        self.line(process)
        process.stdout.close()
        process.stdout = None
        process.wait(SECONDS)

    def test_top(self):
        writer = self.start_writer()
        self.add(writer, record(program='/usr/bin/first'))
        keys, theirs = pty.openpty()
        process = subprocess.Popen(self.command('top'), stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, 'TERM': 'xterm'})
        self.addCleanup(self.stop, process)
        os.close(theirs)
        text = ''

        def wait_for(what):
            nonlocal text
            until = time.monotonic() + SECONDS
            while what not in text:
                self.assertTrue(select.select([keys], [], [], max(0, until - time.monotonic()))[0], f'no {what} in {text!r}')
                text += os.read(keys, 65536).decode(errors='replace')
        wait_for('/usr/bin/first')
        self.add(writer, record(program='/usr/bin/second'))
        wait_for('/usr/bin/second')
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(SECONDS), 0)
        os.close(keys)


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
