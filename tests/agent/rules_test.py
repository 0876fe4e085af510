# SPDX-License-Identifier: MIT
"""End-to-end tests of 'gatehouse rules' and 'gatehouse flows' against a fake gatehoused that keeps images of rules."""
import datetime
import hashlib
import json
import os
import resource
import subprocess
import unittest

import fake_gatehoused as fake
import rule_device
from case import Case, PROGRAM
from rule_device import RuleDevice

EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.timezone.utc)
GOOD = '''set lan = { 10.0.0.0/8, 192.168.0.0/16, fd00::/8 }
permit program "/usr/bin/curl" out proto tcp to any port { 80, 443 }
block  program "/opt/telemetry/**" log
permit to $lan
permit program "/usr/bin/ssh" to 203.0.113.7 port 22 for 10 minutes
ask    out
block  all
'''


def now():
    """System time, 100 ns since 1601."""
    return int((datetime.datetime.now(datetime.timezone.utc) - EPOCH).total_seconds() * 10**7)


class RulesCase(Case):
    def setUp(self):
        super().setUp()
        self.file = self.write('rules', GOOD)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def serve(self):
        self.device = RuleDevice(self.fake)
        return self.device

    def tearDown(self):
        super().tearDown()
        if hasattr(self, 'device'):
            self.assertIsNone(self.device.failed)

    def rules(self, *arguments, code=0):
        out, err = self.ends(self.start('rules', *arguments), code)
        return out, err

    def objects(self, *arguments, code=0):
        return [json.loads(line) for line in self.rules(*arguments, '--json', code=code)[0].splitlines()]


class Check(RulesCase):
    """No gatehoused, no privilege."""

    def test_good(self):
        out, err = self.rules('check', self.file)
        self.assertEqual(err, '')
        self.assertRegex(out, r'rules: 6 rules, \d+ sets, \d+ addresses or ranges\n$')

    def test_errors_with_line_and_caret(self):
        path = self.write('bad', 'permit all\nalow all\nblock to 10.0.0.300\n')
        out, err = self.rules('check', path, code=1)
        self.assertEqual(out, '')
        self.assertIn('%s:2:1:' % path, err)
        self.assertRegex(err, r'\n    alow all\n    \^\^\^\^\n')
        self.assertIn('%s:3:' % path, err)
        self.assertIn('has 2 errors', err)

    def test_errors_as_json(self):
        path = self.write('bad', 'alow all\n')
        found = self.objects('check', path, code=1)
        self.assertEqual([(o['kind'], o['file'], o['line'], o['column']) for o in found], [('error', path, 1, 1)])
        self.assertEqual(found[0]['source'], 'alow all')

    def test_no_such_file(self):
        out, err = self.rules('check', os.path.join(self.folder.name, 'none'), code=1)
        self.assertIn('none', err)
        self.rules('check', self.file, self.file, code=1)

    def test_summary_as_json(self):
        found = self.objects('check', self.file)[-1]
        self.assertEqual((found['kind'], found['rules'], found['warnings']), ('summary', 6, 0))

    def test_rules_that_never_match(self):
        covered = [
            ('permit to 10.0.0.0/8', 'block to 10.1.0.0/16'),
            ('permit to { 10.0.0.0/8, 192.168.0.0/16 }', 'block to { 10.1.2.3, 192.168.7.0/24 }'),
            ('block all', 'permit program "/usr/bin/curl"'),
            ('permit program "/usr/**"', 'block program "/usr/bin/curl" to 10.0.0.1'),
            ('permit proto tcp to any port 1-1024', 'block proto tcp to 10.0.0.1 port { 80, 443 }'),
            ('block out', 'permit out proto udp'),
            ('ask out', 'permit raw out'),
            ('permit user 0', 'block user 0 program "/bin/sh"'),
            ('permit to *.example.org', 'block to { www.example.org, *.a.example.org } port 443'),
            ('permit to { example.org, *.example.org }', 'block to example.org proto tcp'),
            ('permit out', 'block to example.org'),
        ]
        apart = [
            ('permit to 10.0.0.0/8', 'block to 10.0.0.0/7'),
            ('permit to { 10.0.0.0/9 10.128.0.0/10 }', 'block to 10.0.0.0/8'),
            ('permit program "/usr/*"', 'block program "/usr/bin/curl"'),
            ('permit proto tcp to any port 1-1024', 'block to 10.0.0.1 port 80'),
            ('block in', 'permit all'),
            ('permit raw out', 'ask out'),
            ('block to 10.0.0.0/8 for 10 minutes', 'permit to 10.0.0.1'),
            ('block to 10.0.0.1 until reboot', 'permit to 10.0.0.1'),
            ('permit inet', 'block all'),
            ('permit user 0', 'block user 1'),
            ('permit to 10.0.0.1', 'block in from 10.0.0.1'),
            ('permit to *.example.org', 'block to example.org'),
            ('permit to a.example.org', 'block to *.example.org'),
            ('permit to example.org', 'block to 10.0.0.1'),
            ('permit to 10.0.0.1', 'block to example.org'),
            ('permit to example.org', 'block out'),
        ]
        for wide, narrow in covered:
            found = self.objects('check', self.write('pair', 'block to 192.0.2.77\n%s\n%s\n' % (wide, narrow)))
            warned = [(o['line'], o['covered_by']['line']) for o in found if o['kind'] == 'never-matches']
            self.assertEqual(warned, [(3, 2)], (wide, narrow, found))
        for first, second in apart:
            found = self.objects('check', self.write('pair', '%s\n%s\n' % (first, second)))
            self.assertEqual([o['kind'] for o in found], ['summary'], (first, second, found))
        out, err = self.rules('check', self.write('pair', 'block all\npermit to 10.0.0.1\n'))
        self.assertIn('pair:2: warning: this rule never matches', err)
        self.assertIn('1 warning', out)

    def test_a_hundred_thousand_rules_take_seconds(self):
        path = self.write('many', ''.join('permit to 10.%d.%d.%d port %d\n' % (i >> 16, i >> 8 & 255, i & 255, i % 60000 + 1)
                                          for i in range(100000)))
        began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        found = self.objects('check', path)[-1]
        self.assertEqual(found['rules'], 100000)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began, 9)


