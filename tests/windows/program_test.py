#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""program_test SOURCE BUILD VERSION - gatehouse.exe runs, under Wine, on a Windows without the driver.

And so do the parts of agent/ that only Windows has: transport_windows_test.c, platform_windows_test.c. With the driver it
is tested in tests/wine. Prints TAP; skipped without Wine or the cross compiler.
"""
import fcntl
import json
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
import tty

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'wine'))
from wine_world import DidNotStart, Missing, World, find_wine, processes

SOURCE, BUILD, VERSION = sys.argv[1:4]
WINDOWS = os.path.join(BUILD, 'windows')
PARTS = os.path.join(WINDOWS, 'meson/tests/windows')
TESTS = ('transport_windows_test.exe', 'platform_windows_test.exe')
COMMANDS = ('permit', 'block', 'ask', 'status', 'watch', 'policy', 'rules', 'flows')
NO_DEVICE = r'there is no device \\.\Gatehouse: install the driver'


def build():
    """None, or what went wrong."""
    for argv in ([os.path.join(SOURCE, 'tools/build-windows'), WINDOWS],
                 ['ninja', '-C', os.path.join(WINDOWS, 'meson'), 'program_tests']):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            return done.stdout + done.stderr
    return None


class Run:
    """One run of gatehouse.exe: exit code and what it wrote, as bytes."""

    def __init__(self, world, *arguments, **more):
        argv = [world.wine, str(world.prefix / 'drive_c/gatehouse.exe'), *arguments]
        options = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **more}
        done = subprocess.run(argv, env=world.environment, timeout=300, check=False, **options)
        self.code, self.out, self.words = done.returncode, done.stdout, done.stderr.decode()
        self.told = f'{arguments}: exit code {self.code}\n{(done.stdout or b"").decode(errors="replace")}{self.words}'

    def complains(self, code, *parts):
        """Nothing on standard output, and one sentence with these parts on the other."""
        return (self.code == code and self.out == b'' and re.fullmatch(r'gatehouse: [^\n]+\.\n', self.words) is not None
                and all(part in self.words for part in parts))


def help_cases(world):
    general = Run(world, '--help')
    yield 'help', general.code == 0 and general.out.startswith(b'gatehouse - ') and general.words == '', general.told
    yield 'lines end in a newline alone', b'\r' not in general.out and general.out.endswith(b'\n'), general.told
    yield 'help names every command, and the device', all(f'\n  {name} '.encode() in general.out for name in COMMANDS) and \
        rb'\\.\Gatehouse' in general.out, general.told
    yield 'help names nothing that is Linux\' own', not re.search(rb'gatehoused|/etc/|/run/|root|signal', general.out), general.told
    for command in COMMANDS:
        run = Run(world, command, '--help')
        fine = run.code == 0 and run.out.startswith(f'usage: gatehouse {command} '.encode()) and run.words == ''
        yield f'help of {command}', fine and not re.search(rb'gatehoused|/etc/|/run/', run.out), run.told
    run = Run(world, '--version')
    yield 'version', (run.code, run.out) == (0, f'gatehouse {VERSION}\n'.encode()), run.told


def line_cases(world):
    """(words of the command line, exit code, what the sentence says)."""
    for arguments, code, *parts in (
            ([], 1, 'a command is missing'),
            (['frob'], 1, "there is no command 'frob'"),
            (['--frob'], 1, "there is no option '--frob'"),
            (['status', '--quiet'], 1, 'has no option --quiet'),
            (['--socket'], 1, 'needs a value'),
            (['status', '*'], 1, "'*' is one word too many"),
            (['status', 'ü€😀'], 1, "'ü€😀' is one word too many"),
            (['status', 'a b"c\\'], 1, "'a b\"c\\' is one word too many"),
            (['policy', '--deadline', '500'], 1, '--deadline takes'),
            (['--socket', r'C:\windows\system.ini', 'status'], 1, 'is no name of a device'),
            (['permit', '--except', 'curl.exe'], 1, r'from C:\ on'),
            (['permit', '--except', '/usr/bin/curl'], 1, r'from C:\ on'),
            (['permit', '--except', r'Q:\curl.exe'], 1, r"cannot find out where 'Q:\curl.exe' is"),
            (['status'], 2, NO_DEVICE),
            (['status', '--json'], 2, NO_DEVICE),
            (['watch'], 2, NO_DEVICE),
            (['policy', '--deadline', '5'], 2, NO_DEVICE),
            (['ask'], 2, NO_DEVICE),
            (['permit'], 2, NO_DEVICE),
            (['block', '--no-lookups'], 2, NO_DEVICE),
            (['--socket', r'\\.\Other', 'status'], 2, r'there is no device \\.\Other')):
        run = Run(world, *arguments)
        yield f'complains of: gatehouse {" ".join(arguments)}', run.complains(code, *parts), run.told


def other_cases(world):
    run = Run(world, 'permit', '--except', r'C:\nothing.exe')
    yield 'a program that is not there yet may be excepted', run.code == 2 and \
        r'no program is at C:\nothing.exe now' in run.words and NO_DEVICE in run.words, run.told
    run = Run(world, 'permit', '--except', r'C:\windows\system32\..\explorer.exe')
    yield 'a path that leads elsewhere is told', run.code == 2 and \
        re.search(r'leads to \\device\\[^:]*\\windows\\explorer\.exe', run.words) is not None, run.told
    run = Run(world, '--help', preexec_fn=lambda: [os.close(number) for number in (0, 1, 2)], stdin=None, stdout=None)
    yield 'started without streams it does not crash', run.code in (0, 6), run.told
    if os.path.exists('/dev/full'):
        with open('/dev/full', 'wb') as full:
            run = Run(world, '--help', stdout=full)
        yield 'output that goes nowhere is a failure', run.code == 6 and 'cannot write the output' in run.words, run.told


def rules_cases(world):
    folder = world.prefix / 'drive_c/rules'
    folder.mkdir()
    rules = 'permit program "C:\\windows\\**" to any port 80\nblock program "C:\\windows\\explorer.exe" log\nask out\n'
    for name, text in (('good', rules), ('bad', rules + 'alow all\n'), ('covered', 'block all\n' + rules)):
        (folder / name).write_text(text, encoding='utf-8')
    run = Run(world, 'rules', 'check', r'C:\rules\good')
    yield 'rules check: a good file', run.code == 0 and b'3 rules' in run.out and run.words == '', run.told
    run = Run(world, 'rules', 'check', r'C:\rules\bad')
    yield 'rules check: a bad file, with line and caret', run.code == 1 and r'C:\rules\bad:4:1:' in run.words and \
        '    alow all\n    ^^^^\n' in run.words, run.told
    run = Run(world, 'rules', 'check', r'C:\rules\covered')
    yield 'rules check: rules that never match', run.code == 0 and run.words.count('never matches') == 3, run.told
    for program, rule in ((r'C:\windows\notepad.exe', 1), (r'C:\nothing.exe', 3)):
        run = Run(world, 'rules', 'explain', program, '192.0.2.1:80', '--file', r'C:\rules\good', '--json')
        yield f'rules explain --file: {program}', run.code == 0 and json.loads(run.out)['number'] == rule, run.told
    run = Run(world, 'rules', 'explain', r'C:\windows\explorer.exe', 'localhost:81', '--file', r'C:\rules\good')
    yield 'rules explain: a host is looked up', run.code == 0 and b'loopback passes' in run.out, run.told
    run = Run(world, 'rules', 'check')
    yield 'the file when none is named', run.code == 1 and r'C:\ProgramData\Gatehouse\rules' in run.words, run.told
    for arguments in (['list'], ['load', r'C:\rules\good'], ['add', 'block all'], ['remove', '1']):
        run = Run(world, 'rules', *arguments)
        yield f'rules {arguments[0]}: there is no driver', run.complains(2, NO_DEVICE), run.told


def results(name, text, code):
    """A C program's cases as one case here."""
    lines = text.replace('\r', '').splitlines()
    plan = next((int(line[3:]) for line in lines if line.startswith('1..')), 0)
    told = [line for line in lines if line.startswith(('ok ', 'not ok '))]
    return (f'{name}: {plan} checks', plan == len(told) > 0 and code == 0 and all(line.startswith('ok') for line in told),
            '\n'.join(line for line in lines if not line.startswith('ok')))


