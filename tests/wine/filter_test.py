#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""filter_test SOURCE BUILD [CASE...] - `gatehouse filter` and `gatehouse install --closed` under Wine, on the engine.

gatehouse.exe loads a fwpuclnt.dll that is fwpuclnt/'s client; fwpkclnt.sys, the wfp/ engine, has its server. The driver
engine.sys keeps the engine there without gatehouse.sys, as Windows does: both services are of one group, which Wine
runs in one driver host. What decides is seen by connects that engine_client.exe indicates. Prints TAP; skipped without
Wine or compiler.
"""
import json
import os
import shutil
import sys
import time

sys.dont_write_bytecode = True
from wine_cases import PARTS, WINDOWS, Cases, Test, main
from wine_world import DRIVERS, until

CASES = Cases(seconds=180)
case = CASES.add
TRANSACTION_SECONDS = 10  # FWPM_TRANSACTION_MAX_MS, of one that nobody waits for
APP = r'C:\windows\system32\winver.exe'
APP_ID = r'\device\harddiskvolume1\windows\system32\winver.exe'
OTHER_ID = r'\device\harddiskvolume1\other.exe'


class FilterTest(Test):
    """When a case starts, the engine runs, has no filter, and the driver is stopped."""

    def __init__(self, world):
        super().__init__(world)
        system = world.prefix / 'drive_c/windows/system32'
        shutil.copy(os.path.join(PARTS, 'engine-fwpuclnt.dll'), system / 'fwpuclnt.dll')
        world.environment['WINEDLLOVERRIDES'] += ';fwpuclnt=n'
        world.run('reg', 'add', r'HKCU\Software\Wine', '/v', 'Version', '/d', 'win10', '/f')
        for name in ('engine', 'gatehouse'):
            self.create_grouped(name)
        self.start_engine()

    def create_grouped(self, name):
        code, text = self.sc('create', name, 'group=', 'gatehouse test', 'type=', 'kernel', 'start=', 'demand', 'binPath=',
                             rf'{DRIVERS}\{name}.sys')
        assert code == 0, text

    def start_engine(self):
        code, text = self.sc('start', 'engine')
        assert code == 0 and 'RUNNING' in text, text

    def begin(self):
        if self.state() == 'RUNNING':
            self.stop_driver()
        self.gatehouse('filter', 'remove', '--all')
        with_nothing = self.count()
        assert with_nothing['filters'] == with_nothing['registered'] == 0, with_nothing

    def stop_driver(self):
        """The engine stays."""
        code, text = self.sc('stop', 'gatehouse')
        assert code == 0 and self.state() == 'STOPPED', text
        until(lambda: self.count()['registered'] == 0, 'the driver left the engine')

    def count(self):
        stack = self.stack()
        try:
            return self.unbroken(stack)
        finally:
            stack.close()

    def gatehouse(self, *words, wanted=0):
        code, text = self.world.run('gatehouse.exe', *words)
        assert code == wanted, (words, code, text)
        return text

    def add(self, *words):
        ids = self.gatehouse('filter', 'add', *words).split()
        assert ids and all(word.isdigit() for word in ids), ids
        return ids

    def list(self, *words):
        return [json.loads(line) for line in self.gatehouse('filter', 'list', '--json', *words).splitlines()]

    def hold_transaction(self):
        return self.world.start_until('holding', 'holder.exe', 'transaction')[0]


# Words of the wish; connects that meet it, and connects that do not.
WISHES = [
    (['--program', APP], [{'program': APP_ID}, {'program': APP_ID, 'address': '2001:db8::1'}], [{'program': OTHER_ID}]),
    (['--to', '192.0.2.7'], [{'address': '192.0.2.7'}], [{'address': '192.0.2.8'}, {'address': '2001:db8::7'}]),
    (['--to', '2001:db8:7::/48'], [{'address': '2001:db8:7::9'}], [{'address': '2001:db8:8::9'}, {}]),
    (['--port', '443'], [{'port': 443}, {'port': 443, 'address': '2001:db8::1'}], [{'port': 444}]),
    (['--port', '8000-8010'], [{'port': 8000}, {'port': 8010}], [{'port': 7999}, {'port': 8011}]),
    (['--proto', 'tcp'], [{}, {'address': '2001:db8::1'}], []),
    (['--proto', 'udp'], [], [{}, {'address': '2001:db8::1'}]),
    (['--program', APP, '--to', '198.51.100.0/24', '--port', '25', '--proto', 'tcp'],
     [{'program': APP_ID, 'address': '198.51.100.3', 'port': 25}],
     [{'program': OTHER_ID, 'address': '198.51.100.3', 'port': 25}, {'program': APP_ID, 'address': '198.51.101.3', 'port': 25},
      {'program': APP_ID, 'address': '198.51.100.3', 'port': 26}]),
]


def try_wishes(test, verdicts, otherwise):
    stack = test.stack()
    for words, met, others in WISHES:
        for verdict in verdicts:
            ids = test.add(verdict, *words)
            assert test.unbroken(stack)['filters'] >= len(ids)
            for connect in met:
                test.connect(stack, expect=verdict, **connect)
            for connect in others:
                test.connect(stack, expect=otherwise, **connect)
            test.gatehouse('filter', 'remove', *ids)
            for connect in met:
                test.connect(stack, expect=otherwise, **connect)
    assert test.list() == []
    stack.close()


@case('without gatehouse.sys: each wish blocks what it names and nothing else; removed, it blocks nothing')
def without_driver(test):
    try_wishes(test, ['block'], 'permit')


@case('with gatehouse.sys: block and permit by program, address, port, protocol; the decider is asked for the rest only')
def with_driver(test):
    test.start_driver()
    decider = test.device()
    try_wishes(test, ['block', 'permit'], 'pended')
    until(lambda: test.status()['held'] == 0, 'its sockets are closed')
    stack = test.stack()
    for verdict in ('block', 'permit'):
        ids = test.add(verdict, '--port', '6000')
        before = test.status()['pended']
        test.connect(stack, port=6000, expect=verdict)
        assert test.status()['pended'] == before
        test.gatehouse('filter', 'remove', *ids)
    assert decider.ask('get') == ['ok']
    decider.silent('got')
    endpoint, *_ = test.connect(stack, port=6000)
    request, *_ = decider.wait('got')
    assert decider.ask(f'permit {request}') == ['ok']
    test.ended(stack, endpoint, 'permit')


@case('a filter that comes while a flow lives blocks its next packet')
def cuts_a_flow(test):
    test.start_driver()
    stack = test.stack()
    test.program('permit')
    endpoint, *_ = test.connect(stack, port=6001)
    flow = test.ended(stack, endpoint, 'permit')
    stack.ask(f'established {flow}')
    assert stack.ask(f'out {flow}')[1] == 'permit'
    test.add('block', '--port', '6001')
    words = stack.ask(f'out {flow}')
    assert words[1] == 'block' and 'reauthorized' in words, words


@case('filters stay when gatehouse.sys is stopped and started; it adds its own beside them')
def outlives_the_driver(test):
    ids = test.add('block', '--to', '192.0.2.7')
    stack = test.stack()
    for step in (test.start_driver, test.stop_driver, test.start_driver):
        test.connect(stack, address='192.0.2.7', expect='block')
        step()
    test.connect(stack, address='192.0.2.7', expect='block')
    test.connect(stack)
    assert [row['id'] for row in test.list()] == ids
    assert test.unbroken(stack)['filters'] > len(ids)


@case('list and list --json show what was added, list --all also what the driver added')
def lists(test):
    assert 'no filter was added' in test.gatehouse('filter', 'list')
    first = test.add('block', '--program', APP, '--name', 'No winver \u00e4\u20ac')
    second = test.add('permit', '--to', '192.0.2.0/24', '--port', '53', '--proto', 'udp', '--weight', '12')
    rows = test.list()
    assert [(row['id'], row['layer'], row['action'], row['ours']) for row in sorted(rows, key=lambda row: int(row['id']))] == [
        (first[0], 'connect v4', 'block', True), (first[1], 'connect v6', 'block', True),
        (second[0], 'connect v4', 'permit', True)], rows
    shown = {row['id']: (row['conditions'], row['name'], int(row['weight']) >> 60) for row in rows}
    assert shown[first[0]] == (f'program {APP_ID}', 'No winver \u00e4\u20ac', 8), shown
    assert shown[second[0]][0] == 'to 192.0.2.0/24, port 53, udp' and shown[second[0]][2] == 12, shown
    text = test.gatehouse('filter', 'list')
    assert len(text.splitlines()) == 4 and all(word in text for word in first + second + [APP_ID, 'permit']), text
    test.start_driver()
    every = test.list('--all')
    assert [row for row in every if row['ours']] == test.list() == rows and len(every) > len(rows), every
    test.gatehouse('filter', 'remove', '--all')
    assert test.list() == []


@case('a second add waits for another program\u0027s open transaction, and goes on when that program is killed')
def waits_for_a_transaction(test):
    for end in (lambda holder: holder.kill(), lambda holder: holder.finish()):
        holder = test.hold_transaction()
        adding = test.world.start('gatehouse.exe', 'filter', 'add', 'block', '--port', '443')
        time.sleep(0.5)
        assert adding.process.poll() is None and adding.lines.empty(), 'it did not wait'
        end(holder)
        assert adding.finish() == 0
    assert len(test.list()) == 4


@case('a transaction that stays open is aborted when its time, shared with the add that waits, is up; the add goes on')
def overdue_transaction(test):
    test.hold_transaction()
    started = time.monotonic()
    test.add('block', '--port', '443')
    took = time.monotonic() - started
    assert TRANSACTION_SECONDS / 2 - 2 < took < TRANSACTION_SECONDS - 0.5, took


@case('gatehouse.sys does not wait for a program that keeps a transaction open')
def driver_does_not_wait(test):
    test.hold_transaction()
    started = time.monotonic()
    test.start_driver()
    assert time.monotonic() - started < TRANSACTION_SECONDS - 3
    test.connect(test.stack())


@case('nonsense is refused with its exit code and a sentence, and changes nothing')
def nonsense(test):
    test.start_driver()
    ids = test.add('block', '--port', '443')
    every = test.list('--all')
    foreign = next(row['id'] for row in every if not row['ours'])
    for code, *words in ((1, 'add'), (1, 'add', 'maybe'), (1, 'add', 'block', '--to', '1.2.3.4.5'), (1, 'add', 'block', '--port', '0x50'),
                         (1, 'add', 'block', '--port', '70000'), (1, 'add', 'block', '--proto', 'carrier-pigeon'),
                         (1, 'add', 'block', '--port', '443', '--weight', '16'), (1, 'add', 'permit', '--program', ''),
                         (1, 'remove'), (1, 'remove', 'x'), (1, 'remove', '999999'), (1, 'remove', ids[0], '999999'),
                         (3, 'remove', ids[0], foreign), (1, 'remove', '--all', ids[0]), (1, 'list', 'x'), (1, 'show')):
        text = test.gatehouse('filter', *words, wanted=code)
        assert text.startswith('gatehouse: ') and text.strip().endswith('.'), (words, text)
    after = test.list('--all')
    assert after == every


@case('without any engine: exit code 2 and what to start')
def without_engine(test):
    assert test.sc('stop', 'engine')[0] == 0
    try:
        until(lambda: any('engine: left' in line for line in test.world.news()), 'the driver host ends')
        for words in (('list',), ('add', 'block', '--port', '443'), ('remove', '--all')):
            text = test.gatehouse('filter', *words, wanted=2)
            assert 'BFE' in text, text
    finally:
        test.start_engine()


def without_ids(rows):
    return sorted(str({**row, 'id': ''}) for row in rows)


@case('install --closed: blocked before the driver starts and after it stops, decided while it runs, permitted once uninstalled')
def closed(test):
    target = test.world.prefix / 'drive_c/windows/system32/drivers/gatehouse.sys'
    target.unlink()
    shutil.copy(os.path.join(WINDOWS, 'gatehouse.sys'), test.world.prefix / 'drive_c')
    stack = test.stack()
    addresses = ('192.0.2.1', '2001:db8::1')
    try:
        for address in addresses:
            test.connect(stack, address=address, expect='permit')
        # The service is there, of the engine's group; install takes it over as an older installation's.
        test.gatehouse('install', '--closed')
        assert test.state() == 'RUNNING'
        counts, every = test.unbroken(stack), without_ids(test.list('--all'))
        steps = {row['step']: row for row in map(json.loads, test.gatehouse('install', '--json').splitlines())}
        # That it is closed is read by the keys; the filters are written anew, as one change.
        assert steps['filters']['was'] == steps['filters']['is'] == 'closed', steps
        assert without_ids(test.list('--all')) == every
        told = test.gatehouse('uninstall', '--dry-run')
        assert f'{counts["filters"]} filters' in told, told  # the driver's too, while it runs
        own = test.add('permit', '--port', '6100')
        for _ in range(2):
            endpoint, *_ = test.connect(stack)
            decider = test.program('permit')
            test.ended(stack, endpoint, 'permit')
            decider.close()
            test.stop_driver()
            left, told = test.unbroken(stack), test.gatehouse('uninstall', '--dry-run')
            assert f'{14 + len(own)} filters' in told, told
            assert left['filters'] == 14 + len(own) and left['providers'] == left['sublayers'] == 1, left
            for address in addresses:
                test.connect(stack, address=address, expect='block')
                test.connect(stack, address=address, port=6100, expect='permit')
            test.start_driver()
            endpoint, *_ = test.connect(stack, address=addresses[1])
            decider = test.program('block')
            test.ended(stack, endpoint, 'block')
            decider.close()
        assert counts['filters'] > 14
        test.gatehouse('uninstall')
        assert test.state().startswith('none') and not target.exists()
        left = test.unbroken(stack)
        assert left['filters'] == left['providers'] == left['sublayers'] == left['callouts'] == 0, left
        for address in addresses:
            test.connect(stack, address=address, expect='permit')
    finally:
        test.gatehouse('uninstall')
        shutil.copy(os.path.join(WINDOWS, 'gatehouse.sys'), target)
        test.create_grouped('gatehouse')


def files():
    return [os.path.join(WINDOWS, 'gatehouse.sys'), os.path.join(WINDOWS, 'gatehouse.exe'),
            *(os.path.join(PARTS, name) for name in ('fwpkclnt.sys', 'engine.sys', 'engine_client.exe', 'device_client.exe',
                                                     'holder.exe'))]


sys.exit(main(CASES, ['wine_files', 'install_files', 'filter_files'], files(), FilterTest))