class Explain(RulesCase):
    def explain(self, *arguments, file=None):
        return self.objects('explain', *arguments, '--file', file or self.file)

    def test_which_rule_and_why_not_the_earlier(self):
        out, err = self.rules('explain', '/usr/bin/none', '192.0.2.1:443', '--file', self.file)
        self.assertIn('/usr/bin/none to tcp 192.0.2.1:443\n', out)
        self.assertIn('asked about by rule 5\n', out)
        rows = out.splitlines()[2:-1]
        self.assertEqual([row.split()[0] for row in rows], ['1', '2', '3', '4', '5'])
        self.assertTrue(rows[-1].endswith('decides'), rows)
        self.assertIn('curl', rows[0][rows[0].index('443'):], 'why the first does not')

    def test_every_kind_of_answer(self):
        table = [
            (('/usr/bin/curl', '192.0.2.1:443'), 'permit', 1),
            (('/usr/bin/curl', '192.0.2.1', '--port', '80'), 'permit', 1),
            (('/usr/bin/curl', '[2001:db8::1]:443'), 'permit', 1),
            (('/usr/bin/curl', '192.0.2.1:443', '--proto', 'udp'), 'ask', 5),
            (('/usr/bin/curl', '192.0.2.1'), 'ask', 5),
            (('/opt/telemetry/a/b', '192.0.2.1:443'), 'block', 2),
            (('/opt/telemetry', '192.0.2.1:443'), 'ask', 5),
            (('/opt/x', '10.255.255.255:1'), 'permit', 3),
            (('/opt/x', 'fd00::1'), 'permit', 3),
            (('/opt/x', '11.0.0.0:1'), 'ask', 5),
            (('/usr/bin/ssh', '203.0.113.7:22'), 'permit', 4),
            (('/usr/bin/ssh', '203.0.113.7:22', '--proto', 'udp'), 'permit', 4),
            (('/opt/x', '10.0.0.1', '--proto', 'icmp'), 'permit', 3),
            (('/opt/x', '10.0.0.1:22', '--in'), 'block', 6),
            (('/opt/x', '10.0.0.1:22', '--in', '--from', '10.0.0.9'), 'block', 6),
        ]
        for arguments, action, number in table:
            (found,) = self.explain(*arguments)
            self.assertEqual((found['action'], found['number']), (action, number), arguments)
            self.assertEqual([e['number'] for e in found['earlier']], list(range(1, number)), arguments)
            self.assertTrue(all(e['why'] for e in found['earlier']))

    def test_defaults(self):
        path = self.write('few', 'permit to 192.0.2.1\n')
        (found,) = self.explain('/opt/x', '192.0.2.2:1', file=path)
        self.assertEqual((found['action'], found['by']), ('ask', 'default'))
        (found,) = self.explain('/opt/x', '192.0.2.2:1', '--in', file=path)
        self.assertEqual((found['action'], found['by']), ('permit', 'default'))
        for loopback in ('127.0.0.1:80', '127.9.9.9', '[::1]:80'):
            (found,) = self.explain('/opt/x', loopback, file=self.write('block', 'block all\n'))
            self.assertEqual((found['action'], found['by']), ('permit', 'loopback'), loopback)

    def test_users_groups_and_units(self):
        path = self.write('who', 'permit user root\nblock group daemon\nask unit "cron.service"\n')
        for arguments, number in ((('--user', 'root'), 1), (('--user', '0'), 1), (('--user', 'daemon'), 2),
                                  (('--unit', 'cron.service'), 3)):
            (found,) = self.explain('/opt/x', '192.0.2.1:1', *arguments, file=path)
            self.assertEqual(found.get('number'), number, (arguments, found))
        (found,) = self.explain('/opt/x', '192.0.2.1:1', '--unit', 'other.service', file=path)
        self.assertEqual(found['by'], 'default')

    def test_program_by_name_and_by_link(self):
        real = self.write('program', '')
        os.symlink(real, os.path.join(self.folder.name, 'link'))
        path = self.write('by', 'permit program "%s"\n' % os.path.realpath(real))
        (found,) = self.explain(os.path.join(self.folder.name, 'link'), '192.0.2.1:1', file=path)
        self.assertEqual(found['action'], 'permit')
        path = self.write('by', 'permit program "%s"\n' % os.path.realpath('/bin/sh'))
        (found,) = self.explain('sh', '192.0.2.1:1', file=path)
        self.assertEqual(found['action'], 'permit')

    def test_program_by_its_content(self):
        program = self.write('program', 'content')
        digest = hashlib.sha256(b'content').hexdigest()
        path = self.write('hash', 'permit program sha256 %s\n' % digest)
        (found,) = self.explain(program, '192.0.2.1:1', file=path)
        self.assertEqual(found['by'], 'rule')
        self.write('program', 'other')
        (found,) = self.explain(program, '192.0.2.1:1', file=path)
        self.assertEqual(found['by'], 'default')

    def test_a_host_has_many_addresses(self):
        found = self.explain('/opt/x', 'localhost:80')
        self.assertTrue(found and all(o['by'] == 'loopback' for o in found))

    def test_wrong_words(self):
        for arguments in (['/x'], ['/x', '10.0.0.1', 'more'], ['/x', '10.0.0.1:99999'], ['/x', '10.0.0.1:1', '--port', '2'],
                          ['/x', '10.0.0.1', '--proto', 'tpc'], ['/x', '10.0.0.1:1', '--proto', 'icmp'],
                          ['/x', '10.0.0.1', '--from', 'here'], ['/x', '10.0.0.1', '--from', '::1'], ['/x', '[::1'],
                          ['/x', '10.0.0.1', '--user', 'nobody-has-that-name'], ['no-such-program', '10.0.0.1'],
                          ['/x', ':80'], ['/x', '10.0.0.1', '--unit', 'a"b']):
            out, err = self.rules('explain', *arguments, '--file', self.file, code=1)
            self.assertRegex(err, r'^gatehouse: [^\n]+\.\n$', arguments)

    def test_long_tables_are_cut(self):
        path = self.write('long', ''.join('permit to 192.0.2.%d\n' % i for i in range(200)) + 'block all\n')
        out, err = self.rules('explain', '/x', '198.51.100.1', '--file', path)
        self.assertIn('160 earlier rules do not match; --all shows them too', out)
        self.assertEqual(len(out.splitlines()), 1 + 1 + 1 + 41 + 1)
        out, err = self.rules('explain', '/x', '198.51.100.1', '--file', path, '--all')
        self.assertEqual(len(out.splitlines()), 1 + 1 + 201 + 1)


