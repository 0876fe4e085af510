#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""wine_test SOURCE BUILD - the files that a Windows user installs, run together under Wine.

gatehouse.sys and gatehouse.exe as tools/build-windows makes them, with the wfp/ engine as fwpkclnt.sys and a program
that plays the network stack. The service control manager starts and stops the driver; everything else goes through
DeviceIoControl. docs/windows.md says what this proves and what not. Prints TAP; skipped without Wine or compiler.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
from wine_world import DRIVERS, Missing, World, until

SOURCE, BUILD = sys.argv[1:3]
WINDOWS = os.path.join(BUILD, 'windows')
PARTS = os.path.join(WINDOWS, 'meson/tests/wine')
CASE_SECONDS = 60
CANCELLED = 'c0000120'
REOFFERED = 8
CASES = []


def case(shows):
    def register(function):
        CASES.append((shows, function))
        return function
    return register


class Test:
    """What a case works with. The driver runs when the case starts, with the settings as they are by default."""

    def __init__(self, world):
        self.world = world
        self.endpoint = 0

    def sc(self, *words):
        return self.world.run('sc', *words)

    def state(self):
        code, text = self.sc('query', 'gatehouse')
        return text.split('STATE', 1)[1].split()[2] if 'STATE' in text else f'none ({code})'

    def start_driver(self, **settings):
        key = r'HKLM\System\CurrentControlSet\Services\gatehouse\Parameters'
        self.world.run('reg', 'delete', key, '/f')
        for name, value in settings.items():
            code, text = self.world.run('reg', 'add', key, '/v', name, '/t', 'REG_DWORD', '/d', str(value), '/f')
            assert code == 0, text
        code, text = self.sc('start', 'gatehouse')
        assert code == 0 and self.state() == 'RUNNING', text

    def stop_driver(self):
        """Through the manager; the driver host is gone, and with it the engine, which told what was left."""
        self.world.news()
        code, text = self.sc('stop', 'gatehouse')
        assert code == 0 and self.state() == 'STOPPED', text
        told = []

        def is_over():
            told.extend(self.world.news())
            return any('engine: left' in line for line in told)
        until(is_over, 'the driver host ends')
        left = next(line for line in told if 'engine: left' in line).split('engine: left ')[1]
        assert all(word.endswith('=0') for word in left.split()), f'the driver left something: {left}'
        assert any('gatehouse: unloaded' in line for line in told), told
        return told

    def restart_driver(self, **settings):
        self.stop_driver()
        self.start_driver(**settings)

    def stack(self):
        stack = self.world.start('engine_client.exe')
        stack.wait('ready')
        return stack

    def device(self, role=1, name='Gatehouse'):
        client = self.world.start('device_client.exe')
        client.wait('ready')
        assert client.ask(f'open {name}') == ['ok']
        if role:
            assert client.ask(f'hello {role}') == ['ok']
        return client

    def connect(self, stack, address='192.0.2.1', port=80, pid='5001', program=r'\device\harddiskvolume1\app.exe',
                expect='pended'):
        """(endpoint, outcome, flow) of a connect that is answered as expected."""
        self.endpoint += 1
        words = stack.ask(f'connect {self.endpoint} {pid} {address} {port} {program}')
        assert words[0] == str(self.endpoint) and words[1] == expect, words
        return words[0], words[1], words[2]

    def ended(self, stack, endpoint, outcome, seconds=10):
        """The flow of a held connect that ends so."""
        words = stack.wait(f'ended {endpoint}', seconds)
        assert words[0] == outcome, f'connection {endpoint}: {words}'
        return words[1]

    def unbroken(self, stack):
        state = dict(word.split('=') for word in stack.ask('state'))
        if state['violations'] != '0':
            raise AssertionError('rules were broken: ' + ' '.join(stack.ask('violation')))
        return {name: int(value) for name, value in state.items()}


@case('the service control manager starts gatehouse.sys; both its links lead to it')
def starts(test):
    assert test.state() == 'RUNNING'
    test.device(name='Gatehouse')
    test.device(role=0, name='SampleWfpCallout')
    counts = test.unbroken(test.stack())
    assert counts['registered'] == counts['callouts'] > 0 and counts['filters'] > 0, counts


@case('one connection is held, decided and permitted; another is held, decided and blocked')
def decided(test):
    stack, decider = test.stack(), test.device()
    for verdict in ('permit', 'block'):
        endpoint, *_ = test.connect(stack, port=443)
        assert decider.ask('get') == ['ok']
        request, pid, address, port, flags = decider.wait('got')
        assert (pid, address, port, flags) == ('5001', '192.0.2.1', '443', '0')
        stack.silent('ended', 0.1)
        assert decider.ask(f'{verdict} {request}') == ['ok']
        test.ended(stack, endpoint, verdict)
    counts = test.unbroken(stack)
    assert counts['pended'] == 0 and counts['flows'] == 1, counts


def files():
    return [os.path.join(WINDOWS, 'gatehouse.sys'),
            *(os.path.join(PARTS, name) for name in ('fwpkclnt.sys', 'engine_client.exe', 'device_client.exe', 'seed_client.exe'))]


def build():
    """None, or what went wrong."""
    for argv in ([os.path.join(SOURCE, 'tools/build-windows'), WINDOWS], ['ninja', '-C', os.path.join(WINDOWS, 'meson'), 'wine_files']):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            return done.stdout + done.stderr
    return None


def late(_number, _frame):
    raise AssertionError(f'the case took more than {CASE_SECONDS} s')


def try_case(world, function):
    """None, or what went wrong."""
    test = Test(world)
    world.news()
    signal.alarm(CASE_SECONDS)
    try:
        if test.state() != 'RUNNING':
            test.start_driver()
        function(test)
        return None
    except (AssertionError, OSError, subprocess.SubprocessError):
        return traceback.format_exc() + '\n'.join(world.news()[-40:])
    finally:
        signal.alarm(0)
        world.end_programs()


def run(world, wanted):
    code, text = world.run('sc', 'create', 'gatehouse', 'type=', 'kernel', 'start=', 'demand', 'binPath=', DRIVERS + r'\gatehouse.sys')
    if code != 0:
        yield 'the service is created', text
        return
    for shows, function in CASES:
        if not wanted or function.__name__ in wanted:
            yield shows, try_case(world, function)


def stopped(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def main():
    wanted = sys.argv[3:]
    if shutil.which('x86_64-w64-mingw32-gcc') is None:
        print("1..0 # SKIP no x86_64-w64-mingw32-gcc; 'tools/deps windows' installs it")
        return 0
    signal.signal(signal.SIGALRM, late)
    signal.signal(signal.SIGTERM, stopped)
    trouble = build()
    failed = number = 0
    world = None
    try:
        results = [('it is built', trouble)] if trouble else None
        if results is None:
            world = World(files())
            results = run(world, wanted)
        for number, (shows, why) in enumerate(results, 1):
            failed += why is not None
            print(f'{"ok" if why is None else "not ok"} {number} - {shows}', flush=True)
            if why is not None:
                print('\n'.join('# ' + line for line in why.splitlines()[-60:]), flush=True)
    except Missing as reason:
        print(f'1..0 # SKIP {reason}')
        return 0
    finally:
        if world is not None:
            folder = world.folder
            left = world.close()
            number += 1
            fine = not left and not world.processes() and not folder.exists()
            failed += not fine
            print(f'{"ok" if fine else "not ok"} {number} - nothing is left: no process, no prefix' + ('' if fine else f'\n# {left}'))
    print(f'1..{number}')
    return 1 if failed else 0


sys.exit(main())
