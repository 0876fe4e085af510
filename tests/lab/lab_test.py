#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lab_test WFPLAB SOURCE_ROOT [SYS] - wfplab as a person uses it: drivers in all forms, each step, crashes and hangs as
reports, exit codes. SYS: the driver file that Windows loads; what needs it is skipped when it is not built."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
WFPLAB, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
SYS = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else ''
TINY = os.path.join(ROOT, 'tests/lab/drivers/tiny.c')
PORT = os.path.join(ROOT, 'tests/pe/port_driver.c')
GATEHOUSE = ['-I', ROOT, '-I', os.path.join(ROOT, 'include'), os.path.join(ROOT, 'driver'), '--with',
             os.path.join(ROOT, 'core')]
FILES = os.path.join(ROOT, 'tests/scenario/files')
CASES = []


class Skip(Exception):
    pass


def case(sentence):
    def add(function):
        CASES.append((sentence, function))
        return function
    return add


def lab(folder, *arguments, seconds=200, **environment):
    env = dict(os.environ, XDG_CACHE_HOME=os.path.join(folder, '..', 'cache'), NO_COLOR='1', **environment)
    done = subprocess.run([WFPLAB, *arguments], capture_output=True, text=True, timeout=seconds, check=False, env=env,
                          cwd=folder, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def scenario(folder, *lines, name='one'):
    path = os.path.join(folder, name + '.scenario')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(''.join(line + '\n' for line in lines))
    return path


def run(folder, lines, driver=TINY, options=(), want=0, **environment):
    """Runs lines on a driver; gives what was printed."""
    code, out, err = lab(folder, 'run', '--limit', '20', *options, driver, scenario(folder, *lines), **environment)
    assert code == want, f'exit code {code}, expected {want}:\n{out}{err}'
    return out + err


def events(folder, lines, driver=TINY, options=(), want=0):
    """The trace: every step with its events."""
    said = run(folder, lines, driver, ['--trace', *options], want)
    return said[:said.index('one.scenario: ')] if 'one.scenario: ' in said else said


def expect(folder, lines, driver=TINY, options=()):
    """lines have their events in them: nothing else may come."""
    run(folder, lines, driver, options)


@case('a C driver is compiled, kept, and compiled again when it changes')
def compiles(folder):
    source = os.path.join(folder, 'mine.c')
    shutil.copy(TINY, source)
    lines = ['load', '> load OK', 'unload', '> unloaded']
    for _ in range(2):
        expect(folder, lines, source)
    cache = os.path.join(folder, '..', 'cache', 'gatehouse-lab')
    before = set(os.listdir(cache))
    with open(source, 'a', encoding='utf-8') as file:
        file.write('int one_more;\n')
    expect(folder, lines, source)
    assert len(set(os.listdir(cache)) - before) == 1


@case('what does not compile is shown as the compiler says it; exit code 2')
def compile_error(folder):
    source = os.path.join(folder, 'bad.c')
    with open(source, 'w', encoding='utf-8') as file:
        file.write('#include <ntddk.h>\nint x = ;\n')
    said = run(folder, ['load'], source, want=2)
    assert 'bad.c:2:' in said and 'error:' in said and 'it did not compile with' in said, said


@case('a shared object, and one that is none, and one without DriverEntry')
def shared_object(folder):
    objects = os.path.join(folder, 'tiny.so')
    flags = ['-shared', '-fPIC', '-fshort-wchar', '-Wno-multichar', '-I', os.path.join(ROOT, 'nt/include')]
    subprocess.run(['cc', *flags, TINY, '-o', objects], check=True, timeout=200)
    expect(folder, ['load', '> load OK', 'open c Tiny', '> open c OK', 'send c 0x222000 out u32:7 u32:8',
                    '> send c OK 8 bytes', 'close c', 'unload', '> unloaded'], objects)
    empty = os.path.join(folder, 'empty.so')
    with open(os.path.join(folder, 'empty.c'), 'w', encoding='utf-8') as file:
        file.write('int nothing;\n')
    subprocess.run(['cc', '-shared', '-fPIC', os.path.join(folder, 'empty.c'), '-o', empty], check=True, timeout=200)
    assert 'it has no DriverEntry, so it is no driver' in run(folder, ['load'], empty, want=2)
    with open(objects, 'w', encoding='utf-8') as file:
        file.write('nothing')
    assert 'it cannot be opened' in run(folder, ['load'], objects, want=2)


BAD = {
    'exit(0)': (1, 'exit: it would end the program'),
    '_exit(0)': (1, '_exit: it would end the program'),
    'abort()': (1, 'bad.c:4: error: abort: it would end the program'),
    '*(volatile int *)0 = 1': (1, 'bad.c:4: error: memory access: address 0x0 was used'),
    '*(volatile int *)0x123456789abcdef0ull = 1': (1, 'an address was used that no memory can have'),
    'volatile char all[4000000]; all[0] = 1': (1, 'the stack is used up'),
    'KIRQL old; KeRaiseIrql(2, &old)': (1, 'DriverEntry: called at IRQL 0, it returned at 2 [irql-changed]'),
    'int ZwCreateKey(void), ZwOpenKey(void); ZwCreateKey(), ZwOpenKey()':
        (2, ': neither the driver nor wfplab has that'),
}


@case('a driver that ends the program, uses up its stack, or wants what is not there: one clear sentence each')
def bad_drivers(folder):
    source = os.path.join(folder, 'bad.c')
    for body, (want, sentence) in BAD.items():
        with open(source, 'w', encoding='utf-8') as file:
            file.write('#include <ntddk.h>\n#include <stdlib.h>\n#include <unistd.h>\nstatic void bad(void) { ' + body +
                       '; }\nNTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)\n'
                       '{ (void)driver, (void)path; bad(); return 1 == 1 ? STATUS_UNSUCCESSFUL : 0; }\n')
        said = run(folder, ['load'], source, want=want)
        assert sentence in said, f'{body}: {said}'


@case('output that cannot be written is exit code 3, a missing compiler one sentence')
def unwritten(folder):
    with open('/dev/full', 'w', encoding='utf-8') as full:
        done = subprocess.run([WFPLAB, 'rules'], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                              check=False)
    assert done.returncode == 3 and 'stdout cannot be written' in done.stderr, done
    assert 'the C compiler nocc cannot be run' in run(folder, ['load'], want=2, CC='nocc')


@case('the recorded scenarios give the same events on the driver from source')
def recorded_source(folder):
    code, out, err = lab(folder, 'run', *GATEHOUSE, *(os.path.join(FILES, name) for name in sorted(os.listdir(FILES))))
    assert code == 0 and out.count('events as expected; 0 errors') == len(os.listdir(FILES)), out + err


@case('the recorded scenarios give the same events on gatehouse.sys')
def recorded_sys(folder):
    if not os.path.exists(SYS):
        raise Skip('gatehouse.sys is not built: make windows')
    code, out, err = lab(folder, 'run', SYS, *(os.path.join(FILES, name) for name in sorted(os.listdir(FILES))))
    assert code == 0 and out.count('events as expected; 0 errors') == len(os.listdir(FILES)), out + err


@case('open, send, cancel, close, kill: fields, variables, calls that wait')
def raw_steps(folder):
    expect(folder, ['load', '> load OK', 'open c Tiny', '> open c OK', 'open d Tiny', '> open d OK',
                    'send c 0x222000 out u32:$seven u32:_', '> send c OK 8 bytes',
                    'send c 0x222000 out u32:$seven u32:9', '> send c OK 8 bytes, at 4 is 8',
                    'send c 0x222000 out zero:8', '> send c OK 8 bytes, at 0 is something else',
                    'send c 0x222000 out hex:0700000008000000', '> send c OK 8 bytes',
                    'send c 0x222000 out 4', '> send c BUFFER_TOO_SMALL',
                    'send c 0x222004 in u32:0 out u32:$seven', 'send d 0x222008 in u32:$seven',
                    '> send c OK 4 bytes', '> send d OK 0 bytes',
                    'send c 0x222004 in u32:0 out 4', 'cancel c', '> send c CANCELLED',
                    'send c 0x222004 in u32:0 out 4', 'close c', '> send c CANCELLED',
                    'kill d', 'unload', '> unloaded'])


@case('a request that waits in the dispatch routine ends in the step that wakes it')
def waits_in_dispatch(folder):
    expect(folder, ['load', '> load OK', 'open c Tiny', '> open c OK', 'open d Tiny', '> open d OK', 'send c 0x222018',
                    'sleep 1000', 'send d 0x22201c', '> send c OK 0 bytes', '> send d OK 0 bytes', 'close c', 'close d',
                    'unload', '> unloaded'])


@case('a $variable without a value leaves its step out')
def left_out(folder):
    said = events(folder, ['load', 'open c Tiny', 'send c 0x222004 in u32:0 out u32:$x', 'send c 0x222008 in u32:$x',
                           'close c', 'unload'])
    assert '> send c left out: a $variable has no value\n' in said, said


@case('port, message, reply')
def ports(folder):
    expect(folder, ['load', '> load OK', 'port p \\PePort', '> port p OK', 'reply p u8:1',
                    '> reply p left out: no message waits for one', 'send p 0 in hex:3f', '> send p OK 0 bytes',
                    'message p hex:7065726d69743f00', '> message p 8 bytes', 'reply p hex:7965730000', '> reply p OK',
                    'send p 0 in hex:21 out u32:0 hex:79657300 zero:8', '> send p OK 16 bytes', 'message p',
                    'cancel p', '> message p CANCELLED', 'close p', 'unload', '> unloaded'], PORT)


@case('expect: what a program was told')
def expects(folder):
    lines = ['load', 'decider d', 'connect a', 'read d', 'answer d a permit', 'expect a permit', 'close d', 'unload']
    code, out, err = lab(folder, 'run', *GATEHOUSE, scenario(folder, *lines))
    assert code == 0, out + err
    lines[5] = 'expect a block'
    code, out, err = lab(folder, 'run', '--trace', *GATEHOUSE, scenario(folder, *lines))
    assert code == 1 and '> expect a differs: permit' in out and '[decision-not-stored]' in out, out + err
    code, out, err = lab(folder, 'run', '--trace', *GATEHOUSE, scenario(folder, *lines[:4], 'expect a permit'))
    assert code == 1 and '> expect a differs: nothing: it waits' in out, out + err


@case('suspend, resume: time passes and nothing runs; then deadlines, and every flow is authorized again')
def sleeps(folder):
    lines = ['load deadline 1000', '> load OK', 'decider d', '> hello d OK', 'connect a', '> pended a', '> held a',
             'suspend 5000', 'resume', '> decided a block by deadline', '> done a block',
             'connect b to 192.0.2.2:443', '> pended b', '> held b', 'read d', '> offered b to d', 'answer d b permit', '> submit b OK',
             '> decided b permit by decider', '> done b permit', 'establish b', 'resume', '> reauthorized b permit',
             'close d', 'unload', '> unloaded']
    code, out, err = lab(folder, 'run', *GATEHOUSE, scenario(folder, *lines))
    assert code == 0, out + err


@case('fault: a call of the driver fails, once; irql, delay-notify, drop-notify and then are taken')
def faults(folder):
    expect(folder, ['fault IoCreateDevice', 'load', '> load NO_MEMORY', 'load', '> load OK', 'unload', '> unloaded',
                    'fault IoCreateSymbolicLink 2', 'load', '> load OK', 'unload', '> unloaded', 'load',
                    '> load NO_MEMORY'])
    lines = ['irql passive', 'load', 'connect a', 'irql alternate', 'connect b', 'delay-notify', 'then', 'drop-notify',
             'unload']
    code, out, err = lab(folder, 'run', *GATEHOUSE, scenario(folder, *lines))
    assert code == 0, out + err


@case('the driver begins anew with each load, also its variables')
def begins_anew(folder):
    again = ['load', '> load OK', 'open c Tiny', '> open c OK', 'send c 0x222014 in u32:0 out u32:1', '> send c OK 4 bytes',
             'send c 0x222014 in u32:0 out u32:2', '> send c OK 4 bytes', 'close c', 'unload', '> unloaded']
    expect(folder, again + again)


CRASHES = [('0x22200c', 'access-fault', 'crashed', 'tiny.c:107: error'),
           ('0x222010', 'no-progress', 'hung', 'tiny.c:1'),
           ('0x222020 in u32:0 out 4', 'access-fault', 'crashed', 'a division by zero'),
           ('0x222024', 'bug-check', 'crashed', '0x000000E2'),
           ('0x22202c', 'pool-use-after-free', 'crashed', 'freed here'),
           ('0x222034', 'pool-overrun', '5 steps,', 'allocated'),
           ('0x222028 out 8', 'uninitialised-to-user', '5 steps,', 'from byte 4 to byte 7'),
           ('0x222030', 'irp-left-at-cleanup', '5 steps,', 'KeWaitForSingleObject')]


@case('crashes, hangs and damage become reports with rule, place and stack; exit code 1')
def crashes(folder):
    for step, rule, end, text in CRASHES:
        said = run(folder, ['load', 'open c Tiny', 'send c ' + step, 'close c', 'unload'], want=1,
                   options=['--limit', '5'] if rule == 'no-progress' else [])
        for wanted in (f'[{rule}]', end, text):
            assert wanted in said, f'{step}: {wanted!r} is not in:\n{said}'
        assert rule in ('no-progress', 'irp-left-at-cleanup') or re.search(r'#\d+ +\S+ +\S*tiny\.c:\d+', said), said


@case('after a crash the scenarios behind it are not run, which is said; one that hung does no harm')
def after_crash(folder):
    good = scenario(folder, 'load', '> load OK', 'unload', '> unloaded', name='good')
    bad = scenario(folder, 'load', 'open c Tiny', 'send c 0x22200c', name='bad')
    code, out, err = lab(folder, 'run', TINY, bad, good)
    assert code == 1 and 'bad.scenario: 3 steps, crashed' in out and '1 scenarios were not run' in err, out + err
    stuck = scenario(folder, 'load', 'open c Tiny', 'send c 0x222030', 'unload', name='stuck')
    code, out, err = lab(folder, 'run', TINY, stuck, good)
    assert code == 1 and 'good.scenario: 2 steps, events as expected' in out, out + err


@case('an event that differs: both sides, exit code 1; --record writes what came')
def differs(folder):
    said = run(folder, ['load', '> load OK', 'unload', '> gone'], want=1)
    assert '- > gone' in said and '+ > unloaded' in said and 'events differ' in said, said
    run(folder, ['# kept', 'load', 'unload', '> gone'], options=['--record'])
    with open(os.path.join(folder, 'one.scenario'), encoding='utf-8') as file:
        assert file.read() == '# kept\nload\n> load OK\nunload\n> unloaded\n'


@case('without events in the file nothing is compared; without a scenario the built-in one is run')
def nothing_compared(folder):
    assert 'events not compared; 0 errors' in run(folder, ['load', 'unload'])
    code, out, err = lab(folder, 'run', TINY)
    assert code == 0 and '(built in): ' in out, out + err


@case('--json: one object a line; --sarif: a log; the same text each time')
def machine_readable(folder):
    lines = ['load', 'open c Tiny', 'send c 0x222034', 'send c 0x222028 out 8', 'close c', 'unload']
    sarif = os.path.join(folder, 'log.sarif')
    texts = [run(folder, lines, options=['--json', '--sarif', sarif], want=1) for _ in range(2)]
    assert texts[0] == texts[1], texts
    objects = [json.loads(line) for line in texts[0].splitlines()]
    assert [thing['schema'] for thing in objects] == ['gatehouse-lab-report/1'] * 2 + ['gatehouse-lab-run/1'], objects
    assert {thing['rule'] for thing in objects[:2]} == {'pool-overrun', 'uninitialised-to-user'}
    assert objects[2]['errors'] == 2 and objects[2]['events'] == 'not compared' and objects[2]['steps'] == 6
    with open(sarif, encoding='utf-8') as file:
        log = json.load(file)
    assert log['version'] == '2.1.0' and len(log['runs'][0]['results']) == 2


@case('several drivers: loaded together, one by one, by name')
def several_drivers(folder):
    code, out, err = lab(folder, 'run', TINY, PORT, scenario(
        folder, 'load', '> load tiny OK', '> load port_driver OK', 'unload', '> unloaded port_driver', '> unloaded tiny',
        'load port_driver', '> load port_driver OK', 'load tiny', '> load tiny OK', 'unload tiny', '> unloaded tiny',
        'unload', '> unloaded port_driver'))
    assert code == 0, out + err
    code, out, err = lab(folder, 'run', TINY, PORT, scenario(folder, 'load nobody'))
    assert code == 2 and 'there is no driver "nobody" here' in err, out + err
    code, out, err = lab(folder, 'run', TINY, TINY)
    assert code == 2 and 'there are two drivers called tiny' in err, out + err


@case('state: a table, or JSON, at the state step or at the end')
def state(folder):
    path = scenario(folder, 'load', 'decider d', 'connect a', 'sleep 1500', 'state', 'close d', 'unload')
    code, out, err = lab(folder, 'state', *GATEHOUSE, path)
    assert code == 0 and re.search(r'held operations\n.*\n +\d+ +1\.5s .*tcp +192\.0\.2\.1:443', out), out + err
    code, out, err = lab(folder, 'state', '--json', *GATEHOUSE, path)
    thing = json.loads(out)
    assert code == 0 and thing['schema'] == 'gatehouse-lab-state/1' and thing['operations'][0]['ageMs'] == 1500, out + err
    assert any(row['hits'] > 0 for row in thing['filters']) and len(thing['callouts']) >= 4


@case('the command line: one sentence for each mistake, exit code 2')
def command_line(folder):
    path = scenario(folder, 'load')
    for arguments, sentence in (([], 'no command'), (['dance'], 'there is no command "dance"'),
                                (['run'], 'it names no driver'), (['run', path], 'it names no driver'),
                                (['run', 'x.txt'], 'expected a driver'), (['run', TINY, '--loud'], 'no such option'),
                                (['run', 'none.c', path], 'it cannot be read'), (['run', 'none.sys', path], 'cannot be read'),
                                (['run', TINY, '--irql', '3'], 'expected passive, dispatch or alternate'),
                                (['run', TINY, '--limit', 'x'], 'expected seconds'), (['run', TINY, '--sarif'], 'needs a value'),
                                (['run', '--with', TINY, TINY], 'the C driver named before it'),
                                (['run', TINY, 'none.scenario'], 'none.scenario: cannot be read'),
                                (['state', TINY, path, path], 'it takes one scenario')):
        code, out, err = lab(folder, *arguments)
        assert code == 2 and sentence in err and err.count('\n') == 1 and out == '', f'{arguments}: {code}, {out}{err}'
    code, out, err = lab(folder, 'rnu')
    assert code == 2 and 'there is no command "rnu" (did you mean "run"?)' in err and out == '', err
    code, out, err = lab(folder, '--version')
    assert code == 0 and out.startswith('wfplab ') and err == '', out + err
    for arguments in (['--help'], ['--version'], ['run', '--help']):
        with open('/dev/full', 'w', encoding='utf-8') as full:
            done = subprocess.run([WFPLAB, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 3 and 'stdout cannot be written' in done.stderr, done
    for arguments in (['--help'], ['run', '--help'], ['help']):
        code, out, err = lab(folder, *arguments)
        assert code == 0 and out.startswith('wfplab run') and err == '', arguments


@case('a scenario that cannot be read or run is named with its line; exit code 2')
def bad_scenarios(folder):
    assert 'one.scenario:2: expected' in run(folder, ['load', 'dance'], want=2)
    assert 'one.scenario:2: load: the driver is loaded already' in run(folder, ['load', 'load'], want=2)


@case('--asan: AddressSanitizer tells what a C driver does to memory')
def asan(folder):
    found = subprocess.run(['cc', '-print-file-name=libasan.so'], capture_output=True, text=True, timeout=20, check=False)
    if not found.stdout.startswith('/'):
        raise Skip('the compiler has no libasan.so')
    lines = ['load', 'open c Tiny', 'send c 0x222034', 'close c', 'unload']
    said = run(folder, lines, options=['--asan'], want=1)
    assert 'AddressSanitizer' in said and 'tiny.c:9' in said, said
    run(folder, ['load', 'open c Tiny', 'send c 0x222000 out 8', 'close c', 'unload'], options=['--asan'])


def main():
    print(f'1..{len(CASES)}')
    failed = 0
    with tempfile.TemporaryDirectory(prefix='gate-lab-') as top:
        for number, (sentence, function) in enumerate(CASES, 1):
            folder = os.path.join(top, str(number))
            os.mkdir(folder)
            try:
                function(folder)
                print(f'ok {number} - {sentence}', flush=True)
            except Skip as reason:
                print(f'ok {number} - {sentence} # SKIP {reason}', flush=True)
            except (AssertionError, subprocess.SubprocessError, ValueError, KeyError) as error:
                failed += 1
                print(f'not ok {number} - {sentence}')
                print('\n'.join('# ' + line for line in str(error).splitlines()), flush=True)
    sys.exit(1 if failed else 0)


main()