class Load(RulesCase):
    def test_load_and_what_changed(self):
        device = self.serve()
        self.assertRegex(self.rules('load', self.file)[0], r'rules: 6 rules added, 0 removed, 0 unchanged\n$')
        self.assertEqual(len(device.rules()), 6)
        changed = self.write('rules', GOOD.replace('ask    out\n', 'ask    out\npermit to 192.0.2.1\n').replace('permit to $lan\n', ''))
        self.assertRegex(self.rules('load', changed)[0], r'rules: 1 rule added, 1 removed, 5 unchanged\n$')
        (found,) = self.objects('load', changed)
        self.assertEqual(found, {'kind': 'loaded', 'added': 0, 'removed': 0, 'moved': 0, 'unchanged': 6})

    def test_a_bad_file_is_not_sent(self):
        device = self.serve()
        out, err = self.rules('load', self.write('bad', 'permit all\nnonsense\n'), code=1)
        self.assertIn(':2:1:', err)
        self.assertEqual(device.calls, [])

    def test_big_files_go_in_pieces(self):
        device = self.serve()
        path = self.write('big', ''.join('permit program "/opt/program-%d" to 10.0.0.0/8\n' % i for i in range(4000)))
        device.piece = 30000
        self.rules('load', path)
        self.assertGreater(device.calls.count(fake.RULES_PUT), 3)
        self.assertEqual(len(device.rules()), 4000)
        self.assertEqual(len(self.objects('list')), 4000)

    def test_rules_that_change_while_they_are_read(self):
        device = self.serve()
        self.rules('load', self.file)
        device.piece = 200
        device.changes = 3
        self.assertEqual(len(self.objects('list')), 6)
        self.assertEqual(device.changes, 0)
        device.changes = 10**6
        self.assertIn('change faster than they can be read', self.rules('list', code=3)[1])

    def test_failures_leave_the_old_policy(self):
        device = self.serve()
        for code, status, words in ((fake.RULES_COMMIT, fake.E_RULES_STORE, 'could not be stored'),
                                    (fake.RULES_COMMIT, fake.E_RULES_ENGINE, 'filter engine refused'),
                                    (fake.RULES_PUT, fake.E_NO_LOAD, 'no load'),
                                    (fake.RULES_BEGIN, fake.E_RULES_FULL, 'no room')):
            device.refuse = {code: [status]}
            err = self.rules('load', self.file, code=3)[1]
            self.assertRegex(err, r'^gatehouse: gatehoused says: [^?]*%s[^?]*\. The old policy stands\.\n$' % words)
        self.assertEqual(device.rules(), [])

    def test_busy_is_tried_again(self):
        device = self.serve()
        device.refuse = {fake.RULES_BEGIN: [fake.E_LOAD_BUSY] * 3, fake.RULES_COMMIT: [fake.E_LOAD_BUSY] * 2}
        self.rules('load', self.file)
        self.assertEqual(len(device.rules()), 6)
        device.refuse = {fake.RULES_BEGIN: [fake.E_LOAD_BUSY] * 1000}
        process = self.start('rules', 'load', self.file)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 3)
        self.assertIn('another load or change of the rules is under way', err.decode())

    def test_diff(self):
        self.serve()
        self.rules('load', self.file)
        self.assertEqual(self.rules('diff', self.file), ('', ''))
        lines = GOOD.splitlines()
        changed = self.write('changed', '\n'.join([lines[0], lines[2], lines[1], 'permit to 192.0.2.1', *lines[4:]]) + '\n')
        out, err = self.rules('diff', changed, code=1)
        self.assertEqual(sorted(line[0] for line in out.splitlines()), ['+', '-', '>'])
        self.assertIn('+ %s:4: permit to 192.0.2.1\n' % changed, out)
        self.assertIn('- %s:4: permit to $lan\n' % self.file, out)
        self.assertIn('adds 1, removes 1 and moves 1', err)
        self.assertEqual(sorted(o['kind'] for o in self.objects('diff', changed, code=1)), ['added', 'moved', 'removed'])


