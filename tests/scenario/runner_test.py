#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""runner_test RUNNER - the runner of scenarios itself: what it refuses to read, and that a wrong expectation fails."""
import os
import subprocess
import sys
import tempfile

RUNNER = sys.argv[1]
GOOD = 'load\ndecider d\nconnect a\nread d\nanswer d a permit\nclose d\nunload\n'

# The last line is wrong; the sentence says what was expected and what was found.
UNREADABLE = [
    ('dance\n', 'expected a step (load, connect, answer, ...: docs/scenarios.md has all), found "dance"'),
    ('load\n\n# words\n> load OK\nconnect\n', 'expected a new name (a letter, then letters, digits, _ or -, at most 31), '
                                             'found the end of the line'),
    ('connect 9a\n', 'expected a new name (a letter, then letters, digits, _ or -, at most 31), found "9a"'),
    ('connect nobody\n', 'expected a new name (a letter, then letters, digits, _ or -, at most 31), found "nobody"'),
    ('connect a\nconnect a\n', 'expected a new name (this one is taken), found "a"'),
    ('connect a to 192.0.2.256:1\n', 'expected an address and a port (192.0.2.1:443 or [fd00::1]:443), found "192.0.2.256:1"'),
    ('connect a to 192.0.2.1:65536\n', 'found "192.0.2.1:65536"'),
    ('connect a to 192.0.2.1\n', 'found "192.0.2.1"'),
    ('connect a to [fd00::1:443\n', 'found "[fd00::1:443"'),
    ('connect a to [1:2:3:4:5:6:7]:1\n', 'found "[1:2:3:4:5:6:7]:1"'),
    ('connect a to [1:2:3:4:5:6:7:8:9]:1\n', 'found "[1:2:3:4:5:6:7:8:9]:1"'),
    ('connect a to [1::2::3]:1\n', 'found "[1::2::3]:1"'),
    ('connect a from [fd00::1]:1 to 192.0.2.1:1\n', 'expected from and to of one IP version, found the end of the line'),
    ('connect a speed 9\n', 'expected tcp, udp, protocol, from, to, program, pid, user, loopback or socket-of, found "speed"'),
    ('connect a protocol 256\n', 'expected a protocol\'s number from 0 to 255, found "256"'),
    ('connect a pid x\n', 'expected none or a process id from 1 to 4294967295, found "x"'),
    ('connect a user root\n', 'expected a user (S-1-5-21-1000), found "root"'),
    ('connect a socket-of b\n', 'expected the name of a connection from a line before, found "b"'),
    ('connect a\nanswer a a permit\n', 'expected the name of a client from a line before, found "a"'),
    ('decider d\nanswer d a permit\n', 'expected the name of a connection (or nobody) from a line before, found "a"'),
    ('decider d\nanswer d nobody maybe\n', 'expected permit or block, found "maybe"'),
    ('decider d\nanswer d nobody permit forever\n', 'expected destination, program, for, a comma or the end of the line, '
                                                    'found "forever"'),
    ('decider d\nanswer d nobody permit for\n', 'expected milliseconds from 0 to 4294967295, found the end of the line'),
    ('decider d\nanswer d nobody permit,\n', 'found the end of the line'),
    ('decider d\nread d 100001\n', 'expected bytes from 0 to 100000, found "100001"'),
    ('kill d\n', 'expected the name of a client from a line before, found "d"'),
    ('close x\n', 'expected the name of a connection or a client from a line before, found "x"'),
    ('load gatehouse slowly\n', 'expected deadline, undecided, no-decider, capacity, hold-loopback, keep or parameter, found "slowly"'),
    ('load parameter Depth\n', 'expected a number from 0 to 4294967295, found the end of the line'),
    ('policy\n', 'expected deadline, undecided or no-decider, found the end of the line'),
    ('policy capacity 3\n', 'expected deadline, undecided or no-decider, found "capacity"'),
    ('policy no-decider ask\n', 'expected hold, permit or block, found "ask"'),
    ('filter f block v5\n', 'expected v4 or v6, found "v5"'),
    ('remove f\n', 'expected the name of a filter from a line before, found "f"'),
    ('sleep 0\n', 'expected milliseconds from 1 to 10000000, found "0"'),
    ('sleep -1\n', 'found "-1"'),
    ('until late\n', 'expected decided or answers, found "late"'),
    ('needs luck\n', 'expected virtual-clock, found "luck"'),
    ('unload gatehouse now\n', 'expected the end of the line, found "now"'),
    ('open c\n', "expected a device's name (as behind \\\\.\\), found the end of the line"),
    ('port c\n', "expected a port's name (\\Name), found the end of the line"),
    ('send c 1\n', 'expected the name of a client from a line before, found "c"'),
    ('open c D\nsend c x\n', 'expected a control code (decimal or 0x...) from 0 to 4294967295, found "x"'),
    ('open c D\nsend c 1 into\n', 'expected in, out or the end of the line, found "into"'),
    ('open c D\nsend c 1 in u8:256\n', 'expected a number that fits, or $variable, behind the colon, found "u8:256"'),
    ('open c D\nsend c 1 in u32:_\n', 'expected a number that fits, or $variable, behind the colon, found "u32:_"'),
    ('open c D\nsend c 1 in u64:$id\n', 'expected a $variable that a line before sets, found "u64:$id"'),
    ('open c D\nsend c 1 in hex:012\n', 'expected an even number of hexadecimal digits behind hex:, found "hex:012"'),
    ('open c D\nsend c 1 in zero:65537\n', 'expected a number of bytes up to 65536 behind zero:, found "zero:65537"'),
    ('open c D\nsend c 1 in zero:65536 u8:1\n', 'expected no more than 65536 bytes in all, found "u8:1"'),
    ('open c D\nsend c 1 out\n', 'expected a size or fields, found the end of the line'),
    ('open c D\nsend c 1 out 65537\n', 'expected a size in bytes from 0 to 65536, found "65537"'),
    ('open c D\nsend c 1 out u8:$9\n', 'expected a $variable (a letter, then letters, digits, _ or -, at most 31), found "u8:$9"'),
    ('message m\n', 'expected the name of a client from a line before, found "m"'),
    ('connect a\nexpect a maybe\n', 'expected permit or block, found "maybe"'),
    ('irql 2\n', 'expected passive, dispatch or alternate, found "2"'),
    ('suspend\n', 'expected milliseconds from 1 to 10000000, found the end of the line'),
    ('fault\n', 'expected a routine that can fail (ExAllocatePool2, IoCreateDevice, ...), found the end of the line'),
    ('fault IoCreateDevice 0\n', 'expected which call from 1 to 4294967295, found "0"'),
    ('> load OK\n', '"> ..." is an event, and there is no step before it'),
    ('load ' + 'x' * 1100 + '\n', 'is longer than a line may be (1000 characters)'),
    ('load\nun\0load\n', 'has a zero byte in it'),
]

