# SPDX-License-Identifier: MIT
"""What the tests of this folder share: the build, the TAP, how a case is tried, and a driver with its engine.

A test file makes its list of cases and calls main(). Only the absence of Wine or of the cross compiler skips a file; a
Wine that does not start fails it.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback

from wine_world import DRIVERS, SECONDS, DidNotStart, Missing, World, find_wine, processes, until

SOURCE, BUILD = sys.argv[1:3]
WANTED = sys.argv[3:]
WINDOWS = os.path.join(BUILD, 'windows')
PARTS = os.path.join(WINDOWS, 'meson/tests/wine')


class Test:
    """What a case works with. The driver runs when the case starts, with the settings as they are by default."""

    def __init__(self, world):
        self.world = world
        self.endpoint = 0

    def begin(self):
        if self.state() == 'STOPPED':
            self.start_driver()
        assert self.state() == 'RUNNING', self.state()

    def sc(self, *words):
        return self.world.run('sc', *words)

    def state(self):
        code, text = self.sc('query', 'gatehouse')
        return text.split('STATE', 1)[1].split()[2] if 'STATE' in text else f'none ({code})'

    def create_service(self):
        code, text = self.sc('create', 'gatehouse', 'type=', 'kernel', 'start=', 'demand', 'binPath=',
                             DRIVERS + r'\gatehouse.sys')
        assert code == 0, text

    def start_driver(self, **settings):
        key = r'HKLM\System\CurrentControlSet\Services\gatehouse\Parameters'
        self.world.run('reg', 'delete', key, '/f')
        for name, value in settings.items():
            code, text = self.world.run('reg', 'add', key, '/v', name, '/t', 'REG_DWORD', '/d', str(value), '/f')
            assert code == 0, text
        code, text = self.sc('start', 'gatehouse')
        assert code == 0 and self.state() == 'RUNNING', text

    def stop_driver(self):
        """Through the manager. The driver host ends; the engine tells what was left (flows are the stack's)."""
        self.world.news()
        code, text = self.sc('stop', 'gatehouse')
        assert code == 0 and self.state() == 'STOPPED', text
        told = []

        def is_over():
            told.extend(self.world.news())
            return any('engine: left' in line for line in told)
        until(is_over, 'the driver host ends')
        left = next(line for line in told if 'engine: left' in line).split('engine: left ')[1]
        assert all(word.endswith('=0') for word in left.split() if not word.startswith('flows=')), '\n'.join(told)
        assert any('gatehouse: unloaded' in line for line in told), told
        return told

    def restart_driver(self, **settings):
        self.stop_driver()
        self.start_driver(**settings)

    def stack(self):
        return self.world.start_until('ready', 'engine_client.exe')[0]

    def device(self, role=1, name='Gatehouse'):
        client, (client.windows_id,) = self.world.start_until('ready', 'device_client.exe')
        assert client.ask(f'open {name}') == ['ok']
        if role:
            assert client.ask(f'hello {role}') == ['ok']
        return client

    def status(self):
        code, text = self.world.run('gatehouse.exe', 'status', '--json')
        assert code == 0, text
        return json.loads(text)

    def program(self, *arguments):
        """gatehouse.exe with these arguments, once it decides."""
        return self.world.start_when(lambda: self.status()['decider_pid'] != 0, 'gatehouse.exe', *arguments)

    def watch(self, *arguments, start=None):
        """gatehouse.exe watch, once it is the second observer, beside the one that asks."""
        return self.world.start_when(lambda: self.status()['observers'] == 2, 'gatehouse.exe', 'watch', *arguments,
                                     start=start)

    def connect(self, stack, address='192.0.2.1', port=80, pid='5001', program=r'\device\harddiskvolume1\app.exe',
                expect='pended'):
        """(endpoint, outcome, flow) of a connect that is answered as expected."""
        self.endpoint += 1
        words = stack.ask(f'connect {self.endpoint} {pid} {address} {port} {program}')
        assert words[0] == str(self.endpoint) and words[1] == expect, words
        return words[0], words[1], words[2]

    def ended(self, stack, endpoint, outcome, seconds=SECONDS):
        """The flow of a held connect that ends so."""
        words = stack.wait(f'ended {endpoint}', seconds)
        assert words[0] == outcome, f'connection {endpoint}: {words}'
        return words[1]

    def unbroken(self, stack):
        state = dict(word.split('=') for word in stack.ask('state'))
        if state['violations'] != '0':
            raise AssertionError('rules were broken: ' + ' '.join(stack.ask('violation')))
        return {name: int(value) for name, value in state.items()}


class Cases:
    def __init__(self, seconds):
        self.seconds, self.list = seconds, []

    def add(self, shows):
        def register(function):
            self.list.append((shows, function))
            return function
        return register

    def wanted(self):
        return [row for row in self.list if not WANTED or any(word in row[1].__name__ for word in WANTED)]

    def late(self, _number, _frame):
        raise AssertionError(f'the case took more than {self.seconds} s')


def build(targets):
    """None, or what went wrong."""
    for argv in ([os.path.join(SOURCE, 'tools/build-windows'), WINDOWS],
                 ['ninja', '-C', os.path.join(WINDOWS, 'meson'), *targets]):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            return done.stdout + done.stderr
    return None


def try_case(cases, function, subject):
    """None, or what went wrong."""
    signal.alarm(cases.seconds)
    try:
        subject.world.news()
        subject.begin()
        function(subject)
        return None
    except (AssertionError, OSError, subprocess.SubprocessError, KeyError, IndexError, ValueError):
        return traceback.format_exc() + '\n'.join(subject.world.news()[-40:])
    finally:
        signal.alarm(0)
        subject.world.end_programs()


def tell(number, shows, why):
    print(f'{"ok" if why is None else "not ok"} {number} - {shows}', flush=True)
    if why is not None:
        print('\n'.join('# ' + line for line in why.splitlines()[-60:]), flush=True)
    return why is not None


def stopped(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def close(world, gently):
    """None, or what was left."""
    left = world.close(gently) + processes(world.prefix)
    return f'{left} {world.folder}' if (left and gently) or world.folder.exists() else None


def start(files):
    """(world, None), or (None, why not)."""
    try:
        return World(files), None
    except DidNotStart as reason:
        return None, str(reason)


def run(cases, make_subject, world):
    """(what it shows, None or what went wrong) of each case."""
    subject = make_subject(world)
    for shows, function in cases.wanted():
        yield shows, try_case(cases, function, subject)


def main(cases, targets, files, make_subject):
    """The exit code. targets: what ninja builds. Each case gets make_subject(world), after its begin()."""
    if shutil.which('x86_64-w64-mingw32-gcc') is None:
        print("1..0 # SKIP no x86_64-w64-mingw32-gcc; 'tools/deps windows' installs it")
        return 0
    signal.signal(signal.SIGALRM, cases.late)
    signal.signal(signal.SIGTERM, stopped)
    failed, number, world, through = 0, 1, None, False
    try:
        find_wine()
        trouble = build(targets)
        failed += tell(number, 'it is built', trouble)
        if trouble is None:
            world, trouble = start(files)
            number += 1
            failed += tell(number, 'Wine starts', trouble)
        if world is not None:
            for number, (shows, why) in enumerate(run(cases, make_subject, world), number + 1):
                failed += tell(number, shows, why)
        through = True
    except Missing as reason:
        print(f'1..0 # SKIP {reason}')
        return 0
    finally:
        if world is not None:
            number += 1
            failed += tell(number, 'nothing is left: no process, no prefix', close(world, through))
    print(f'1..{number}')
    return 1 if failed else 0