class List(RulesCase):
    def test_empty(self):
        self.serve()
        out, err = self.rules('list')
        self.assertEqual(out, '')
        self.assertIn('there is no rule', err)
        self.assertEqual(self.rules('list', '--json'), ('', ''))

    def test_table(self):
        device = self.serve()
        self.rules('load', self.file)
        added = self.rules('add', 'permit program "/usr/bin/ssh" to 192.0.2.5 until exit')[0].strip()
        ids = [rule.id for rule in device.rules()]
        self.assertEqual('%016x' % ids[0], added)
        device.hits = [(rule_device.key_of(ids[1], layer), 10 + layer, now() - 130 * 10**7) for layer in range(4)]
        device.hits += [(b'\1' * 16, 99, 0), (rule_device.key_of(ids[2]), 7, 0)]
        out, err = self.rules('list')
        lines = out.splitlines()
        self.assertEqual(lines[0].split(), ['#', 'ID', 'PLACE', 'HITS', 'LAST', 'USE', 'ENDS', 'RULE'])
        self.assertEqual(len(lines), 8)
        self.assertRegex(lines[1], r'^ *1  %s  added  + 0  -  +at exit  permit program "/usr/bin/ssh" to 192\.0\.2\.5 until exit$' % added[:6])
        self.assertRegex(lines[2], r'^ *2  [0-9a-f]{6}  %s:2  +46  2 min ago +-  +permit program "/usr/bin/curl" ' % self.file)
        self.assertRegex(lines[3], r' 7  -  +-  ')

    def test_ends_and_answers(self):
        device = self.serve()
        for words in ('block to 192.0.2.1 for 10 minutes', 'block to 192.0.2.2 until reboot'):
            self.rules('add', words)
        sets, rules = rule_device.read_image(device.image)
        rules = [rules[0], rules[1].kept(now() + 125 * 10**7, now())]
        device.image = rule_device.make_image(sets, rules)
        out = self.rules('list')[0]
        self.assertRegex(out, r' 0  - +at reboot  .* until reboot\n')
        self.assertRegex(out, r'  in 2 min [345] s  ')
        found = self.objects('list')
        self.assertEqual([o['until'] for o in found], ['reboot', 'time'])
        self.assertIsNone(found[0]['ends'])
        self.assertRegex(found[1]['ends'], r'^20..-')

    def test_platform_that_counts_no_hits(self):
        device = self.serve()
        device.counts = False
        self.rules('load', self.file)
        self.assertRegex(self.rules('list')[0].splitlines()[1], r' -  - +-  ')
        self.assertIsNone(self.objects('list')[0]['hits'])

    def test_all_sets(self):
        self.serve()
        self.rules('load', self.file)
        self.assertIn('permit to $lan', self.rules('list')[0])
        self.assertIn('192.168.0.0/16', self.rules('list', '--all-sets')[0])

    def test_damaged_images(self):
        device = self.serve()
        self.rules('load', self.file)
        good = device.image
        for at in (4, 45, len(good) - 3):
            device.image = good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]
            device.rules = lambda: []
            self.assertIn('rules that cannot be read', self.rules('list', code=4)[1])
        device.image = good

    def test_remove(self):
        device = self.serve()
        self.rules('load', self.file)
        ids = [self.rules('add', 'permit to 192.0.2.%d' % i)[0].strip() for i in (1, 2, 3)]
        err = self.rules('remove', '4', code=3)[1]
        self.assertIn('rule 4 stands in %s:2: take it out there' % self.file, err)
        self.assertEqual(len(device.rules()), 9)
        self.rules('remove', ids[1][:8], ids[0])
        self.assertEqual(['%016x' % rule.id for rule in device.rules()][:2], [ids[2], '%016x' % device.rules()[1].id])
        self.rules('remove', '1')
        self.assertEqual(len(device.rules()), 6)
        for word in ('7', '0', 'zz', '', 'ffffffffffffffffff', '0123456789abcdef'):
            self.assertRegex(self.rules('remove', word, code=1)[1], r"^gatehouse: .*see 'gatehouse rules list'\.\n$")
        self.rules('remove', code=1)

    def test_nothing_is_removed_when_one_word_is_wrong(self):
        device = self.serve()
        self.rules('add', 'permit to 192.0.2.1')
        self.rules('remove', '1', '99', code=1)
        self.assertEqual(len(device.rules()), 1)

    def test_add(self):
        device = self.serve()
        self.assertRegex(self.rules('add', 'permit', 'program', '/usr/bin/my prog', 'to', '192.0.2.1')[0], r'^[0-9a-f]{16}\n$')
        self.assertIn('permit program "/usr/bin/my prog" to 192.0.2.1', self.rules('list')[0])
        (found,) = self.objects('add', 'block all')
        self.assertRegex(found['id'], '^[0-9a-f]{16}$')
        self.rules('add', 'block all')
        self.assertEqual(len(device.rules()), 2)
        for words in ('permit', 'nonsense', 'set a = { 10.0.0.1 }', 'permit to 10.0.0.1\nblock all', ''):
            self.assertTrue(self.rules('add', words, code=1)[1], words)
        device.refuse = {fake.RULES_ADD: [fake.E_RULES_FULL]}
        self.assertIn('no room for one more added rule', self.rules('add', 'block to 10.9.9.9', code=3)[1])
        self.assertEqual(len(device.rules()), 2)

    def test_verbs(self):
        for arguments in ([], ['nothing'], ['list', 'more'], ['check', '--port', '1']):
            self.assertIn('gatehouse', self.rules(*arguments, code=1)[1])
        self.fake.stop()
        for arguments in (['list'], ['load', self.file], ['add', 'block all'], ['remove', '1'], ['diff', self.file]):
            self.assertIn('no gatehoused answers', self.rules(*arguments, code=2)[1])