# Read, but cannot be run; the last line is to blame.
IMPOSSIBLE = [
    ('load\nload\n', 'the driver is loaded already'),
    ('unload\n', 'no driver is loaded'),
    ('status\n', 'no driver is loaded'),
    ('load\ndecider d\nunload\n', 'd is open: close it before unload'),
    ('load\ndecider d\nclose d\nread d\n', 'd is not open'),
    ('load\nconnect a\nclose a\nconnect b socket-of a\n', 'the socket of a is closed'),
    ('load\nconnect a\nuntil answers 1\n', 'waited 300 s in vain'),
]


def run(folder, text, *options):
    path = os.path.join(folder, 'one.scenario')
    with open(path, 'w', encoding='utf-8', newline='') as file:
        file.write(text)
    done = subprocess.run([RUNNER, *options, path], capture_output=True, text=True, timeout=60, check=False)
    with open(path, encoding='utf-8', newline='') as file:
        return done.returncode, done.stdout + done.stderr.replace(path, 'FILE'), file.read()


def without(text, line):
    assert line in text, f'{line!r} is not in {text!r}'
    return text.replace(line, '', 1)


def refuses(folder):
    for text, sentence in UNREADABLE:
        code, said, _ = run(folder, text)
        place = f'FILE:{text.count(chr(10))}: '
        assert code == 2 and said.startswith(place) and sentence in said, f'{text!r}: {code}, {said!r}'