def test_cases(world):
    for name in TESTS:
        argv = [world.wine, str(world.prefix / 'drive_c' / name)]
        done = subprocess.run(argv, env=world.environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
        yield results(name, done.stderr.decode(errors='replace'), done.returncode)


def console_cases(world):
    """Keys, on a pseudoterminal that Wine makes a console of."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 25, 80, 0, 0))
    program = subprocess.Popen([world.wine, str(world.prefix / 'drive_c' / TESTS[1]), 'console'], start_new_session=True,
                               env={**world.environment, 'TERM': 'xterm'}, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    try:
        for word, keys in ((b'type', b'y'), (b'again', b'\x1an')):
            seen, end = b'', time.monotonic() + 180
            while word not in re.sub(rb'\x1b\[[?0-9;]*[A-Za-z]', b'', seen) and time.monotonic() < end:
                if select.select([ours], [], [], 0.1)[0]:
                    seen += os.read(ours, 4096)
            os.write(ours, keys)
        _, words = program.communicate(timeout=180)
        yield results('keys on a console', words.decode(errors='replace'), program.returncode)
    finally:
        program.kill()
        program.wait(60)
        os.close(ours)
        os.close(theirs)


def cases():
    find_wine()
    trouble = build()
    yield 'it is built', trouble is None, trouble or ''
    if trouble is not None:
        return
    try:
        world = World([os.path.join(WINDOWS, 'gatehouse.exe'), *(os.path.join(PARTS, name) for name in TESTS)])
    except DidNotStart as reason:
        yield 'Wine starts', False, str(reason)
        return
    try:
        for part in help_cases, line_cases, other_cases, rules_cases, test_cases, console_cases:
            yield from part(world)
    finally:
        left = world.close()
    yield 'nothing is left: no process, no prefix', not left and not processes(world.prefix) and not world.folder.exists(), str(left)


def main():
    if shutil.which('x86_64-w64-mingw32-gcc') is None:
        print("1..0 # SKIP no x86_64-w64-mingw32-gcc; 'tools/deps windows' installs it")
        return 0
    failed = number = 0
    try:
        for number, (name, fine, why) in enumerate(cases(), 1):
            failed += not fine
            print(f'{"ok" if fine else "not ok"} {number} - {name}', flush=True)
            if not fine:
                print('\n'.join('# ' + line for line in why.splitlines()[-20:]))
    except Missing as reason:
        print(f'1..{number} # SKIP {reason}' if number == 0 else f'ok {number + 1} # SKIP {reason}\n1..{number + 1}')
        return 1 if failed else 0
    print(f'1..{number}')
    return 1 if failed else 0


sys.exit(main())