class Flows(RulesCase):
    def test_table_and_json(self):
        device = self.serve()
        began = now() - 3600 * 30 * 10**6
        device.flows = [[
            rule_device.flow(1, began=began, out=1536, came=999, key=rule_device.key_of(0x123456789abcdef0)),
            rule_device.flow(2, b'/usr/sbin/sshd', protocol=6, local='2001:db8::1', remote='2001:db8::2', local_port=22,
                             port=50000, began=began, ended=began + 5 * 10**7, flags=7, out=20 << 20),
            rule_device.flow(3, b'', pid=0, protocol=17, began=began, flags=0)]]
        out, err = self.ends(self.start('flows'), 0)
        lines = out.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[1], r'^/usr/bin/curl +4242  out  tcp +192\.0\.2\.9:40000 +192\.0\.2\.1:443 +1\.5 KiB +999 +3 h  lives  123456$')
        self.assertRegex(lines[2], r'^/usr/sbin/sshd +4242  in +tcp +\[2001:db8::1\]:22 +\[2001:db8::2\]:50000 +20 MiB +0 +5 s  ended  -$')
        self.assertRegex(lines[3], r'^\(unknown program\) +-  out  udp .* -  +-  +3 h  lives  -$')
        found = [json.loads(line) for line in self.ends(self.start('flows', '--json'), 0)[0].splitlines()]
        self.assertEqual([o['way'] for o in found], ['out', 'in', 'out'])
        self.assertEqual(found[0]['rule'], '123456789abcdef0')
        self.assertEqual((found[1]['lives'], found[1]['bytes_out'], found[2]['bytes_out']), (False, 20 << 20, None))

    def test_none(self):
        self.serve()
        self.assertEqual(self.ends(self.start('flows'), 0), ('', ''))

    def test_into_a_full_disk(self):
        self.serve().flows = [[rule_device.flow(1)]]
        with open('/dev/full', 'w') as full:
            self.assertIn('cannot write the output', self.ends(self.start('flows', stdout=full), 6)[1])

    def test_follow(self):
        device = self.serve()
        old, one, two = rule_device.flow(1, ended=now(), flags=6), rule_device.flow(2), rule_device.flow(3, port=80)
        done = rule_device.flow(2, ended=now(), flags=6, out=5)
        device.flows = [[old, one], [old, one, two], [done, two]]
        process = self.start('flows', '-f')
        self.assertRegex(self.line(process.stdout), r':443 lives')
        self.assertRegex(self.line(process.stdout), r':80 began')
        self.assertRegex(self.line(process.stdout), r':443 ended after .*, 5 out, 0 in')
        self.silent(process.stdout, 1.5)
        process.terminate()
        self.ends(process, 0)

    def test_platform_without_flows(self):
        device = self.serve()
        device.refuse = {fake.FLOWS: [fake.E_UNKNOWN_CODE]}
        self.assertIn('tells no flows', self.ends(self.start('flows'), 3)[1])


if __name__ == '__main__':
    unittest.main()