def cannot(folder):
    for text, sentence in IMPOSSIBLE:
        *before, last = text.splitlines()
        _, said, recorded = run(folder, ''.join(line + '\n' for line in before), '--record')
        assert 'recorded' in said, said
        text = f'{recorded}{last}\n'
        code, said, _ = run(folder, text)
        assert code == 2 and sentence in said and f'FILE:{text.count(chr(10))}: ' in said, f'{text!r}: {code}, {said!r}'


def records(folder):
    code, said, recorded = run(folder, '# kept\n\n' + GOOD.replace('\n', '\r\n', 1), '--record')
    assert code == 0, said
    assert recorded.startswith('# kept\n\nload\r\n> load OK\n'), recorded
    assert '> submit a OK\n> decided a permit by decider\n> done a permit\nclose d\n' in recorded, recorded
    assert run(folder, recorded)[0] == 0
    assert run(folder, recorded, '--record')[2] == recorded


def differs(folder):
    recorded = run(folder, GOOD, '--record')[2]
    assert run(folder, recorded)[0] == 0
    wrong = {'another verdict': recorded.replace('> done a permit', '> done a block'),
             'an event too few': without(recorded, '> held a\n'),
             'an event too many': recorded.replace('> held a\n', '> held a\n> held a\n'),
             'another order': recorded.replace('> pended a\n> held a\n', '> held a\n> pended a\n'),
             'no event at all': '\n'.join(line for line in recorded.split('\n') if not line.startswith('>')),
             'the last step': recorded.replace('> unloaded', '> unloaded, left: a filter')}
    for what, text in wrong.items():
        code, said, after = run(folder, text)
        assert code == 1 and after == text, f'{what}: {code}, {said}'
    text = wrong['another verdict']
    line = 1 + text[:text.index('answer d')].count('\n')
    said = run(folder, text)[1]
    assert said == (f'FILE:{line}: answer d a permit\n    > submit a OK\n    > decided a permit by decider\n'
                    '  - > done a block\n  + > done a permit\n'
                    '  (-: expected and did not come in this place; +: came)\n'), said


def several(folder):
    path = os.path.join(folder, 'good.scenario')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(run(folder, GOOD, '--record')[2])
    missing = os.path.join(folder, 'missing.scenario')
    for files, code in (([path, path], 0), ([path, missing], 2), ([missing, path], 2), ([], 2), (['--tape', path], 2)):
        done = subprocess.run([RUNNER, *files], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, f'{files}: {done}'


def same_seed(folder):
    for name in ('one', 'two'):
        os.mkdir(os.path.join(folder, name))
        subprocess.run([RUNNER, '--random', '7', '3', os.path.join(folder, name)], timeout=60, check=True)
    texts = []
    for seed in ('7', '8', '9'):
        pair = []
        for name in ('one', 'two'):
            with open(os.path.join(folder, name, seed + '.scenario'), encoding='utf-8') as file:
                pair.append(file.read())
        assert pair[0] == pair[1] and '\n> held ' in pair[0]
        texts.append(pair[0])
    assert len(set(texts)) == 3


CASES = [('a line that cannot be read is named, with what was expected', refuses),
         ('a step that cannot be done is named, with why', cannot),
         ('--record keeps all but the events, and what it wrote holds', records),
         ('a wrong expectation fails, with the step and both sides', differs),
         ('several files: the worst counts', several),
         ('a seed gives the same scenario and events each time', same_seed)]


def main():
    failed = 0
    print(f'1..{len(CASES)}')
    for number, (shows, function) in enumerate(CASES, 1):
        try:
            with tempfile.TemporaryDirectory(prefix='gatehouse-scenario-') as folder:
                function(folder)
            print(f'ok {number} - {shows}')
        except (AssertionError, subprocess.SubprocessError) as why:
            failed += 1
            print(f'not ok {number} - {shows}')
            print('\n'.join('# ' + line for line in str(why).splitlines()))
    return 1 if failed else 0


sys.exit(main())
